package imap

import (
	"context"
	"slices"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

var (
	_ store.RenameFinder = (*Store)(nil)
	_ store.Counter      = (*mailbox)(nil)
)

// Count implements store.Counter.
func (m *mailbox) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sel == nil {
		return 0
	}
	return int(m.sel.reported.Exists())
}

// The STATUS items that are requested of every mailbox. MAILBOXID (RFC 8474) is requested
// alone: together with other items, Cyrus 3.6 and 3.10 send arbitrary bytes as its value.
const (
	findItems = imapwire.BoxUIDValidity | imapwire.BoxUIDNext
	idItems   = imapwire.BoxMailboxID
)

// maxSurveyed is the maximum number of mailboxes that are asked for one by one, if the
// server does not support LIST-STATUS.
const maxSurveyed = 500

// survey is a list of all mailboxes of the store.
type survey struct {
	mu      sync.Mutex
	done    bool
	boxes   []surveyed
	partial bool
}

// surveyed is a name that the server lists.
type surveyed struct {
	server   string            // the name on the server
	name     string            // canonical
	parent   bool              // it is no mailbox
	has      imapwire.BoxItems // what is known of the following
	validity uint32            // 0: unknown
	next     mail.UID
	boxID    string // MAILBOXID; "": unknown
}

// FindRenamed implements store.RenameFinder. A renamed mailbox keeps its MAILBOXID (RFC
// 8474), which is in the remembered listing. On most servers it keeps its UIDVALIDITY,
// too. The server is asked once in a run, however many mailboxes are missing.
func (s *Store) FindRenamed(ctx context.Context, box string, was store.LastKnown) (store.Whereabouts, error) {
	v := &s.run().survey
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.done {
		if err := s.look(ctx, v); err != nil {
			return store.Whereabouts{Partial: true}, s.storeError(err)
		}
		v.done = true
	}
	out := store.Whereabouts{Partial: v.partial}
	boxID := s.rememberedID(ctx, box)
	if out.ByID = boxID != "" && slices.ContainsFunc(v.boxes, func(b surveyed) bool { return b.boxID == boxID }); !out.ByID {
		boxID = ""
	}
	for _, b := range v.boxes {
		switch {
		case b.name == box && b.parent:
			out.Remains = store.RemainsParent
		case b.name == box:
			out.Remains = store.RemainsUnsubscribed
		case b.parent:
		case boxID != "" && b.boxID == boxID, boxID == "" && was.Fits(b.validity, b.next):
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
	return out, nil
}

// rememberedID returns the MAILBOXID of the mailbox when it was last listed; "":
// unknown.
func (s *Store) rememberedID(ctx context.Context, box string) string {
	l := s.run().layout.get()
	if l == nil {
		return ""
	}
	name, err := l.server(box)
	if err != nil {
		return ""
	}
	key := s.listingKey(ctx, name)
	if key == nil {
		return ""
	}
	listing, _, err := s.opts.Listings.Load(*key)
	if listing == nil {
		s.debugf("no MAILBOXID is remembered of '%s' (%v)", box, err)
		return ""
	}
	return listing.MailboxID
}

// look lists all mailboxes, including those that are not subscribed to.
func (s *Store) look(ctx context.Context, v *survey) error {
	var boxes []surveyed
	var partial bool
	_, err := s.askWithLayout(ctx, func(sess *session.Session, l *layout) error {
		c := sess.Client
		boxes = nil
		index := make(map[string]int) // by the name on the server
		add := func(e *imapclient.ListEntry) {
			i, known := index[e.Name]
			if !known {
				name, err := l.canonical(e.Name, e.Delim)
				if e.Err != nil || err != nil {
					return
				}
				i = len(boxes)
				index[e.Name] = i
				boxes = append(boxes, surveyed{server: e.Name, name: name, parent: !selectable(e)})
			}
			boxes[i].fill(e.Status)
		}
		if err := listAll(ctx, c, l, findItems, add); err != nil {
			return err
		}
		ids := c.Caps().Has("OBJECTID")
		if ids && c.Caps().Has("LIST-STATUS") {
			// A server that refuses this is asked for each mailbox.
			if err := listAll(ctx, c, l, idItems, add); err != nil && !refused(err) {
				return err
			}
		}
		var err error
		if partial, err = askStatus(ctx, c, boxes, findItems); err == nil && ids {
			_, err = askStatus(ctx, c, boxes, idItems)
		}
		return err
	})
	v.boxes, v.partial = boxes, partial
	return err
}

// listAll calls add for each name that the server lists, with its status if the server
// supports LIST-STATUS.
func listAll(ctx context.Context, c *imapclient.Client, l *layout, items imapwire.BoxItems, add func(*imapclient.ListEntry)) error {
	for _, p := range l.patterns(true, true) {
		req := imapclient.ListRequest{Patterns: []string{p}}
		if c.Caps().Has("LIST-STATUS") {
			req.Status = items
		}
		entries, err := c.List(ctx, req)
		if err != nil {
			return err
		}
		for i := range entries {
			add(&entries[i])
		}
	}
	return nil
}

// fill records the items of a STATUS response.
func (b *surveyed) fill(st *imapwire.BoxStatus) {
	if st == nil {
		return
	}
	b.has |= st.Has
	if st.Has&imapwire.BoxUIDValidity != 0 {
		b.validity = st.UIDValidity
	}
	if st.Has&imapwire.BoxUIDNext != 0 {
		b.next = st.UIDNext
	}
	if st.Has&imapwire.BoxMailboxID != 0 {
		b.boxID = st.MailboxID
	}
}

// askStatus requests the items that are not known yet. It reports whether some are still unknown.
func askStatus(ctx context.Context, c *imapclient.Client, boxes []surveyed, items imapwire.BoxItems) (partial bool, err error) {
	pending := map[int]*imapclient.Pending[imapwire.BoxStatus]{}
	for i := range boxes {
		if boxes[i].parent || boxes[i].has&items&^imapwire.BoxUIDNext != 0 {
			continue
		}
		if len(pending) == maxSurveyed {
			partial = true
			break
		}
		p, err := c.StartStatus(ctx, boxes[i].server, items)
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
