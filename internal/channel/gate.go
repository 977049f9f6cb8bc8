package channel

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
)

// claim are the resources that a pair needs while it is synchronized.
type claim struct {
	// accounts has an account for each session that the pair needs. If both mailboxes are in the
	// same account, the account is in the list twice.
	accounts []store.Sessions
	// boxes are the identities of its mailboxes. trash are the mailboxes that the pair may store
	// messages in. Other pairs may do that at the same time.
	boxes, trash []string
	// light, unless 0, says that the pair needs no sessions yet: see gate.upgrade. It is the
	// size of its sync state in bytes.
	light int64
	// alone: no other pair may use the accounts at the same time.
	alone bool
	// delay, if not nil, returns how long the pair must still wait.
	delay func() time.Duration
	// again: the pair is tried again. Pairs of its accounts that were not tried yet go
	// first.
	again bool
	// left: the claim was given back before the pair had ended.
	left bool
}

// gate lets pairs enter while their resources are available. A pair takes all of its resources at
// once, so that no two pairs wait for each other.
type gate struct {
	mu      sync.Mutex
	limit   int            // of pairs, without those that are light
	lights  int            // light pairs that are in
	weight  int64          // of these together
	pairs   int            // that are in
	used    map[any]int    // sessions in use, by account
	busy    map[string]int // how many put messages into a mailbox; -1: it is worked on
	waiting map[any]int    // pairs that wait to be worked on for the first time, by account
	changed chan struct{}  // closed, and replaced, when somebody leaves, or stops waiting
}

func newGate(limit int) *gate {
	return &gate{
		limit: limit, used: map[any]int{}, busy: map[string]int{}, waiting: map[any]int{},
		changed: make(chan struct{}),
	}
}

// enter waits until all resources of a pair are available, and takes them.
func (g *gate) enter(ctx context.Context, c claim) error {
	if !c.again {
		g.queue(c, 1)
		defer g.queue(c, -1)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var delay time.Duration
		var over <-chan time.Time // nil: there is no delay
		if c.delay != nil {
			delay = c.delay()
		}
		g.mu.Lock()
		if delay <= 0 && g.fits(c) {
			g.take(c, 1)
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		if delay > 0 {
			over = time.After(delay)
		}
		select {
		case <-changed:
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// queue counts the pairs that wait for their first try: n is 1 when one begins to wait, and
// -1 when it stops.
func (g *gate) queue(c claim, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range c.accounts {
		if g.waiting[a.Of] += n; g.waiting[a.Of] == 0 {
			delete(g.waiting, a.Of)
		}
	}
	if n < 0 {
		g.wake()
	}
}

// wake wakes all waiting callers, so that they check their conditions again; g.mu is held.
func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// leave gives back the resources that enter has taken.
func (g *gate) leave(c claim) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.take(c, -1)
	g.wake()
}

// upgrade waits until the sessions of a light pair are available, and takes them. While it waits, the
// pair has no sessions, so no two pairs wait for each other.
func (g *gate) upgrade(ctx context.Context, c *claim) error {
	heavy := *c
	heavy.light = 0
	for {
		g.mu.Lock()
		if g.hasSessions(heavy) {
			g.takeSessions(*c, -1)
			g.takeSessions(heavy, 1)
			g.wake()
			g.mu.Unlock()
			*c = heavy
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

// fits reports whether the resources of a pair are available; g.mu is held.
func (g *gate) fits(c claim) bool {
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
	return g.hasSessions(c)
}

// hasSessions reports whether the sessions of a pair and a place for it are available; g.mu is held.
func (g *gate) hasSessions(c claim) bool {
	if c.light > 0 {
		return g.lights == 0 || g.lights < maxLight && g.weight+c.light <= maxLightWeight
	}
	if g.pairs >= g.limit {
		return false
	}
	for i, a := range c.accounts {
		if c.again && g.waiting[a.Of] > 0 {
			return false
		}
		if slices.Contains(c.accounts[:i], a) {
			continue
		}
		need := 0
		for _, b := range c.accounts {
			if b == a {
				need++
			}
		}
		// A pair that needs more sessions than the limit must be alone, and try.
		if used := g.used[a.Of]; used > 0 && (c.alone || used+need > a.Limit) {
			return false
		}
	}
	return true
}

// take adds the resources of a pair (sign 1), or subtracts them (sign -1); g.mu is held.
func (g *gate) take(c claim, sign int) {
	g.takeSessions(c, sign)
	for _, b := range c.boxes {
		g.hold(b, -sign)
	}
	for _, b := range c.trash {
		g.hold(b, sign)
	}
}

// takeSessions adds or subtracts the sessions and the place of a pair; g.mu is held.
func (g *gate) takeSessions(c claim, sign int) {
	if c.light > 0 {
		g.lights += sign
		g.weight += int64(sign) * c.light
		return
	}
	g.pairs += sign
	for _, a := range c.accounts {
		// A pair that is alone uses all sessions of the account.
		n := 1
		if c.alone {
			n = max(1, a.Limit)
		}
		if g.used[a.Of] += sign * n; g.used[a.Of] == 0 {
			delete(g.used, a.Of)
		}
	}
}

func (g *gate) hold(box string, n int) {
	if g.busy[box] += n; g.busy[box] == 0 {
		delete(g.busy, box)
	}
}

// claimOf returns the resources that a pair needs.
func (r *run) claimOf(c *config.Channel, t target) claim {
	var cl claim
	if t.err != nil { // nothing will be opened
		return cl
	}
	for i := range t.stores {
		if sessions := t.stores[i].Sessions(); sessions.Of != nil {
			cl.accounts = append(cl.accounts, sessions)
		}
		if id, _ := t.stores[i].Identity(t.Box[i]); !slices.Contains(cl.boxes, id) {
			cl.boxes = append(cl.boxes, id)
		}
	}
	for i, trash := range t.trash {
		if trash == "" {
			continue
		}
		id, _ := t.stores[i].Identity(trash)
		if !slices.Contains(cl.boxes, id) && !slices.Contains(cl.trash, id) {
			cl.trash = append(cl.trash, id)
		}
	}
	return cl
}

// EnoughConnections returns an error if the account of a channel allows fewer connections than a pair
// needs: one for each mailbox. The pair would wait for the second connection for ever.
func EnoughConnections(stores [2]store.Store) error {
	far, near := stores[0].Sessions(), stores[1].Sessions()
	if far.Of == nil || far.Of != near.Of || far.Limit != 1 {
		return nil
	}
	return fmt.Errorf("%w: far and near side are in the same account, which needs two connections, but Connections is 1", store.ErrCrowded)
}

// lookForOverlap reports once that a mailbox is in two channels.
func (r *run) lookForOverlap(c *config.Channel, t target, cl claim) {
	if t.err != nil {
		return
	}
	r.mu.Lock()
	var told *event.Message
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
		told = &event.Message{
			Severity: event.Notice, Pair: event.Pair{Channel: c.Name},
			Fact: event.BoxInTwoChannels{Box: t.Box[i], Store: ends(c)[i].Store.Label(), Other: owner},
		}
		if t.stores[i].Sessions().Of == nil {
			// Each channel copies the messages of the other one to its own server.
			told.Severity = event.Warning
		}
	}
	r.mu.Unlock()
	if told != nil && r.Events != nil {
		r.Events.Take(*told)
	}
}
