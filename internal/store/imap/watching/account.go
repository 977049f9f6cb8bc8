package watching

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// Options describe the watch of an account.
type Options struct {
	// Pool has the other connections of the account.
	Pool *session.Pool
	// Login logs in on a new connection, with a secret obtained anew. nil: the login of the
	// pool.
	Login func(ctx context.Context, c *imapclient.Client) error
	// IdleRefresh is the time after which an IDLE is ended and sent again; 0: DefaultIdleRefresh.
	IdleRefresh time.Duration
	// Debug, if not nil, is called with lines of debug output.
	Debug func(text string)
}

// DefaultIdleRefresh is the usual Options.IdleRefresh. Routers forget connections on which
// nothing is sent for some 10 minutes.
const DefaultIdleRefresh = 9 * time.Minute

// Names describes the names of mailboxes on the server.
type Names struct {
	// Namespace is nil if the server has no namespaces.
	Namespace *imapwire.Namespace
	// Delim is the hierarchy delimiter; "" if there is none.
	Delim string
}

// State is the state of the watch, as in store.WatchState. Covered has names on the
// server.
type State struct {
	Mode      store.WatchMode
	Covered   []string
	Connected bool
	Since     time.Time
	Err       error
	Next      time.Time
}

// A Listener receives changes. Unless documented otherwise, its methods are called on one goroutine. They
// must not block. Names are those on the server.
type Listener interface {
	// Connected is called before anything else, and again when the names may have
	// changed.
	Connected(n Names)
	// Preferred returns the mailboxes to be watched if not all of them can be, the most
	// important first. It is called after Connected, on any goroutine.
	Preferred() []string
	// Subscriptions reports whether Boxes is to be called when mailboxes are subscribed
	// or unsubscribed, too. It is called on any goroutine.
	Subscriptions() bool
	// Changed: a mailbox may have changed. st has the known items of its current status. Boxes: there
	// may be other mailboxes. All: each mailbox may have changed.
	Changed(name string, st *imapwire.BoxStatus)
	Boxes()
	All()
	// State is called with each new state, after the changes that were found when the state
	// began.
	State(s State)
}

// Account watches the mailboxes of an account as long as it has members. It is safe for
// concurrent use.
type Account struct {
	opts Options

	life chan struct{} // holds a token while members join or leave
	stop func()        // ends the goroutines and waits for them; nil: there are none

	// probe receives a value when the sessions of the pool are to be tested.
	probe chan struct{}

	// reporting is held while a listener is called.
	reporting sync.Mutex

	mu      sync.Mutex
	wake    chan struct{} // receives a value when something is pending
	members []*Member
	lines   []*line // those in use; the first is the main one
	names   *Names  // nil: not known yet
	known   known
	// whole: known has all mailboxes, as of the last connection with NOTIFY.
	whole bool
	// arrived has the mailboxes that were reported as changed, with the number of messages
	// that were reported as new; see Reported.
	arrived map[string]uint32
	// expected has the mailboxes of which a report by NOTIFY is expected, and until when. nil:
	// there is no NOTIFY.
	expected map[string]time.Time
	// unusable are the names of mailboxes that the server does not open.
	unusable map[string]bool
	// noNotify: the next connection does not use NOTIFY.
	noNotify bool
	mode     store.WatchMode
	reason   error // why mode is not a better one
	polling  bool  // there is no connection since none is of use
	state    State // as it was reported last
}

// NewAccount returns an account that is not watched yet.
func NewAccount(o Options) *Account {
	if o.IdleRefresh == 0 {
		o.IdleRefresh = DefaultIdleRefresh
	}
	return &Account{
		opts: o, life: make(chan struct{}, 1), probe: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		known: known{}, unusable: map[string]bool{},
	}
}

// Member is a listener that has joined an account.
type Member struct {
	account  *Account
	listener Listener

	// What is still to be reported; guarded by the mutex of the account:
	changed               map[string]bool
	boxes, all            bool
	connected, stateIsNew bool
	// left: the member has left, and nothing is reported any more. Guarded by account.reporting.
	left bool
}

// Join begins to report changes to a listener. It does not wait for a connection.
func (a *Account) Join(l Listener) *Member {
	a.life <- struct{}{}
	defer func() { <-a.life }()
	m := &Member{account: a, listener: l, changed: map[string]bool{}}
	a.mu.Lock()
	a.members = append(a.members, m)
	if a.stop != nil {
		m.stateIsNew = true
		// The listener may have missed any change.
		m.connected, m.all = a.names != nil, a.names != nil
	}
	a.mu.Unlock()
	if a.stop == nil {
		a.start()
	}
	m.Reconsider()
	return m
}

// start starts the goroutines.
func (a *Account) start() {
	ctx, cancel := context.WithCancel(context.Background())
	main := newLine(a, 0)
	a.mu.Lock()
	a.lines = []*line{main}
	a.known, a.whole, a.names, a.arrived = known{}, false, nil, map[string]uint32{}
	a.mode, a.reason, a.polling, a.noNotify = store.WatchPoll, nil, false, false
	a.state = State{Since: time.Now()}
	a.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { a.reportAll(ctx) })
	wg.Go(func() { a.probeSessions(ctx) })
	wg.Go(func() { main.keep(ctx) })
	a.stop = func() {
		cancel()
		wg.Wait()
	}
}

// Leave ends the reports to the listener, and waits for a report in progress. The listener
// must not call it. After that, it may be called again and does nothing.
func (m *Member) Leave() {
	a := m.account
	a.life <- struct{}{}
	defer func() { <-a.life }()
	a.reporting.Lock()
	left := m.left
	m.left = true
	a.reporting.Unlock()
	if left {
		return
	}
	a.mu.Lock()
	a.members = slices.DeleteFunc(a.members, func(o *Member) bool { return o == m })
	last := len(a.members) == 0
	a.mu.Unlock()
	if last {
		a.stop()
		a.stop = nil
		return
	}
	m.Reconsider()
}

// Reconsider must be called when Preferred returns other mailboxes.
func (m *Member) Reconsider() {
	a := m.account
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.unusable)
	a.moved()
	notify(a.wake)
}

// moved makes each line look for its mailbox again; a.mu must be held.
func (a *Account) moved() {
	for _, l := range a.lines {
		notify(l.moved)
	}
}

// Probe tests the connections now, also those of the pool that are not in use, and ends a
// delay before the next attempt to connect.
func (a *Account) Probe() {
	notify(a.probe)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines {
		notify(l.probe)
	}
}

// probeSessions tests the sessions of the pool after each Probe until ctx ends.
func (a *Account) probeSessions(ctx context.Context) {
	for {
		select {
		case <-a.probe:
			a.opts.Pool.Probe(ctx, probeLimit)
		case <-ctx.Done():
			return
		}
	}
}

// reportAll reports until ctx ends.
func (a *Account) reportAll(ctx context.Context) {
	for {
		select {
		case <-a.wake:
		case <-ctx.Done():
			return
		}
		a.mu.Lock()
		members := slices.Clone(a.members)
		a.mu.Unlock()
		for _, m := range members {
			m.report()
		}
	}
}

// report reports what is pending.
func (m *Member) report() {
	a := m.account
	a.reporting.Lock()
	defer a.reporting.Unlock()
	if m.left {
		return
	}
	a.mu.Lock()
	names, state := a.names, a.state
	connected, stateIsNew, all, boxes := m.connected && names != nil, m.stateIsNew, m.all, m.boxes
	changed := slices.Sorted(maps.Keys(m.changed))
	known := make([]imapwire.BoxStatus, len(changed))
	for i, name := range changed {
		known[i] = a.known[name]
	}
	m.connected, m.stateIsNew, m.all, m.boxes = false, false, false, false
	clear(m.changed)
	a.mu.Unlock()
	if connected {
		m.listener.Connected(*names)
	}
	if boxes {
		m.listener.Boxes()
	}
	if all {
		m.listener.All()
		changed = nil
	}
	for i, name := range changed {
		m.listener.Changed(name, &known[i])
	}
	// The changes come first: a listener that waits for the connection then knows what to do.
	if stateIsNew {
		m.listener.State(state)
	}
}

// tell makes each member report something; a.mu must be held.
func (a *Account) tell(what func(m *Member)) {
	for _, m := range a.members {
		what(m)
	}
	notify(a.wake)
}

// changed reports that a mailbox may have changed; a.mu must be held.
func (a *Account) changed(name string) {
	if len(name) > maxName {
		return
	}
	a.noteArrived(name, 0)
	a.tell(func(m *Member) {
		if len(m.changed) >= maxKnown {
			m.all = true
			return
		}
		m.changed[name] = true
	})
}

// noteArrived notes that a mailbox was reported as changed, and how many messages as new;
// a.mu must be held.
func (a *Account) noteArrived(name string, n uint32) {
	if _, ok := a.arrived[name]; ok || len(a.arrived) < maxKnown {
		a.arrived[name] += n
	}
}

// Reported returns whether a mailbox was reported as changed since the last call for it, and
// how many messages as new. Both are guesses: reports may be lost or repeated, and some of
// the messages may not exist any more. next is the last known UIDNEXT; 0: unknown.
func (a *Account) Reported(name string) (changed bool, arrived uint32, next mail.UID) {
	name = nameKey(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	arrived, changed = a.arrived[name]
	delete(a.arrived, name)
	return changed, arrived, a.known[name].UIDNext
}

// Notifies reports whether the server reports changes by NOTIFY.
func (a *Account) Notifies() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.members) > 0 && a.mode == store.WatchNotify
}

// Watched reports whether the account has members.
func (a *Account) Watched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.members) > 0
}

func reportBoxes(m *Member) { m.boxes = true }
func reportEach(m *Member)  { m.all, m.boxes = true, true }

// missed reports that changes of any mailbox may have been missed.
func (a *Account) missed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell(reportEach)
}

// learn notes the names that the server has reported.
func (a *Account) learn(n *Names) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = n
	a.tell(func(m *Member) { m.connected = true })
}

// preferred returns the names of the mailboxes to be watched with IDLE, in the order of
// their importance.
func (a *Account) preferred(n *Names) []string {
	a.mu.Lock()
	members := slices.Clone(a.members)
	a.mu.Unlock()
	var out []string
	for _, m := range members {
		// The listener may not know the names yet.
		m.tellNames(n)
		out = append(out, m.listener.Preferred()...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(name string) bool {
		key := nameKey(name)
		drop := seen[key] || a.unusable[key]
		seen[key] = true
		return drop
	})
}

// tellNames passes the names to the listener, if it does not know them yet.
func (m *Member) tellNames(n *Names) {
	a := m.account
	a.reporting.Lock()
	defer a.reporting.Unlock()
	a.mu.Lock()
	connected := m.connected
	m.connected = false
	a.mu.Unlock()
	if connected && !m.left {
		m.listener.Connected(*n)
	}
}

// publish reports the state if it has changed; a.mu must be held.
func (a *Account) publish() {
	main := a.lines[0]
	if !main.up && !a.polling && main.next.IsZero() {
		return // what comes next is about to be decided
	}
	now := State{Mode: a.mode, Connected: main.up || a.polling, Since: a.state.Since, Next: main.next}
	switch {
	case main.err != nil && !now.Connected:
		now.Err = main.err
	case now.Connected:
		now.Err = a.reason
	}
	if a.mode == store.WatchIdle {
		for _, l := range a.lines {
			if l.up && l.box != "" {
				now.Covered = append(now.Covered, l.box)
			}
		}
	}
	old := a.state
	if now.Connected != old.Connected {
		now.Since = time.Now()
	}
	same := now.Mode == old.Mode && now.Connected == old.Connected && now.Next.Equal(old.Next) && slices.Equal(now.Covered, old.Covered) && sameError(now.Err, old.Err)
	if same {
		return
	}
	a.state = now
	a.tell(func(m *Member) { m.stateIsNew = true })
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == b //nolint:errorlint // one of them is nil
	}
	return a.Error() == b.Error()
}

// setMode notes the mode from now on. If the earlier mode was better, changes may have been
// missed meanwhile.
func (a *Account) setMode(mode store.WatchMode, reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if mode < a.mode {
		a.tell(reportEach)
	}
	a.mode, a.reason, a.polling = mode, reason, mode == store.WatchPoll
	a.publish()
}

func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
