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
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
)

// rehearsal is the result of a dry run of a channel. It uses the code of real runs, so that both
// fail for the same reasons.
type rehearsal struct {
	mu    sync.Mutex
	pairs []pairResult // in the order they were begun
	// messages holds the notices, warnings and problems, but not the failures of pairs.
	messages []event.Message
	err      error // of the channel as a whole
}

// pairResult is the result of a pair.
type pairResult struct {
	event.Pair
	event.Outcome
	err error
}

// goneFrom returns the error about a mailbox that does not exist any more; nil if err
// is about something else.
func goneFrom(err error) *engine.GoneError {
	e, _ := errors.AsType[*engine.GoneError](err)
	return e
}

// creates reports whether a run would create the mailbox of a side.
func (p *pairResult) creates(t config.Side) bool { return p.err == nil && p.Absent[t] && !p.HasState }

// Take implements event.Sink.
func (h *rehearsal) Take(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := e.(type) {
	case event.PairBegun:
		h.pairs = append(h.pairs, pairResult{Pair: e.Pair})
	case event.PairEnded:
		h.pairEnded(e)
	case event.ChannelFailed:
		h.err = e.Err
	case event.Message:
		h.messages = append(h.messages, e)
	}
}

// pairEnded records the result of a pair.
func (h *rehearsal) pairEnded(e event.PairEnded) {
	i := slices.IndexFunc(h.pairs, func(p pairResult) bool { return p.Pair == e.Pair })
	if i >= 0 && (goneFrom(e.Err) != nil || !e.Reported) {
		h.pairs[i].Outcome, h.pairs[i].err = e.Outcome, e.Err
		return
	}
	// The failure of the store was reported with another pair.
	h.pairs = slices.DeleteFunc(h.pairs, func(p pairResult) bool { return p.Pair == e.Pair })
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
		Global: c.Config.Global, FS: c.FS, Now: c.Now, Events: h,
		DryRun: true,
		Peek:   func(*config.Channel) engine.Peek { return l.peek() },
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

// peek returns for which pairs no messages are listed. They are listed, if they can be, where
// a run may fail because of them: if it would delete too many in a mailbox that was
// synchronized before, or if too many are unread for MaxMessages.
func (l *link) peek() engine.Peek {
	switch {
	case l.unseen != [2]bool{}:
		return engine.PeekAll
	case l.MaxMessages > 0 && l.ExpireUnread == config.Unset:
		return engine.PeekNone
	}
	return engine.PeekNew
}

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
