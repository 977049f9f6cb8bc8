package channel

import (
	"strings"

	"isync/internal/config"
	"isync/internal/mail"
	"isync/internal/store"
)

// What one channel brings into a mailbox another channel of the same run may
// have to carry on, as it always did when channels were worked on one after the
// other. So a channel waits for those before it that may touch the same
// mailboxes. That is judged by the configuration alone, and generously: to wait
// for nothing costs a little time only.

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

// regions returns what a selection may touch, given the channel's stores.
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
	// By default the names of state files tell the stores and mailboxes.
	if c.SyncState.Kind == config.StatePrefix {
		out = append(out, store.Region{Place: "state", Name: c.SyncState.Prefix, Many: true})
	}
	return out
}

// literalNames returns the names that a selection is about, if they can be told
// without looking.
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

// mailboxRegion is a single mailbox. Flatten and the like change its name in
// the same way wherever the store is used; for other stores, whatever it is
// made into, its beginning stays.
func mailboxRegion(s *config.Store, st store.Store, box string) store.Region {
	if box == "" || box == s.MapInbox {
		box = mail.Inbox
	}
	return st.Region(mail.CanonicalBox(box), s.Flatten != "")
}
