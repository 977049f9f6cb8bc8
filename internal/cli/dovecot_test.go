package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// A real server, over each kind of connection, with everything shown: both
// sides get what they should, and the password gets nowhere.
func TestDovecot(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"starttls", "imaps"}})
	for _, c := range []struct {
		user, tls string
		port      int
	}{{"starttls", "STARTTLS", srv.Port}, {"imaps", "IMAPS", srv.TLSPort}} {
		t.Run(c.tls, func(t *testing.T) {
			srv.Seed(t, c.user, "INBOX", testkit.Mail{Body: "Subject: from the server\r\n\r\nHello\r\n"})
			w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser %s\nPassCmd \"cat '$DIR/secret'\"\nTLSType %s\nCertificateFile ca.pem\n",
				srv.Host, c.port, c.user, c.tls))
			w.write("ca.pem", string(srv.CA.PEM()))
			w.write("secret", testkit.Password+"\n")
			for _, sub := range []string{"tmp", "new", "cur"} {
				if err := os.MkdirAll(filepath.Join(w.dir, "near", sub), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			w.write("near/cur/1700000000.mine:2,FS", "Subject: from the Maildir\n\nHello\n")
			w.run(96, "-a", "-e", "-DCdDmMnNs")
			w.says(&w.out, "pulled 1 new message(s),\npushed 1 new message(s).\n", "d: far: open 'INBOX'", "n: far > ", "m: rename ")
			if got := len(srv.Contents(t, c.user, "INBOX")); got != 2 {
				t.Errorf("%d messages on the server", got)
			}
			all := w.out.String() + w.err.String()
			for _, secret := range []string{testkit.Password, `test \"pass`, "dGVzdC"} {
				if strings.Contains(all, secret) {
					t.Errorf("the password shows as %s:\n%s", secret, all)
				}
			}
			w.run(0, "-a", "-e")
			w.run(0, "-ls", "far")
			w.says(&w.out, "===== far:\nINBOX\n")

			// A wrong password.
			w.write("secret", "wrong\n")
			w.run(1, "-a")
			w.says(&w.err, "AUTHENTICATIONFAILED", "hint: check User (rc:4) and PassCmd (rc:5)")
			// Whom not to trust.
			w.write("ca.pem", string(testkit.NewCA(t).PEM()))
			w.run(1, "-a")
			w.says(&w.err, "unknown authority", "hint: the certificate is not signed by a trusted CA")
		})
	}
}

// A server that is run for us alone, and what becomes of it when it fails.
func TestTunnel(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{})
	srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: from the server\r\n\r\nHello\r\n"})
	w := newWorld(t, "IMAPStore far\nTunnel \"sh '$DIR/tunnel'\"")
	w.write("tunnel", srv.Tunnel(t, "user"))
	w.run(64, "-a", "-e")
	w.says(&w.out, "pulled 1 new message(s).\n")

	w.write("tunnel", "echo cannot reach it >&2; exit 5")
	w.run(1, "-a")
	w.says(&w.err, "cannot reach it\n", "error: channel 'c': store 'far': ", "has failed: exit status 5", "hint: run the command of Tunnel (rc:2) in a shell")
	w.write("tunnel", "printf '* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\\r\\n'; read line")
	w.run(1, "-a")
	w.says(&w.err, "error: channel 'c': store 'far': login failed: no authentication mechanism can be used", "would send the password unencrypted")
}

// A server at an IPv6 address, however that is written, and at a name that may
// have several.
func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this test needs IPv6: %v", err)
	}
	l.Close()
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "listen = 127.0.0.1, ::1\n"})
	for _, host := range []string{"::1", "[::1]", "0:0:0:0:0:0:0:1", "localhost"} {
		w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nTLSType IMAPS\nCertificateFile ca.pem\nSystemCertificates no\nUser user\nPassCmd \"cat '$DIR/secret'\"",
			host, srv.TLSPort))
		w.write("secret", testkit.Password)
		w.write("ca.pem", string(srv.CA.PEM()))
		w.run(0, "-a")
		w.write("ca.pem", string(testkit.NewCA(t).PEM()))
		w.run(1, "-a")
		w.says(&w.err, fmt.Sprintf("mbsync --get-cert %s > FILE", net.JoinHostPort(strings.Trim(host, "[]"), fmt.Sprint(srv.TLSPort))))
	}
}

// Compress says whether to.
func TestCompress(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Compress: true})
	srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\n" + strings.Repeat("Hello\r\n", 10000)})
	for lines, want := range map[string]bool{
		"Compress yes": true,
		"Compress no":  false,
		"Compress yes\nDisableExtension COMPRESS=DEFLATE": false,
	} {
		w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nTLSType STARTTLS\nCertificateFile ca.pem\nUser user\nPassCmd \"cat '$DIR/secret'\"\n%s",
			srv.Host, srv.Port, lines))
		w.write("secret", testkit.Password)
		w.write("ca.pem", string(srv.CA.PEM()))
		w.run(0, "-a", "-DN")
		w.says(&w.out, "pulled 1 new message(s)")
		if got := strings.Contains(w.out.String()+w.err.String(), "COMPRESS DEFLATE"); got != want {
			t.Errorf("%s: compressed: %v", lines, got)
		}
	}
}
