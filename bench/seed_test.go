package bench

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// words are what messages are made of; half of each is base64, as attachments
// are.
var words = strings.Fields(`the of and mail server time year people way day man thing woman life child
world school state family student group country problem hand part place case week company system
program question work government number night point home water room mother area money story fact
month lot right study book eye job word business issue side kind head house service friend father`)

// message makes message number i: always the same one, of about the given
// size, with CRLF.
func message(i, size int) []byte {
	rnd := rand.New(rand.NewPCG(uint64(i), 5))
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Sender %d <sender%d@example.org>\r\nTo: user@example.com\r\nSubject: message %d\r\n", i%97, i%97, i)
	fmt.Fprintf(&b, "Date: Mon, 01 Jan 2024 10:%02d:%02d +0000\r\nMessage-ID: <%d.%d@example.org>\r\n\r\n", i/60%60, i%60, i, rnd.Uint32())
	for b.Len() < size/2 {
		width := 0
		for width < 66 {
			w := words[rnd.IntN(len(words))]
			b.WriteString(w)
			b.WriteByte(' ')
			width += len(w) + 1
		}
		b.WriteString("\r\n")
	}
	var raw [57]byte
	for b.Len() < size {
		for k := range raw {
			raw[k] = byte(rnd.Uint32())
		}
		b.WriteString(base64.StdEncoding.EncodeToString(raw[:]))
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// mixed is the size of message i where sizes are from 1 to 117 KB: 24 KB on
// average.
func mixed(i int) int {
	rnd := rand.New(rand.NewPCG(uint64(i), 7))
	return int(1000 * math.Exp(rnd.Float64()*math.Log(117)))
}

// small messages are about 600 bytes long.
func small(int) int { return 600 }

// kilobyte messages are about 1000 bytes long.
func kilobyte(int) int { return 1000 }

// server is a server with users whose mail is like that of another.
type server struct {
	testkit.Server
	// files is the same server, if the mail of its users can be copied as files.
	files *testkit.Dovecot
	users int
}

// Addr is where the server listens.
func (s *server) Addr() string { return s.At().Addr() }

func startServer(tb testing.TB, cfg testkit.DovecotConfig) *server {
	tb.Helper()
	cfg.Users = []string{}
	// It flushes as it does for everybody: what that costs is part of S4.
	cfg.Extra = "auth_verbose = no\nmail_fsync = optimized\n"
	d := testkit.StartDovecot(tb, cfg)
	return &server{Server: d, files: d}
}

// newUser adds a user without mail.
func (s *server) newUser(tb testing.TB) string {
	tb.Helper()
	s.users++
	name := fmt.Sprintf("u%d", s.users)
	s.AddUser(tb, name)
	return name
}

// likeUser adds a user who has the mail of a model, of this or another server.
func (s *server) likeUser(tb testing.TB, m model) string {
	tb.Helper()
	name := s.newUser(tb)
	switch {
	case s.files != nil && m.server.files != nil:
		copyTree(tb, m.server.files.Home(m.user), s.files.Home(name))
	case m.fill != nil:
		m.fill(tb, s, name)
	}
	return name
}

// copyTree copies a directory with everything in it, owners and times included.
func copyTree(tb testing.TB, from, to string) {
	tb.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		tb.Fatalf("cp -a %s %s: %v: %s", from, to, err, out)
	}
}

// seedBox puts n messages into a mailbox.
func (s *server) seedBox(tb testing.TB, user, box string, n int, size func(int) int) {
	tb.Helper()
	p := newPump(tb, s.Addr(), user)
	defer p.close()
	p.appendAll(tb, box, 0, n, size)
}

// seedBoxes makes mailboxes with messages.
func (s *server) seedBoxes(tb testing.TB, user string, boxes, each int) {
	tb.Helper()
	p := newPump(tb, s.Addr(), user)
	defer p.close()
	add := func(i int) {
		box := fmt.Sprintf("list/box%d", i)
		p.do(tb, "CREATE "+box)
		p.appendAll(tb, box, 0, each, small)
	}
	if s.files == nil {
		for i := range boxes {
			add(i)
		}
		return
	}
	// Only the first one is made in the regular way, and the others are copies of it: a server takes
	// the longer to create a mailbox the more there are.
	add(0)
	p.do(tb, "LOGOUT")
	list := filepath.Join(s.files.Home(user), "mail", "mailboxes", "list")
	first := filepath.Join(list, "box0")
	for i := range boxes - 1 {
		if err := os.CopyFS(filepath.Join(list, fmt.Sprintf("box%d", i+1)), os.DirFS(first)); err != nil {
			tb.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "--reference="+first, list).CombinedOutput(); err != nil {
		tb.Fatalf("chown: %v: %s", err, out)
	}
}

// seedMaildir makes a Maildir with messages that a program has not seen yet.
func seedMaildir(tb testing.TB, dir string, n int, size func(int) int) {
	tb.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range n {
		m := bytes.ReplaceAll(message(i, size(i)), []byte("\r\n"), []byte("\n"))
		name := fmt.Sprintf("%d.%d_%d.host:2,S", 1700000000+i, i, i)
		if err := os.WriteFile(filepath.Join(dir, "cur", name), m, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// files counts the messages in a Maildir, and those with a flag.
func files(tb testing.TB, dir string, flag byte) (all, flagged int) {
	tb.Helper()
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			tb.Fatal(err)
		}
		for _, e := range entries {
			all++
			if _, info, ok := strings.Cut(e.Name(), ":2,"); ok && strings.IndexByte(info, flag) >= 0 {
				flagged++
			}
		}
	}
	return all, flagged
}
