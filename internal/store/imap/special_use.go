package imap

import (
	"context"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
)

var _ store.SpecialUser = (*mailbox)(nil)

// IsTrashOrJunk implements store.SpecialUser. The server is asked now: the attributes in
// the answer to an earlier LIST may be incomplete, and most runs need none.
func (m *mailbox) IsTrashOrJunk(ctx context.Context) (bool, error) {
	if m.box == mail.Inbox {
		return false, nil // whatever the server says
	}
	sess, err := m.use(ctx)
	if err != nil {
		return false, err
	}
	caps := sess.Client.Caps()
	req := imapclient.ListRequest{Patterns: []string{m.name}}
	if caps.Has("SPECIAL-USE") && caps.Has("LIST-EXTENDED") {
		req.Return = []string{"SPECIAL-USE"}
	}
	entries, err := sess.Client.List(ctx, req)
	if useless(err) && req.Return != nil {
		// Without the option, a server may send the attributes, too (RFC 6154 §2).
		req.Return = nil
		entries, err = sess.Client.List(ctx, req)
	}
	switch {
	case useless(err):
		m.store.debugf("the server does not tell what '%s' is for: %v", m.box, err)
		return false, nil
	case err != nil:
		return false, m.fail("asking what the mailbox is for", err)
	}
	for i := range entries {
		e := &entries[i]
		// The name may hold wildcards.
		if e.Name == m.name && (e.HasAttr(`\Trash`) || e.HasAttr(`\Junk`)) {
			return true, nil
		}
	}
	return false, nil
}
