package imap

import (
	"context"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
)

// fetchPipelined fetches a few messages of a detached mailbox by another visit. They are kept
// like those that were prefetched. Those that are longer than the limit, or do not come,
// are fetched in the usual way.
func (m *mailbox) fetchPipelined(ctx context.Context, items []store.FetchItem) {
	if len(items) > prefetchMessages {
		return
	}
	m.mu.Lock()
	d, before := m.detached, m.sel
	var missing mail.UIDSet
	for _, it := range items {
		if p := m.prefetched[it.UID]; (p == nil || p.body == nil) && !it.HeaderOnly {
			missing.Add(it.UID)
		}
	}
	m.mu.Unlock()
	n := missing.Len()
	if d == nil || d.limit <= 0 || n == 0 || ctx.Err() != nil || m.store.Pipelines() == 0 {
		return
	}
	p := m.store.opts.Sessions.pipeline
	reserved := d.limit * int64(n)
	if !p.reserve(reserved) {
		return
	}
	v := &visit{m: m, most: maxMessages, ahead: &ahead{limit: uint32(d.limit), msgs: make(map[mail.UID]*prefetched)}}
	v.add(v.ahead.messages(missing), v.ahead.takeMessage)
	sel, err := v.messages(ctx, p)
	if err == nil && !before.isOf(&sel) {
		err = &unusableError{why: errReplaced.Error()}
	}
	if err != nil {
		p.release(&reserved)
		m.store.debugf("messages of '%s' are fetched alone: %v", m.box, err)
		judge(ctx, m.store.pool.Record(), err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.prefetched == nil {
		m.prefetched = make(map[mail.UID]*prefetched)
	}
	for u, msg := range v.ahead.msgs {
		m.prefetched[u] = msg
	}
	m.reserved += reserved
}

// messages makes a visit that lists nothing.
func (v *visit) messages(ctx context.Context, p *pipeline) (imapclient.Selected, error) {
	leave, err := v.join(ctx, p, 1+len(v.parts))
	if err != nil {
		return imapclient.Selected{}, err
	}
	defer leave()
	if _, err := v.prepare(ctx); err != nil {
		return imapclient.Selected{}, err
	}
	return v.run(ctx)
}

// isOf reports whether another SELECT is about the same mailbox.
func (s *selection) isOf(sel *imapclient.Selected) bool {
	return sel.UIDValidity == s.validity && sel.UIDNext >= s.next && (sel.MailboxID == "" || s.boxID == "" || sel.MailboxID == s.boxID)
}
