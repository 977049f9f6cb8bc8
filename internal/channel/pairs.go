package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/vfs"
)

// target is a pair of mailboxes to be synchronized.
type target struct {
	event.Pair
	// named are the mailboxes as the channel names them. The state file is named
	// after these (docs/format.md).
	named  [2]string
	stores [2]store.Store
	known  [2]engine.Presence
	// marks are the marks from the listing; "": unknown.
	marks [2]string
	// use are the special uses by which the mailboxes were found; "": they were found by
	// their names. exists reports whether the server has a mailbox, if use is set.
	use    [2]string
	exists [2]func(box string) bool
	// trash are the mailboxes for Trash; "": none.
	trash [2]string
	// err is the reason why the pair cannot be synchronized; nil: it can.
	err error
}

// ends returns both sides of a channel, the far one first.
func ends(c *config.Channel) [2]config.End { return [2]config.End{c.Far, c.Near} }

// pairs returns the pairs of a selection, in order. No mailbox is in two pairs without an error.
func (r *run) pairs(ctx context.Context, s Selection, q *quiet) ([]target, error) {
	named := s.Channel
	st, err := r.storesOf(named)
	if err != nil {
		return nil, err
	}
	res, err := resolve(ctx, s, st)
	if err != nil {
		return nil, err
	}
	out, err := r.resolvedPairs(ctx, res.Selection, st, q)
	for i := range out {
		res.apply(&out[i], named)
		r.remembered(named, &out[i])
	}
	return out, err
}

// resolvedPairs is pairs for a selection without special uses.
func (r *run) resolvedPairs(ctx context.Context, s Selection, st [2]store.Store, q *quiet) ([]target, error) {
	c := s.Channel
	if len(c.Patterns) == 0 && s.Boxes == nil {
		t := newTarget(c, st, "")
		r.tellInbox(c, t)
		return []target{t}, nil
	}
	var out []target
	if s.Boxes != nil {
		for _, b := range s.Boxes {
			out = append(out, newTarget(c, st, b))
			if name, ok := RealName(b); ok {
				r.warn(c, &NameError{Reason: NameOld, Name: b, Channel: c, Store: c.Far.Store, text: fmt.Sprintf(
					"mailboxes are named in UTF-8, so '%s' is not '%s'", b, name)})
			}
		}
		return r.separate(c, out, true), nil
	}
	found, err := list(ctx, c, st, [2]bool{q.Most(0), q.Most(1)})
	if err != nil {
		return nil, err
	}
	q.NoteListed(found.listed)
	for _, err := range found.unreachable {
		r.warn(c, err)
	}
	for _, err := range found.unmatched(c) {
		r.warn(c, err)
	}
	if r.Explain {
		r.tellUnselected(c, found)
	}
	for _, name := range found.names() {
		t := newTarget(c, st, name)
		t.known = found.presence(t)
		for i := range t.marks {
			t.marks[i] = found.marks[i][t.Box[i]]
		}
		if err := t.reserved(c); err != nil {
			r.warn(c, err)
			continue
		}
		out = append(out, t)
	}
	out, left := r.withOwnState(c, out)
	for _, err := range left {
		r.warn(c, err)
	}
	refuseOldNames(c, out)
	return r.separate(c, out, false), nil
}

// newTarget returns the pair with this name. It is not known whether its mailboxes exist.
func newTarget(c *config.Channel, st [2]store.Store, name string) target {
	t := target{stores: st}
	t.Channel, t.Name = c.Name, name
	for i, e := range ends(c) {
		t.Store[i], t.trash[i] = e.Store.Name, e.Store.Trash
		var err error
		if t.Box[i], err = boxName(e, name); err != nil {
			if ne, ok := errors.AsType[*NameError](err); ok {
				ne.Channel = c
			}
			t.Box[i] = e.Box + name
			t.err = err
		}
	}
	t.named = t.Box
	if len(c.Patterns) == 0 {
		t.recognizeInbox()
	} else if name == "" {
		t.needNames(c)
	}
	switch {
	case t.err != nil:
	case mailboxOf(c, t, config.Far) == mailboxOf(c, t, config.Near):
		t.err = fmt.Errorf("far and near side are the same mailbox '%s' of %s", t.Box[0], c.Far.Store.Label())
	case t.inOnePlace():
		t.err = errOnePlace(c, t)
	}
	return t
}

// recognizeInbox makes a mailbox the INBOX if the channel names the directory of the INBOX: for example
// the Maildir "Inbox" below Path, if Inbox is this directory.
func (t *target) recognizeInbox() {
	for i, st := range t.stores {
		l, ok := store.As[store.Local](st)
		if !ok {
			continue
		}
		_, err := l.BoxPath(t.Box[i])
		if e, ok := errors.AsType[*store.NameError](err); ok && e.Reason == store.NameInbox {
			t.Box[i] = mail.Inbox
		}
	}
}

// tellInbox reports that recognizeInbox has done so.
func (r *run) tellInbox(c *config.Channel, t target) {
	for i, e := range ends(c) {
		if t.named[i] != t.Box[i] && r.Events != nil {
			r.Events.Take(event.Message{Severity: event.Notice, Pair: event.Pair{Channel: c.Name}, Fact: event.BoxIsInbox{Box: t.named[i], Store: e.Store.Label()}})
		}
	}
}

// errOnePlace says that both sides of a pair are the same mailbox: each run would copy all of its
// messages again.
func errOnePlace(c *config.Channel, t target) error {
	return fmt.Errorf("far and near side are the same mailbox: '%s' of %s is '%s' of %s", t.Box[0], c.Far.Store.Label(), t.Box[1], c.Near.Store.Label())
}

// inOnePlace reports whether both names certainly mean the same mailbox.
func (t target) inOnePlace() bool {
	far, certainFar := t.stores[0].Identity(t.Box[0])
	near, certainNear := t.stores[1].Identity(t.Box[1])
	return far == near && certainFar == certainNear
}

// isOneDirectory reports whether both mailboxes are the same directory, even under different paths.
func (r *run) isOneDirectory(t target) bool {
	var info [2]fs.FileInfo
	for i, st := range t.stores {
		l, ok := store.As[store.Local](st)
		if !ok {
			return false
		}
		dir, err := l.BoxPath(t.Box[i])
		if err == nil {
			info[i], err = r.FS.Stat(dir)
		}
		if err != nil {
			return false // it is told when it is opened
		}
	}
	return vfs.SameFile(info[0], info[1])
}

// needNames sets an error for a mailbox with the name of its side's prefix, if the prefix of the other
// side is not a name: it is empty, or ends with a delimiter.
func (t *target) needNames(c *config.Channel) {
	for i, e := range ends(c) {
		if t.err != nil {
			return
		}
		if e.Box != "" && !strings.HasSuffix(e.Box, "/") {
			continue
		}
		o := ends(c)[1-i]
		t.err = &NameError{Reason: NameMissing, Channel: c, Store: e.Store, text: fmt.Sprintf(
			"mailbox '%s' of %s cannot be synchronized: its name without the prefix is empty, and '%s' is not a valid name in %s",
			o.Box, o.Store.Label(), e.Box, e.Store.Label())}
	}
}

// mailbox identifies a mailbox among all mailboxes of its store.
type mailbox struct {
	store *config.Store
	id    string
}

func mailboxOf(c *config.Channel, t target, side config.Side) mailbox {
	m := mailbox{store: c.End(side).Store}
	if f, ok := store.As[store.Folder](t.stores[side]); ok {
		m.id = f.Fold(t.Box[side])
	} else {
		m.id, _ = t.stores[side].Identity(t.Box[side])
	}
	return m
}

// separate makes sure that each mailbox is synchronized once. Several names may mean the same mailbox,
// for example because MapInbox gives the inbox a second name. Of several names of a pair, it keeps
// one. Of several pairs with a common mailbox, it keeps the pair that exists on more sides, and then the
// pair by MapInbox, which is an explicit setting. Another pair is an error if its other mailbox exists, or
// was named and may exist. Otherwise nothing is lost by leaving it out, and there is only a warning.
func (r *run) separate(c *config.Channel, targets []target, named bool) []target {
	order := make([]int, len(targets))
	for i := range order {
		order[i] = i
	}
	if !named {
		slices.SortStableFunc(order, func(a, b int) int {
			return cmp.Or(
				cmp.Compare(targets[b].present(), targets[a].present()),
				cmp.Compare(inboxRank(targets[a]), inboxRank(targets[b])))
		})
	}
	taken := map[mailbox]int{}
	drop := make([]bool, len(targets))
	for _, i := range order {
		t := &targets[i]
		if t.err != nil {
			continue
		}
		far, near := mailboxOf(c, *t, config.Far), mailboxOf(c, *t, config.Near)
		byFar, farTaken := taken[far]
		byNear, nearTaken := taken[near]
		switch {
		case !farTaken && !nearTaken:
			taken[far], taken[near] = i, i
			continue
		case farTaken && nearTaken && byFar == byNear:
			drop[i] = true
			continue
		}
		shared, sharedSide, by, other := far, config.Far, byFar, config.Near
		if !farTaken {
			shared, sharedSide, by, other = near, config.Near, byNear, config.Far
		}
		err := &NameError{Reason: NameTwice, Name: t.Name, Channel: c, Store: shared.store, text: fmt.Sprintf(
			"mailbox '%s' of %s is already synchronized as '%s', and not again as '%s'",
			t.Box[sharedSide], shared.store.Label(), targets[by].Name, t.Name)}
		if named || farTaken && nearTaken || t.known[other] == engine.Present {
			t.err = err
			continue
		}
		drop[i] = true
		r.warn(c, err)
	}
	kept := targets[:0]
	for i, t := range targets {
		if !drop[i] {
			kept = append(kept, t)
		}
	}
	return kept
}

// present counts the sides on which the pair was listed.
func (t target) present() (n int) {
	for _, k := range t.known {
		if k == engine.Present {
			n++
		}
	}
	return n
}

// inboxRank orders the inbox after other names of the inbox.
func inboxRank(t target) int {
	if t.Name == mail.Inbox {
		return 1
	}
	return 0
}

// tellUnselected reports which mailboxes the patterns exclude.
func (r *run) tellUnselected(c *config.Channel, f *found) {
	for t, names := range f.unselected {
		sortNames(names)
		for _, n := range names {
			r.trace(event.DebugMain, event.Pair{Channel: c.Name}, fmt.Sprintf("mailbox '%s' of the %s side is not selected", n, syncstate.Side(t)))
		}
	}
}

// tellPair reports what is known about a pair.
func (r *run) tellPair(p *engine.Pair) {
	var sides string
	switch {
	case p.Known == [2]engine.Presence{engine.Present, engine.Present}:
		sides = "on both sides"
	case p.Known[0] == engine.Absent:
		sides = "on the near side only"
	case p.Known[1] == engine.Absent:
		sides = "on the far side only"
	default:
		sides = "not known to be there yet"
	}
	r.trace(event.DebugMain, event.Pair{Channel: p.Channel, Box: p.Box}, fmt.Sprintf("%s; state %s", sides, p.StatePath))
}

// trace reports a decision, for debug output.
func (r *run) trace(topic event.Topics, p event.Pair, text string) {
	r.Events.Take(event.Trace{Topic: topic, Pair: p, Text: text})
}

// warn reports a mailbox that is left out.
func (r *run) warn(c *config.Channel, err error) {
	if r.Events != nil {
		r.Events.Take(event.Message{Severity: event.Warning, Pair: event.Pair{Channel: c.Name}, Err: err})
	}
}
