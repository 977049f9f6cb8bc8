package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// session is a connection that is logged in.
type session struct {
	client *imapclient.Client

	// users is how many have taken the session, guarded by pool.mu; exclusive
	// says that one of them is a mailbox. selected is the mailbox, by its name
	// on the server, that is or was selected.
	users     int
	exclusive bool
	selected  string

	// uses counts the calls that mailboxes have used it for.
	uses atomic.Uint64

	mu       sync.Mutex
	arrivals uint64  // counts announcements of new messages
	changes  uint64  // counts what was told of other changes
	stored   uint64  // messages that we have begun to store in the selected mailbox
	told     uint64  // arrivals when we began to count them
	census   *census // of the listing under way, if any

	// qresync turns on QRESYNC when the first mailbox is selected.
	qresync enabling

	// unconfirmed is not nil while it is not known what the server makes of the
	// login. Such a session is that of the call that has dialed, and not yet among
	// those of the pool.
	unconfirmed *unconfirmed
}

// follow lets the census of a listing know what happens; nil ends that.
func (s *session) follow(c *census) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.census = c
}

// noteExpunge and noteVanished are told that messages are gone.
func (s *session) noteExpunge(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if s.census != nil {
		s.census.expunged(seq)
	}
}

func (s *session) noteVanished(uids mail.UIDSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if s.census != nil {
		s.census.vanished(uids)
	}
}

// noteUnreadable notes an invalid response about the mailbox.
func (s *session) noteUnreadable(kind imapwire.Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if s.census != nil && kind != imapwire.KindFetch {
		s.census.mislead()
	}
}

// noteFetch looks at a FETCH that nobody has asked for.
func (s *session) noteFetch(f *imapwire.Fetch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Has&imapwire.ItemFlags != 0 {
		s.changes++
	}
	if f.Has&imapwire.ItemUID != 0 && s.census != nil && f.UID != 0 {
		s.census.note(f.UID, f.Seq, false)
	}
}

// noteExists counts announcements of new messages.
func (s *session) noteExists(n uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals++
	if s.census != nil {
		s.census.counted(n)
	}
}

// arrived returns how many announcements there were.
func (s *session) arrived() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrivals
}

// news tells what has been announced so far, so that one can see whether
// anything has happened meanwhile.
func (s *session) news() news {
	s.mu.Lock()
	defer s.mu.Unlock()
	return news{s.changes, s.client.Exists()}
}

// news is a point in the story that a server tells.
type news struct {
	changes uint64
	exists  uint32
}

// lost reports whether the connection is gone.
func (s *session) lost() bool { return s.client.Err() != nil }

// errNoLogin is what happens to servers that want a login and get none.
var errNoLogin = errors.New("the server wants a login, but there is none to offer")

// errClosed is why calls fail after Close.
var errClosed = errors.New("store is closed")

// door is how a store gets at sessions. Its store has no further try once a login
// has failed; another store of the account may have better luck, if the login
// thinks so. The mutex of the pool guards it.
type door struct{ refused error }

// pool has the sessions of an account.
type pool struct {
	opts *Options
	// first holds a token while the first login is being tried.
	first chan struct{}
	// wantsNamespace: whoever is about to take a session will ask for it.
	wantsNamespace atomic.Bool
	// past is what the server has told in earlier runs.
	past past

	mu       sync.Mutex
	sessions []*session
	dialing  int           // connections in the making
	limit    int           // of sessions and those in the making; 0: none
	warned   bool          // that the server wants no more of them
	loggedIn bool          // a login has succeeded
	stores   int           // that use it
	closed   bool          //
	change   chan struct{} // closed, and replaced, when one may look again
}

func newPool(o *Options) *pool {
	opts := *o
	opts.Client.Ampersands = new(imapclient.Ampersands)
	return &pool{
		opts: &opts, past: past{opts: &opts}, first: make(chan struct{}, 1), limit: o.MaxSessions, change: make(chan struct{}),
	}
}

// changed wakes all who wait; p.mu is held.
func (p *pool) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// spare takes a session that nobody uses, or makes one, for something that needs
// no selected mailbox. It returns nil if there is none to be had at once. Whoever
// needs the session for a mailbox may share it.
func (p *pool) spare(ctx context.Context, d *door) *session {
	p.dropLost()
	p.mu.Lock()
	if p.unusable(d) != nil || ctx.Err() != nil {
		p.mu.Unlock()
		return nil
	}
	for _, s := range p.sessions {
		if s.users == 0 && !s.lost() {
			s.users++
			p.mu.Unlock()
			return s
		}
	}
	if p.full() {
		p.mu.Unlock()
		return nil
	}
	p.dialing++
	p.mu.Unlock()
	s, _, err := p.dial(ctx, d, false)
	if err == nil && s != nil && s.unconfirmed != nil {
		s, _, err = p.confirm(ctx, d, s)
	}
	if err != nil {
		return nil
	}
	return s // nil if the server does not want more of us
}

// full reports whether there can be no more sessions; p.mu is held.
func (p *pool) full() bool { return p.limit > 0 && p.live()+p.dialing >= p.limit }

// crowded reports whether no session can be spared.
func (p *pool) crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full() && !slices.ContainsFunc(p.sessions, func(s *session) bool { return s.users == 0 && !s.lost() })
}

// any takes a session for something that needs no selected mailbox. It may
// have other users at the same time. used tells that it is not new.
func (p *pool) any(ctx context.Context, d *door) (s *session, used bool, err error) {
	for {
		s, used, err := p.takeSoon(ctx, d, false)
		if err != nil || s.unconfirmed == nil {
			return s, used, err
		}
		s, again, err := p.confirm(ctx, d, s)
		if !again {
			return s, used, err
		}
	}
}

// ask takes a session and runs f on it, which changes nothing and may be run
// before the session is confirmed. It may be run again: if the session turns out
// to have been lost while it was idle, or things are otherwise than expected. If f
// fails, that is returned as the answer, and there is no session.
func (p *pool) ask(ctx context.Context, d *door, exclusive bool, f func(*session) error) (s *session, answer, err error) {
	for {
		s, used, err := p.takeSoon(ctx, d, exclusive)
		if err != nil {
			return nil, nil, err
		}
		answer := f(s)
		if s.unconfirmed != nil {
			var again bool
			if s, again, err = p.confirm(ctx, d, s); again {
				continue
			}
			if err != nil {
				return nil, nil, err
			}
		}
		if answer == nil {
			return s, nil, nil
		}
		p.release(s, exclusive)
		if !used || !isLost(answer) || ctx.Err() != nil {
			return nil, answer, nil
		}
	}
}

// takeSoon takes a session, for a mailbox if it is to be exclusive, or for
// something that needs no selected mailbox. It may be unconfirmed; used tells that
// it is not new.
func (p *pool) takeSoon(ctx context.Context, d *door, exclusive bool) (s *session, used bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		p.dropLost()
		p.mu.Lock()
		if err := p.unusable(d); err != nil {
			p.mu.Unlock()
			return nil, false, err
		}
		if s := p.pick(exclusive); s != nil {
			s.users++
			s.exclusive = s.exclusive || exclusive
			p.mu.Unlock()
			return s, true, nil
		}
		if p.full() {
			change, n := p.change, p.live()
			p.mu.Unlock()
			if err := p.wait(ctx, change, n); err != nil {
				return nil, false, err
			}
			continue
		}
		p.dialing++
		p.mu.Unlock()
		s, again, err := p.dial(ctx, d, exclusive)
		if !again {
			return s, false, err
		}
	}
}

// stuckAfter is for how long nothing may happen in any session while somebody
// waits for one. Whoever has the sessions then is most likely waiting itself:
// for the mailbox it wants to open besides.
var stuckAfter = 10 * time.Second

// wait waits for a change in the pool, which has n sessions and can have no
// more. It fails if there will not be one.
func (p *pool) wait(ctx context.Context, change <-chan struct{}, n int) error {
	tick := time.NewTicker(stuckAfter / 10)
	defer tick.Stop()
	uses, idle := p.used(), time.Now()
	for {
		select {
		case <-change:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if now := p.used(); now != uses || p.busy() {
			uses, idle = now, time.Now()
		}
		if time.Since(idle) >= stuckAfter {
			return fmt.Errorf("%w: no more than %d connection(s) to the server are possible, and each is needed for another mailbox", store.ErrCrowded, n)
		}
	}
}

// used counts what the sessions were used for.
func (p *pool) used() (n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		n += s.uses.Load()
	}
	return n
}

// busy reports whether any session has a command under way, or is in the
// making.
func (p *pool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialing > 0 || slices.ContainsFunc(p.sessions, func(s *session) bool { return s.client.Busy() })
}

// unusable tells why there cannot be any session; p.mu is held.
func (p *pool) unusable(d *door) error {
	if p.closed {
		return errClosed
	}
	return d.refused
}

// pick chooses a session that is there: an idle one, preferably; one of a
// mailbox if it need not be exclusive. p.mu is held.
func (p *pool) pick(exclusive bool) *session {
	var shared *session
	for _, s := range p.sessions {
		switch {
		case s.lost():
		case s.users == 0:
			return s
		case !exclusive || !s.exclusive:
			shared = s
		}
	}
	return shared
}

// live returns the number of sessions that are good for something; p.mu is
// held.
func (p *pool) live() int {
	n := 0
	for _, s := range p.sessions {
		if !s.lost() {
			n++
		}
	}
	return n
}

// dropLost forgets sessions that nobody uses and whose connection is gone.
func (p *pool) dropLost() {
	p.mu.Lock()
	var lost []*session
	p.sessions = slices.DeleteFunc(p.sessions, func(s *session) bool {
		if s.users > 0 || !s.lost() {
			return false
		}
		lost = append(lost, s)
		return true
	})
	if len(lost) > 0 {
		p.changed()
	}
	p.mu.Unlock()
	for _, s := range lost {
		_ = s.client.Close()
	}
}

// put gives a session back that any has led to.
func (p *pool) put(s *session) { p.release(s, false) }

// putExclusive gives a session back that was taken for a mailbox.
func (p *pool) putExclusive(s *session) { p.release(s, true) }

func (p *pool) release(s *session, exclusive bool) {
	p.mu.Lock()
	s.users--
	if exclusive {
		s.exclusive = false
	}
	p.changed()
	p.mu.Unlock()
	p.dropLost()
}

// idleWith takes the sessions in which the mailbox is selected though nobody
// has it open.
func (p *pool) idleWith(selected string) []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*session
	for _, s := range p.sessions {
		if s.users == 0 && s.selected == selected {
			s.users++
			s.exclusive = true
			out = append(out, s)
		}
	}
	return out
}

// join adds a store that uses the pool, which may have been closed for want of
// any.
func (p *pool) join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stores++
	p.closed = false
}

// leave takes a store off. With the last one all sessions end.
func (p *pool) leave() {
	p.mu.Lock()
	p.stores--
	last := p.stores == 0
	p.mu.Unlock()
	if last {
		p.close()
	}
}

// close ends all sessions.
func (p *pool) close() {
	p.mu.Lock()
	var idle, busy []*session
	for _, s := range p.sessions {
		if s.users > 0 || s.lost() {
			busy = append(busy, s)
		} else {
			idle = append(idle, s)
		}
	}
	p.sessions, p.closed = nil, true
	p.changed()
	p.mu.Unlock()
	for _, s := range idle {
		p.past.learn(s.client.Past())
	}
	var wg sync.WaitGroup
	for _, s := range busy {
		wg.Go(func() { _ = s.client.Close() })
	}
	for _, s := range idle {
		// Nothing is under way, so what the server answers does not matter.
		wg.Go(func() { _ = s.client.Leave(context.Background()) })
	}
	wg.Wait()
}
