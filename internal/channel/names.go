package channel

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
)

// boxName returns the canonical name, in the store of e, of the mailbox that
// the channel calls name.
func boxName(e config.End, name string) string {
	full := e.Box + name
	switch {
	case full == "":
		return mail.Inbox
	case e.Store.MapInbox != "" && full == e.Store.MapInbox:
		return mail.Inbox
	}
	if f := e.Store.Flatten; f != "" {
		// A flattened child of the inbox lives beside it, not below it.
		return strings.ReplaceAll(full, "/", f)
	}
	return full
}

// listed returns the names by which the channel knows a mailbox that was found
// in the store of e: none, or its own, and the inbox perhaps by that of MapInbox.
func listed(e config.End, box string) (full []string) {
	if f := e.Store.Flatten; f != "" {
		if strings.Contains(box, "/") && !mail.IsInbox(box) {
			return nil // cannot be reached: "/" stands for the delimiter
		}
		box = strings.ReplaceAll(box, f, "/")
	}
	if box == mail.Inbox && e.Store.MapInbox != "" {
		return []string{e.Store.MapInbox, box}
	}
	return []string{box}
}

// found are the mailboxes of a channel, by the name without the prefixes of
// the sides.
type found struct {
	boxes map[string]*[2]bool // on which sides
}

// list lists both stores at the same time and applies the channel's patterns.
func list(ctx context.Context, c *config.Channel, st [2]store.Store) (*found, error) {
	var boxes [2][]store.Box
	var errs [2]error
	var wg sync.WaitGroup
	for t, e := range []config.End{c.Far, c.Near} {
		wg.Go(func() {
			var req store.ListRequest
			if req, errs[t] = request(ctx, c, e, st[t]); errs[t] == nil {
				boxes[t], errs[t] = st[t].List(ctx, req)
			}
		})
	}
	wg.Wait()
	f := &found{boxes: map[string]*[2]bool{}}
	for t, e := range []config.End{c.Far, c.Near} {
		if errs[t] != nil {
			return nil, fmt.Errorf("listing mailboxes of %s: %w", e.Store.Label(), errs[t])
		}
		for _, b := range boxes[t] {
			for _, full := range listed(e, b.Name) {
				name, ok := strings.CutPrefix(full, e.Box)
				if !ok || name == "" || !c.Patterns.Match(name) {
					continue
				}
				if f.boxes[name] == nil {
					f.boxes[name] = new([2]bool)
				}
				f.boxes[name][t] = true
			}
		}
	}
	return f, nil
}

// request tells what to list of the store of e. A wildcard means the inbox, too,
// where that lives among the other mailboxes.
func request(ctx context.Context, c *config.Channel, e config.End, st store.Store) (req store.ListRequest, err error) {
	req.Inbox, req.Others = c.Patterns.Listing(e.Box)
	req.Inbox = req.Inbox || e.Store.MapInbox != ""
	if h, ok := st.(store.InboxHolder); ok && req.Others && !req.Inbox {
		req.Inbox, err = h.InboxAmongOthers(ctx)
	}
	return req, err
}

// names returns the names in the order they are worked on.
func (f *found) names() []string {
	names := make([]string, 0, len(f.boxes))
	for n := range f.boxes {
		names = append(names, n)
	}
	sortNames(names)
	return names
}

// presence tells what the listings say about a mailbox. An inbox that was not
// listed may be there all the same, outside of what was looked at.
func (f *found) presence(name string) (p [2]engine.Presence) {
	for t, there := range f.boxes[name] {
		switch {
		case there:
			p[t] = engine.Present
		case mail.IsInbox(name):
			p[t] = engine.Unknown
		default:
			p[t] = engine.Absent
		}
	}
	return p
}
