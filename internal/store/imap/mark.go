package imap

import (
	"context"
	"fmt"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

var (
	_ store.Marker = (*Store)(nil)
	_ store.Marked = (*mailbox)(nil)
)

// markItems are what the mark of a mailbox is made of: with every new message
// UIDNEXT grows, with every other change the mod-sequence; and if a server has
// none for what was expunged (RFC 7162 §3.1.2.2 demands it only of those with
// QRESYNC) there are fewer messages, or UIDNEXT has grown as well.
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

// marks reports whether the server can tell marks, and we may rely on them.
func (s *Store) marks(c *imapclient.Client) bool {
	return s.opts.Listings != nil && c.Caps().Has("CONDSTORE")
}

// Marks implements store.Marker: it asks for all of them at once.
func (s *Store) Marks(ctx context.Context, boxes []string) ([]string, error) {
	marks := make([]string, len(boxes))
	names := make([]string, len(boxes))
	_, err := s.askWithLayout(ctx, func(c *imapclient.Client, l *layout) error {
		if !s.marks(c) {
			return nil
		}
		for i, b := range boxes {
			var known bool
			if names[i], known = s.knownName(b); !known {
				names[i], _ = l.server(b) // one that cannot be has no mark
			}
		}
		return askMarks(ctx, c, names, marks)
	})
	return marks, s.storeError(err)
}

// maxAsked is how many questions may be on their way: the answers to more might
// fill all buffers.
const maxAsked = 500

// askMarks asks for the marks of the mailboxes with a name.
func askMarks(ctx context.Context, c *imapclient.Client, names, marks []string) error {
	type asked struct {
		i       int
		pending *imapclient.Pending[imapwire.BoxStatus]
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
		p, err := c.StartStatus(ctx, n, markItems)
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
