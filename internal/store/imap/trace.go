package imap

import (
	"context"
	"slices"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

var (
	_ store.Tracer  = (*Store)(nil)
	_ store.Counter = (*mailbox)(nil)
)

// Count implements store.Counter.
func (m *mailbox) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sel == nil {
		return 0
	}
	return int(m.sel.news.exists)
}

// traceItems are asked of every mailbox.
const traceItems = imapwire.BoxUIDValidity | imapwire.BoxUIDNext

// maxTraced bounds how many mailboxes are asked for one by one, where the server does
// not tell along with the list.
const maxTraced = 500

// survey is a list of all mailboxes of the store.
type survey struct {
	mu      sync.Mutex
	done    bool
	boxes   []surveyed
	partial bool
}

// surveyed is a name that the server lists.
type surveyed struct {
	name     string // canonical
	parent   bool   // it is no mailbox
	validity uint32 // 0: unknown
	next     mail.UID
}

// Trace implements store.Tracer. A mailbox that is renamed keeps its UIDVALIDITY on most
// servers. The server is asked once in a run, however many mailboxes are missing.
func (s *Store) Trace(ctx context.Context, box string, was store.Identity) (store.Trace, error) {
	v := &s.survey
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.done {
		if err := s.look(ctx, v); err != nil {
			return store.Trace{Partial: true}, s.storeError(err)
		}
		v.done = true
	}
	out := store.Trace{Partial: v.partial}
	for _, b := range v.boxes {
		switch {
		case b.name == box && b.parent:
			out.Remains = store.RemainsParent
		case b.name == box:
			out.Remains = store.RemainsUnsubscribed
		case !b.parent && was.Fits(b.validity, b.next):
			out.Boxes = append(out.Boxes, b.name)
		}
	}
	if out.Remains == store.RemainsUnsubscribed {
		out.Boxes = nil
		if !s.opts.SubscribedOnly {
			out.Remains = store.NoRemains // it is back
		}
	}
	slices.Sort(out.Boxes)
	out.Boxes = slices.Compact(out.Boxes) // two patterns may list the same
	return out, nil
}

// look lists all mailboxes, also those that are not subscribed to.
func (s *Store) look(ctx context.Context, v *survey) error {
	var boxes []surveyed
	var partial bool
	_, err := s.askWithLayout(ctx, func(c *imapclient.Client, l *layout) error {
		boxes, partial = nil, false
		var names []string // on the server, of those to be asked
		for _, p := range l.patterns(true, true) {
			req := imapclient.ListRequest{Patterns: []string{p}}
			if c.Caps().Has("LIST-STATUS") {
				req.Status = traceItems
			}
			entries, err := c.List(ctx, req)
			if err != nil {
				return err
			}
			for i := range entries {
				e := &entries[i]
				name, err := l.canonical(e.Name, e.Delim)
				if e.Err != nil || err != nil {
					continue
				}
				b := surveyed{name: name, parent: !selectable(e)}
				b.fill(e.Status)
				boxes = append(boxes, b)
				names = append(names, e.Name)
			}
		}
		var err error
		partial, err = askStatus(ctx, c, names, boxes)
		return err
	})
	v.boxes, v.partial = boxes, partial
	return err
}

func (b *surveyed) fill(st *imapwire.BoxStatus) {
	if st != nil {
		b.validity, b.next = st.UIDValidity, st.UIDNext
	}
}

// askStatus asks for what is not known yet. It reports whether something is left.
func askStatus(ctx context.Context, c *imapclient.Client, names []string, boxes []surveyed) (partial bool, err error) {
	pending := map[int]*imapclient.Pending[imapwire.BoxStatus]{}
	for i := range boxes {
		if boxes[i].parent || boxes[i].validity != 0 {
			continue
		}
		if len(pending) == maxTraced {
			partial = true
			break
		}
		p, err := c.StartStatus(ctx, names[i], traceItems)
		if err != nil {
			return partial, err
		}
		pending[i] = p
	}
	for i := range boxes {
		if pending[i] == nil {
			continue
		}
		st, err := pending[i].Wait(ctx)
		switch {
		case err == nil:
			boxes[i].fill(&st)
		case refused(err):
			partial = true
		default:
			return partial, err
		}
	}
	return partial, nil
}
