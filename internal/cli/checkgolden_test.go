package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"isync/internal/config"
	"isync/internal/testkit"
)

// checkedFile is a file of testdata/check: a configuration as people publish it, the
// mailboxes of the servers (far1 is the account that comes first) and of the home
// directory, the channels whose run fails ("+b" if only together with others), and
// what --check says without a server.
//
// A near mailbox may be followed by "state": it was synchronized before. A directory
// ends in a slash. "unread" is a mailbox with five unread messages.
type checkedFile struct {
	path string
	arc  *txtar.Archive
	text map[string]string
}

func readChecked(t *testing.T, path string) *checkedFile {
	t.Helper()
	arc, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &checkedFile{path: path, arc: arc, text: map[string]string{}}
	for _, s := range arc.Files {
		f.text[s.Name] = string(s.Data)
	}
	return f
}

func (f *checkedFile) lines(name string) []string {
	return strings.Split(strings.TrimSuffix(f.text[name], "\n"), "\n")
}

// save replaces a section.
func (f *checkedFile) save(t *testing.T, name, text string) {
	t.Helper()
	f.arc.Files = slices.DeleteFunc(f.arc.Files, func(s txtar.File) bool { return s.Name == name })
	f.arc.Files = append(f.arc.Files, txtar.File{Name: name, Data: []byte(text)})
	if err := os.WriteFile(f.path, txtar.Format(f.arc), 0o666); err != nil {
		t.Fatal(err)
	}
}

// checkedHome is a home directory with the near mailboxes.
type checkedHome struct {
	*testing.T
	dir      string
	out, err bytes.Buffer
}

func (f *checkedFile) home(t *testing.T, rc string) *checkedHome {
	t.Helper()
	h := &checkedHome{T: t, dir: t.TempDir()}
	for _, line := range f.lines("near") {
		name, state := strings.CutSuffix(line, " state")
		dir, bare := strings.CutSuffix(name, "/")
		dir = filepath.Join(h.dir, "home", dir)
		switch {
		case line == "":
			continue
		case state && strings.Contains(dir, "/.mbsync/"):
			h.write(dir, "FarUidValidity 1\nNearUidValidity 1\nMaxPulledUid 1\nMaxPushedUid 1\n\n")
			continue
		case bare:
			h.mkdir(dir)
			continue
		}
		for _, sub := range []string{"cur", "new", "tmp"} {
			h.mkdir(filepath.Join(dir, sub))
		}
		if state {
			h.write(filepath.Join(dir, ".mbsyncstate"), "FarUidValidity 1\nNearUidValidity 1\nMaxPulledUid 1\nMaxPushedUid 1\n\n")
		}
	}
	h.write(filepath.Join(h.dir, "home", ".mbsyncrc"), rc)
	return h
}

func (h *checkedHome) mkdir(dir string) {
	h.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		h.Fatal(err)
	}
}

func (h *checkedHome) write(path, text string) {
	h.Helper()
	h.mkdir(filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

// run runs the program and returns its exit code.
func (h *checkedHome) run(args ...string) int {
	env := testEnv(h.dir)
	h.out.Reset()
	h.err.Reset()
	env.Stdout, env.Stderr = &h.out, &h.err
	return Main(env, append([]string{"mbsync"}, args...))
}

// checkedFiles are the files of testdata/check.
func checkedFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	return files
}

// TestCheckGolden: what --check says about configurations as people publish them,
// without asking a server, on one screen. UPDATE_SCRIPTS=1 writes it anew; review
// the result.
func TestCheckGolden(t *testing.T) {
	for _, path := range checkedFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			f := readChecked(t, path)
			h := f.home(t, f.text["rc"])
			code := h.run("--check")
			got := h.out.String()
			if lines := strings.Split(got, "\n"); len(lines) > 25 {
				t.Errorf("%d lines", len(lines)-1)
			}
			if os.Getenv("UPDATE_SCRIPTS") == "1" {
				f.save(t, "check", got)
			} else if got != f.text["check"] {
				t.Errorf("got\n%swant\n%s%s", got, f.text["check"], &h.err)
			}
			if fails := strings.Contains(got, "\n  FAIL  "); fails != (code != 0) {
				t.Errorf("exit code %d with\n%s", code, got)
			}
			// What fails without asking a server also fails with asking it.
			if code != 0 && f.text["fails"] == "" {
				t.Errorf("it fails, though no channel does:\n%s", got)
			}
		})
	}
}

// TestCheckAgrees: --check --online fails exactly where a run does, channel by
// channel and for all of them.
func TestCheckAgrees(t *testing.T) {
	files := checkedFiles(t)
	var users []string
	for i := range files {
		users = append(users, fmt.Sprintf("u%d.1", i), fmt.Sprintf("u%d.2", i))
	}
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Users: users, Extra: `
		namespace inbox {
			mailbox "[Gmail]/Gesendet" {
				special_use = \Sent
			}
			mailbox "[Gmail]/Alle Nachrichten" {
				special_use = \All
			}
		}`})
	ca := string(srv.CA.PEM())
	for i, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			f := readChecked(t, path)
			users := users[2*i : 2*i+2]
			for n, user := range users {
				if text, ok := f.text[fmt.Sprintf("far%d", n+1)]; ok {
					seedChecked(t, srv, user, strings.Split(strings.TrimSpace(text), "\n"))
				}
			}
			h := f.home(t, "")
			h.write(filepath.Join(h.dir, "ca.pem"), ca)
			h.write(filepath.Join(h.dir, "secret"), testkit.Password+"\n")
			h.write(filepath.Join(h.dir, "home", ".mbsyncrc"), onServer(t, f.text["rc"], srv, users, h.dir))
			cfg, _, err := config.Load(config.Options{Env: testEnv(h.dir).Config})
			if err != nil {
				t.Fatal(err)
			}
			fails := f.lines("fails")
			for _, ch := range cfg.Channels {
				h.agree(slices.Contains(fails, ch.Name), ch)
			}
			if len(cfg.Channels) > 1 {
				h.agreeOnAll()
			}
		})
	}
}

// agree lets --check --online judge a channel, and a run of it follow.
func (h *checkedHome) agree(fails bool, ch *config.Channel) {
	h.Helper()
	code := h.run("--check", "--online", ch.Name)
	said := h.out.String()
	if (code != 0) != fails || strings.Contains(said, "\n  FAIL  ") != fails {
		h.Errorf("--check of %s ends with %d, want failing: %v\n%s%s", ch.Name, code, fails, said, &h.err)
	}
	if code := h.run(ch.Name); (code != 0) != fails {
		h.Errorf("the run of %s ends with %d, want failing: %v\n%s%safter\n%s", ch.Name, code, fails, &h.out, &h.err, said)
	}
}

// agreeOnAll does that for all channels together.
func (h *checkedHome) agreeOnAll() {
	h.Helper()
	checked := h.run("--check", "--online")
	said := h.out.String()
	if ran := h.run("-a"); ran != checked {
		h.Errorf("--check ends with %d, the run of all channels with %d\n%s%safter\n%s", checked, ran, &h.out, &h.err, said)
	}
}

// seedChecked makes mailboxes on the server, and a message in each inbox.
func seedChecked(t *testing.T, srv *testkit.Dovecot, user string, boxes []string) {
	t.Helper()
	srv.Seed(t, user, "INBOX", testkit.Mail{Body: "Subject: hello\r\n\r\nHello\r\n", Flags: []string{`\Seen`}})
	create := []string{"mailbox", "create", "-u", user}
	for _, b := range boxes {
		if name, ok := strings.CutSuffix(b, " unread"); ok {
			mail := testkit.Mail{Body: "Subject: new\r\n\r\nHello\r\n"}
			srv.Seed(t, user, name, mail, mail, mail, mail, mail)
		} else if b != "" {
			create = append(create, b)
		}
	}
	if len(create) > 4 {
		srv.Doveadm(t, "", create...)
	}
}

var accountSection = regexp.MustCompile(`(?i)^(IMAPAccount|IMAPStore|MaildirStore|Channel|Group)\b`)

// onServer makes the accounts of a configuration lead to the server: host, port,
// user, password and certificate are replaced, everything else stays.
func onServer(t *testing.T, rc string, srv *testkit.Dovecot, users []string, dir string) string {
	t.Helper()
	var out []string
	accounts := 0
	sections := splitSections(rc)
	for _, lines := range sections {
		text := strings.ToLower(strings.Join(lines, "\n"))
		isAccount := regexp.MustCompile(`(?m)^(host|tunnel|provider)\s`).MatchString(text)
		if !isAccount {
			out = append(out, lines...)
			continue
		}
		user := users[accounts]
		accounts++
		port := srv.TLSPort
		if regexp.MustCompile(`(?m)^((ssltype|tlstype)\s+(starttls|none)|provider\s+proton-bridge)`).MatchString(text) {
			port = srv.Port
		}
		for _, l := range lines {
			keyword, _, _ := strings.Cut(strings.ToLower(l), " ")
			switch strings.TrimSpace(keyword) {
			case "port", "pass", "certificatefile":
			case "host", "provider":
				if keyword == "provider" { // Host and Port go over it
					out = append(out, l)
				}
				out = append(out, fmt.Sprintf("Host %s\nPort %d\nCertificateFile %s", srv.Host, port, quoteWord(filepath.Join(dir, "ca.pem"))))
			case "user":
				out = append(out, "User "+user)
			case "passcmd":
				out = append(out, "PassCmd "+quoteWord("cat '"+filepath.Join(dir, "secret")+"'"))
			case "tunnel":
				out = append(out, "Tunnel "+quoteWord(srv.Tunnel(t, user)))
			default:
				out = append(out, l)
			}
			if strings.TrimSpace(keyword) == "pass" {
				out = append(out, "Pass "+quoteWord(testkit.Password))
			}
		}
	}
	return strings.Join(out, "\n")
}

func splitSections(rc string) (out [][]string) {
	out = [][]string{nil}
	for _, l := range strings.Split(rc, "\n") {
		if accountSection.MatchString(l) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], l)
	}
	return out
}
