package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

var _ store.UseFinder = (*Store)(nil)

// useAttributes are the attributes for special uses (RFC 6154 §2, RFC 8457 §3), without the
// backslash and in lower case.
var useAttributes = []string{"all", "archive", "drafts", "flagged", "important", "junk", "sent", "trash"}

// useCache has the special uses of the mailboxes in this run.
type useCache struct {
	mu    sync.Mutex
	known bool
	boxes []store.BoxUses
}

// FindUses implements store.UseFinder. It lists all mailboxes, also those that are not
// subscribed to.
func (s *Store) FindUses(ctx context.Context) ([]store.BoxUses, error) {
	cache := &s.run().uses
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if cache.known {
		return cache.boxes, nil
	}
	var entries []imapclient.ListEntry
	l, err := s.askWithLayout(ctx, func(sess *session.Session, l *layout) error {
		entries = nil
		for _, p := range l.patterns(true, true) {
			part, err := listUses(ctx, sess, p)
			if err != nil {
				return fmt.Errorf("listing the special uses of mailboxes: %w", err)
			}
			entries = append(entries, part...)
		}
		return nil
	})
	if err != nil {
		return nil, s.storeError(err)
	}
	cache.known, cache.boxes = true, s.usesOf(l, entries)
	return cache.boxes, nil
}

// listUses lists mailboxes with their attributes.
func listUses(ctx context.Context, sess *session.Session, pattern string) ([]imapclient.ListEntry, error) {
	req := imapclient.ListRequest{Patterns: []string{pattern}}
	if caps := sess.Client.Caps(); caps.Has("SPECIAL-USE") && caps.Has("LIST-EXTENDED") {
		req.Return = []string{"SPECIAL-USE"}
	}
	var entries []imapclient.ListEntry
	p, err := sess.AskList(ctx, req)
	if err == nil {
		entries, err = p.Wait(ctx)
	}
	if req.Return != nil && useless(err) {
		// Without the option, a server may send the attributes, too (RFC 6154 §2).
		req.Return = nil
		entries, err = sess.Client.List(ctx, req)
	}
	return entries, err
}

// usesOf converts listed names to canonical names with their uses.
func (s *Store) usesOf(l *layout, entries []imapclient.ListEntry) []store.BoxUses {
	var out []store.BoxUses
	index := make(map[string]int) // by canonical name
	any := false
	for i := range entries {
		e := &entries[i]
		if e.Err != nil || !selectable(e) {
			continue
		}
		name, err := l.canonical(e.Name, e.Delim)
		if err != nil {
			continue
		}
		at, ok := index[name]
		if !ok {
			at = len(out)
			index[name] = at
			out = append(out, store.BoxUses{Name: name})
		}
		if name == mail.Inbox {
			continue // whatever the server says
		}
		for _, a := range e.Attrs {
			use := strings.ToLower(strings.TrimPrefix(a, `\`))
			if strings.HasPrefix(a, `\`) && slices.Contains(useAttributes, use) && !slices.Contains(out[at].Uses, use) {
				out[at].Uses = append(out[at].Uses, use)
				any = true
			}
		}
	}
	if !any {
		for _, use := range useAttributes {
			if at, ok := index[s.opts.KnownFolders[use]]; ok {
				out[at].Uses = append(out[at].Uses, use)
			}
		}
	}
	return out
}
