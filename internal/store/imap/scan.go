package imap

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/listcache"
	"isync/internal/mail"
	"isync/internal/store"
)

// The header fields that a scan may ask for.
const (
	fieldTUID      = "X-TUID"
	fieldMessageID = "MESSAGE-ID"
)

// maxHeader bounds how much of the fields of one message is looked at.
const maxHeader = 64 << 10

// Scan implements store.Mailbox. What is remembered of the mailbox, and what the
// server tells of changes, are used where they can be trusted; see scanChanges.
func (m *mailbox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	at, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		l, err := m.scan(ctx, at, need, try > 0)
		if _, again := errors.AsType[*incompleteError](err); !again || try > 0 {
			return l, m.fail("listing messages", err)
		}
		// Perhaps it was in the middle of something.
		at.fresh = false
	}
}

// look returns where to scan. What the SELECT has told is good for one scan.
func (m *mailbox) look(ctx context.Context) (*place, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sess, err := m.useLocked()
	if err != nil {
		return nil, err
	}
	at := &place{sess: sess, sel: m.sel, fresh: m.fresh}
	m.fresh = false
	return at, nil
}

// incompleteError says that a listing lacks something it should have.
type incompleteError struct{ what string }

func (e *incompleteError) Error() string { return "server's answer is incomplete: " + e.what }

// scan is one attempt at a scan; a plain one asks for what is needed and nothing
// else.
func (m *mailbox) scan(ctx context.Context, at *place, need store.Need, plain bool) (*store.Listing, error) {
	// Of two commands that ask for the same it is not certain whose answers come
	// when.
	m.listing.Lock()
	defer m.listing.Unlock()
	all := need
	var part *listcache.Part
	if !plain {
		if l, err := m.scanChanges(ctx, at, need); l != nil || err != nil {
			return l, err
		}
		if at.sel.modSeq != 0 && !need.TUIDs && !need.MessageIDs && m.wide(need) {
			// So that it can be remembered.
			all.UIDs, all.Flags = mail.UIDsFrom(1), true
			part, at.sel.part = at.sel.part, nil
		}
	}
	sc := m.newScanner(all)
	l, err := m.scanAll(ctx, at, sc, part)
	if err != nil {
		m.keepPart(at.sel, sc, err)
		return nil, err
	}
	if at.sel.modSeq != 0 && sc.whole() {
		if err := m.keepWhole(ctx, at, sc, l.Messages); err != nil {
			return nil, err
		}
	}
	l.Messages = keepOnly(l.Messages, need.UIDs)
	return l, nil
}

// keepWhole keeps and saves the listing that a scan has made.
func (m *mailbox) keepWhole(ctx context.Context, at *place, sc *scanner, msgs []mail.Meta) error {
	l := &listcache.Listing{
		UIDValidity: at.sel.validity, UIDNext: above(msgs, at.sel.next), ModSeq: at.sel.modSeq,
		Complete: sc.begun, Messages: msgs,
	}
	m.keep(l)
	// At once, as the program may be killed before the mailbox is closed. A listing
	// depends on nothing that the run does later: see Close.
	m.Remember(ctx)
	if !sc.seeded {
		return nil
	}
	// What is known from a part may lack sizes.
	sized, ok, err := m.addSizes(ctx, at, msgs, sc.need)
	switch {
	case err != nil:
		return err
	case !ok:
		return &incompleteError{"sizes of messages are missing"}
	case sized:
		m.keep(l)
	}
	return nil
}

// scanAll asks the server for everything that is needed, except for what is known from
// a part; nil: there is none.
func (m *mailbox) scanAll(ctx context.Context, at *place, sc *scanner, part *listcache.Part) (*store.Listing, error) {
	sess, need := at.sess, sc.need
	sc.census = &census{exists: sess.client.Exists()}
	if sess.client.Exists() >= bulkMessages {
		if err := sess.client.CompressIfSlow(ctx); err != nil {
			return nil, err
		}
	}
	if at.fresh && !sess.client.Counted() {
		return nil, &incompleteError{errNoCount}
	}
	sc.exists = sess.client.Exists()
	sc.most = mostListed(sc.exists)
	sc.census.most = sc.most
	sc.expect(min(uint64(sess.client.Exists()), cut(need.UIDs, 1, m.Info().UIDNext-1).Len()))
	sess.follow(sc.census)
	defer sess.follow(nil)
	var err error
	if part != nil {
		sc.seeded, err = m.scanRest(ctx, at, sc, part)
	}
	switch {
	case sc.seeded || err != nil:
	case at.fresh:
		err = m.scanFresh(ctx, sess, sc)
	default:
		err = m.scanLater(ctx, sess, sc)
	}
	if err != nil {
		return nil, err
	}
	l, err := m.checked(ctx, at.sess, sc)
	if _, wrong := errors.AsType[*incompleteError](err); wrong && sc.seeded {
		m.forget("the rest of the mailbox does not fit what was listed before")
	}
	return l, err
}

// checked returns what was listed, if it is complete.
func (m *mailbox) checked(ctx context.Context, sess *session, sc *scanner) (*store.Listing, error) {
	need := sc.need
	l, err := sc.listing()
	if err != nil {
		return nil, err
	}
	if n := len(l.Messages); n > 0 {
		m.noteUID(l.Messages[n-1].UID)
	}
	doubts, err := sc.census.check(need.UIDs)
	if err == nil && len(doubts) > 0 {
		err = sc.census.settle(ctx, sess.client, sc.lines, need.UIDs, doubts)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// scanFresh makes use of what the SELECT has told: beyond UIDNEXT there is
// nothing, unless new messages have been announced by the time the server has
// answered the first command. That nothing is there is not taken on trust: see
// census.
func (m *mailbox) scanFresh(ctx context.Context, sess *session, sc *scanner) error {
	m.mu.Lock()
	next, arrived := m.info.UIDNext, m.arrived
	m.mu.Unlock()
	old := cut(sc.need.UIDs, 1, next-1)
	var err error
	switch exists := sess.client.Exists(); {
	case exists == 0:
		// Asking all the same upsets some servers.
		if err = sess.client.Noop(ctx); err == nil && !sess.client.Counted() {
			err = &incompleteError{errNoCount}
		}
	case old.Empty():
		err = sc.findLast(ctx, sess.client, exists)
	default:
		err = sc.run(ctx, sess.client, old)
	}
	if err != nil || sess.arrived() == arrived {
		return err
	}
	return sc.run(ctx, sess.client, cut(sc.need.UIDs, next, mail.MaxUID))
}

// scanLater first lets the server tell what has happened meanwhile.
func (m *mailbox) scanLater(ctx context.Context, sess *session, sc *scanner) error {
	err := sess.catchUp(ctx)
	exists := sess.client.Exists()
	sc.census.restart(exists)
	if err == nil && !sess.client.Counted() {
		return &incompleteError{errNoCount}
	}
	if err != nil || exists == 0 {
		return err
	}
	return sc.run(ctx, sess.client, sc.need.UIDs)
}

// errNoCount says that the number of messages is not reliable.
const errNoCount = "the number of messages is unknown, because an EXISTS, EXPUNGE or VANISHED is invalid"

// cut returns the part of the set that is in first..last.
func cut(set mail.UIDSet, first, last mail.UID) mail.UIDSet {
	var out mail.UIDSet
	for _, r := range set {
		r.First, r.Last = max(r.First, first), min(r.Last, last)
		if r.First <= r.Last {
			out = append(out, r)
		}
	}
	return out
}

// scanner gathers what a scan has to list.
type scanner struct {
	// most bounds msgs: messages may be listed again when they change, and new ones
	// may arrive, but only up to this number. exists was announced.
	most   int
	exists uint32
	need   store.Need
	lines  *past
	msgs   []mail.Meta
	// bare are messages of which something is missing.
	bare       mail.UIDSet
	tuids, ids map[mail.UID]string
	header     bytes.Buffer
	census     *census
	// begun is the time when the listing began. seeded: it continues a part.
	begun  time.Time
	seeded bool
}

func (m *mailbox) newScanner(need store.Need) *scanner {
	return &scanner{need: need, lines: &m.store.pool.past, begun: m.store.opts.now()}
}

// expect makes room for so many messages: lists that grow leave as much garbage as
// they are long. A server that announces more than it has gets no room for these.
func (sc *scanner) expect(n uint64) {
	n = min(n, maxExpected)
	sc.msgs = make([]mail.Meta, 0, n)
	sc.census.seen = make([]numbered, 0, n)
}

// maxExpected bounds the room that is made for messages, in messages.
const maxExpected = 1 << 22

// mostListed returns how many messages a listing may have if so many were
// announced.
func mostListed(exists uint32) int {
	return int(min(3*uint64(exists)+someExtra, maxListed))
}

// maxListed bounds the messages of one listing, whatever was announced.
const maxListed = 1 << 24

// someExtra is how many messages more than announced a listing may have, at the
// least.
const someExtra = 10_000

// findLast asks for the UID of the last message only: to list what comes after
// it would bring it whole (RFC 9051 §9, seq-range).
func (sc *scanner) findLast(ctx context.Context, c *imapclient.Client, exists uint32) error {
	uids, err := c.Search(ctx, strconv.FormatUint(uint64(exists), 10))
	if useless(err) || err == nil && uids.Len() != 1 {
		return &incompleteError{"the last message is not found"}
	}
	if err == nil && !sc.census.noteLast(uids[0].First, exists) {
		return &incompleteError{"the mailbox has changed"}
	}
	return err
}

// run lists the messages of the set. It sends all commands at once.
func (sc *scanner) run(ctx context.Context, c *imapclient.Client, set mail.UIDSet) error {
	f := fetching{client: c, lines: sc.lines}
	for _, part := range sc.parts(set) {
		f.start(ctx, part.want, part.set, sc.sink(part.want))
	}
	return f.wait(ctx)
}

// fetchAll fetches something of all messages of a set.
func (m *mailbox) fetchAll(ctx context.Context, c *imapclient.Client, w want, set mail.UIDSet, sink func(*imapclient.Message) error) error {
	f := fetching{client: c, lines: &m.store.pool.past}
	f.start(ctx, w, set, sink)
	return f.wait(ctx)
}

// fetching are FETCH commands that are sent at once.
type fetching struct {
	client  *imapclient.Client
	lines   *past
	pending []fetchPiece
	err     error
}

// fetchPiece is one of the commands.
type fetchPiece struct {
	want    want
	set     mail.UIDSet
	sink    func(*imapclient.Message) error
	pending *imapclient.Pending[struct{}]
}

func (f *fetching) start(ctx context.Context, w want, set mail.UIDSet, sink func(*imapclient.Message) error) {
	for _, piece := range set.Split(f.lines.maxSet(), 0) {
		if f.err != nil {
			return
		}
		p, err := f.client.StartFetch(ctx, w.request(piece), sink)
		if err != nil {
			f.err = err
			return
		}
		f.pending = append(f.pending, fetchPiece{w, piece, sink, p})
	}
}

// wait waits for the answers and returns the first error. Commands that may have
// been too long are sent again in pieces.
func (f *fetching) wait(ctx context.Context) error {
	for shortened := false; ; shortened = true {
		var again []fetchPiece
		for _, p := range f.pending {
			_, err := p.pending.Wait(ctx)
			if f.lines.tooLong(err, p.set) {
				again = append(again, p)
			} else if f.err == nil {
				f.err = err
			}
		}
		if f.err != nil || len(again) == 0 {
			if f.err == nil && shortened {
				f.lines.shortWorked()
			}
			return f.err
		}
		f.pending = nil
		for _, p := range again {
			f.start(ctx, p.want, p.set, p.sink)
		}
	}
}

// part is a part of a scan, with what is wanted of its messages.
type part struct {
	set  mail.UIDSet
	want want
}

// parts divides the scan at the first message whose size is wanted.
func (sc *scanner) parts(set mail.UIDSet) []part {
	var w want
	if sc.need.Flags {
		w.items |= imapwire.ItemFlags
	}
	if sc.need.TUIDs {
		w.fields = append(w.fields, fieldTUID)
	}
	if sc.need.MessageIDs {
		w.fields = append(w.fields, fieldMessageID)
	}
	sized := w
	sized.items |= imapwire.ItemSize
	from := sc.need.SizesFrom
	if from == 0 {
		return []part{{set, w}}
	}
	return []part{{cut(set, 1, from-1), w}, {cut(set, from, mail.MaxUID), sized}}
}

// sink takes the messages of one part, on the reader goroutine of the client.
func (sc *scanner) sink(w want) func(*imapclient.Message) error {
	return func(f *imapclient.Message) error {
		if f.Has&w.items != w.items || len(w.fields) > 0 && f.Body == nil {
			sc.bare.Add(f.UID)
			return nil
		}
		if len(sc.msgs) >= sc.most {
			return fmt.Errorf("server listed %d messages, but announced only %d; the rest is not read", sc.most, sc.exists)
		}
		sc.census.note(f.UID, f.Seq, true)
		sc.msgs = append(sc.msgs, mail.Meta{UID: f.UID, Flags: f.Flags, Size: f.Size})
		if len(w.fields) == 0 {
			return nil
		}
		sc.header.Reset()
		if _, err := io.CopyN(&sc.header, f.Body, maxHeader); err != nil && err != io.EOF {
			return err
		}
		sc.note(&sc.tuids, sc.need.TUIDs, f.UID, fieldTUID)
		sc.note(&sc.ids, sc.need.MessageIDs, f.UID, fieldMessageID)
		return nil
	}
}

// note notes a field of the header just read.
func (sc *scanner) note(to *map[mail.UID]string, wanted bool, u mail.UID, name string) {
	if !wanted {
		return
	}
	if *to == nil {
		*to = make(map[mail.UID]string)
	}
	if v, ok := field(sc.header.String(), name); ok {
		(*to)[u] = v
	}
}

// field returns the value of the first header field of that name, on one line
// and without space around it.
func field(header, name string) (string, bool) {
	lines := strings.Split(strings.ReplaceAll(header, "\r\n", "\n"), "\n")
	for i, line := range lines {
		n, v, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(strings.TrimRight(n, " \t"), name) {
			continue
		}
		for _, more := range lines[i+1:] {
			if more == "" || more[0] != ' ' && more[0] != '\t' {
				break
			}
			v += more
		}
		return strings.TrimSpace(v), true
	}
	return "", false
}

// listing returns the messages in order, unless something of one is missing.
func (sc *scanner) listing() (*store.Listing, error) {
	kept := inOrder(sc.msgs)
	for u := range sc.bare.All() {
		// A full answer may have come, too: one was requested, and the other
		// reports a change.
		if mail.FindMeta(kept, u) < 0 {
			return nil, &incompleteError{fmt.Sprintf("part of message %d is missing", u)}
		}
	}
	return &store.Listing{Messages: kept, TUIDs: sc.tuids, MessageIDs: sc.ids}, nil
}

// inOrder sorts messages. If a message came twice, the last one counts.
func inOrder(msgs []mail.Meta) []mail.Meta {
	byUID := func(a, b mail.Meta) int { return cmp.Compare(a.UID, b.UID) }
	if !slices.IsSortedFunc(msgs, byUID) {
		slices.SortStableFunc(msgs, byUID)
	}
	kept := msgs[:0]
	for i, m := range msgs {
		if i+1 == len(msgs) || msgs[i+1].UID != m.UID {
			kept = append(kept, m)
		}
	}
	return kept
}
