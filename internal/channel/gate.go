package channel

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
)

// claim is what a pair needs for itself while it is worked on.
type claim struct {
	// accounts are those of its stores, one for each session it needs: an
	// account is there twice if both mailboxes are in it.
	accounts []*config.Account
	// boxes are its mailboxes, whatever the stores call them; trash are those it
	// may put messages into, which others may do as well.
	boxes, trash []string
	// alone: nobody else may use the accounts at the same time.
	alone bool
}

// gate lets pairs in as long as there is what they need. All of it is taken at
// once, so that no two can wait for one another.
type gate struct {
	mu      sync.Mutex
	limit   int // of pairs
	pairs   int // that are in
	used    map[*config.Account]int
	busy    map[string]int // how many put messages into a mailbox; -1: it is worked on
	changed chan struct{}  // closed, and replaced, when somebody leaves
}

func newGate(limit int) *gate {
	return &gate{
		limit: limit, used: map[*config.Account]int{}, busy: map[string]int{},
		changed: make(chan struct{}),
	}
}

// enter waits until there is everything a pair needs, and takes it.
func (g *gate) enter(ctx context.Context, c claim) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.mu.Lock()
		if g.fits(c) {
			g.take(c, 1)
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave gives back what enter has taken.
func (g *gate) leave(c claim) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.take(c, -1)
	close(g.changed)
	g.changed = make(chan struct{})
}

// fits reports whether there is what a pair needs; g.mu is held.
func (g *gate) fits(c claim) bool {
	if g.pairs >= g.limit {
		return false
	}
	for _, b := range c.boxes {
		if g.busy[b] != 0 {
			return false
		}
	}
	for _, b := range c.trash {
		if g.busy[b] < 0 {
			return false
		}
	}
	for i, a := range c.accounts {
		if slices.Contains(c.accounts[:i], a) {
			continue
		}
		need := 0
		for _, b := range c.accounts {
			if b == a {
				need++
			}
		}
		// Whoever needs more than there is must be alone and try.
		if used := g.used[a]; used > 0 && (c.alone || used+need > a.Connections) {
			return false
		}
	}
	return true
}

// take adds what a pair needs, or takes it off; g.mu is held.
func (g *gate) take(c claim, sign int) {
	g.pairs += sign
	for _, a := range c.accounts {
		// Alone, it fills the account.
		n := 1
		if c.alone {
			n = max(1, a.Connections)
		}
		if g.used[a] += sign * n; g.used[a] == 0 {
			delete(g.used, a)
		}
	}
	for _, b := range c.boxes {
		g.hold(b, -sign)
	}
	for _, b := range c.trash {
		g.hold(b, sign)
	}
}

func (g *gate) hold(box string, n int) {
	if g.busy[box] += n; g.busy[box] == 0 {
		delete(g.busy, box)
	}
}

// claimOf tells what a pair needs.
func (r *runner) claimOf(c *config.Channel, t target) claim {
	var cl claim
	if t.err != nil { // nothing will be opened
		return cl
	}
	for i, e := range ends(c) {
		if e.Store.IMAP != nil {
			cl.accounts = append(cl.accounts, e.Store.IMAP.Account)
		}
		if id := identity(e.Store, t.stores[i], t.Box[i]); !slices.Contains(cl.boxes, id) {
			cl.boxes = append(cl.boxes, id)
		}
	}
	for i, e := range ends(c) {
		if e.Store.Trash == "" {
			continue
		}
		id := identity(e.Store, t.stores[i], e.Store.Trash)
		if !slices.Contains(cl.boxes, id) && !slices.Contains(cl.trash, id) {
			cl.trash = append(cl.trash, id)
		}
	}
	return cl
}

// EnoughConnections refuses a channel whose account may not have as many
// connections as each pair needs: one for each of its mailboxes. It would wait for
// the second one in vain.
func EnoughConnections(c *config.Channel) error {
	far, near := c.Far.Store.IMAP, c.Near.Store.IMAP
	if far == nil || near == nil || far.Account != near.Account || far.Account.Connections != 1 {
		return nil
	}
	return fmt.Errorf("%w: far and near side are in the same account, which takes two connections at a time, but it may have only one", store.ErrCrowded)
}

// identity names a mailbox such that two stores that have the same one, be it
// by different names, give it the same identity.
func identity(s *config.Store, st store.Store, box string) string {
	if s.IMAP == nil {
		if l, ok := store.As[store.Local](st); ok {
			if dir, err := l.BoxPath(box); err == nil {
				return dir
			}
		}
		return s.Name + "\x00" + box
	}
	return accountKey(s.IMAP.Account) + "\x00" + nameOnServer(s, box)
}

// lookForOverlap tells, once, that a mailbox is in two channels.
func (r *runner) lookForOverlap(c *config.Channel, t target, cl claim) {
	if t.err != nil {
		return
	}
	r.mu.Lock()
	var event *engine.Event
	for i, id := range cl.boxes {
		owner, ok := r.owners[id]
		if !ok {
			r.owners[id] = c.Name
			continue
		}
		if owner == c.Name || r.warned[[2]string{owner, c.Name}] {
			continue
		}
		r.warned[[2]string{owner, c.Name}] = true
		event = &engine.Event{Kind: engine.Notice, Channel: c.Name, Text: fmt.Sprintf(
			"mailbox '%s' of %s is in channel '%s' as well; they are worked on one after the other", t.Box[i], ends(c)[i].Store.Label(), owner)}
		if ends(c)[i].Store.IMAP == nil {
			// What one brings, the other carries on to its own server.
			event.Kind = engine.Warning
		}
	}
	r.mu.Unlock()
	if event != nil && r.Observer != nil {
		r.Observer.Observe(*event)
	}
}
