//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// shelf is one side of the channel, as a mail reader works on it while runs of the
// program work on it too. Messages are named by their number. Each change reports
// false, and has no effect, if the mailbox or the message is not there.
type shelf interface {
	// found creates a mailbox.
	found(box string)
	// add delivers a new message.
	add(box string, m *piece) bool
	// see moves a message from new to cur. The flags stay as they are.
	see(box string, n int) bool
	// mark sets the flags of a message.
	mark(box string, n int, flags string) bool
	// remove expunges a message.
	remove(box string, n int) bool
	// move moves a message to another mailbox.
	move(from, to string, n int) bool
	// count returns the flags of the messages in a mailbox, by number. A message
	// that is there twice has two entries.
	count(box string) map[int][]string
	// read returns the messages of a mailbox with their texts.
	read(box string) []found
	// leave ends what is open.
	leave()
}

// numberLine has the number of a letter that note wrote.
var numberLine = regexp.MustCompile(`(?m)^Message-ID: <(\d+)\.`)

// numberOf returns the number of a letter, 0 if it has none.
func numberOf(text string) int {
	m := numberLine.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// directories is the shelf of a Maildir store.
type directories struct {
	tb         testing.TB
	inbox, top string
	numbers    map[string]int // by the part of the name that does not change
}

func (d *directories) dir(box string) string {
	if box == "INBOX" {
		return d.inbox
	}
	return filepath.Join(d.top, box)
}

// there reports whether a mailbox is complete.
func (d *directories) there(box string) bool {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if _, err := os.Stat(filepath.Join(d.dir(box), sub)); err != nil {
			return false
		}
	}
	return true
}

// found makes the directories elsewhere and moves them to their place, so that no
// run sees half of them.
func (d *directories) found(box string) {
	d.tb.Helper()
	if d.there(box) {
		return
	}
	made := d.inbox + ".made"
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(made, sub), 0o700); err != nil {
			d.tb.Fatal(err)
		}
	}
	if err := os.Rename(made, d.dir(box)); err != nil {
		d.tb.Fatal(err)
	}
}

func (d *directories) add(box string, m *piece) bool {
	d.tb.Helper()
	if !d.there(box) {
		return false
	}
	name := fmt.Sprintf("%d.M1P7.host", 1700000000+delivered.next())
	tmp := filepath.Join(d.dir(box), "tmp", name)
	if err := os.WriteFile(tmp, []byte(m.text), 0o600); err != nil {
		d.tb.Fatal(err)
	}
	to := filepath.Join(d.dir(box), "new", name)
	if m.flags != "" {
		to = filepath.Join(d.dir(box), "cur", name+":2,"+m.flags)
	}
	if err := os.Rename(tmp, to); err != nil {
		d.tb.Fatal(err)
	}
	return true
}

// each calls f with each message until f returns false. A message that is
// renamed meanwhile may be missed.
func (d *directories) each(box string, f func(path string, n int) bool) {
	d.tb.Helper()
	for _, sub := range []string{"new", "cur"} {
		dir := filepath.Join(d.dir(box), sub)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.tb.Fatal(err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			n, ok := d.number(path)
			if ok && !f(path, n) {
				return
			}
		}
	}
}

// number returns the number of the message in a file. ok is false if the file is
// gone.
func (d *directories) number(path string) (n int, ok bool) {
	d.tb.Helper()
	stable := filepath.Base(path)
	if i := strings.IndexAny(stable, ",:"); i >= 0 {
		stable = stable[:i]
	}
	if n, ok := d.numbers[stable]; ok {
		return n, true
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false
	}
	if err != nil {
		d.tb.Fatal(err)
	}
	if n = numberOf(string(text)); n == 0 {
		d.tb.Fatalf("%s is no letter of the reader:\n%.300s", path, text)
	}
	if d.numbers == nil {
		d.numbers = map[string]int{}
	}
	d.numbers[stable] = n
	return n, true
}

// with finds the file of a message and calls f with its path, and again if the
// file was renamed meanwhile.
func (d *directories) with(box string, n int, f func(path string) error) bool {
	d.tb.Helper()
	for range 20 {
		path := ""
		d.each(box, func(p string, m int) bool {
			if m == n {
				path = p
			}
			return path == ""
		})
		if path == "" {
			return false
		}
		err := f(path)
		if err == nil {
			return true
		}
		if !errors.Is(err, fs.ErrNotExist) {
			d.tb.Fatal(err)
		}
	}
	return false
}

// withFlags returns the path of a message in cur that has these flags.
func withFlags(path, flags string) string {
	base, _, _ := strings.Cut(filepath.Base(path), ":2,")
	return filepath.Join(filepath.Dir(filepath.Dir(path)), "cur", base+":2,"+flags)
}

func (d *directories) see(box string, n int) bool {
	return d.with(box, n, func(path string) error {
		if filepath.Base(filepath.Dir(path)) == "cur" {
			return nil
		}
		return os.Rename(path, withFlags(path, flagsOf(path)))
	})
}

// flagsOf returns the flags in the name of a file.
func flagsOf(path string) string {
	if m := fileFlags.FindStringSubmatch(path); m != nil {
		return m[1]
	}
	return ""
}

func (d *directories) mark(box string, n int, flags string) bool {
	return d.with(box, n, func(path string) error {
		if to := withFlags(path, flags); to != path {
			return os.Rename(path, to)
		}
		return nil
	})
}

func (d *directories) remove(box string, n int) bool { return d.with(box, n, os.Remove) }

// move gives the message a new name, without a UID.
func (d *directories) move(from, to string, n int) bool {
	if !d.there(to) {
		return false
	}
	return d.with(from, n, func(path string) error {
		name := fmt.Sprintf("%d.M1P7.host", 1700000000+delivered.next())
		return os.Rename(path, filepath.Join(d.dir(to), "cur", name+":2,"+flagsOf(path)))
	})
}

func (d *directories) count(box string) map[int][]string {
	out := map[int][]string{}
	d.each(box, func(path string, n int) bool {
		out[n] = append(out[n], flagsOf(path))
		return true
	})
	return out
}

func (d *directories) read(box string) []found {
	d.tb.Helper()
	if !d.there(box) {
		return nil
	}
	return readMaildir(d.tb, d.dir(box))
}

func (d *directories) leave() {}

// account is the shelf on a server, with a session that lasts until leave.
type account struct {
	*homeWorld
	session *imapclient.Client
}

func (a *account) client() *imapclient.Client {
	a.tb.Helper()
	if a.session == nil {
		a.session = a.at.Client(a.tb, a.user)
	}
	return a.session
}

// leave ends the session.
func (a *account) leave() {
	a.tb.Helper()
	if a.session != nil {
		a.logout(a.session)
		a.session = nil
	}
}

// done reports whether a command succeeded. The server may refuse it, if the mailbox or
// the message is not there.
func (a *account) done(what string, err error) bool {
	a.tb.Helper()
	if err == nil {
		return true
	}
	if e, ok := errors.AsType[*imap.Error](err); !ok || e.Type != imap.StatusResponseTypeNo {
		a.tb.Fatalf("%s: %v", what, err)
	}
	return false
}

func (a *account) found(box string) {
	if box != "INBOX" {
		// It may be there already.
		a.done("create "+box, a.client().Create(a.remote(box), nil).Wait())
	}
}

func (a *account) add(box string, m *piece) bool {
	a.tb.Helper()
	// The client cannot go on after an APPEND that is refused.
	if !a.choose(box) {
		return false
	}
	text := m.crlf()
	opts := &imap.AppendOptions{}
	for _, f := range imapFlags(m.flags) {
		opts.Flags = append(opts.Flags, imap.Flag(f))
	}
	cmd := a.client().Append(a.remote(box), int64(len(text)), opts)
	// An error here is one of the whole command.
	_, _ = io.WriteString(cmd, text)
	_ = cmd.Close()
	_, err := cmd.Wait()
	return a.done("append to "+box, err)
}

func (a *account) choose(box string) bool {
	a.tb.Helper()
	_, err := a.client().Select(a.remote(box), nil).Wait()
	return a.done("select "+box, err)
}

// uid selects the mailbox and finds a message in it.
func (a *account) uid(box string, n int) (imap.UIDSet, bool) {
	a.tb.Helper()
	if !a.choose(box) {
		return nil, false
	}
	got, err := a.client().UIDSearch(&imap.SearchCriteria{
		Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: fmt.Sprintf("<%d.", n)}},
	}, nil).Wait()
	if !a.done("search in "+box, err) || len(got.AllUIDs()) == 0 {
		return nil, false
	}
	return imap.UIDSetNum(got.AllUIDs()[0]), true
}

// see has no meaning on a server.
func (a *account) see(string, int) bool { return false }

func (a *account) mark(box string, n int, flags string) bool {
	a.tb.Helper()
	uid, ok := a.uid(box, n)
	if !ok {
		return false
	}
	store := &imap.StoreFlags{Op: imap.StoreFlagsSet, Silent: true}
	for _, f := range imapFlags(flags) {
		store.Flags = append(store.Flags, imap.Flag(f))
	}
	return a.done("store", a.client().Store(uid, store, nil).Close())
}

func (a *account) remove(box string, n int) bool {
	a.tb.Helper()
	uid, ok := a.uid(box, n)
	if !ok {
		return false
	}
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	return a.done("store", a.client().Store(uid, store, nil).Close()) && a.done("expunge", a.client().UIDExpunge(uid).Close())
}

func (a *account) move(from, to string, n int) bool {
	a.tb.Helper()
	// Without MOVE, the client deletes the message even if COPY is refused.
	if !a.choose(to) {
		return false
	}
	uid, ok := a.uid(from, n)
	if !ok {
		return false
	}
	_, err := a.client().Move(uid, a.remote(to)).Wait()
	return a.done("move to "+to, err)
}

func (a *account) count(box string) map[int][]string {
	a.tb.Helper()
	out := map[int][]string{}
	var list []*imapclient.FetchMessageBuffer
	for tries := 1; ; tries++ {
		if !a.choose(box) {
			return out
		}
		var err error
		list, err = a.client().Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{UID: true, Flags: true, Envelope: true}).Collect()
		if err == nil {
			break
		}
		if _, refused := errors.AsType[*imap.Error](err); refused || tries == 3 {
			a.tb.Fatalf("fetch from %s: %v", box, err)
		}
		// A process of Cyrus 3.10 may crash while it lists a mailbox that others change.
		a.tb.Logf("fetch from %s, again: %v", box, err)
		_ = a.session.Close()
		a.session = nil
	}
	for _, m := range list {
		n := numberOf("Message-ID: <" + m.Envelope.MessageID)
		if n == 0 {
			a.tb.Fatalf("in %s on the server there is no letter of the reader: %q", box, m.Envelope.Subject)
		}
		var flags []string
		for _, f := range m.Flags {
			flags = append(flags, string(f))
		}
		out[n] = append(out[n], maildirFlags(flags))
	}
	return out
}

func (a *account) read(box string) []found {
	a.tb.Helper()
	if !a.choose(box) {
		return nil
	}
	return a.far(box)
}
