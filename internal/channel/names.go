package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
)

// boxName returns the canonical name in the store of e of the mailbox that has this name in the channel.
// It fails if Flatten would make it the name of another mailbox.
func boxName(e config.End, name string) (string, error) {
	full := e.Box + name
	if full == "" || full == mail.Inbox || full == e.Store.MapInbox {
		return mail.Inbox, nil
	}
	f := e.Store.Flatten
	if f == "" {
		return full, nil
	}
	// A flattened child of the inbox is next to it, not below it.
	flat := strings.ReplaceAll(full, "/", f)
	if other := strings.ReplaceAll(flat, f, "/"); other != full {
		return "", &NameError{Reason: NameFlattened, Name: name, Store: e.Store, text: fmt.Sprintf(
			"mailbox '%s' cannot exist in %s: with Flatten '%s', this name means '%s'", full, e.Store.Label(), f, other)}
	}
	return flat, nil
}

// listed returns the names in the channel of a mailbox that was found in the store of e, including the
// prefix of the side. The inbox has the name of MapInbox and, if inbox is set, also its own. It is an
// error if a name means another mailbox.
func listed(e config.End, box string, inbox bool) (full []string, err error) {
	if box == mail.Inbox {
		if e.Store.MapInbox != "" {
			full = append(full, e.Store.MapInbox)
		}
		if inbox {
			full = append(full, box)
		}
		return full, nil
	}
	if mail.IsInbox(box) && !inbox {
		return nil, nil
	}
	name := box
	if f := e.Store.Flatten; f != "" {
		if strings.Contains(box, "/") {
			return []string{box}, &NameError{Reason: NameFlattened, Store: e.Store, text: fmt.Sprintf(
				"mailbox '%s' of %s is ignored: with Flatten '%s', a mailbox cannot be below another one", box, e.Store.Label(), f)}
		}
		name = strings.ReplaceAll(box, f, "/")
	}
	if name == e.Store.MapInbox {
		return []string{name}, &NameError{Reason: NameMapped, Store: e.Store, text: fmt.Sprintf(
			"mailbox '%s' of %s is ignored: MapInbox uses its name for INBOX", box, e.Store.Label())}
	}
	return []string{name}, nil
}

// found are the mailboxes of a channel, by their names without the prefixes of the sides. A mailbox
// with the name of the prefix has the empty name.
type found struct {
	boxes map[string]*[2]bool // on which sides
	// marks are the marks of store.Box, by side and name in the store. listed is the number of
	// listed mailboxes.
	marks  [2]map[string]string
	listed [2]uint32
	// unselected are mailboxes that were listed, but not selected, by side.
	unselected [2][]string
	// unreachable has errors about selected mailboxes that cannot be synchronized.
	unreachable []error
}

// list lists both stores at the same time and applies the channel's patterns.
func list(ctx context.Context, c *config.Channel, st [2]store.Store, marks [2]bool) (*found, error) {
	var boxes [2][]store.Box
	var inbox [2]bool
	var errs [2]error
	var wg sync.WaitGroup
	for t, e := range ends(c) {
		wg.Go(func() {
			boxes[t], inbox[t], errs[t] = listSide(ctx, c, e, st[t], marks[t])
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil && (errs[0] != nil || errs[1] != nil) {
		return nil, err
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	f := &found{boxes: map[string]*[2]bool{}}
	for t, e := range ends(c) {
		for _, b := range boxes[t] {
			f.add(c, t, e, b.Name, inbox[t])
		}
		f.listed[t] = uint32(len(boxes[t]))
		if marks[t] {
			f.marks[t] = make(map[string]string, len(boxes[t]))
			for _, b := range boxes[t] {
				f.marks[t][b.Name] = b.Mark
			}
		}
	}
	for t, e := range ends(c) {
		if folder, ok := store.As[store.Folder](st[t]); ok {
			f.join(t, e, folder)
		}
	}
	return f, nil
}

// listError says that a store could not be listed. It names the store once.
type listError struct {
	label string
	err   error
}

func (e *listError) Error() string {
	err := e.err
	if se, ok := err.(*store.StoreError); ok { //nolint:errorlint // only what begins with the name
		err = se.Err
	}
	return "listing mailboxes of " + e.label + ": " + err.Error()
}

func (e *listError) Unwrap() error { return e.err }

// join finds mailboxes whose names on both sides differ, but mean the same mailbox in the store of e, on
// side t. They are one pair, with the name of the other side. If the other side has several such names,
// each remains a pair of its own.
func (f *found) join(t int, e config.End, folder store.Folder) {
	lonely := map[string][]string{} // names that only the other side has
	fold := func(name string) string {
		box, err := boxName(e, name)
		if err != nil {
			return name
		}
		return folder.Fold(box)
	}
	for name, on := range f.boxes {
		if !on[t] && on[1-t] {
			key := fold(name)
			lonely[key] = append(lonely[key], name)
		}
	}
	if len(lonely) == 0 {
		return
	}
	for name, on := range f.boxes {
		if !on[t] || on[1-t] {
			continue
		}
		if same := lonely[fold(name)]; len(same) == 1 && same[0] != name {
			f.boxes[same[0]][t] = true
			delete(f.boxes, name)
		}
	}
}

// add adds a mailbox that was listed, if the patterns select it.
func (f *found) add(c *config.Channel, t int, e config.End, box string, inbox bool) {
	fulls, err := listed(e, box, inbox)
	for _, full := range fulls {
		name, ok := strings.CutPrefix(full, e.Box)
		if !ok || !c.Patterns.Match(name) {
			f.unselected[t] = append(f.unselected[t], full)
			continue
		}
		if err != nil {
			if ne, ok := errors.AsType[*NameError](err); ok {
				ne.Name, ne.Channel = name, c
			}
			f.unreachable = append(f.unreachable, err)
			continue
		}
		if f.boxes[name] == nil {
			f.boxes[name] = new([2]bool)
		}
		f.boxes[name][t] = true
	}
}

// listSide lists the store of e. It reports whether wildcards of the patterns match the inbox and its
// children: they do if the inbox is among the other mailboxes. Otherwise the inbox may be listed
// nevertheless, to find it under the name of MapInbox.
func listSide(ctx context.Context, c *config.Channel, e config.End, st store.Store, marks bool) (boxes []store.Box, inbox bool, err error) {
	l := c.Patterns.Listing(e.Box, e.Store.Flatten != "")
	holder, holds := store.As[store.InboxHolder](st)
	boxes, err = st.List(ctx, store.ListRequest{
		Inbox:      l.Inbox || e.Store.MapInbox != "",
		InboxAmong: holds && l.Others && !l.Inbox,
		Others:     l.Others, OthersIfAny: l.OthersIfAny,
		Marks: marks,
	})
	inbox = l.Inbox
	if err == nil && holds && l.Others && !l.Inbox {
		// After the listing, the store knows that without asking.
		inbox, err = holder.InboxAmongOthers(ctx)
	}
	if err != nil {
		return nil, false, &listError{e.Store.Label(), err}
	}
	return boxes, inbox, nil
}

// names returns the names in the order of the pairs.
func (f *found) names() []string {
	names := make([]string, 0, len(f.boxes))
	for n := range f.boxes {
		names = append(names, n)
	}
	sortNames(names)
	return names
}

// presence says which mailboxes of a pair were listed. An inbox that was not listed may exist
// nevertheless, outside of the listed mailboxes.
func (f *found) presence(t target) (p [2]engine.Presence) {
	for i, there := range f.boxes[t.Name] {
		switch {
		case there:
			p[i] = engine.Present
		case mail.IsInbox(t.Name) || mail.IsInbox(t.Box[i]):
			p[i] = engine.Unknown
		default:
			p[i] = engine.Absent
		}
	}
	return p
}

// sortNames sorts mailbox names for the user: the inbox and its children
// first.
func sortNames(names []string) {
	slices.SortFunc(names, func(a, b string) int {
		if x, y := mail.IsInbox(a), mail.IsInbox(b); x != y {
			if x {
				return -1
			}
			return 1
		}
		return cmp.Compare(a, b)
	})
}
