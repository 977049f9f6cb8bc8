package cli

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// world is a directory with a configuration, and what a run in it has said.
type world struct {
	tb       testing.TB
	dir      string
	env      Env
	out, err bytes.Buffer
}

// newWorld writes the configuration, in which there are a MaildirStore near, and
// a channel c to a store far that rc describes; $DIR in it is the directory.
func newWorld(tb testing.TB, rc string) *world {
	tb.Helper()
	w := &world{tb: tb, dir: tb.TempDir()}
	rc = withoutRetries(rc) + "\n\nMaildirStore near\nInbox near\n\nChannel c\nFar :far:\nNear :near:\nCreate Near\nSyncState state/\n"
	w.write("rc", strings.ReplaceAll(rc, "$DIR", w.dir))
	w.env = testEnv(w.dir)
	w.env.Stdout, w.env.Stderr = &w.out, &w.err
	return w
}

// withoutRetries makes accounts fail at once, unless they say how often they are tried
// again. A single try shows best what a failure looks like; retries_test.go is about
// the others.
func withoutRetries(rc string) string {
	sections := strings.Split(rc, "\n\n")
	for i, s := range sections {
		if strings.Contains(s, "\nHost ") || strings.Contains(s, "\nTunnel ") {
			if !strings.Contains(s, "Retries ") {
				sections[i] = strings.TrimSuffix(s, "\n") + "\nRetries 0"
			}
		}
	}
	return strings.Join(sections, "\n\n")
}

func (w *world) write(name, text string) {
	w.tb.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.tb.Fatal(err)
	}
}

// run runs the program, which must end with the code.
func (w *world) run(code int, args ...string) {
	w.tb.Helper()
	w.out.Reset()
	w.err.Reset()
	if got := Main(w.env, append([]string{"mbsync", "-c", "rc"}, args...)); got != code {
		w.tb.Fatalf("exit code %d, want %d\n%s%s", got, code, &w.out, &w.err)
	}
}

// says checks a stream for texts.
func (w *world) says(stream *bytes.Buffer, texts ...string) {
	w.tb.Helper()
	for _, text := range texts {
		if !strings.Contains(stream.String(), text) {
			w.tb.Errorf("%q is not in:\n%s", text, stream)
		}
	}
}

// hints returns the lines of advice.
func (w *world) hints() []string {
	var out []string
	for line := range strings.Lines(w.err.String()) {
		if h, ok := strings.CutPrefix(line, "hint: "); ok {
			out = append(out, strings.TrimSuffix(h, "\n"))
		}
	}
	return out
}

// far describes an IMAP store.
func far(port int, lines ...string) string {
	return fmt.Sprintf("IMAPStore far\nHost 127.0.0.1\nPort %d\nUser me\nPass s3cr3t-\"w\\\\ord\"\n", port) + strings.Join(lines, "\n")
}

// deadPort returns a port that nobody listens on.
func deadPort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Each problem with a server is one error with one hint, and nothing of the
// password is in any output.
func TestNetworkErrors(t *testing.T) {
	ca := testkit.NewCA(t)
	const (
		plain = "TLSType None\nAuthMechs LOGIN"
		hello = "S: * OK [CAPABILITY IMAP4rev1] hello\n"
		bye   = "C: $b LOGOUT\nS: * BYE\nS: $b OK\n"
	)
	tlsServer := func(cert *testkit.Certificate) func(t *testing.T) int {
		return func(t *testing.T) int {
			t.Helper()
			_, port, err := net.SplitHostPort(testkit.TLSServer(t, cert))
			if err != nil {
				t.Fatal(err)
			}
			var n int
			fmt.Sscan(port, &n)
			return n
		}
	}
	script := func(cert *testkit.Certificate, text string) func(t *testing.T) int {
		return func(t *testing.T) int { return testkit.NewScriptServer(t, cert, text).Port }
	}
	for _, c := range []struct {
		name       string
		port       func(t *testing.T) int
		lines      string
		want, hint string
	}{
		{
			"nobody listens", func(t *testing.T) int { return deadPort(t) }, plain,
			"mbsync: error: channel 'c': store 'far': cannot connect to 127.0.0.1:", "check Host (rc:2) and Port (rc:3), and that the server is running",
		},
		{
			"wrong password", script(nil, hello+"C~ (?P<a>\\S+) LOGIN \"me\" .*\nS: $a NO [AUTHENTICATIONFAILED] who are you?\n"+bye), plain,
			`error: channel 'c': store 'far': login failed: server refused LOGIN: NO [AUTHENTICATIONFAILED] who are you?`,
			"check User (rc:4) and Pass (rc:5); many providers require an app password",
		},
		{
			"server echoes the password", script(nil, hello+"C~ (?P<a>\\S+) LOGIN \"me\" .*\nS: $a NO \"s3cr3t-w\\ord\" s3cr3t-w\\ord is wrong\n"+bye), plain,
			"login failed", "check User",
		},
		{
			"not now", script(nil, hello+"C~ (?P<a>\\S+) LOGIN \"me\" .*\nS: $a NO [UNAVAILABLE] database is asleep\n"+bye), plain,
			"login failed", "the server is temporarily unavailable; try again later",
		},
		{
			"login disabled", script(nil, "S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=GSSAPI] hello\n"+bye), "TLSType None",
			"rc:1: error: channel 'c': store 'far': login failed: no authentication mechanism can be used: the server offers GSSAPI", "use TLSType STARTTLS or IMAPS: the server may offer more mechanisms",
		},
		{
			"no STARTTLS", script(nil, hello), "",
			"STARTTLS is required but the server does not offer it", "if the server has a port for TLS (usually 993), use TLSType IMAPS",
		},
		{
			"goodbye", script(nil, "S: * BYE too many connections\n"), plain,
			"server said goodbye: too many connections", "try again later: the server may be overloaded, or allow fewer connections (see Connections)",
		},
		{
			"silence", script(nil, "stall\n"), plain + "\nTimeout 1",
			"while waiting for the greeting: server has sent nothing for 1s", "the server does not answer; if it is only slow, raise Timeout (rc:8)",
		},
		{
			"not TLS", script(nil, hello+"stall\n"), "TLSType IMAPS",
			"error: channel 'c': store 'far': ", "the server does not speak TLS on port",
		},
		{
			"unknown authority, and a file is missing", tlsServer(ca.Issue(t, testkit.CertConfig{})), "TLSType IMAPS\nCertificateFile nowhere",
			"/nowhere' cannot be read and is ignored: no such file or directory", "/nowhere' (rc:7) could not be read: no such file or directory",
		},
		{
			"unknown authority", tlsServer(ca.Issue(t, testkit.CertConfig{})), "TLSType IMAPS",
			"certificate of 127.0.0.1 refused: x509: certificate signed by unknown authority", "the certificate is not signed by a trusted CA",
		},
		{
			"wrong name", tlsServer(ca.WrongName(t)), "TLSType IMAPS\nCertificateFile ca.pem",
			"certificate of 127.0.0.1 refused: x509: ", "the certificate is for other.example.org: use one of these names in Host (rc:2); if this is your own server",
		},
		{
			"expired", tlsServer(ca.Expired(t)), "TLSType IMAPS\nCertificateFile ca.pem",
			"certificate of 127.0.0.1 refused: x509: certificate has expired", "if it is right, the administrator of the server must renew the certificate",
		},
		{
			"command without output", script(nil, hello+bye), plain + "\nPassCmd true",
			`cannot get the password of IMAPStore "far": command "true": it printed nothing`, "PassCmd (rc:8) must print the password in the first line of its output",
		},
		{
			"command fails", script(nil, hello+bye), plain + "\nPassCmd \"echo s3cr3t-word; exit 3\"",
			`exit status 3`, "run the command of PassCmd (rc:8) in a shell",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rc := far(c.port(t), c.lines)
			if strings.Contains(c.lines, "PassCmd") {
				rc = strings.ReplaceAll(rc, "Pass s3cr3t-\"w\\\\ord\"", "#")
			}
			w := newWorld(t, rc)
			w.write("ca.pem", string(ca.PEM()))
			w.run(1, "-DN", "-a")
			w.says(&w.err, c.want)
			if n := strings.Count(w.err.String(), "error: "); n != 1 {
				t.Errorf("%d errors", n)
			}
			switch h := w.hints(); {
			case len(h) > 1:
				t.Errorf("hints %q", h)
			case len(h) == 0 && c.hint != "" || len(h) == 1 && !strings.Contains(h[0], c.hint):
				t.Errorf("hint %q, want %q", h, c.hint)
			}
			if all := w.out.String() + w.err.String(); strings.Contains(strings.ReplaceAll(all, "echo s3cr3t-word", ""), "s3cr3t") {
				t.Errorf("the password shows:\n%s", all)
			}
			if t.Failed() {
				t.Logf("%s%s", &w.out, &w.err)
			}
		})
	}
}
