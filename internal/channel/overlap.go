package channel

import (
	"strings"

	"isync/internal/config"
	"isync/internal/mail"
	"isync/internal/store"
)

// If one channel copies a message into a mailbox, a later channel of the same run may have to copy it
// further, as it does if channels run one after the other. So a channel waits for earlier channels that
// may use the same mailboxes. This is derived from the configuration only. In doubt, the channel waits,
// which only takes time.

// overlap reports whether any two of the regions meet.
func overlap(a, b []store.Region) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Meets(y) {
				return true
			}
		}
	}
	return false
}

// regions returns the regions of the stores that a selection may use.
func regions(s Selection, stores [2]store.Store) []store.Region {
	c := s.Channel
	var out []store.Region
	names, literal := literalNames(s)
	for t, e := range ends(c) {
		if literal && e.Use == "" {
			for _, n := range names {
				out = append(out, mailboxRegion(e.Store, stores[t], e.Box+n))
			}
		} else {
			out = append(out, stores[t].Regions()...)
		}
		if trash := e.Store.Trash; e.Store.TrashUse != "" {
			out = append(out, stores[t].Regions()...)
		} else if trash != "" {
			out = append(out, mailboxRegion(e.Store, stores[t], trash))
		}
	}
	// By default, the names of state files contain the stores and mailboxes.
	if c.SyncState.Kind == config.StatePrefix {
		out = append(out, store.Region{Place: "state", Name: c.SyncState.Prefix, Many: true})
	}
	return out
}

// literalNames returns the names of a selection, if they are known without listing.
func literalNames(s Selection) ([]string, bool) {
	c := s.Channel
	switch {
	case len(c.Patterns) == 0:
		return []string{""}, true
	case s.Boxes != nil:
		return s.Boxes, len(s.Uses) == 0
	}
	var names []string
	for _, p := range c.Patterns {
		if p.Exclude {
			continue
		}
		if p.Use != "" || strings.ContainsAny(p.Text, "*%") {
			return nil, false
		}
		names = append(names, p.Text)
	}
	return names, true
}

// mailboxRegion is the region of a single mailbox. Flatten changes its name in the same way wherever the
// store is used. In other stores, the beginning of the name stays the same.
func mailboxRegion(s *config.Store, st store.Store, box string) store.Region {
	if box == "" || box == s.MapInbox {
		box = mail.Inbox
	}
	return st.Region(mail.CanonicalBox(box), s.Flatten != "")
}
