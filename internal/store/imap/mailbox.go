package imap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// mailbox implements store.Mailbox and store.Trasher.
type mailbox struct {
	store    *Store
	box      string // canonical
	name     string // on the server
	named    bool   // the name will not change any more
	readOnly bool
	// deposit: nothing is selected, and the session may be shared.
	deposit bool
	// prefetchLimit is OpenRequest.Prefetch until the first SELECT.
	prefetchLimit int64

	// attaching is held while the mailbox gets a session of its own.
	attaching sync.Mutex
	// scanning is held while messages are listed, for one listing at a time.
	scanning sync.Mutex

	mu     sync.Mutex
	sess   *session.Session // nil when closed, or detached
	sel    *selection       // of the session; its listings belong to who holds listing
	info   store.Info
	memory memory
	// fresh: the data of the SELECT are still current, because this side has changed nothing since.
	// arrived is session.arrived at that time.
	fresh   bool
	arrived uint64
	// prefetched are messages that need not be fetched; see startAhead.
	prefetched map[mail.UID]*prefetched
	reserved   int64 // see pipeline.reserve
	own        ownChanges
	// detached is not nil while the mailbox has no session of its own.
	detached *detached
}

var (
	_ store.Mailbox = (*mailbox)(nil)
	_ store.Trasher = (*mailbox)(nil)
)

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := &mailbox{store: s, box: box, readOnly: req.ReadOnly, deposit: req.Deposit, prefetchLimit: req.Prefetch}
	if p := req.Pipelined; p != nil {
		if m.openPipelined(ctx, p) {
			return m, nil
		}
		if err := p.Claim(ctx); err != nil {
			return nil, err
		}
	}
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	s.pool.Record().SelectedAlone()
	return m, nil
}

// open takes a session and selects the mailbox in it. For a deposit, it only checks that the mailbox
// exists.
func (m *mailbox) open(ctx context.Context) error {
	o, err := m.take(ctx)
	if err == nil {
		m.adopt(o)
		m.needMark(o.sess.Client)
	}
	return err
}

// take is open, but does not assign the session to the mailbox yet.
func (m *mailbox) take(ctx context.Context) (*opened, error) {
	s := m.store
	if _, known := s.knownName(m.box); !known {
		s.wantLayout()
	}
	var o *opened
	_, answer, err := s.pool.Take(ctx, &s.gate, m.want(), func(sess *session.Session) error {
		l, err := m.setName(ctx, sess)
		if err != nil {
			return err
		}
		if m.deposit {
			o, err = m.lookAt(ctx, sess)
		} else if o, err = m.selectBox(ctx, sess); err != nil {
			sess.Selected = ""
		}
		if err == nil {
			o.layout = l
		}
		return err
	})
	switch {
	case err != nil:
		return nil, s.storeError(err)
	case answer != nil:
		return nil, s.boxError(m.box, answer)
	}
	return o, nil
}

// setName determines the name of the mailbox on the server, unless it is known already. It returns the
// layout if the name depends on it.
func (m *mailbox) setName(ctx context.Context, sess *session.Session) (*layout, error) {
	m.mu.Lock()
	named := m.named
	m.mu.Unlock()
	if named {
		return nil, nil
	}
	name, known := m.store.knownName(m.box)
	var l *layout
	if !known {
		var err error
		if l = m.store.layoutOf(sess.Client); l != nil {
			m.store.pool.WantNamespace(false)
		} else {
			l, err = m.store.layoutBy(ctx, sess)
		}
		if err != nil {
			return nil, m.store.storeError(err)
		}
		if name, err = l.server(m.box); err != nil {
			return nil, err
		}
	}
	if m.name != name {
		m.name, m.memory = name, memory{} // which is about another mailbox
	}
	return l, nil
}

// lookAt checks that the mailbox exists.
func (m *mailbox) lookAt(ctx context.Context, sess *session.Session) (*opened, error) {
	st, err := sess.Client.Status(ctx, m.name, imapwire.BoxUIDValidity)
	if err != nil {
		if missing(ctx, sess.Client, m.name, err) {
			return nil, store.ErrNoBox
		}
		return nil, err
	}
	// Without a SELECT, it is not known whether the mailbox can store other flags, and some
	// servers refuse messages with flags that they cannot store.
	info := store.Info{UIDValidity: st.UIDValidity, UIDNext: 1, Flags: mail.AllFlags &^ mail.FlagForwarded}
	return &opened{sess: sess, info: info}, nil
}

// want describes the session that the mailbox needs.
func (m *mailbox) want() session.Want { return session.Want{Exclusive: !m.deposit} }

// giveBack gives the session back.
func (m *mailbox) giveBack(sess *session.Session) {
	m.store.pool.Put(sess, m.want())
}

// Info implements store.Mailbox.
func (m *mailbox) Info() store.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.info
}

var (
	errBoxClosed = errors.New("mailbox is closed")
	errReadOnly  = errors.New("mailbox was opened read-only")

	errNewValidity = errors.New("UIDVALIDITY has changed while the mailbox was open")
)

// use returns the session for a call.
func (m *mailbox) use(ctx context.Context) (*session.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.attach(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.useLocked()
}

// useLocked is use while m.mu is held.
func (m *mailbox) useLocked() (*session.Session, error) {
	if m.sess == nil {
		return nil, m.store.boxError(m.box, errBoxClosed)
	}
	m.sess.Use()
	return m.sess, nil
}

// change is use for a call that changes the mailbox.
func (m *mailbox) change(ctx context.Context) (*session.Session, error) {
	sess, err := m.changeCounted(ctx)
	if err == nil {
		m.noteUnknown()
	}
	return sess, err
}

// changeCounted is change for a call that counts its changes: see ownChanges.
func (m *mailbox) changeCounted(ctx context.Context) (*session.Session, error) {
	if m.readOnly {
		return nil, m.store.boxError(m.box, errReadOnly)
	}
	sess, err := m.use(ctx)
	if err == nil {
		m.mu.Lock()
		m.fresh = false
		m.mu.Unlock()
	}
	return sess, err
}

// fail wraps the error of a call.
func (m *mailbox) fail(what string, err error) error {
	if err == nil || classified(err) {
		return err
	}
	return m.store.boxError(m.box, fmt.Errorf("%s: %w", what, err))
}

// reconnect replaces the session, whose connection was closed.
func (m *mailbox) reconnect(ctx context.Context) error {
	m.mu.Lock()
	old, validity := m.sess, m.info.UIDValidity
	m.sess, m.own.unknown = nil, true
	m.mu.Unlock()
	m.giveBack(old)
	if err := m.open(ctx); err != nil || m.deposit {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fresh = false
	if m.info.UIDValidity != validity {
		return m.store.boxError(m.box, errNewValidity)
	}
	return nil
}

// Close implements store.Mailbox. The mailbox stays selected until the session is used for something else.
// That expunges nothing, and needs no command.
func (m *mailbox) Close(ctx context.Context) error {
	// Also if the run has failed: a complete listing is still valid, and the next run
	// continues from it.
	m.Remember(ctx)
	m.mu.Lock()
	sess, info := m.sess, m.info
	d := m.detached
	m.sess, m.prefetched, m.detached = nil, nil, nil
	m.mu.Unlock()
	if sess == nil && d == nil {
		return m.store.boxError(m.box, errBoxClosed)
	}
	if !m.deposit {
		m.store.noteEnd(m.name, &info)
	}
	m.store.opts.Sessions.pipeline.release(&m.reserved)
	if sess != nil {
		m.giveBack(sess)
	}
	return nil
}

// refused reports whether a command was refused, and the connection still works.
func refused(err error) bool {
	_, ok := errors.AsType[*imapclient.ResponseError](err)
	return ok
}

// useless reports whether a command was refused, or its answer is invalid.
func useless(err error) bool {
	_, garbled := errors.AsType[*imapclient.AnswerError](err)
	return garbled || refused(err)
}

// noteUID raises UIDNEXT above the UID of an existing message.
func (m *mailbox) noteUID(u mail.UID) {
	if u == mail.MaxUID {
		u--
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.info.UIDNext = max(m.info.UIDNext, u+1)
}
