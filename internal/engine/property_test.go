package engine_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs/vfstest"
)

// history is a world that lives through several rounds of changes and runs,
// with a record of what its users asked for.
type history struct {
	*pairWorld
	c       notation.Rules
	rules   string
	next    int
	deleted map[string]bool // names that a user deleted, or marked so
	expires bool            // a round had a limit
	log     []string
	tries   int // interruption points tried
}

func newHistory(t *rapid.T) *history {
	h := &history{pairWorld: &pairWorld{mem.NewDisk(), mem.NewDisk(), vfstest.NewMem(nil)}, deleted: map[string]bool{}}
	h.far.Set("box", mem.BoxState{UIDValidity: notation.Validity[0]})
	h.near.Set("box", mem.BoxState{UIDValidity: notation.Validity[1]})
	if err := h.fs.Mkdir("/state", 0o700); err != nil {
		t.Fatal(err)
	}
	_ = h.fs.SyncDir("/")
	return h
}

// drawRules draws what the configuration may say. The expire side is the same
// throughout a history: a state file cannot change it.
func drawRules(t *rapid.T, xside string) string {
	words := []string{"create-far", "create-near", xside}
	maybe := func(percent int, w string) {
		if rapid.IntRange(0, 99).Draw(t, w) < percent {
			words = append(words, w)
		}
	}
	if rapid.Bool().Draw(t, "full") {
		words = append(words, "sync")
	} else {
		for _, w := range []string{"new", "old", "upgrade", "gone", "flags"} {
			maybe(60, "pull-"+w)
			maybe(60, "push-"+w)
		}
	}
	for i, s := range []string{"far", "near"} {
		// A message that was expunged before an interruption is found missing
		// afterwards; that ends in the same records only with Gone.
		gone := []string{" pull-gone", " push-gone"}[i]
		switch rapid.IntRange(0, 5).Draw(t, "expunge") {
		case 0, 1:
			words = append(words, "expunge-"+s+gone)
		case 2:
			words = append(words, "solo-"+s+gone)
		}
		switch rapid.IntRange(0, 6).Draw(t, "trash") {
		case 0:
			words = append(words, "trash-"+s)
		case 1:
			words = append(words, "trashnew-"+s)
		case 2:
			words = append(words, "remotetrash-"+s)
		}
		maybe(25, "maxsize-"+s)
	}
	if rapid.IntRange(0, 2).Draw(t, "limit") == 0 {
		words = append(words, fmt.Sprintf("max=%d", rapid.IntRange(1, 4).Draw(t, "max")))
		if rapid.Bool().Draw(t, "unread") {
			words = append(words, "unread=yes")
		} else {
			words = append(words, "unread=no")
		}
	}
	return strings.Join(words, " ")
}

func (w *pairWorld) disk(s syncstate.Side) (*mem.Disk, string) {
	if s == syncstate.Far {
		return w.far, "\r\n"
	}
	return w.near, "\n"
}

// change lets the users of both sides do something.
func (h *history) change(t *rapid.T) {
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		s := syncstate.Side(rapid.IntRange(0, 1).Draw(t, "side"))
		d, eol := h.disk(s)
		box, _ := d.Box("box")
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		if kind <= 3 || len(box.Messages) == 0 {
			name := fmt.Sprintf("M%d", h.next)
			h.next++
			if rapid.IntRange(0, 3).Draw(t, "big") == 0 {
				name += "*"
			}
			f := mail.Flags(rapid.SampledFrom([]int{0, 16, 16, 18, 2, 8}).Draw(t, "flags"))
			d.Deliver("box", mem.Message{Flags: f, Body: notation.Body(name, eol)})
			h.log = append(h.log, fmt.Sprintf("%s: deliver %s:%s", s, name, f))
			continue
		}
		m := box.Messages[rapid.IntRange(0, len(box.Messages)-1).Draw(t, "which")]
		name := strings.TrimRight(notation.NameOf(m.Body), "?*")
		switch {
		case kind <= 7:
			f := mail.Flags(1 << rapid.IntRange(0, 5).Draw(t, "flag"))
			if f == mail.FlagDeleted {
				h.deleted[name] = true
			}
			if m.Flags&f != 0 {
				d.SetFlags("box", m.UID, 0, f)
				h.log = append(h.log, fmt.Sprintf("%s: %d:%s -%s", s, m.UID, name, f))
			} else {
				d.SetFlags("box", m.UID, f, 0)
				h.log = append(h.log, fmt.Sprintf("%s: %d:%s +%s", s, m.UID, name, f))
			}
		default:
			h.deleted[name] = true
			d.Expunge("box", m.UID)
			h.log = append(h.log, fmt.Sprintf("%s: expunge %d:%s", s, m.UID, name))
		}
	}
}

// names returns the real messages of a side.
func (w *pairWorld) names(s syncstate.Side) map[string]int {
	d := w.far
	if s == syncstate.Near {
		d = w.near
	}
	out := map[string]int{}
	if box, ok := d.Box("box"); ok {
		for _, m := range box.Messages {
			if n := notation.NameOf(m.Body); !strings.HasSuffix(n, "?") {
				out[strings.TrimSuffix(n, "*")]++
			}
		}
	}
	return out
}

// kept checks that no message has been lost that nobody deleted, and none
// doubled.
func (h *history) kept(t *rapid.T, before *pairWorld, after *pairWorld, where string) {
	for _, s := range syncstate.Sides {
		was, is := before.names(s), after.names(s)
		for name, n := range is {
			if n > 1 {
				t.Fatalf("%s: %s is doubled on the %s side\n%s", where, name, s, h.story(before, after))
			}
		}
		for name := range was {
			if is[name] > 0 || h.deleted[name] {
				continue
			}
			if (h.c.Plan.MaxMessages > 0 || h.expires) && s == h.c.ExpireSide && after.names(s.Other())[name] > 0 {
				continue // expired, now or in an earlier round
			}
			t.Fatalf("%s: %s is lost from the %s side\n%s", where, name, s, h.story(before, after))
		}
	}
}

// noneSkipped checks that no watermark was raised over a message that was not
// considered: it would never be propagated.
func (h *history) noneSkipped(t *rapid.T, before, after *pairWorld) {
	parse := func(w *pairWorld) *syncstate.State {
		data, err := readFile(w.fs, statePath)
		if err != nil {
			return syncstate.New(h.c.ExpireSide)
		}
		st, err := syncstate.Parse("state", data, h.c.ExpireSide)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	was, is := parse(before), parse(after)
	for _, s := range syncstate.Sides {
		known := map[mail.UID]bool{}
		for r := range is.Live() {
			known[r.UID[s]] = true
		}
		d, _ := after.disk(s)
		box, _ := d.Box("box")
		for _, m := range box.Messages {
			if known[m.UID] || m.UID > is.MaxUID[s] || m.UID <= was.MaxUID[s] || m.Flags.Has(mail.FlagDeleted) {
				continue
			}
			if s == is.KeepSide() && m.UID <= is.MaxExpired {
				continue
			}
			t.Fatalf("message %d of the %s side has been counted as propagated\n%s", m.UID, s, h.story(before, after))
		}
	}
}

func (h *history) story(before, after *pairWorld) string {
	return fmt.Sprintf("rules: %s\n%s\nbefore:\n%safter:\n%s", h.rules, strings.Join(h.log, "\n"), before.text(h.c.ExpireSide), after.text(h.c.ExpireSide))
}

// round lets the users change something and synchronizes, once undisturbed and
// a few times with an interruption.
func (h *history) round(t *rapid.T, xside string) {
	h.change(t)
	h.rules = drawRules(t, xside)
	if rapid.IntRange(0, 5).Draw(t, "lose the state") == 0 {
		h.loseState()
	}
	h.c = notation.ParseRules(dummyTB{}, h.rules)
	h.log = append(h.log, "run: "+h.rules)
	h.expires = h.expires || h.c.Plan.MaxMessages > 0
	m := modes[rapid.IntRange(0, len(modes)-1).Draw(t, "mode")]
	m.noUIDs = rapid.IntRange(0, 4).Draw(t, "noUIDs") == 0
	before := h.pairWorld
	done := before.clone()
	k := &killer{}
	if _, l, err := done.run(h.c, m, k, 1); err != nil || l.count(kindFailed) > 0 {
		t.Fatalf("run: %v\n%s", err, h.story(before, done))
	}
	h.kept(t, before, done, "run")
	h.noneSkipped(t, before, done)
	want := done.text(h.c.ExpireSide)
	next := h.settles(t, done, m)
	for range 3 {
		n := rapid.IntRange(1, max(1, k.count)).Draw(t, "kill")
		w := before.clone()
		_, _, _ = w.run(h.c, m, &killer{n: n}, 1)
		h.tries++
		if again := rapid.IntRange(-2*k.count, k.count).Draw(t, "kill again"); again > 0 && w.text(h.c.ExpireSide) != want {
			_, _, _ = w.run(h.c, m, &killer{n: again}, 4) // the resumed run is killed, too
		}
		want, at := want, w.text(h.c.ExpireSide)
		expunged := h.expungedSince(before, w)
		if w.text(h.c.ExpireSide) == want {
			want = next // it was committed already
		}
		if _, _, err := w.run(h.c, m, &killer{}, 3); err != nil {
			t.Fatalf("resumed after step %d: %v\n%s", n, err, h.story(before, w))
		}
		h.kept(t, before, w, fmt.Sprintf("resumed after step %d", n))
		if got := w.text(h.c.ExpireSide); got != want && h.settled(w, m) != h.settled(done, m) && !(expunged && h.sameButExpired(w, done, m)) {
			t.Fatalf("resumed after step %d of %d ends elsewhere; undisturbed:\n%sat the interruption:\n%s%s", n, k.count, want, at, h.story(before, w))
		}
	}
	h.pairWorld = done
}

// loseState removes the state. Messages that are the same on both sides must be paired
// again.
func (h *history) loseState() {
	h.rules += " adopt"
	h.log = append(h.log, "the state is lost")
	for _, suffix := range append(engine.StateSuffixes(), "") {
		_ = h.fs.Remove(statePath + suffix)
	}
}

// settles checks that running again finds nothing to do. It returns what the
// first such run ends with.
func (h *history) settles(t *rapid.T, done *pairWorld, m mode) (next string) {
	// The next run may count our own copies behind a gap as propagated, which
	// it sees only now.
	runs := 3
	if h.c.Plan.MaxMessages > 0 {
		// Messages that were pushed count only from the next run on.
		runs = 4
	}
	last := done
	for i := range runs {
		again := last.clone()
		if _, _, err := again.run(h.c, m, &killer{}, 2); err != nil {
			t.Fatalf("run %d: %v\n%s", i+2, err, h.story(last, again))
		}
		h.kept(t, last, again, "another run")
		if i == 0 {
			next = again.text(h.c.ExpireSide)
		}
		if again.text(h.c.ExpireSide) == last.text(h.c.ExpireSide) {
			return next
		}
		// With less than everything, a run may see what the one before has
		// expunged, and act on that.
		if h.c.Plan.MaxMessages == 0 && strings.Contains(h.rules, "sync") && again.messages() != last.messages() {
			t.Fatalf("run %d changed a mailbox:\n%s", i+2, h.story(last, again))
		}
		if i == runs-1 {
			t.Fatalf("run %d still changed something:\n%s", i+2, h.story(last, again))
		}
		last = again
	}
	return next
}

// settled is where a world ends after a few more runs, but for the watermarks.
// The scenarios compare all of it right after the resumed run. Random histories
// also expunge what they do not propagate: then what was expunged before the
// interruption is found gone after it, rather than by the run after that, and
// does not raise a watermark any more.
func (h *history) settled(w *pairWorld, m mode) string {
	w = w.clone()
	for range 4 {
		if _, _, err := w.run(h.c, m, &killer{}, 5); err != nil {
			return err.Error()
		}
	}
	return watermarks.ReplaceAllString(w.text(h.c.ExpireSide), "")
}

// expungedSince reports whether w lacks messages that it had before.
func (h *history) expungedSince(before, w *pairWorld) bool {
	for _, s := range syncstate.Sides {
		is := w.names(s)
		for name := range before.names(s) {
			if is[name] == 0 {
				return true
			}
		}
	}
	return false
}

// sameButExpired reports whether MaxMessages explains how two worlds differ after a few
// more runs. A run that was interrupted after expunging finds those messages gone, and
// propagates that one run earlier. Until then they count as messages, so others expire.
// What nobody deleted and cannot expire must be the same.
func (h *history) sameButExpired(a, b *pairWorld, m mode) bool {
	if h.c.Plan.MaxMessages == 0 {
		return false
	}
	var names [2][]string
	for i, w := range []*pairWorld{a.clone(), b.clone()} {
		for range 4 {
			if _, _, err := w.run(h.c, m, &killer{}, 5); err != nil {
				return false
			}
		}
		for name := range w.names(h.c.ExpireSide.Other()) {
			if !h.deleted[name] {
				names[i] = append(names[i], name)
			}
		}
		slices.Sort(names[i])
	}
	return slices.Equal(names[0], names[1])
}

var watermarks = regexp.MustCompile(`(pulled|pushed)=\d+`)

// dummyTB lets the notation's helpers be used inside a property.
type dummyTB struct{ testing.TB }

func (dummyTB) Helper()                   {}
func (dummyTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// liver lives through random histories and counts.
type liver struct{ histories, points int }

func (l *liver) property(t *rapid.T) {
	h := newHistory(t)
	xside := rapid.SampledFrom([]string{"", "xside=far"}).Draw(t, "xside")
	for range rapid.IntRange(1, 4).Draw(t, "rounds") {
		h.round(t, xside)
	}
	l.points += h.tries
	l.histories++
}

func (l *liver) report(t *testing.T) {
	if !t.Failed() {
		t.Logf("%d histories, %d interruption points, all resumed identically, 0 messages lost, 0 doubled", l.histories, l.points)
	}
}

// TestHistories lives through a few random histories.
func TestHistories(t *testing.T) {
	var l liver
	for range 3 {
		rapid.Check(t, l.property)
	}
	l.report(t)
}

// TestSweepHistories lives through at least 20,000 random histories, and more
// for as long as ISYNC_SWEEP says.
func TestSweepHistories(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP to how long it may take")
	}
	var l liver
	for start := time.Now(); !t.Failed() && (l.histories < 20_000 || time.Since(start) < d); {
		rapid.Check(t, l.property)
	}
	l.report(t)
}
