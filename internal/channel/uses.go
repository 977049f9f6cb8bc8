package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
)

// UseError says that no mailbox has a special use, or that several have it and one is needed.
type UseError struct {
	Use   string
	Store *config.Store
	// Keyword is the keyword in the configuration, and Pos its position.
	Keyword string
	Pos     config.Pos
	Boxes   []string // with the use
	// Was is the mailbox that had the use in the last run; "": unknown.
	Was string
}

func (e *UseError) Error() string {
	if len(e.Boxes) > 1 {
		return fmt.Sprintf("several mailboxes of %s have the special use %s: %s", e.Store.Label(), e.Use, some(quoteAll(e.Boxes), len(e.Boxes)))
	}
	text := fmt.Sprintf("no mailbox of %s has the special use %s", e.Store.Label(), e.Use)
	if e.Was != "" {
		text += fmt.Sprintf("; it was '%s' in the last run", e.Was)
	}
	return text
}

func quoteAll(names []string) (out []string) {
	for _, n := range names {
		out = append(out, "'"+n+"'")
	}
	return out
}

// uses are the mailboxes of a store by their special uses.
type uses struct {
	store *config.Store
	by    map[string][]string // by use in lower case
	names map[string]bool     // all mailboxes
}

// findUses asks a store. It returns nil if the special uses are not known, because the server is not
// asked, for example.
func findUses(ctx context.Context, s *config.Store, st store.Store) (*uses, error) {
	finder, ok := store.As[store.UseFinder](st)
	if !ok {
		return nil, nil
	}
	boxes, err := finder.FindUses(ctx)
	if err != nil {
		return nil, &listError{s.Label(), err}
	}
	u := &uses{s, map[string][]string{}, map[string]bool{}}
	for _, b := range boxes {
		u.names[b.Name] = true
		for _, use := range b.Uses {
			u.by[use] = append(u.by[use], b.Name)
		}
	}
	for _, names := range u.by {
		sortNames(names)
	}
	return u, nil
}

// of returns all mailboxes with a use. It fails if there is none.
func (u *uses) of(use, keyword string, pos config.Pos) ([]string, error) {
	boxes := u.by[strings.ToLower(use)]
	if len(boxes) == 0 {
		return nil, &UseError{Use: use, Store: u.store, Keyword: keyword, Pos: pos}
	}
	return boxes, nil
}

// one returns the mailbox with a use. It fails if there is not exactly one.
func (u *uses) one(use, keyword string, pos config.Pos) (string, error) {
	boxes, err := u.of(use, keyword, pos)
	if err == nil && len(boxes) > 1 {
		err = &UseError{Use: use, Store: u.store, Keyword: keyword, Pos: pos, Boxes: boxes}
	}
	if err != nil {
		return "", err
	}
	return boxes[0], nil
}

// resolved is a selection in which special uses are replaced by the mailboxes with them.
type resolved struct {
	Selection
	// use are the special uses by which the channel names its mailboxes; "": none.
	use [2]string
	// uses are the special uses of the stores; nil: not needed, or not known.
	uses [2]*uses
	// trash are the mailboxes for Trash; "": none.
	trash [2]string
	// err is why the mailboxes of a channel without Patterns are not known.
	err error
}

// resolve asks the stores for the special uses that the selection needs. It returns the mailboxes that
// have them at this moment.
func resolve(ctx context.Context, s Selection, st [2]store.Store) (*resolved, error) {
	c := *s.Channel
	r := &resolved{Selection: s}
	var err error
	known := func(t config.Side) *uses {
		if r.uses[t] == nil && err == nil {
			r.uses[t], err = findUses(ctx, c.End(t).Store, st[t])
		}
		return r.uses[t]
	}
	for t, e := range []*config.End{&c.Far, &c.Near} {
		r.trash[t] = e.Store.Trash
		if use := e.Store.TrashUse; use != "" {
			if u := known(config.Side(t)); u != nil {
				r.trash[t], err = u.one(use, "Trash", e.Store.Pos("Trash"))
			}
		}
		if err == nil && e.Use != "" {
			if u := known(config.Side(t)); u != nil && err == nil {
				r.use[t] = e.Use
				box, missing := u.one(e.Use, []string{"Far", "Near"}[t], e.Pos)
				switch {
				case missing == nil:
					e.Box = box
				case r.err == nil:
					r.err = missing
				}
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := r.patterns(&c, known, &err); err != nil {
		return nil, err
	}
	r.Channel = &c
	return r, err
}

// patterns resolves the special uses in Patterns, and in the names on the command line. They
// are those of the far side, unless only the near side has any.
func (r *resolved) patterns(c *config.Channel, known func(config.Side) *uses, failed *error) error {
	if len(r.Uses) == 0 && (r.Boxes != nil || !c.Patterns.HasUses()) {
		return nil
	}
	t := config.Far
	u := known(t)
	if u == nil && *failed == nil {
		t = config.Near
		u = known(t)
	}
	if u == nil || *failed != nil {
		return *failed
	}
	at := c.Pos("Patterns")
	var err error
	names := func(use string) (out []string) {
		boxes, missing := u.of(use, "Patterns", at)
		if missing != nil && err == nil {
			err = missing
		}
		for _, box := range boxes {
			out = append(out, channelNames(c.End(t), box)...)
		}
		return out
	}
	if r.Boxes == nil {
		if c.Patterns = c.Patterns.Resolve(names); len(c.Patterns) == 0 {
			// Not a channel without patterns.
			c.Patterns = config.NewPatterns("!*")
		}
		return err
	}
	r.Boxes = slices.Clone(r.Boxes)
	for _, use := range r.Uses {
		for _, name := range names(use) {
			if !slices.Contains(r.Boxes, name) {
				r.Boxes = append(r.Boxes, name)
			}
		}
	}
	return err
}

// channelNames returns the names of a mailbox of a side in the patterns of a channel. It has none if it is
// outside of the channel.
func channelNames(e config.End, box string) (out []string) {
	full, err := listed(e, box, mail.IsInbox(box))
	if err != nil {
		return nil
	}
	for _, f := range full {
		if name, ok := strings.CutPrefix(f, e.Box); ok {
			out = append(out, name)
		}
	}
	return out
}

// apply adds the special uses of its mailboxes to a target. named is the channel of the configuration.
func (r *resolved) apply(t *target, named *config.Channel) {
	t.trash = r.trash
	if len(named.Patterns) > 0 {
		return
	}
	for i, e := range ends(named) {
		if e.Use == "" {
			continue
		}
		// The state has the name in the configuration, because a name on the server may change.
		t.named[i] = e.Box
		if u := r.uses[i]; u != nil {
			t.use[i] = r.use[i]
			t.exists[i] = func(box string) bool { return u.names[box] }
		}
	}
	if t.err == nil {
		t.err = r.err
	}
}

// remembered adds the mailbox of the last run to an error about a special use.
func (r *run) remembered(c *config.Channel, t *target) {
	e, ok := t.err.(*UseError) //nolint:errorlint // it is made here, and not wrapped
	if !ok {
		return
	}
	path, err := r.statePath(c, *t)
	if err != nil {
		return
	}
	notes, err := engine.ReadNotes(r.FS, path)
	if err != nil {
		return
	}
	own := *e
	for i, end := range ends(c) {
		if end.Store == e.Store && end.Use == e.Use {
			own.Was = notes.Box[i]
		}
	}
	t.err = &own
}
