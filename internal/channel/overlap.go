package channel

import (
	"fmt"
	"path/filepath"
	"strings"

	"isync/internal/config"
	"isync/internal/mail"
)

// What one channel brings into a mailbox another channel of the same run may
// have to carry on, as it always did when channels were worked on one after the
// other. So a channel waits for those before it that may touch the same
// mailboxes. That is judged by the configuration alone, and generously: to wait
// for nothing costs a little time only.

// region is a set of mailboxes, or state files.
type region struct {
	// place is what the names are relative to: the file system, or an account.
	place string
	// space tells apart how names of an account are made; of different ones
	// nothing is known.
	space string
	// name is that of the only member or, with many, what all names begin with.
	name string
	many bool
}

// meets reports whether a mailbox may be in both regions.
func (a region) meets(b region) bool {
	switch {
	case a.place != b.place:
		return false
	case a.space != b.space:
		return true
	case a.many && strings.HasPrefix(b.name, a.name), b.many && strings.HasPrefix(a.name, b.name):
		return true
	}
	return a.name == b.name
}

// overlap reports whether any two of the regions meet.
func overlap(a, b []region) bool {
	for _, x := range a {
		for _, y := range b {
			if x.meets(y) {
				return true
			}
		}
	}
	return false
}

// regions returns what a selection may touch.
func regions(s Selection) []region {
	c := s.Channel
	var out []region
	names, literal := literalNames(s)
	for _, e := range ends(c) {
		st := e.Store
		if literal {
			for _, n := range names {
				out = append(out, mailboxRegion(st, e.Box+n))
			}
		} else {
			out = append(out, wholeRegions(c, e)...)
		}
		if st.Trash != "" {
			out = append(out, mailboxRegion(st, st.Trash))
		}
	}
	// By default the names of state files tell the stores and mailboxes.
	if c.SyncState.Kind == config.StatePrefix {
		out = append(out, region{place: "state", name: c.SyncState.Prefix, many: true})
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
		return s.Boxes, true
	}
	var names []string
	for _, p := range c.Patterns {
		if p.Exclude {
			continue
		}
		if strings.ContainsAny(p.Text, "*%") {
			return nil, false
		}
		names = append(names, p.Text)
	}
	return names, true
}

// mailboxRegion is a single mailbox. Flatten and the like change its name in
// the same way wherever the store is used; for other stores, whatever it is
// made into, its beginning stays.
func mailboxRegion(s *config.Store, box string) region {
	if box == "" || box == s.MapInbox {
		box = mail.Inbox
	}
	box = mail.CanonicalBox(box)
	if s.IMAP != nil {
		r := region{place: accountKey(s.IMAP.Account), space: spaceOf(s), name: nameOnServer(s, box)}
		if s.Flatten != "" {
			r.many = true
			r.name, _, _ = strings.Cut(r.name, "/")
		}
		return r
	}
	if box == mail.Inbox {
		return region{place: "files", name: filepath.Clean(s.Maildir.Inbox)}
	}
	// Below a directory of the first component, however deeper ones are named.
	first, _, _ := strings.Cut(box, "/")
	return region{place: "files", name: s.Path + first, many: true}
}

// wholeRegions are the mailboxes that a side with wildcards may touch.
func wholeRegions(c *config.Channel, e config.End) []region {
	s := e.Store
	if s.IMAP != nil {
		out := []region{{place: accountKey(s.IMAP.Account), space: spaceOf(s), name: pathOnServer(s), many: true}}
		if s.Path != "" {
			inbox := mailboxRegion(s, mail.Inbox)
			inbox.many = true // with what is below it
			out = append(out, inbox)
		}
		return out
	}
	out := []region{{place: "files", name: filepath.Clean(s.Maildir.Inbox), many: true}}
	if s.HasPath {
		out = append(out, region{place: "files", name: s.Path, many: true})
	}
	return out
}

// accountKey is the same for sections that mean the same account.
func accountKey(a *config.Account) string {
	return strings.Join([]string{"imap", a.Tunnel, strings.ToLower(a.Host), fmt.Sprint(a.Port), a.User, a.UserCmd}, "\x00")
}

// spaceOf tells how the names of a store are made.
func spaceOf(s *config.Store) string {
	return fmt.Sprint(s.HasPath, s.HasPath || s.IMAP.UseNamespace)
}

// nameOnServer returns what a mailbox of an IMAP store is called there, as far as the
// configuration tells, with "/" between components. Nothing is put before the
// inbox and what is below it.
func nameOnServer(s *config.Store, box string) string {
	if box = mail.CanonicalBox(box); mail.IsInbox(box) {
		return box
	}
	return mail.CanonicalBox(pathOnServer(s) + box)
}

// pathOnServer returns the Path of an IMAP store, with "/" between components. It
// is written as the server has it, so it most likely ends in its delimiter.
func pathOnServer(s *config.Store) string {
	delim := s.IMAP.PathDelimiter
	if n := len(s.Path); delim == 0 && n > 0 {
		delim = s.Path[n-1]
	}
	if delim == '.' || delim == '\\' || delim == s.IMAP.PathDelimiter {
		return strings.ReplaceAll(s.Path, string(rune(delim)), "/")
	}
	return s.Path
}

// isNamedInFull reports whether nothing that only the server knows is put before
// the name of a mailbox of an IMAP store.
func isNamedInFull(s *config.Store, box string) bool {
	return s.HasPath || !s.IMAP.UseNamespace || mail.IsInbox(mail.CanonicalBox(box))
}
