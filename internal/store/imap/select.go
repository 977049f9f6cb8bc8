package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/listcache"
	"isync/internal/mail"
	"isync/internal/store"
)

// selection is what the SELECT of a mailbox has led to.
type selection struct {
	// modSeq is HIGHESTMODSEQ: whatever is listed in this session reflects all
	// changes up to it. 0: the mailbox has no mod-sequences.
	modSeq   mail.ModSeq
	validity uint32   // UIDVALIDITY
	next     mail.UID // UIDNEXT
	mark     string   // of the mailbox, as of then
	news     news     // as of then
	// base is what was remembered of the mailbox before, if that is of use.
	base *listcache.Listing
	// part is what is known of the beginning of the mailbox, if there is no base.
	part *listcache.Part
	// current is the listing as of the SELECT, if it is known; unsure, if there
	// are UIDs of which the server should have told more.
	current *listcache.Listing
	unsure  bool
}

// enabling is how far a session is with ENABLE QRESYNC.
type enabling struct {
	asked, refused bool
	pending        *imapclient.Pending[imapclient.Caps]
}

// enableQResync asks for QRESYNC before the first mailbox of the session is
// selected, and does not wait for the answer. It reports whether the session
// has it, or might.
func (s *session) enableQResync(ctx context.Context) (bool, error) {
	caps, q := s.client.Caps(), &s.qresync
	if !caps.Has("QRESYNC") || !caps.Has("CONDSTORE") || !caps.Has("ENABLE") {
		return false, nil
	}
	if !q.asked {
		p, err := s.client.StartEnable(ctx, "QRESYNC")
		if err != nil {
			return false, err
		}
		q.asked, q.pending = true, p
	}
	return !q.refused, nil
}

// qresyncEnabled takes the answer. What it confirms is not looked at: some
// servers confirm nothing and do it all the same. Those that do not refuse to
// resynchronize.
func (s *session) qresyncEnabled(ctx context.Context) error {
	q := &s.qresync
	if q.pending == nil {
		return nil
	}
	_, err := q.pending.Wait(ctx)
	q.pending = nil
	if refused(err) {
		q.refused = true
		return nil
	}
	return err
}

// opened is what opening a mailbox has led to. It counts once the session is
// confirmed, by count.
type opened struct {
	sess    *session
	sel     *selection // nil for a deposit
	info    store.Info
	arrived uint64
	layout  *layout // if the name depends on it
}

// count makes the mailbox an open one.
func (m *mailbox) count(o *opened) {
	if o.layout != nil {
		m.store.layout.keep(o.layout)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named = true
	m.sess, m.sel, m.arrived, m.fresh = o.sess, o.sel, o.arrived, o.sel != nil
	m.info = o.info
}

// selectBox selects the mailbox and learns what there is to know.
func (m *mailbox) selectBox(ctx context.Context, sess *session) (*opened, error) {
	c := sess.client
	remembers := m.remembers(ctx, sess)
	var base *listcache.Listing
	var part *listcache.Part
	if remembers {
		base, part = m.recall()
	}
	// Whatever is announced after the SELECT shall count, also if it is before we
	// look.
	before, arrived := sess.news(), sess.arrived()
	sel, changes, err := m.trySelect(ctx, sess, remembers, base)
	if unsafeLogin(err) && c.Caps().Has("ID") {
		if _, err := c.ID(ctx, "name", "isync"); err != nil {
			return nil, err
		}
		sel, changes, err = m.trySelect(ctx, sess, remembers, base)
	}
	if err != nil {
		if changes != nil {
			m.notTooMany(changes, len(base.Messages), err)
		}
		if missing(ctx, c, m.name, err) {
			return nil, store.ErrNoBox
		}
		return nil, err
	}
	sess.selected = m.name
	switch {
	case !sel.HasExists:
		return nil, errNoExists
	case sel.UIDNotSticky:
		return nil, errors.New("server does not keep the UIDs of messages in this mailbox")
	}
	s := &selection{
		modSeq: sel.HighestModSeq, validity: sel.UIDValidity, next: sel.UIDNext,
		news: news{before.changes, sel.Exists}, base: base,
	}
	guessed := s.next == 0
	if guessed {
		if s.next, err = askUIDNext(ctx, sess, sel.Exists); err != nil {
			return nil, err
		}
	}
	if sel.UIDValidity == 0 {
		m.store.warnNoValidity(m.box)
	}
	if sel.NoModSeq || !remembers || sel.UIDValidity == 0 {
		s.modSeq = 0 // nothing is remembered of it
	}
	s.mark = mark(sel.UIDValidity, sel.UIDNext, sel.Exists, s.modSeq)
	if base != nil {
		if why := s.compare(&sel, changes); why != "" {
			s.base = nil
			m.forget(why)
		}
	}
	if part != nil {
		if why := s.partFits(&sel, part); why != "" {
			m.forget(why)
		} else {
			s.part = part
		}
	}
	flags := sel.Settable()
	if m.readOnly {
		// What is permanent is not told then: an EXAMINE changes nothing. Guess,
		// for the sake of an instructive dry run.
		flags = sel.Flags.Flags | mail.FlagForwarded
	}
	sess.upToDate()
	info := store.Info{UIDValidity: sel.UIDValidity, UIDNext: s.next, UIDNextGuessed: guessed, Flags: flags}
	return &opened{sess: sess, sel: s, info: info, arrived: arrived}, nil
}

// trySelect selects the mailbox in the way that tells most of what has changed
// since base. changes is nil if the server was not asked.
func (m *mailbox) trySelect(ctx context.Context, sess *session, remembers bool, base *listcache.Listing) (sel imapclient.Selected, changes *delta, err error) {
	opts := imapclient.SelectOptions{ReadOnly: m.readOnly}
	if remembers && !m.store.plainSelect.Load() {
		qresync, err := sess.enableQResync(ctx)
		if err != nil {
			return sel, nil, err
		}
		if qresync && base != nil {
			changes = new(delta)
			opts.QResync = imapclient.QResync{
				UIDValidity: base.UIDValidity, ModSeq: base.ModSeq, Known: mail.UIDsFrom(1),
				Vanished: changes.vanished, Changed: changes.fetched, Unreadable: changes.unreadable,
			}
		} else {
			opts.CondStore = true
		}
	}
	p, err := sess.client.StartSelect(ctx, m.name, opts)
	if eerr := sess.qresyncEnabled(ctx); err == nil && eerr != nil {
		err = eerr
	}
	if err != nil {
		return sel, nil, err
	}
	sel, err = p.Wait(ctx)
	if !opts.CondStore && changes == nil || !refused(err) || unsafeLogin(err) || saysMissing(err) {
		return sel, changes, err
	}
	// Is it the mailbox, or the parameter?
	plain, perr := sess.client.Select(ctx, m.name, imapclient.SelectOptions{ReadOnly: m.readOnly})
	if perr == nil {
		m.store.debugf("the server selects '%s' only without parameters: %v", m.box, err)
		m.store.plainSelect.Store(true)
	}
	return plain, nil, perr
}

// compare finds out what the base is worth, and the current listing if the
// SELECT told that. It returns why the base is wrong, if it is.
func (s *selection) compare(sel *imapclient.Selected, changes *delta) (wrong string) {
	base := s.base
	switch {
	case sel.UIDValidity != base.UIDValidity:
		return "UIDVALIDITY has changed"
	case s.modSeq == 0:
		return "the mailbox has no mod-sequences any more"
	case s.modSeq < base.ModSeq:
		return "HIGHESTMODSEQ has gone back"
	case sel.UIDNext != 0 && sel.UIDNext < base.UIDNext:
		return "UIDNEXT has gone back"
	}
	if changes != nil {
		return s.resync(sel, changes)
	}
	if s.modSeq == base.ModSeq && s.next == base.UIDNext && int(sel.Exists) == len(base.Messages) {
		// No flags have changed, nothing is new, and so nothing is gone.
		s.current = base
	}
	return ""
}

// resync applies what a SELECT with QRESYNC has told. An answer that contradicts
// itself, or what else is known, shows that the server does not keep track of
// changes, so that it must not be asked for them in another way either.
func (s *selection) resync(sel *imapclient.Selected, changes *delta) (wrong string) {
	base := s.base
	changes.settle()
	msgs, ok := changes.apply(base)
	switch n := len(msgs); {
	case changes.flaw != "":
		return changes.flaw
	case !ok:
		return "the server reports impossible changes"
	case n != int(sel.Exists):
		return fmt.Sprintf("with the changes that the server reports there are %d messages, but it has %d", n, sel.Exists)
	case !changes.placed(msgs):
		return "the changes that the server reports lead to other sequence numbers"
	case sel.UIDNext != 0 && n > 0 && msgs[n-1].UID >= sel.UIDNext && sel.UIDNext != mail.MaxUID:
		return "the server reports messages beyond UIDNEXT"
	}
	s.unsure = !changes.explained(msgs, base.UIDNext, s.next)
	s.current = base
	next := above(msgs, s.next)
	if len(changes.changed) > 0 || len(changes.gone) > 0 || s.modSeq != base.ModSeq || next != base.UIDNext {
		s.current = &listcache.Listing{
			UIDValidity: base.UIDValidity, UIDNext: next, ModSeq: s.modSeq, Complete: base.Complete, Messages: msgs,
		}
	}
	return ""
}

// errNoExists says that a mailbox cannot be opened: without the number of messages, a
// listing cannot be verified.
var errNoExists = errors.New("number of messages is unknown: the server's EXISTS is missing or invalid")

// warnNoValidity warns once if a server does not report UIDVALIDITY, or reports 0. The
// mailbox is then identified by 0.
func (s *Store) warnNoValidity(box string) {
	if s.noValidity.CompareAndSwap(false, true) {
		s.warn(fmt.Sprintf("the server of store '%s' does not report the UIDVALIDITY of mailbox '%s'", s.opts.Name, box),
			"if the mailbox is deleted and created again, or gets new UIDs, mbsync cannot detect it and may confuse messages")
	}
}

// unsafeLogin recognizes servers that want to be told the name of the client
// (RFC 2971) before they let it at the mail.
func unsafeLogin(err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	return ok && strings.Contains(strings.ToLower(r.Text), "unsafe login")
}

// askUIDNext finds out the UIDNEXT that the server has not told: that of the
// last message, plus one.
func askUIDNext(ctx context.Context, sess *session, exists uint32) (mail.UID, error) {
	if exists == 0 {
		// It may have been otherwise, and UIDs go on from where they were.
		st, err := sess.client.Status(ctx, sess.selected, imapwire.BoxUIDNext)
		if err != nil && !refused(err) {
			return 0, fmt.Errorf("finding the next UID: %w", err)
		}
		return max(st.UIDNext, 1), nil
	}
	// Not as a range that ends in "*": to Courier that is empty if it begins
	// above the last message.
	var last mail.UID
	end := imapclient.FetchRequest{UIDs: mail.UIDsFrom(1), Last: true}
	err := sess.client.Fetch(ctx, end, func(f *imapclient.Message) error {
		last = max(last, f.UID)
		return nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("finding the last message: %w", err)
	case last == 0:
		return 0, errors.New("server reports neither UIDNEXT nor the last message")
	case last == mail.MaxUID:
		return last, nil
	}
	return last + 1, nil
}
