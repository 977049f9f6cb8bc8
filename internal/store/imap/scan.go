package imap

import (
	"context"
	"errors"
	"strconv"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// Scan implements store.Mailbox. It uses the saved listing and the reported changes if they were verified;
// see scanChanges.
func (m *mailbox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	if l := m.takeListed(need); l != nil {
		return l, ctx.Err()
	}
	at, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		l, err := m.scan(ctx, at, need, try > 0)
		if _, again := errors.AsType[*listing.IncompleteError](err); !again || try > 0 {
			return l, m.fail("listing messages", err)
		}
		// Perhaps the mailbox was being changed.
		at.fresh = false
	}
}

// look returns the source of a scan. The data of the SELECT can be used for one scan.
func (m *mailbox) look(ctx context.Context) (*source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.attach(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sess, err := m.useLocked()
	if err != nil {
		return nil, err
	}
	at := &source{sess: sess, sel: m.sel, fresh: m.fresh}
	m.fresh = false
	return at, nil
}

// scan is one attempt at a scan. A plain one requests only what is needed.
func (m *mailbox) scan(ctx context.Context, at *source, need store.Need, plain bool) (*store.Listing, error) {
	// The answers to two concurrent listings could not be attributed.
	m.scanning.Lock()
	defer m.scanning.Unlock()
	if need.Known {
		return m.scanKnown(ctx, at, need)
	}
	all := need
	var part *memo.Part
	if !plain {
		if l, err := m.scanChanges(ctx, at, need); l != nil || err != nil {
			return l, err
		}
		if at.sel.modSeq != 0 && !need.TUIDs && !need.MessageIDs && m.wide(need) {
			// So that the listing can be saved.
			all.UIDs, all.Flags = mail.UIDsFrom(1), true
			part, at.sel.part = at.sel.part, nil
		}
	}
	sc := m.newScanner(all)
	sc.search = !plain && at.sel.modSeq == 0 // else the flags are remembered
	l, err := m.scanAll(ctx, at, sc, part)
	if err != nil {
		m.keepPart(at.sel, sc, err)
		return nil, err
	}
	if at.sel.modSeq != 0 && sc.Whole() {
		if err := m.keepWhole(ctx, at, sc, l.Messages); err != nil {
			return nil, err
		}
	}
	l.Messages = listing.KeepOnly(l.Messages, need.UIDs)
	return l, nil
}

// scanKnown requests more data about messages that were listed before. A message without an answer does not
// exist any more.
func (m *mailbox) scanKnown(ctx context.Context, at *source, need store.Need) (*store.Listing, error) {
	sc := m.newScanner(need)
	exists := at.sess.Client.Exists()
	sc.Completeness = listing.NewCompleteness(exists)
	sc.Start(exists, need.UIDs.Len())
	f := fetching{client: at.sess.Client, sets: sc.sets}
	for _, part := range sc.Parts(need.UIDs) {
		take := sc.Sink(part.Want)
		f.start(ctx, part.Want, part.Set, func(msg *imapclient.Message) error {
			if !need.UIDs.Contains(msg.UID) {
				return nil // it reports a change of another message
			}
			return take(msg)
		})
	}
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return sc.Listing()
}

// wholeListing returns the listing of a scan in the form to be saved.
func wholeListing(sel *selection, sc *scanner, msgs []mail.Meta) *memo.Listing {
	return &memo.Listing{
		UIDValidity: sel.validity, UIDNext: listing.Above(msgs, sel.next), ModSeq: sel.modSeq,
		Complete: sc.Begun, Messages: msgs,
	}
}

// keepWhole keeps and saves the listing that a scan has made.
func (m *mailbox) keepWhole(ctx context.Context, at *source, sc *scanner, msgs []mail.Meta) error {
	l := wholeListing(at.sel, sc, msgs)
	m.keep(l)
	// Save it at once, because the program may be killed before the mailbox is closed. A listing does
	// not depend on what the run does later: see Close.
	m.Remember(ctx)
	if !sc.Seeded {
		return nil
	}
	// Messages of a part may lack sizes.
	sized, ok, err := m.addSizes(ctx, at, msgs, sc.Need)
	switch {
	case err != nil:
		return err
	case !ok:
		return &listing.IncompleteError{What: "sizes of messages are missing"}
	case sized:
		m.keep(l)
	}
	return nil
}

// scanAll requests all needed data from the server, except for the messages of a part; nil: there is none.
func (m *mailbox) scanAll(ctx context.Context, at *source, sc *scanner, part *memo.Part) (*store.Listing, error) {
	sess, need := at.sess, sc.Need
	sc.Completeness = listing.NewCompleteness(sess.Client.Exists())
	if sess.Client.Exists() >= bulkMessages {
		if err := sess.Client.CompressIfSlow(ctx); err != nil {
			return nil, err
		}
	}
	if at.fresh && !sess.Client.Counted() {
		return nil, &listing.IncompleteError{What: errNoCount}
	}
	exists := sess.Client.Exists()
	sc.Start(exists, min(uint64(exists), listing.Cut(need.UIDs, 1, m.Info().UIDNext-1).Len()))
	sess.Listen(sc.Completeness)
	defer sess.Listen(nil)
	var err error
	if part != nil {
		sc.Seeded, err = m.scanRest(ctx, at, sc, part)
	}
	switch {
	case sc.Seeded || err != nil:
	case at.fresh:
		err = m.scanFresh(ctx, sess, sc)
	default:
		err = m.scanLater(ctx, sess, sc)
	}
	if err != nil {
		return nil, err
	}
	l, err := m.checked(ctx, at.sess, sc)
	if _, wrong := errors.AsType[*listing.IncompleteError](err); wrong && sc.Seeded {
		m.forget("the rest of the mailbox does not fit what was listed before")
	}
	return l, err
}

// checked returns the listing, if it is complete.
func (m *mailbox) checked(ctx context.Context, sess *session.Session, sc *scanner) (*store.Listing, error) {
	need := sc.Need
	l, err := sc.Listing()
	if err != nil {
		return nil, err
	}
	if n := len(l.Messages); n > 0 {
		m.noteUID(l.Messages[n-1].UID)
	}
	doubts, err := sc.Completeness.Check(need.UIDs)
	if err == nil && len(doubts) > 0 {
		err = sc.resolve(ctx, sess.Client, doubts)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// scanFresh uses the data of a recent SELECT: there are no messages from UIDNEXT on,
// unless the server has announced new ones before its answer to the first command. That
// is verified, too: see listing.Completeness.
func (m *mailbox) scanFresh(ctx context.Context, sess *session.Session, sc *scanner) error {
	m.mu.Lock()
	next, arrived := m.info.UIDNext, m.arrived
	m.mu.Unlock()
	old := listing.Cut(sc.Need.UIDs, 1, next-1)
	var err error
	switch exists := sess.Client.Exists(); {
	case exists == 0:
		// Some servers refuse to list an empty mailbox.
		if err = sess.Client.Noop(ctx); err == nil && !sess.Client.Counted() {
			err = &listing.IncompleteError{What: errNoCount}
		}
	case old.Empty():
		err = sc.findLast(ctx, sess.Client, exists)
	default:
		err = m.list(ctx, sess, sc, old)
	}
	if err != nil || sess.Arrivals() == arrived {
		return err
	}
	return sc.run(ctx, sess.Client, listing.Cut(sc.Need.UIDs, next, mail.MaxUID))
}

// scanLater first lets the server report changes.
func (m *mailbox) scanLater(ctx context.Context, sess *session.Session, sc *scanner) error {
	err := sess.CatchUp(ctx)
	exists := sess.Client.Exists()
	sc.Completeness.Restart(exists)
	if err == nil && !sess.Client.Counted() {
		return &listing.IncompleteError{What: errNoCount}
	}
	if err != nil || exists == 0 {
		return err
	}
	return m.list(ctx, sess, sc, sc.Need.UIDs)
}

// errNoCount says that the number of messages is not reliable.
const errNoCount = "the number of messages is unknown, because an EXISTS, EXPUNGE or VANISHED is invalid"

// scanner is a scan: the messages listed so far, and how to request more.
type scanner struct {
	*listing.Collector
	sets *setLengths
	// search: the messages may be listed by searches.
	search bool
}

func (m *mailbox) newScanner(need store.Need) *scanner {
	return &scanner{Collector: listing.NewCollector(need, m.store.opts.now()), sets: m.store.sets}
}

// findLast requests only the UID of the last message. A FETCH of a range above it would return the last
// message (RFC 9051 §9, seq-range).
func (sc *scanner) findLast(ctx context.Context, c *imapclient.Client, exists uint32) error {
	uids, err := c.Search(ctx, strconv.FormatUint(uint64(exists), 10))
	if useless(err) || err == nil && uids.Len() != 1 {
		return &listing.IncompleteError{What: "the last message is not found"}
	}
	if err == nil && !sc.Completeness.NoteLast(uids[0].First, exists) {
		return &listing.IncompleteError{What: "the mailbox has changed"}
	}
	return err
}

// resolve asks the server for the UIDs of messages in doubt.
func (sc *scanner) resolve(ctx context.Context, client *imapclient.Client, doubts []listing.Doubt) error {
	var seqs mail.UIDSet
	for _, d := range doubts {
		seqs.AddSet(d.Seqs)
	}
	exists := sc.Completeness.Present()
	var found mail.UIDSet
	todo := seqs.Split(sc.sets.maxSet(), 0)
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		uids, err := client.Search(ctx, part.String())
		if sc.sets.tooLong(err, part) {
			todo = append(part.Split(sc.sets.maxSet(), 0), todo...)
			continue
		}
		if err != nil && !useless(err) {
			return err
		}
		if err != nil {
			return &listing.IncompleteError{What: err.Error()}
		}
		found.AddSet(uids)
	}
	return sc.Completeness.Resolve(sc.Need.UIDs, seqs, found, exists)
}

// run lists the messages of the set. It sends all commands at once.
func (sc *scanner) run(ctx context.Context, c *imapclient.Client, set mail.UIDSet) error {
	f := fetching{client: c, sets: sc.sets}
	for _, part := range sc.Parts(set) {
		f.start(ctx, part.Want, part.Set, sc.Sink(part.Want))
	}
	return f.wait(ctx)
}

// fetchAll fetches something of all messages of a set.
func (m *mailbox) fetchAll(ctx context.Context, c *imapclient.Client, w listing.Want, set mail.UIDSet, sink func(*imapclient.Message) error) error {
	f := fetching{client: c, sets: m.store.sets}
	f.start(ctx, w, set, sink)
	return f.wait(ctx)
}

// fetching are FETCH commands that are sent at once.
type fetching struct {
	client  *imapclient.Client
	sets    *setLengths
	pending []fetchPiece
	err     error
}

// fetchPiece is one of the commands.
type fetchPiece struct {
	want    listing.Want
	set     mail.UIDSet
	sink    func(*imapclient.Message) error
	pending *imapclient.Pending[struct{}]
}

func (f *fetching) start(ctx context.Context, w listing.Want, set mail.UIDSet, sink func(*imapclient.Message) error) {
	for _, piece := range set.Split(f.sets.maxSet(), 0) {
		if f.err != nil {
			return
		}
		p, err := f.client.StartFetch(ctx, w.Request(piece), sink)
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
			if f.sets.tooLong(err, p.set) {
				again = append(again, p)
			} else if f.err == nil {
				f.err = err
			}
		}
		if f.err != nil || len(again) == 0 {
			if f.err == nil && shortened {
				f.sets.shortWorked()
			}
			return f.err
		}
		f.pending = nil
		for _, p := range again {
			f.start(ctx, p.want, p.set, p.sink)
		}
	}
}
