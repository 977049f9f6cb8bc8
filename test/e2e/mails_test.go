//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// letter is a message: what is the same on both sides.
type letter struct {
	text  string // with LF, without X-TUID
	flags string // letters of a Maildir, sorted
}

// key names the letter in comparisons: people read the subject, the sum tells
// texts apart.
func (l letter) key() string {
	subject := "(no subject)"
	for line := range strings.Lines(l.text) {
		if line == "\n" {
			break
		}
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			subject = strings.TrimSpace(s)
		}
	}
	return fmt.Sprintf("%s, %d bytes, %x", subject, len(l.text), sha256.Sum256([]byte(l.text)))[:min(80, len(subject)+30)]
}

// crlf is how the letter's text is on a server.
func (l letter) crlf() string { return strings.ReplaceAll(l.text, "\n", "\r\n") }

// filler is prose of lines.
var filler = strings.Repeat("Penguins propose with a pebble, and both of them guard the egg in turns.\n", 3000)

// note writes letter number n with a body of about so many bytes.
func note(n, size int) letter {
	// Different letters have different beginnings in the prose.
	offset := n * 73 % 7300
	body := filler
	if offset+size > len(body) {
		body = strings.Repeat(filler, size/len(filler)+2)
	}
	return letter{text: fmt.Sprintf(
		"From: Emperor Penguin <emperor@example.org>\nTo: king@example.org\nDate: Mon, 3 Jun 2024 10:%02d:%02d +0000\n"+
			"Subject: letter %d\nMessage-ID: <%d.%d@e2e.example.org>\n\n%s%d\n",
		n/60%60, n%60, n, n, size, body[offset:offset+size], n)}
}

// oddities are messages such as real life has.
func oddities() []letter {
	return append(commonOddities(),
		// The other program does not copy the one, and drops CRs of the other.
		letter{text: "Subject: header without an end\n"},
		// To that program, Courier sends an alert.
		letter{text: "Subject: not encoded: caf\xc3\xa9\n\nhello\n"},
		letter{text: "Subject: lone CR\n\na\rb\r\rc\n"})
}

// commonOddities are the oddities that the other program copies as well.
func commonOddities() []letter {
	texts := []string{
		"Subject: no body\n\n",
		"Subject: two, one after the other\nX-TUID: AAAAAAAAAAAA\n\nX-TUID: in the body\n\nX-TUID: BBBBBBBBBBBB\n",
		"Subject: =?utf-8?q?caf=C3=A9?=\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n8-bit: caf\xc3\xa9 ☕, and not even UTF-8: \xff\xfe\n",
		"Subject: long line\n\n" + strings.Repeat("x", 70_000) + "\n",
		"Subject: no end of line\n\nthe end",
		"Subject: folded\n\tsubject\nX-Long: " + strings.Repeat("word ", 400) + "\n\nhello\n",
		"\nno header at all\n",
		"Subject: dots\n\n.\n..\n.\n",
		"Subject: parentheses ( \" ) \\ {3}\n\n* 1 FETCH (UID 1 FLAGS ())\n{10}\n",
		"Subject: large\n\n" + strings.Repeat(filler, 3),
	}
	out := make([]letter, len(texts))
	for i, t := range texts {
		out[i].text = t
	}
	return out
}

// tuidLine is what copying adds.
var tuidLine = regexp.MustCompile(`^X-TUID: .*\n`)

// normal returns a text, with LF, as it is before it was copied: without its
// X-TUID, and with the end of line that copying gives to a header that just
// stops.
func normal(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		line, after, found := strings.Cut(rest, "\n")
		if found && line == "" {
			b.WriteString(rest)
			return b.String()
		}
		rest = after
		if line += "\n"; !tuidLine.MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Flags of a Maildir and their names on a server.
var flagNames = []struct{ letter, name string }{
	{"D", `\Draft`}, {"F", `\Flagged`}, {"P", "$Forwarded"}, {"R", `\Answered`}, {"S", `\Seen`}, {"T", `\Deleted`},
}

// imapFlags returns the names of Maildir flags.
func imapFlags(letters string) []string {
	var out []string
	for _, f := range flagNames {
		if strings.Contains(letters, f.letter) {
			out = append(out, f.name)
		}
	}
	return out
}

func maildirFlags(names []string) string {
	out := ""
	for _, f := range flagNames {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, f.name) }) {
			out += f.letter
		}
	}
	return out
}

// found is a letter in a mailbox.
type found struct {
	letter
	uid  uint32
	file string // near only: its path
}

// near returns what is in a Maildir, by UID.
func (w *homeWorld) near(box string) []found { return readMaildir(w.tb, w.boxDir(box)) }

func sortFound(list []found) {
	slices.SortFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.file, b.file))
	})
}

// boxDir returns the directory of a mailbox of the near store.
func (w *homeWorld) boxDir(box string) string {
	if box == "INBOX" {
		return w.path("inbox")
	}
	sub, inInbox := strings.CutPrefix(box, "INBOX/")
	switch w.s.subFolders {
	case "Maildir++":
		if inInbox {
			return w.path("inbox", ".."+strings.ReplaceAll(sub, "/", "."))
		}
		return w.path("inbox", "."+strings.ReplaceAll(box, "/", "."))
	case "Legacy":
		if inInbox {
			return w.path("inbox", "."+strings.ReplaceAll(sub, "/", "/."))
		}
		return w.path("near", strings.ReplaceAll(box, "/", "/."))
	}
	if inInbox {
		return w.path("inbox", filepath.FromSlash(sub))
	}
	return w.path("near", filepath.FromSlash(box))
}

// fileUID and fileFlags are parts of the name of a message.
var fileUID, fileFlags = regexp.MustCompile(`,U=(\d+)`), regexp.MustCompile(`:2,(\w*)$`)

// uidOf returns the UID in the name of a message, 0 if there is none.
func uidOf(tb testing.TB, name string) uint32 {
	tb.Helper()
	m := fileUID.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	return uint32(n)
}

// readMaildir returns the messages in a Maildir. A program may rename its files meanwhile.
func readMaildir(tb testing.TB, dir string) []found {
	tb.Helper()
	for range 100 {
		out, err := readMaildirOnce(tb, dir)
		if err == nil {
			sortFound(out)
			return out
		}
		if !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
	}
	tb.Fatalf("the files in %s were renamed each time they were read", dir)
	return nil
}

// readMaildirOnce returns an error that is fs.ErrNotExist if a file was renamed after its
// directory was read.
func readMaildirOnce(tb testing.TB, dir string) ([]found, error) {
	tb.Helper()
	var out []found
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			tb.Fatal(err)
		}
		for _, e := range entries {
			f := found{file: filepath.Join(dir, sub, e.Name())}
			text, err := os.ReadFile(f.file)
			if err != nil {
				return nil, err
			}
			f.text = normal(string(text))
			f.uid = uidOf(tb, e.Name())
			if m := fileFlags.FindStringSubmatch(e.Name()); m != nil {
				f.flags = m[1]
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// makeMaildir makes a mailbox of the near store.
func (w *homeWorld) makeMaildir(box string) {
	w.tb.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(w.boxDir(box), sub), 0o700); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// deliver puts letters into a Maildir, as a program that delivers mail does:
// those without flags into new.
func (w *homeWorld) deliver(box string, letters ...letter) {
	w.tb.Helper()
	dir := w.boxDir(box)
	if _, err := os.Stat(filepath.Join(dir, "cur")); errors.Is(err, fs.ErrNotExist) {
		w.makeMaildir(box)
	}
	for _, l := range letters {
		// Numbers that rise, so that the letters are found in this order.
		name := fmt.Sprintf("%d.M%dP7.host", 1700000000+delivered.next(), 1)
		tmp := filepath.Join(dir, "tmp", name)
		if err := os.WriteFile(tmp, []byte(l.text), 0o600); err != nil {
			w.tb.Fatal(err)
		}
		to := filepath.Join(dir, "new", name)
		if l.flags != "" {
			to = filepath.Join(dir, "cur", name+":2,"+l.flags)
		}
		if err := os.Rename(tmp, to); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// contents is what is in a mailbox: how often, and with which flags, by key.
type contents map[string][]string

func (c contents) add(l letter) { c[l.key()] = append(c[l.key()], l.flags) }

func contentsOf(list []found) contents {
	c := contents{}
	for _, f := range list {
		c.add(f.letter)
	}
	for _, flags := range c {
		slices.Sort(flags)
	}
	return c
}

func lettersAsContents(letters []letter) contents {
	c := contents{}
	for _, l := range letters {
		l.text = normal(l.text)
		c.add(l)
	}
	for _, flags := range c {
		slices.Sort(flags)
	}
	return c
}

// hasTUID reports whether the file carries the X-TUID line of a copy.
func hasTUID(data []byte) bool {
	header, _, _ := bytes.Cut(data, []byte("\n\n"))
	return bytes.HasPrefix(header, []byte("X-TUID: ")) || bytes.Contains(header, []byte("\nX-TUID: "))
}
