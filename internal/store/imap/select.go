package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// selection is the result of the SELECT of a mailbox.
type selection struct {
	// modSeq is HIGHESTMODSEQ: a listing in this session includes all changes up to it. 0: the
	// mailbox has no mod-sequences.
	modSeq   mail.ModSeq
	validity uint32           // UIDVALIDITY
	next     mail.UID         // UIDNEXT
	mark     string           // of the mailbox, as of then
	boxID    string           // MAILBOXID (RFC 8474); "": none
	reported session.Snapshot // as of then
	// base is the saved listing of the mailbox; nil: there is none, or it cannot be used.
	base *memo.Listing
	// part is the saved beginning of a listing, if there is no base.
	part *memo.Part
	// current is the listing at the time of the SELECT, if it is known. unsure: there are UIDs
	// about which the server should have reported more.
	current *memo.Listing
	unsure  bool
	// early are the changes since the listing since, which were requested after the SELECT; nil:
	// they were not requested.
	early *listing.Delta
	since *memo.Listing
}

// opened is the result of opening a mailbox. adopt applies it when the session is
// confirmed.
type opened struct {
	sess    *session.Session
	sel     *selection // nil for a deposit
	info    store.Info
	arrived uint64
	layout  *layout // if the name depends on it
}

// adopt applies the result to the mailbox.
func (m *mailbox) adopt(o *opened) {
	if o.layout != nil {
		m.store.run().layout.keep(o.layout)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named = true
	m.sess, m.sel, m.arrived, m.fresh = o.sess, o.sel, o.arrived, o.sel != nil
	m.info = o.info
}

// selectBox selects the mailbox and collects its data.
func (m *mailbox) selectBox(ctx context.Context, sess *session.Session) (*opened, error) {
	c := sess.Client
	remembers := m.remembers(ctx, sess)
	var base *memo.Listing
	var part *memo.Part
	if remembers {
		base, part = m.recall()
	}
	// Changes that are reported after the SELECT count, even if they are received
	// before it has returned here.
	before, arrived := sess.Snapshot(), sess.Arrivals()
	m.mu.Lock()
	m.prefetched = nil
	m.mu.Unlock()
	sel, changes, early, err := m.trySelect(ctx, sess, remembers, base)
	if unsafeLogin(err) && c.Caps().Has("ID") {
		if _, err := c.ID(ctx, "name", "isync"); err != nil {
			return nil, err
		}
		sel, changes, early, err = m.trySelect(ctx, sess, remembers, base)
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
	sess.Selected = m.name
	s := &selection{
		modSeq: sel.HighestModSeq, validity: sel.UIDValidity, next: sel.UIDNext, boxID: sel.MailboxID,
		reported: before.With(sel.Exists), base: base, part: part, early: early, since: base,
	}
	if sel.NoModSeq || !remembers || sel.UIDValidity == 0 {
		s.modSeq = 0 // nothing is remembered of it
	}
	info, err := m.selectedInfo(ctx, sess, &sel)
	if err != nil {
		return nil, err
	}
	s.next = info.UIDNext
	s.mark = mark(sel.UIDValidity, sel.UIDNext, sel.Exists, s.modSeq)
	m.compare(s, &sel, changes)
	sess.NoteUpToDate()
	return &opened{sess: sess, sel: s, info: info, arrived: arrived}, nil
}

// selectedInfo returns the data of the SELECT, and requests those that are missing.
func (m *mailbox) selectedInfo(ctx context.Context, sess *session.Session, sel *imapclient.Selected) (store.Info, error) {
	switch {
	case !sel.HasExists:
		return store.Info{}, errNoExists
	case sel.UIDNotSticky:
		return store.Info{}, errors.New("server does not keep the UIDs of messages in this mailbox")
	}
	info := store.Info{
		UIDValidity: sel.UIDValidity, UIDNext: sel.UIDNext, UIDNextGuessed: sel.UIDNext == 0, Flags: sel.Settable(),
	}
	if info.UIDNextGuessed {
		var err error
		if info.UIDNext, err = askUIDNext(ctx, sess, sel.Exists); err != nil {
			return store.Info{}, err
		}
	}
	if sel.UIDValidity == 0 {
		m.store.warnNoValidity(m.box)
	}
	if m.readOnly {
		// EXAMINE does not report the permanent flags. They are guessed, so that a dry run
		// shows the changes of flags.
		info.Flags = sel.Flags.Flags | mail.FlagForwarded
	}
	return info, nil
}

// compare keeps the remembered listing of the mailbox if the SELECT agrees with it, and
// drops it otherwise.
func (m *mailbox) compare(s *selection, sel *imapclient.Selected, changes *listing.Delta) {
	now := &listing.Selection{Selected: sel, ModSeq: s.modSeq, Next: s.next}
	if base := s.base; base != nil {
		var why string
		if s.current, s.unsure, why = now.Compare(base, changes); why != "" {
			s.base = nil
			m.forget(why)
		} else {
			m.identify(base, sel.MailboxID)
		}
	}
	if s.part != nil {
		if why := now.Fits(s.part); why != "" {
			s.part = nil
			m.forget(why)
		}
	}
}

// trySelect selects the mailbox in the way that reports most of the changes since base. changes is nil if
// the server was not asked. early are changes that were requested after the SELECT; nil: they were not
// requested, or are not known.
func (m *mailbox) trySelect(ctx context.Context, sess *session.Session, remembers bool, base *memo.Listing) (sel imapclient.Selected, changes, early *listing.Delta, err error) {
	opts, changes, err := m.selectOptions(ctx, sess, remembers, base)
	if err != nil {
		return sel, nil, nil, err
	}
	p, err := sess.Client.StartSelect(ctx, m.name, opts)
	var behind *ahead
	if err == nil {
		since := base
		if !opts.CondStore {
			since = nil
		}
		behind, err = m.startAhead(ctx, sess, since)
	}
	if eerr := sess.QResyncAnswered(ctx); err == nil && eerr != nil {
		err = eerr
	}
	if err != nil {
		return sel, nil, nil, err
	}
	sel, err = p.Wait(ctx)
	if behind != nil {
		var lost error
		if early, lost = behind.wait(ctx, m, err == nil, sel.UIDValidity); err == nil && lost != nil {
			return sel, changes, nil, lost
		}
	}
	if !opts.CondStore && changes == nil || !refused(err) || unsafeLogin(err) || saysMissing(err) {
		return sel, changes, early, err
	}
	// Determine whether the mailbox or the parameter is the reason.
	plain, perr := sess.Client.Select(ctx, m.name, imapclient.SelectOptions{ReadOnly: m.readOnly})
	if perr == nil {
		m.store.debugf("the server selects '%s' only without parameters: %v", m.box, err)
		m.store.run().plainSelect.Store(true)
		m.store.pool.Record().ResumePipelining() // it may have failed for the same reason
	}
	return plain, nil, nil, perr
}

// selectOptions returns the parameters of a SELECT that reports most of the changes since base. changes
// collects them; nil: it reports none. selectOptions may send ENABLE.
func (m *mailbox) selectOptions(ctx context.Context, sess *session.Session, remembers bool, base *memo.Listing) (opts imapclient.SelectOptions, changes *listing.Delta, err error) {
	opts.ReadOnly = m.readOnly
	if !remembers || m.store.run().plainSelect.Load() {
		return opts, nil, nil
	}
	qresync, err := sess.EnableQResync(ctx)
	if err != nil {
		return opts, nil, err
	}
	if !qresync || base == nil {
		opts.CondStore = true
		return opts, nil, nil
	}
	changes = new(listing.Delta)
	opts.QResync = imapclient.QResync{
		UIDValidity: base.UIDValidity, ModSeq: base.ModSeq, Known: mail.UIDsFrom(1),
		Vanished: changes.Vanished, Changed: changes.Fetched, Unreadable: changes.Unreadable, Closed: changes.Reset,
	}
	return opts, changes, nil
}

// errNoExists says that a mailbox cannot be opened: without the number of messages, a
// listing cannot be verified.
var errNoExists = errors.New("number of messages is unknown: the server's EXISTS is missing or invalid")

// warnNoValidity warns once if a server does not report UIDVALIDITY, or reports 0. The
// mailbox is then identified by 0.
func (s *Store) warnNoValidity(box string) {
	if s.run().noValidity.CompareAndSwap(false, true) {
		s.warn(event.UIDValidityNotReported{Store: s.opts.Name, Box: box})
	}
}

// unsafeLogin recognizes servers that require the name of the client (RFC 2971) before they allow access to
// the mail.
func unsafeLogin(err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	return ok && strings.Contains(strings.ToLower(r.Text), "unsafe login")
}

// askUIDNext determines the UIDNEXT that the server has not reported: the UID of the last message, plus one.
func askUIDNext(ctx context.Context, sess *session.Session, exists uint32) (mail.UID, error) {
	if exists == 0 {
		// The mailbox may have had messages before, and new UIDs are higher.
		st, err := sess.Client.Status(ctx, sess.Selected, imapwire.BoxUIDNext)
		if err != nil && !refused(err) {
			return 0, fmt.Errorf("finding the next UID: %w", err)
		}
		return max(st.UIDNext, 1), nil
	}
	// Do not use a range that ends with "*": for Courier it is empty if it begins above the last
	// message.
	var last mail.UID
	end := imapclient.FetchRequest{UIDs: mail.UIDsFrom(1), Last: true}
	err := sess.Client.Fetch(ctx, end, func(f *imapclient.Message) error {
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
