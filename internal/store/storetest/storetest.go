// Package storetest is the suite of tests that every implementation of store.Store passes. It
// tests only what the contract of package store requires. If the contract leaves a choice, each
// permitted behavior passes. Tests of a capability that the store lacks are skipped or adapted.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"isync/internal/mail"
	"isync/internal/store"
)

// Config describes the store to be tested.
type Config struct {
	// New returns a new backend without mail for the test t. Backends must be
	// independent of one another.
	New func(t testing.TB) Backend
	// Refuses, if not nil, reports canonical mailbox names that the store
	// cannot have; they are left out.
	Refuses func(name string) bool
	// KeepsParents: the store may refuse to delete mailboxes that have others
	// below them.
	KeepsParents bool
	// Stored, if not nil, tells what becomes of a message while it is stored
	// (some servers cannot keep NUL, for example). It must not change the
	// messages of an ordinary kind.
	Stored func(body string) string
	// RefusesText, if not nil, reports texts of messages that the store refuses
	// to take, each on its own.
	RefusesText func(body string) bool
	// KeepsEmpty: messages of no bytes can be stored. Otherwise the store may
	// also refuse them.
	KeepsEmpty bool
	// Unmarked: though it is a store.Marker, it never knows a mark.
	Unmarked bool
	// Bare: the suite is not repeated with wrapped stores. This is for slow cases that
	// are tested wrapped elsewhere.
	Bare bool
}

// Backend is where the mail of one test is kept.
type Backend struct {
	// Open opens the backend; also several times at once, as several programs
	// do. The suite closes the stores.
	Open func(t testing.TB) store.Store
	// Snapshot, if not nil, describes everything in the backend, such that
	// writing anything makes a difference.
	Snapshot func(t testing.TB) map[string]string
}

// Run runs the suite twice: with the stores as they are, and with wrapped stores.
func Run(t *testing.T, cfg Config) {
	run(t, cfg)
	if !cfg.Bare {
		runWrapped(t, cfg)
	}
}

func run(t *testing.T, cfg Config) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, c := range slices.Concat(boxTests, appendTests, messageTests, lifeTests) {
		t.Run(c.name, func(t *testing.T) {
			e := &env{T: t, cfg: cfg, backend: cfg.New(t)}
			e.Store = e.open()
			caps, err := e.Store.Caps(e.ctx())
			if err != nil {
				t.Fatalf("Caps: %v", err)
			}
			e.caps = caps
			c.run(e)
		})
	}
}

// test is one test of the suite.
type test struct {
	name string
	run  func(*env)
}

// env is what a test works with.
type env struct {
	*testing.T
	Store   store.Store
	caps    store.Caps
	cfg     Config
	backend Backend
}

// patience is how long the suite waits for anything.
const patience = 60 * time.Second

// ctx returns a context that ends soon enough to tell a hang from slowness.
func (e *env) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	e.Cleanup(cancel)
	return ctx
}

// open opens another session on the backend.
func (e *env) open() store.Store {
	e.Helper()
	s := e.backend.Open(e)
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// box is an open mailbox with the suite's shorthands.
type box struct {
	store.Mailbox
	e *env
}

// create creates and opens a mailbox.
func (e *env) create(name string) *box {
	e.Helper()
	if err := e.Store.Create(e.ctx(), name); err != nil {
		e.Fatalf("Create(%q): %v", name, err)
	}
	return e.box(e.Store, name, store.OpenRequest{})
}

// box opens a mailbox. It is closed with the test.
func (e *env) box(s store.Store, name string, req store.OpenRequest) *box {
	e.Helper()
	m, err := s.Open(e.ctx(), name, req)
	if err != nil {
		e.Fatalf("Open(%q): %v", name, err)
	}
	b := &box{Mailbox: m, e: e}
	e.Cleanup(b.leave)
	return b
}

// leave closes the mailbox if it still is open.
func (b *box) leave() {
	b.e.Helper()
	if b.Mailbox == nil {
		return
	}
	if err := b.Close(b.e.ctx()); err != nil {
		b.e.Errorf("Close: %v", err)
	}
	b.Mailbox = nil
}

// eol converts a text with LF line ends to the store's convention.
func (e *env) eol(s string) string {
	if e.caps.CRLF {
		return strings.ReplaceAll(s, "\n", "\r\n")
	}
	return s
}

// stored tells what a body, in the store's convention, comes back as.
func (e *env) stored(s string) string {
	if e.cfg.Stored != nil {
		return e.cfg.Stored(s)
	}
	return s
}

// msg is a message to be put.
type msg struct {
	body  string
	flags mail.Flags
	date  time.Time
}

// simple returns an ordinary message that carries the word.
func (e *env) simple(word string) msg {
	return msg{body: e.eol("From: a@example.org\nSubject: " + word + "\nMessage-ID: <" + word + "@example.org>\n\nThis is " + word + ".\n")}
}

// body is the body of an Outgoing.
type body string

func (b body) WriteTo(w io.Writer) (int64, error) {
	// In pieces, so that nobody relies on a single write.
	var n int64
	for s := string(b); len(s) > 0; {
		k := min(len(s), 60000)
		m, err := io.WriteString(w, s[:k])
		n += int64(m)
		if err != nil {
			return n, err
		}
		s = s[k:]
	}
	return n, nil
}

// tryPut appends messages in one go and returns the completions, having checked
// that there is one for each, in order. The keys are 100, 101, ….
func (b *box) tryPut(msgs ...msg) []store.AppendResult {
	b.e.Helper()
	ctx := b.e.ctx()
	var got []store.AppendResult
	a, err := b.Append(ctx, func(r store.AppendResult) { got = append(got, r) })
	if err != nil {
		b.e.Fatalf("Append: %v", err)
	}
	for i, m := range msgs {
		err := a.Put(ctx, &store.Outgoing{
			Key: 100 + i, Flags: m.flags, Date: m.date, Size: int64(len(m.body)), Body: body(m.body),
		})
		if err != nil {
			b.e.Fatalf("Put of message %d: %v", i, err)
		}
	}
	if err := a.Finish(ctx); err != nil {
		b.e.Fatalf("Finish: %v", err)
	}
	if len(got) != len(msgs) {
		b.e.Fatalf("%d completions for %d messages", len(got), len(msgs))
	}
	for i, r := range got {
		if r.Key != 100+i {
			b.e.Fatalf("completion %d has key %d: not in the order put", i, r.Key)
		}
		if r.UID != 0 && r.Err != nil {
			b.e.Errorf("completion %d has a UID and an error", i)
		}
		if r.More && i == len(got)-1 {
			b.e.Error("the last completion promises another one")
		}
	}
	return got
}

// put appends messages, none of which may fail, and returns their UIDs, also
// from stores that do not tell.
func (b *box) put(msgs ...msg) []mail.UID {
	b.e.Helper()
	var before mail.UID
	if !b.e.caps.ReportsUIDs {
		if l := b.scan(store.Need{UIDs: mail.UIDsFrom(1)}); len(l.Messages) > 0 {
			before = l.Messages[len(l.Messages)-1].UID
		}
	}
	var uids []mail.UID
	for i, r := range b.tryPut(msgs...) {
		if r.Err != nil {
			b.e.Fatalf("message %d was refused: %v", i, r.Err)
		}
		if (r.UID != 0) != b.e.caps.ReportsUIDs {
			b.e.Fatalf("message %d: UID %d reported, Caps.ReportsUIDs = %v", i, r.UID, b.e.caps.ReportsUIDs)
		}
		uids = append(uids, r.UID)
	}
	if !b.e.caps.ReportsUIDs {
		uids = uids[:0]
		for _, m := range b.scan(store.Need{UIDs: mail.UIDsFrom(before + 1)}).Messages {
			uids = append(uids, m.UID)
		}
		if len(uids) != len(msgs) {
			b.e.Fatalf("%d messages found after %d were put", len(uids), len(msgs))
		}
	}
	for i := 1; i < len(uids); i++ {
		if uids[i] <= uids[i-1] {
			b.e.Fatalf("UIDs not ascending: %v", uids)
		}
	}
	return uids
}

// scan scans and checks what holds of every listing.
func (b *box) scan(need store.Need) *store.Listing {
	b.e.Helper()
	l, err := b.Scan(b.e.ctx(), need)
	if err != nil {
		b.e.Fatalf("Scan(%v): %v", need, err)
	}
	info := b.Info()
	if info.UIDValidity == 0 || info.UIDNext == 0 {
		b.e.Fatalf("Info: UIDValidity %d, UIDNext %d", info.UIDValidity, info.UIDNext)
	}
	for i, m := range l.Messages {
		if !need.UIDs.Contains(m.UID) {
			b.e.Fatalf("Scan(%v) lists UID %d", need.UIDs, m.UID)
		}
		if i > 0 && m.UID <= l.Messages[i-1].UID {
			b.e.Fatalf("Scan: UID %d after %d", m.UID, l.Messages[i-1].UID)
		}
		if need.UIDs.Contains(mail.MaxUID) && m.UID >= info.UIDNext {
			b.e.Fatalf("Scan: UID %d, but UIDNEXT is %d", m.UID, info.UIDNext)
		}
	}
	return l
}

// uids lists the UIDs of all messages.
func (b *box) uids() []mail.UID {
	b.e.Helper()
	uids := []mail.UID{}
	for _, m := range b.scan(store.Need{UIDs: mail.UIDsFrom(1)}).Messages {
		uids = append(uids, m.UID)
	}
	return uids
}

// flags lists the flags of all messages.
func (b *box) flags() map[mail.UID]string {
	b.e.Helper()
	out := make(map[mail.UID]string)
	for _, m := range b.scan(store.Need{UIDs: mail.UIDsFrom(1), Flags: true}).Messages {
		out[m.UID] = m.Flags.String()
	}
	return out
}

// fetched is a message that was read.
type fetched struct {
	UID   mail.UID
	Flags string
	Date  time.Time
	Size  int64
	Body  string
}

// fetch reads messages, none of which may fail.
func (b *box) fetch(items ...store.FetchItem) []fetched {
	b.e.Helper()
	out := []fetched{}
	err := b.Fetch(b.e.ctx(), items, func(in *store.Incoming) error {
		if in.Err != nil {
			return fmt.Errorf("message %d: %w", in.UID, in.Err)
		}
		data, err := io.ReadAll(in.Body)
		if err != nil {
			return fmt.Errorf("body of message %d: %w", in.UID, err)
		}
		if seeker, ok := in.Body.(io.Seeker); ok {
			if err := readAgain(in.Body, seeker, data); err != nil {
				return fmt.Errorf("body of message %d: %w", in.UID, err)
			}
		} else if !b.e.caps.CRLF {
			return fmt.Errorf("body of message %d: LF line ends, but no io.Seeker", in.UID)
		}
		out = append(out, fetched{in.UID, in.Flags.String(), in.Date, in.Size, string(data)})
		return nil
	})
	if err != nil {
		b.e.Fatalf("Fetch: %v", err)
	}
	return out
}

// readAgain checks that the body can be read a second time.
func readAgain(r io.Reader, s io.Seeker, want []byte) error {
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(again, want) {
		err = errors.New("reads differently the second time")
	}
	return err
}

// bodies reads the messages and returns their texts.
func (b *box) bodies(uids ...mail.UID) map[mail.UID]string {
	b.e.Helper()
	out := make(map[mail.UID]string)
	for _, m := range b.fetch(items(uids...)...) {
		out[m.UID] = m.Body
	}
	return out
}

func items(uids ...mail.UID) []store.FetchItem {
	var out []store.FetchItem
	for _, u := range uids {
		out = append(out, store.FetchItem{UID: u})
	}
	return out
}

// setFlags changes flags and returns the result of each change.
func (b *box) setFlags(changes ...store.FlagChange) []error {
	b.e.Helper()
	results := make([]error, len(changes))
	seen := make([]int, len(changes))
	err := b.SetFlags(b.e.ctx(), changes, func(i int, err error) {
		results[i] = err
		seen[i]++
	})
	if err != nil {
		b.e.Fatalf("SetFlags: %v", err)
	}
	for i, n := range seen {
		if n != 1 {
			b.e.Fatalf("flag change %d was completed %d times", i, n)
		}
	}
	return results
}

// mustSetFlags changes flags, none of which may fail.
func (b *box) mustSetFlags(changes ...store.FlagChange) {
	b.e.Helper()
	for i, err := range b.setFlags(changes...) {
		if err != nil {
			b.e.Fatalf("flag change %d: %v", i, err)
		}
	}
}

// delete marks messages as deleted.
func (b *box) markDeleted(uids ...mail.UID) {
	b.e.Helper()
	var changes []store.FlagChange
	for _, u := range uids {
		changes = append(changes, store.FlagChange{UID: u, Add: mail.FlagDeleted})
	}
	b.mustSetFlags(changes...)
}

// remove removes marked messages, by UID if the store can.
func (b *box) remove(uids ...mail.UID) {
	b.e.Helper()
	req := store.RemoveRequest{UIDs: mail.NewUIDSet(uids...)}
	if !b.e.caps.SelectiveExpunge {
		req = store.RemoveRequest{All: true}
	}
	if err := b.Remove(b.e.ctx(), req); err != nil {
		b.e.Fatalf("Remove: %v", err)
	}
}

// equal compares.
func (e *env) equal(what string, want, got any) {
	e.Helper()
	if d := cmp.Diff(want, got); d != "" {
		if len(d) > 4000 {
			d = d[:4000] + "…"
		}
		e.Errorf("%s (-want +got):\n%s", what, d)
	}
}
