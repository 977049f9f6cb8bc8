package imap

import (
	"context"
	"fmt"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

var (
	_ store.Marker = (*Store)(nil)
	_ store.Marked = (*mailbox)(nil)

	_ store.AheadMarker = (*Store)(nil)
	_ store.Anticipator = (*Store)(nil)
)

// markItems are the items of the mark of a mailbox. With every new message, UIDNEXT grows. With every other
// change, HIGHESTMODSEQ grows. For expunged messages, RFC 7162 §3.1.2.2 requires that only of servers with
// QRESYNC; otherwise there are fewer messages, or UIDNEXT has grown as well.
const markItems = imapwire.BoxUIDValidity | imapwire.BoxUIDNext | imapwire.BoxMessages | imapwire.BoxHighestModSeq

// mark makes the mark, "" if anything is missing.
func mark(validity uint32, next mail.UID, messages uint32, modSeq mail.ModSeq) string {
	if validity == 0 || next == 0 || modSeq == 0 {
		return ""
	}
	return fmt.Sprintf("%d %d %d %d", validity, next, messages, modSeq)
}

func markOf(st *imapwire.BoxStatus) string {
	if st == nil || st.Has&markItems != markItems {
		return ""
	}
	return mark(st.UIDValidity, st.UIDNext, st.Messages, st.HighestModSeq)
}

// marks reports whether the server reports all items of marks, and they can be trusted.
func (s *Store) marks(c *imapclient.Client) bool {
	return s.opts.Listings != nil && c.Caps().Has("CONDSTORE")
}

// Marks implements store.Marker: it asks for all of them at once.
func (s *Store) Marks(ctx context.Context, boxes []string) ([]string, error) {
	marks := make([]string, len(boxes))
	names := make([]string, len(boxes))
	_, err := s.askWithLayout(ctx, func(sess *session.Session, l *layout) error {
		if !s.marks(sess.Client) {
			return nil
		}
		for i, b := range boxes {
			var known bool
			if names[i], known = s.knownName(b); !known {
				names[i], _ = l.server(b) // one that cannot be has no mark
			}
		}
		return askMarks(ctx, sess, names, marks)
	})
	return marks, s.storeError(err)
}

// MarksAhead implements store.AheadMarker.
func (s *Store) MarksAhead(ctx context.Context, boxes []string) ([]string, error) {
	marks := make([]string, len(boxes))
	if !s.pool.AnswersStatus() {
		return marks, nil
	}
	_, err := s.askWithLayout(ctx, func(sess *session.Session, l *layout) error {
		if !s.marks(sess.Client) {
			return nil
		}
		for i, b := range boxes {
			name, known := s.knownName(b)
			if !known {
				name, _ = l.server(b)
			}
			if name == "" || !sess.WasAsked(name, markItems) {
				continue
			}
			p, err := sess.AskStatus(ctx, name, markItems)
			if err != nil {
				return err
			}
			st, err := p.Wait(ctx)
			if err != nil && !refused(err) {
				return err
			}
			if err == nil {
				marks[i] = markOf(&st)
			}
		}
		return nil
	})
	return marks, s.storeError(err)
}

// Anticipate implements store.Anticipator.
func (s *Store) Anticipate(purpose string) { s.pool.Anticipate(purpose) }

// Outdate implements store.Anticipator.
func (s *Store) Outdate() { s.pool.Outdate() }

// NeedMarks implements store.AheadMarker. The names on the server are known when the mailboxes are opened.
func (s *Store) NeedMarks(boxes []string) {
	r := s.run()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.needed == nil {
		r.needed = make(map[string]bool)
	}
	for _, b := range boxes {
		r.needed[b] = true
	}
}

// needMark makes the next run request the mark of a mailbox that was opened, if NeedMarks
// was called for it.
func (m *mailbox) needMark(c *imapclient.Client) {
	r := m.store.run()
	r.mu.Lock()
	needed := r.needed[m.box]
	r.mu.Unlock()
	if needed && m.store.marks(c) {
		m.store.pool.Remember(session.Question{Status: m.name, Items: markItems})
	}
}

// maxAsked is the maximum number of queries without an answer: more answers might fill all buffers.
const maxAsked = 500

// askMarks asks for the marks of the mailboxes with a name.
func askMarks(ctx context.Context, sess *session.Session, names, marks []string) error {
	type asked struct {
		i       int
		pending *session.Answer[imapwire.BoxStatus]
	}
	var queue []asked
	take := func() error {
		q := queue[0]
		queue = queue[1:]
		st, err := q.pending.Wait(ctx)
		if err != nil && !refused(err) {
			return err
		}
		if err == nil {
			marks[q.i] = markOf(&st)
		}
		return nil
	}
	for i, n := range names {
		if n == "" {
			continue
		}
		p, err := sess.AskStatus(ctx, n, markItems)
		if err != nil {
			return err
		}
		queue = append(queue, asked{i, p})
		if len(queue) == maxAsked {
			if err := take(); err != nil {
				return err
			}
		}
	}
	for len(queue) > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// Mark implements store.Marked.
func (m *mailbox) Mark() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sel == nil {
		return ""
	}
	return m.sel.mark
}
