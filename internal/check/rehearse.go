package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
)

// rehearsal is what a dry run of a channel found out, up to the point where
// messages would be listed. It is made by what makes real runs, so that both fail
// for the same reasons.
type rehearsal struct {
	mu    sync.Mutex
	pairs []pairResult // in the order they were begun
	// events are the notices, warnings and problems.
	events []engine.Event
	err    error // of the channel as a whole
}

// pairResult is what became of a pair.
type pairResult struct {
	engine.PairName
	engine.Result
	err error
}

// creates reports whether a run would create the mailbox of a side.
func (p *pairResult) creates(t config.Side) bool { return p.err == nil && p.Absent[t] && !p.HasState }

var _ channel.Observer = (*rehearsal)(nil)

func (h *rehearsal) ChannelStarted(string, int) {}

func (h *rehearsal) PairStarted(n engine.PairName) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pairs = append(h.pairs, pairResult{PairName: n})
}

func (h *rehearsal) PairDone(n engine.PairName, r engine.Result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.pairs, func(p pairResult) bool { return p.PairName == n })
	if i >= 0 && (r.Gone != nil || !errors.Is(err, engine.ErrReported)) {
		h.pairs[i].Result, h.pairs[i].err = r, err
		return
	}
	// The failure of the store was reported with another pair.
	h.pairs = slices.DeleteFunc(h.pairs, func(p pairResult) bool { return p.PairName == n })
}

func (h *rehearsal) ChannelFailed(_ string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *rehearsal) Observe(e engine.Event) {
	switch e.Kind {
	case engine.Notice, engine.Warning, engine.Problem:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.events = append(h.events, e)
	}
}

// rehearse makes the rehearsal of a channel.
func (c *checker) rehearse(ctx context.Context, l *link) *rehearsal {
	h := &rehearsal{}
	stores := l.stores
	for t := range stores {
		if l.unseen[t] {
			stores[t] = &unseen{
				Store: l.stores[t], boxes: c.mirror(ctx, l, config.Side(1-t)),
				inboxAmong: namesInbox(l.End(config.Side(t)).Store),
			}
		}
	}
	channel.Run(ctx, []channel.Selection{l.sel}, channel.Options{
		Global: c.Config.Global, FS: c.FS, Now: c.Now, Observer: h,
		DryRun: true,
		Peek:   func(ch *config.Channel) bool { return l.unseen != [2]bool{} || !mayHalt(ch) },
		Open: func(s *config.Store) (store.Store, error) {
			t := config.Far
			if s == l.Near.Store {
				t = config.Near
			}
			return kept{stores[t]}, nil
		},
	})
	return h
}

// mayHalt reports whether a channel may fail as a whole because of its messages.
func mayHalt(ch *config.Channel) bool { return ch.MaxMessages > 0 && ch.ExpireUnread == config.Unset }

// namesInbox reports whether the inbox of a server is among the mailboxes that a
// wildcard finds. Without a Path that depends on the NAMESPACE of the server: the
// usual ones have it there.
func namesInbox(s *config.Store) bool {
	return s.Path == "" || strings.HasPrefix(strings.ToUpper(s.Path), mail.Inbox)
}

// kept is a store that stays open when a run over it ends.
type kept struct{ store.Store }

func (k kept) Close() error { return nil }
func (k kept) Unwrap() any  { return k.Store }

// mirror returns the names that the mailboxes of side from have on the other side,
// which is not asked. A mailbox that was synchronized under the name that mbsync
// before 1.5 gave it has the real name on the server.
func (c *checker) mirror(ctx context.Context, l *link, from config.Side) (boxes []string) {
	if len(l.Patterns) == 0 || l.named != nil || l.unseen[from] {
		return nil
	}
	names, err := l.prev.Side(ctx, from)
	if err != nil {
		return nil // the rehearsal reports the error
	}
	for _, n := range l.prev.Known(ctx, c.FS) {
		// Else it would be missed that a mailbox does not exist any more.
		if v := l.prev.Pair(n); v.Err == nil && !slices.Contains(names, n) {
			boxes = append(boxes, v.Box[1-from])
		}
	}
	for _, n := range names {
		v := l.prev.Pair(n)
		if v.Err != nil {
			continue
		}
		if real, ok := channel.RealName(n); ok {
			if c.hasState(v.StatePath) {
				v = l.prev.Pair(real)
			} else {
				l.suspects = append(l.suspects, n)
			}
		}
		boxes = append(boxes, v.Box[1-from])
	}
	return boxes
}

// hasState reports whether a pair was synchronized before.
func (c *checker) hasState(path string) bool {
	for _, p := range []string{path, path + engine.NewSuffix} {
		if _, err := c.FS.Stat(p); path != "" && err == nil {
			return true
		}
	}
	return false
}
