package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
)

// Options describe the sessions of an account.
type Options struct {
	// Client tells how to connect.
	Client imapclient.Options
	// Login logs in on a new connection; see the Options of package imap.
	Login func(ctx context.Context, c *imapclient.Client) error
	// MaxSessions is the maximum number of sessions; 0: as many as are needed and the
	// server allows.
	MaxSessions int
	// Limited, if not nil, is called once in a run when the server refuses a further
	// session, with the number of sessions and the reason.
	Limited func(sessions int, err error)
	// Measured, if not nil, is called when a network path to the server was measured, with the
	// bytes per second, at most once in a run for each path.
	Measured func(rate float64, slow bool)
	// StuckAfter is how long a call waits for a session while nothing happens in any
	// session; 0: DefaultStuckAfter.
	StuckAfter time.Duration

	// Listings is the directory of the server memo, whose name is Server; nil or "":
	// there is none. ReadOnly: it is not changed.
	Listings *memo.Dir
	Server   string
	ReadOnly bool

	// Now tells the time; nil: time.Now.
	Now func() time.Time
	// Debug, if not nil, is called with lines of debug output.
	Debug func(text string)
}

// DefaultStuckAfter is the usual Options.StuckAfter. If nothing has happened for so
// long, the users of the sessions most likely wait for another session themselves.
const DefaultStuckAfter = 10 * time.Second

func (o *Options) debugf(format string, args ...any) {
	if o.Debug != nil {
		o.Debug(fmt.Sprintf(format, args...))
	}
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// errClosed is the error of calls after Close.
var errClosed = errors.New("store is closed")

// A Pool manages the sessions of an account. It is safe for concurrent use.
type Pool struct {
	opts *Options
	// first holds a token while the first login of a run is being tried.
	first chan struct{}
	// wantsNamespace: see WantNamespace.
	wantsNamespace atomic.Bool
	record         ServerRecord

	mu       sync.Mutex
	run      *run
	sessions []*Session
	dialing  int // connections in the making
	reserved int // see Reserve
	stores   int // that use the pool
	closed   bool
	change   chan struct{} // closed and replaced to wake waiting calls
	wanted   chan struct{} // see Wanted
}

// NewPool returns a pool without sessions.
func NewPool(o Options) *Pool {
	if o.StuckAfter == 0 {
		o.StuckAfter = DefaultStuckAfter
	}
	o.Client.Ampersands = new(imapclient.Ampersands)
	p := &Pool{
		opts: &o, record: ServerRecord{opts: &o}, first: make(chan struct{}, 1),
		run: &run{limit: o.MaxSessions}, change: make(chan struct{}), wanted: make(chan struct{}, 1),
	}
	if o.Client.Line == nil {
		o.Client.Line = &p.record
	}
	return p
}

// MaxSessions returns the maximum number of sessions: that of the options, without those
// that are reserved; 0: no limit.
func (p *Pool) MaxSessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unreserved(p.opts.MaxSessions)
}

// unreserved returns how many of n connections may be sessions; 0: no limit. p.mu must be
// held.
func (p *Pool) unreserved(n int) int {
	most := p.opts.MaxSessions
	if most == 0 {
		return n
	}
	return max(1, min(n, most-p.reserved))
}

// Record returns the remembered data of the server.
func (p *Pool) Record() *ServerRecord { return &p.record }

// WantNamespace sets whether the next new connection requests the namespaces together
// with its other commands, because they will be needed.
func (p *Pool) WantNamespace(want bool) { p.wantsNamespace.Store(want) }

// Want describes what a session is needed for.
type Want struct {
	// Exclusive: a mailbox is selected in the session. Otherwise the session may have
	// several users at the same time.
	Exclusive bool
	// Changes: f may change something, so it must not be run before the server has
	// answered the login.
	Changes bool
}

// Take takes a session and runs f on it. f may be run again: if the connection turns
// out to have been lost while it was idle, or if the server is not as expected. If f
// fails, answer is its error, and there is no session. Otherwise Put must be called.
//
// Take waits if no further session is possible. If nothing happens in any session for
// Options.StuckAfter, it fails with store.ErrCrowded.
func (p *Pool) Take(ctx context.Context, gate *LoginGate, want Want, f func(*Session) error) (s *Session, answer, err error) {
	for {
		s, err := p.find(ctx, gate, want.Exclusive)
		used := s != nil
		switch {
		case err != nil:
			return nil, nil, err
		case used:
			answer = f(s)
		default:
			s, answer, err = p.create(ctx, gate, want, f)
		}
		if err == nil && answer == nil {
			return s, nil, nil
		}
		if s != nil {
			p.Put(s, want)
		}
		switch {
		case errors.Is(err, errLookAgain):
		case err != nil:
			return nil, nil, err
		case !used || !isLost(answer) || ctx.Err() != nil:
			return nil, answer, nil
		}
	}
}

// isLost reports whether the error means that the connection is gone.
func isLost(err error) bool {
	_, lost := errors.AsType[*imapclient.ConnectionError](err)
	return lost
}

// find takes a session of the pool; it waits if no further one is possible. It returns
// nil if the caller must make one, which is then counted in p.dialing.
func (p *Pool) find(ctx context.Context, gate *LoginGate, exclusive bool) (*Session, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.dropLost()
		p.mu.Lock()
		if err := p.unusable(gate); err != nil {
			p.mu.Unlock()
			return nil, err
		}
		if s := p.pick(exclusive); s != nil {
			renewed := func() {}
			if s.kept && !exclusive {
				renewed = s.renew(ctx) // a mailbox is selected anew anyway
			}
			s.kept = false
			s.users++
			s.exclusive = s.exclusive || exclusive
			p.mu.Unlock()
			renewed()
			return s, nil
		}
		if !p.full() {
			p.dialing++
			p.mu.Unlock()
			return nil, nil
		}
		change, n := p.change, p.live()
		p.mu.Unlock()
		err := p.wait(ctx, change, n)
		if err != nil && (!errors.Is(err, store.ErrCrowded) || !p.yield()) {
			return nil, err
		}
	}
}

// Spare takes a session that is not in use, or makes one, for operations that need no
// selected mailbox, or to select mailboxes in it if want.Exclusive is set. It returns nil if
// that is not possible without waiting. Without want.Exclusive, a mailbox may share the
// session.
func (p *Pool) Spare(ctx context.Context, gate *LoginGate, want Want) *Session {
	p.dropLost()
	p.mu.Lock()
	if p.unusable(gate) != nil || ctx.Err() != nil {
		p.mu.Unlock()
		return nil
	}
	for _, s := range p.sessions {
		if s.users > 0 || s.Lost() {
			continue
		}
		kept := s.kept
		s.kept = false
		s.users++
		s.exclusive = s.exclusive || want.Exclusive
		p.mu.Unlock()
		// Unlike in Take, commands cannot be repeated on another session. So one that
		// was idle since an earlier run is tested first.
		if kept && s.Client.Noop(ctx) != nil {
			p.Put(s, want)
			return p.Spare(ctx, gate, want)
		}
		return s
	}
	if p.full() {
		p.mu.Unlock()
		return nil
	}
	p.dialing++
	p.mu.Unlock()
	want.Changes = true // f must not run on a session that is not confirmed
	s, _, err := p.create(ctx, gate, want, func(*Session) error { return nil })
	if err != nil {
		return nil
	}
	return s
}

// full reports whether there can be no more sessions; p.mu is held.
func (p *Pool) full() bool {
	return p.run.limit > 0 && p.live()+p.dialing >= p.unreserved(p.run.limit)
}

// Crowded reports whether no session is available.
func (p *Pool) Crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full() && !slices.ContainsFunc(p.sessions, func(s *Session) bool { return s.users == 0 && !s.Lost() })
}

// wait waits for a change in the pool, which has n sessions and can have no
// more. It fails if there will not be one.
func (p *Pool) wait(ctx context.Context, change <-chan struct{}, n int) error {
	tick := time.NewTicker(p.opts.StuckAfter / 10)
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
		if time.Since(idle) >= p.opts.StuckAfter {
			return fmt.Errorf("%w: no more than %d connection(s) to the server are possible, and each is needed for another mailbox", store.ErrCrowded, n)
		}
	}
}

// used counts what the sessions were used for.
func (p *Pool) used() (n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		n += s.uses.Load()
	}
	return n
}

// busy reports whether any session has a command under way, or is in the
// making.
func (p *Pool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialing > 0 || slices.ContainsFunc(p.sessions, func(s *Session) bool { return s.Client.Busy() })
}

// unusable returns the reason why there cannot be any session; p.mu is held.
func (p *Pool) unusable(gate *LoginGate) error {
	if p.closed {
		return errClosed
	}
	if p.run.apart {
		return p.run.refused
	}
	return gate.closed(p.run)
}

// pick chooses an existing session: preferably an idle one. If it need not be exclusive, it may be the
// session of a mailbox. p.mu is held.
func (p *Pool) pick(exclusive bool) *Session {
	var shared *Session
	for _, s := range p.sessions {
		switch {
		case s.Lost():
		case s.users == 0:
			return s
		case !exclusive || !s.exclusive:
			shared = s
		}
	}
	return shared
}

// live returns the number of sessions whose connection is not lost; p.mu is held.
func (p *Pool) live() int {
	n := 0
	for _, s := range p.sessions {
		if !s.Lost() {
			n++
		}
	}
	return n
}

// changed wakes all who wait; p.mu is held.
func (p *Pool) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// dropLost removes unused sessions whose connection is lost.
func (p *Pool) dropLost() {
	p.mu.Lock()
	var lost []*Session
	p.sessions = slices.DeleteFunc(p.sessions, func(s *Session) bool {
		if s.users > 0 || !s.Lost() {
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
		_ = s.Client.Close()
	}
}

// Put gives back a session that was taken for want.
func (p *Pool) Put(s *Session, want Want) {
	p.mu.Lock()
	s.users--
	if want.Exclusive {
		s.exclusive = false
	}
	p.changed()
	p.mu.Unlock()
	p.dropLost()
}

// TakeIdle takes, exclusively, the unused sessions in which the mailbox is still
// selected.
func (p *Pool) TakeIdle(selected string) []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*Session
	for _, s := range p.sessions {
		if s.users == 0 && s.Selected == selected {
			s.users++
			s.exclusive = true
			out = append(out, s)
		}
	}
	return out
}

// Rest ends the sessions that are not in use.
func (p *Pool) Rest() {
	p.mu.Lock()
	var idle []*Session
	p.sessions = slices.DeleteFunc(p.sessions, func(s *Session) bool {
		if s.users > 0 {
			return false
		}
		idle = append(idle, s)
		return true
	})
	if len(idle) > 0 {
		p.changed()
	}
	p.mu.Unlock()
	leave(p, idle)
}

// leave logs out of idle sessions, and stores the announcements of their servers.
func leave(p *Pool, idle []*Session) {
	var wg sync.WaitGroup
	for _, s := range idle {
		if s.Lost() {
			wg.Go(func() { _ = s.Client.Close() })
			continue
		}
		p.record.learn(s.Client.Memo())
		// No command is in progress, so the answer of the server does not matter.
		wg.Go(func() { _ = s.Client.Leave(context.Background()) })
	}
	wg.Wait()
}

// Join adds a store to the users of the pool. A closed pool opens again.
func (p *Pool) Join() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stores++
	p.closed = false
}

// Leave removes a store. When the last one leaves, all sessions end.
func (p *Pool) Leave() {
	p.mu.Lock()
	p.stores--
	last := p.stores == 0
	p.mu.Unlock()
	if last {
		p.close()
	}
}

// close ends all sessions.
func (p *Pool) close() {
	p.mu.Lock()
	var idle, busy []*Session
	for _, s := range p.sessions {
		if s.users > 0 || s.Lost() {
			busy = append(busy, s)
		} else {
			idle = append(idle, s)
		}
	}
	p.learnQuestions()
	p.sessions, p.closed = nil, true
	p.changed()
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range busy {
		wg.Go(func() { _ = s.Client.Close() })
	}
	leave(p, idle)
	wg.Wait()
}
