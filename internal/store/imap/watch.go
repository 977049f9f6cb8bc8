package imap

import (
	"context"
	"slices"
	"sync"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/watching"
)

var _ store.Watcher = (*Store)(nil)

// Watch implements store.Watcher. The stores of an account share the connections for
// that (see package watching). The watch must be closed before the store.
func (s *Store) Watch(ctx context.Context, o store.WatchOptions, report func(store.WatchReport)) (store.Watch, error) {
	w := &watch{store: s, preferred: o.Preferred, report: report}
	w.setBoxes(o.Boxes)
	w.member = s.opts.Sessions.account.Join(w)
	w.ended = context.AfterFunc(ctx, w.member.Leave)
	return w, nil
}

// watch implements store.Watch, and watching.Listener.
type watch struct {
	store     *Store
	preferred []string
	report    func(store.WatchReport)
	member    *watching.Member
	ended     func() bool // keeps the end of the context from ending the watch

	mu     sync.Mutex
	boxes  map[string]bool // that matter
	order  []string        // of boxes
	layout *layout         // nil: not known yet
}

func (w *watch) setBoxes(boxes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.order = slices.Clone(boxes)
	w.boxes = make(map[string]bool, len(boxes))
	for _, box := range boxes {
		w.boxes[box] = true
	}
}

// Select implements store.Watch.
func (w *watch) Select(boxes []string) {
	w.setBoxes(boxes)
	w.member.Reconsider()
}

// Probe implements store.Watch.
func (w *watch) Probe() { w.store.opts.Sessions.account.Probe() }

// Close implements store.Watch.
func (w *watch) Close() {
	w.ended()
	w.member.Leave()
}

// Connected implements watching.Listener.
func (w *watch) Connected(n watching.Names) {
	l := w.store.layoutFrom(n.Namespace)
	if l.delim == "" {
		l.delim = n.Delim
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.layout = l
}

// Preferred implements watching.Listener.
func (w *watch) Preferred() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	if w.layout == nil {
		return nil
	}
	for _, pattern := range w.preferred {
		for _, box := range w.order {
			if !matches(mail.CanonicalBox(pattern), box) {
				continue
			}
			if name, err := w.layout.server(box); err == nil && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// Subscriptions implements watching.Listener.
func (w *watch) Subscriptions() bool { return w.store.opts.SubscribedOnly }

// matches reports whether a mailbox matches a pattern as in LIST: "*" stands for
// anything, "%" for anything without "/".
func matches(pattern, box string) bool {
	for i := range len(pattern) {
		switch c := pattern[i]; c {
		case '*', '%':
			rest := pattern[i+1:]
			for j := i; j <= len(box); j++ {
				if matches(rest, box[j:]) {
					return true
				}
				if j < len(box) && c == '%' && box[j] == '/' {
					return false
				}
			}
			return false
		default:
			if i >= len(box) || box[i] != c {
				return false
			}
		}
	}
	return len(pattern) == len(box)
}

// canonical returns the canonical name of a mailbox; "": it is none of the store's.
func (w *watch) canonical(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.layout == nil {
		return ""
	}
	box, err := w.layout.canonical(name, w.layout.delim)
	if err != nil {
		return ""
	}
	return box
}

// matters reports whether a mailbox was selected.
func (w *watch) matters(box string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.boxes[box]
}

// Changed implements watching.Listener. Mailboxes are reported even if they are not
// selected: the run that has found them may still be going on.
func (w *watch) Changed(name string, st *imapwire.BoxStatus) {
	if box := w.canonical(name); box != "" {
		w.report(store.WatchReport{Box: box, Mark: markOf(st)})
	}
}

// Boxes implements watching.Listener.
func (w *watch) Boxes() { w.report(store.WatchReport{Boxes: true}) }

// All implements watching.Listener.
func (w *watch) All() { w.report(store.WatchReport{All: true}) }

// State implements watching.Listener.
func (w *watch) State(s watching.State) {
	out := &store.WatchState{Mode: s.Mode, Connected: s.Connected, Since: s.Since, Next: s.Next}
	switch {
	case s.Err == nil:
	case s.Connected:
		// Everything works, only not in the best way.
		out.Err = &store.KindError{Kind: store.KindNone, Err: s.Err}
	default:
		kind, wait := store.KindOf(w.store.storeError(s.Err))
		out.Err = &store.KindError{Kind: kind, Wait: wait, Err: s.Err} // the caller names the store
	}
	if s.Mode == store.WatchIdle {
		out.Covered = []string{}
		for _, name := range s.Covered {
			if box := w.canonical(name); w.matters(box) {
				out.Covered = append(out.Covered, box)
			}
		}
	}
	w.report(store.WatchReport{State: out})
}

var _ watching.Listener = (*watch)(nil)
