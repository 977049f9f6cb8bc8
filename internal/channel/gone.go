package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
)

// GoneError says that mailboxes of a channel that were synchronized before do not exist any more on
// one side. The mailboxes of the other side are kept.
type GoneError struct {
	Channel *config.Channel
	Ops     config.Ops
	Side    config.Side // which has lost them
	Boxes   []GoneBox   // in the order of the pairs; at least one
	// All: there are several, and the side has no other mailbox of the channel that was
	// synchronized before.
	All bool
	// root is the directory that holds the mailboxes of the side; "": they are not in
	// the file system.
	root string
}

// GoneBox is a pair that has lost one mailbox.
type GoneBox struct {
	*engine.GoneError
	Pair event.Pair
	// Dirs are the directories of the mailboxes that are in the file system.
	Dirs [2]string
	// State are the files of the sync state that exist.
	State []string
	// Below: there are mailboxes below the other one.
	Below bool
	// Renames are the names that the mailbox may have now. Example is the Rename for the name
	// ExampleName; nil: the mailbox cannot have it.
	Renames []Rename
	Example *Rename
}

// ExampleName is the name of a mailbox in advice.
const ExampleName = "NEW"

// Rename is a mailbox that may be the missing one under a new name.
type Rename struct {
	Box     string // canonical, on the side where the other one is gone
	Written string // how the configuration names it there
	// Pair are its names on both sides. Outside: the channel does not select it.
	Pair    event.Pair
	Outside bool
	// Copied: it has a sync state of its own, as another mailbox.
	Copied bool
	// Dirs and StatePath are those of the pair.
	Dirs      [2]string
	StatePath string
}

func (e *GoneError) Unwrap() error { return engine.ErrBoxMissing }

// Error describes everything in one line.
func (e *GoneError) Error() string {
	o := e.Side.Other()
	first := &e.Boxes[0]
	if len(e.Boxes) == 1 {
		return first.GoneError.Error() + first.whereabouts()
	}
	if e.Held() && e.Void() == "" {
		names := make([]string, len(e.Boxes))
		for i := range e.Boxes {
			names[i] = "'" + e.Boxes[i].Pair.Box[e.Side] + "'"
		}
		return fmt.Sprintf("%d %s side mailboxes do not exist any more, more than half of the channel: %s; the empty mailboxes on the %s side are not removed",
			len(names), e.Side, some(names, 3), o)
	}
	const most = 3
	var names, moves, signs []string
	sum := 0
	for i := range e.Boxes {
		b := &e.Boxes[i]
		names = append(names, "'"+b.Pair.Box[e.Side]+"'")
		sum += b.Messages
		if len(b.Renames) == 1 {
			if sign := b.sign(); !slices.Contains(signs, sign) {
				signs = append(signs, sign)
			}
			moves = append(moves, fmt.Sprintf("'%s' to '%s'", b.Pair.Box[e.Side], b.Renames[0].Box))
		}
	}
	text := fmt.Sprintf("%d %s side mailboxes do not exist any more, but their %s side mailboxes hold %d message(s): ", len(names), e.Side, o, sum)
	if sum < 0 {
		text = fmt.Sprintf("%d %s side mailboxes do not exist any more, which were synchronized with the %s side: ", len(names), e.Side, o)
	}
	text += some(names, most)
	switch void := e.Void(); {
	case void != "":
		text += "; " + voidText(void)
	case e.All:
		text += fmt.Sprintf("; the %s side has no mailbox of this channel any more", e.Side)
	case len(moves) > 0:
		text += "; they may have been renamed, according to " + strings.Join(signs, " and ") + ": " + some(moves, most)
	}
	return text
}

// Each returns an error for each mailbox; the error itself if the mailboxes are gone for
// a common reason.
func (e *GoneError) Each() []*GoneError {
	if e.All || e.Void() != "" || e.Held() {
		return []*GoneError{e}
	}
	out := make([]*GoneError, len(e.Boxes))
	for i := range e.Boxes {
		one := *e
		one.Boxes = e.Boxes[i : i+1]
		out[i] = &one
	}
	return out
}

// Held reports whether the empty mailboxes on the other side are kept although Remove is
// set, because so many are gone (engine.Pair.KeepBoxes).
func (e *GoneError) Held() bool { return e.Boxes[0].Held }

// some joins the first few texts.
func some(texts []string, most int) string {
	if len(texts) <= most {
		return strings.Join(texts, ", ")
	}
	return strings.Join(texts[:most], ", ") + ", ..."
}

func voidText(dir string) string {
	return "directory '" + dir + "' does not exist or is empty, so a file system may not be mounted there"
}

// Void returns a directory where a file system may not be mounted; "" if there is no
// sign of that.
func (e *GoneError) Void() string {
	for i := range e.Boxes {
		if v := e.Boxes[i].Whereabouts.Void; v != "" {
			return v
		}
	}
	if e.All {
		return e.root
	}
	return ""
}

// sign returns what identifies a renamed mailbox: MAILBOXID or UIDVALIDITY.
func (b *GoneBox) sign() string {
	if b.Whereabouts.ByID {
		return "MAILBOXID"
	}
	return "UIDVALIDITY"
}

// whereabouts describes what was found of the mailbox, to be appended to a sentence.
func (b *GoneBox) whereabouts() string {
	same := "the same " + b.sign()
	switch {
	case b.Whereabouts.Remains == store.RemainsUnsubscribed:
		return "; it exists on the server, but it is not subscribed to"
	case b.Whereabouts.Void != "":
		return "; " + voidText(b.Whereabouts.Void)
	case len(b.Renames) > 1:
		names := make([]string, len(b.Renames))
		for i, r := range b.Renames {
			names[i] = "'" + r.Box + "'"
		}
		return "; it may have been renamed: " + some(names, 5) + " have " + same
	case len(b.Renames) == 1:
		text := fmt.Sprintf("; it may have been renamed to '%s', which has %s", b.Renames[0].Box, same)
		if b.Renames[0].Copied {
			text += " and is synchronized as another mailbox"
		}
		return text
	case b.Whereabouts.Remains == store.RemainsParent:
		return `; only other mailboxes below that name exist (\Noselect)`
	}
	return ""
}

// ErrPerhapsRenamed says that a mailbox is missing on one side while others of the channel
// do not exist any more: one of these may have been renamed.
var ErrPerhapsRenamed = errors.New("another mailbox may have been renamed")

type perhapsRenamed struct{ err error }

func (e *perhapsRenamed) Error() string   { return e.err.Error() }
func (e *perhapsRenamed) Unwrap() []error { return []error{e.err, ErrPerhapsRenamed} }

// goneBoxes collects the mailboxes of a channel that are gone.
type goneBoxes struct {
	mu    sync.Mutex
	boxes []GoneBox
	// before has the paths of the sync states that existed when the channel was begun,
	// unless it is nil.
	before map[string]bool
}

// lookAtStates notes which pairs have a sync state, if a mailbox seems to be gone. After
// the run has created mailboxes, it is not known which ones are new.
func (r *run) lookAtStates(g *goneBoxes, jobs []job) {
	isGone := func(j job) bool {
		return j.pair != nil && (j.known[0] == engine.Absent || j.known[1] == engine.Absent) && r.hasState(j.pair.StatePath)
	}
	if !slices.ContainsFunc(jobs, isGone) {
		return
	}
	g.before = make(map[string]bool)
	for _, j := range jobs {
		if j.pair != nil && r.hasState(j.pair.StatePath) {
			g.before[j.pair.StatePath] = true
		}
	}
}

// tooManyGone is how many mailboxes of a channel must at least be gone to look like a mistake.
// They must also be more than half of all.
const tooManyGone = 3

// keepBoxes sets KeepBoxes for the pairs that have lost a mailbox, if one side has lost
// more than half of the mailboxes that were synchronized before. It does so too if a
// Maildir store has lost all of several: its file system may not be mounted.
func (g *goneBoxes) keepBoxes(jobs []job) {
	for t := range 2 {
		var lost []*engine.Pair
		local, kept := false, 0
		for _, j := range jobs {
			switch {
			case j.pair == nil || !g.before[j.pair.StatePath] || j.known[1-t] == engine.Absent:
			case j.known[t] == engine.Absent:
				lost = append(lost, j.pair)
				_, local = store.As[store.Local](j.stores[t])
			case j.Box[t] != mail.Inbox: // which may be somewhere else, or be an empty directory
				kept++
			}
		}
		unmounted := local && len(lost) > 1 && kept == 0
		if !unmounted && (len(lost) < tooManyGone || len(lost)*2 <= len(g.before)) {
			continue
		}
		for _, p := range lost {
			p.KeepBoxes = true
		}
	}
}

func (r *run) hasState(path string) bool {
	_, err := r.FS.Stat(path)
	return err == nil
}

// add adds the result of the engine for a pair.
func (g *goneBoxes) add(p event.Pair, e *engine.GoneError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.boxes = append(g.boxes, GoneBox{GoneError: e, Pair: p})
}

// tellGone reports the missing mailboxes of each side together: if a folder was renamed, all mailboxes
// below it are missing.
func (r *run) tellGone(ctx context.Context, s Selection, g *goneBoxes, jobs []job) {
	for _, e := range r.goneErrors(ctx, s, g, jobs) {
		severity := event.Error
		if e.Boxes[0].Removes && !e.Held() {
			severity = event.Warning
		}
		r.Events.Take(event.Message{Severity: severity, Pair: event.Pair{Channel: s.Channel.Name}, Err: e})
	}
}

// goneErrors makes an error for each side.
func (r *run) goneErrors(ctx context.Context, s Selection, g *goneBoxes, jobs []job) (out []*GoneError) {
	if len(g.boxes) == 0 {
		return nil
	}
	order := make(map[string]int, len(jobs))
	for i, j := range jobs {
		order[j.Name] = i
	}
	slices.SortFunc(g.boxes, func(a, b GoneBox) int { return order[a.Pair.Name] - order[b.Pair.Name] })
	for _, kind := range []struct{ removes, held bool }{{false, false}, {true, true}, {true, false}} {
		for _, side := range []config.Side{config.Far, config.Near} {
			e := &GoneError{Channel: s.Channel, Ops: s.Ops, Side: side}
			if l, ok := store.As[store.Local](jobs[0].stores[side]); ok {
				e.root = l.Root()
			}
			for _, b := range g.boxes {
				if config.Side(b.Side) == side && b.Removes == kind.removes && b.Held == kind.held {
					e.Boxes = append(e.Boxes, b)
				}
			}
			if len(e.Boxes) > 0 {
				r.investigate(ctx, e, g, jobs)
				out = append(out, e)
			}
		}
	}
	return out
}

// investigate completes an error.
func (r *run) investigate(ctx context.Context, e *GoneError, g *goneBoxes, jobs []job) {
	st := jobs[0].stores
	e.All = len(e.Boxes) > 1 && g.before != nil && !slices.ContainsFunc(jobs, func(j job) bool {
		return j.pair != nil && j.known[e.Side] == engine.Present && g.before[j.pair.StatePath]
	})
	gone := make(map[string]bool)
	for _, b := range e.Boxes {
		gone[b.Pair.Box[e.Side.Other()]] = true
	}
	s := e.Channel.End(e.Side)
	if len(e.Channel.Patterns) == 0 {
		s.Box = ""
	}
	others := r.boxesOf(ctx, st[e.Side.Other()])
	for i := range e.Boxes {
		b := &e.Boxes[i]
		b.Dirs = dirsOf(st, b.Pair.Box)
		for _, suffix := range append([]string{""}, engine.StateSuffixes()...) {
			if suffix != engine.LockSuffix && r.hasState(b.StatePath+suffix) {
				b.State = append(b.State, b.StatePath+suffix)
			}
		}
		b.Below = slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, b.Pair.Box[e.Side.Other()]+"/") })
		b.Renames = r.renames(e, b, g, st)
		if name, err := boxName(s, ExampleName); err == nil {
			if n, _, ok := r.rename(e, name, g, st); ok {
				b.Example = &n
			}
		}
	}
	e.narrow()
}

// narrow drops names if several fit a mailbox, and one of them results from renaming a folder that
// explains other missing mailboxes as well. Mailboxes that were created in the same second have the
// same UIDVALIDITY.
func (e *GoneError) narrow() {
	type move struct{ from, to string }
	moveOf := func(b *GoneBox, n *Rename) move {
		from, to := strings.Split(b.Pair.Box[e.Side], "/"), strings.Split(n.Box, "/")
		for len(from) > 1 && len(to) > 1 && from[len(from)-1] == to[len(to)-1] {
			from, to = from[:len(from)-1], to[:len(to)-1]
		}
		return move{strings.Join(from, "/"), strings.Join(to, "/")}
	}
	votes := make(map[move]int)
	for i := range e.Boxes {
		for k := range e.Boxes[i].Renames {
			votes[moveOf(&e.Boxes[i], &e.Boxes[i].Renames[k])]++
		}
	}
	for i := range e.Boxes {
		b := &e.Boxes[i]
		best, most, unique := 0, 0, false
		for k := range b.Renames {
			switch v := votes[moveOf(b, &b.Renames[k])]; {
			case v > most:
				best, most, unique = k, v, true
			case v == most:
				unique = false
			}
		}
		if unique {
			b.Renames = b.Renames[best : best+1]
		}
	}
}

// boxesOf lists a store in the file system.
func (r *run) boxesOf(ctx context.Context, st store.Store) []string {
	if _, ok := store.As[store.Local](st); !ok {
		return nil
	}
	names, err := ListStore(ctx, st, store.ListRequest{Inbox: true, OthersIfAny: true})
	if err != nil {
		return nil // then moving it by itself may take along what is below it
	}
	return names
}

// dirsOf returns the directories of mailboxes that are in the file system.
func dirsOf(st [2]store.Store, box [2]string) (dirs [2]string) {
	for t := range st {
		if l, ok := store.As[store.Local](st[t]); ok {
			dirs[t], _ = l.BoxPath(box[t])
		}
	}
	return dirs
}

// renames returns the found mailboxes that may be the missing one. A mailbox that was synchronized
// before as another one is not: many mailboxes have the same UIDVALIDITY, because they were created in
// the same second. But if it is the only one found on a server, it may have been renamed and copied in
// an earlier run.
func (r *run) renames(e *GoneError, b *GoneBox, g *goneBoxes, st [2]store.Store) []Rename {
	var fresh, known []Rename
	for _, box := range b.Whereabouts.Boxes {
		n, had, ok := r.rename(e, box, g, st)
		switch {
		case !ok:
		case had:
			known = append(known, n)
		default:
			fresh = append(fresh, n)
		}
	}
	_, local := store.As[store.Local](st[e.Side])
	if len(fresh) == 0 && len(known) == 1 && !local {
		return known
	}
	return fresh
}

// rename describes a mailbox that may be the missing one. had: it was synchronized before this run.
func (r *run) rename(e *GoneError, box string, g *goneBoxes, st [2]store.Store) (n Rename, had, ok bool) {
	c := e.Channel
	end := c.End(e.Side)
	n = Rename{Box: box}
	fulls, err := listed(end, box, true)
	if err != nil || len(fulls) == 0 {
		return n, false, false
	}
	n.Written = fulls[0]
	if len(c.Patterns) == 0 {
		// In a channel of one pair, only the name of this side changes.
		n.Pair = e.Boxes[0].Pair
		n.Pair.Box[e.Side] = box
		t := target{Pair: n.Pair, named: n.Pair.Box, stores: st}
		n.Outside = true
		n.Dirs = dirsOf(st, n.Pair.Box)
		n.StatePath, err = r.statePath(c, t)
		n.Copied = n.StatePath != e.Boxes[0].StatePath && r.hasState(n.StatePath)
		return n, n.Copied, err == nil
	}
	name, inside := strings.CutPrefix(n.Written, end.Box)
	if !inside {
		return n, false, false
	}
	n.Outside = !c.Patterns.Match(name)
	t := newTarget(c, st, name)
	if t.err != nil {
		return n, false, false
	}
	n.Pair, n.Dirs = t.Pair, dirsOf(st, t.Box)
	if n.StatePath, err = r.statePath(c, t); err != nil {
		return n, false, false
	}
	n.Copied = r.hasState(n.StatePath)
	had = n.Copied
	if g.before != nil {
		had = g.before[n.StatePath]
	}
	return n, had, true
}
