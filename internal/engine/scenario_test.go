package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// scenario is one case of synchronization, in the notation of package notation.
type scenario struct {
	name                         string
	rules                        string
	far, near, state             string
	wantFar, wantNear, wantState string
	wantTrash                    string // messages in the trashes, "far: … near: …"
	wantErr                      string // of the first run
}

// pairWorld is the files and mailboxes of a run. It survives the run.
type pairWorld struct {
	far, near *mem.Disk
	fs        *vfstest.Mem
}

const statePath = "/state/pair"

func (w *pairWorld) clone() *pairWorld {
	return &pairWorld{w.far.Clone(), w.near.Clone(), w.fs.CrashClone(100, nil)}
}

// setSide fills a mailbox from its notation.
func setSide(t testing.TB, d *mem.Disk, box, text string, validity uint32, eol string) {
	t.Helper()
	side := notation.ParseSide(t, text)
	if side.Missing {
		return
	}
	s := mem.BoxState{UIDValidity: validity, UIDNext: side.UIDNext}
	if side.UIDValidity != 0 {
		s.UIDValidity = side.UIDValidity
	}
	if side.Permanent != nil {
		s.Permanent = *side.Permanent
	}
	for _, m := range side.Messages {
		s.Messages = append(s.Messages, mem.Message{UID: m.UID, Flags: m.Flags, Body: notation.Body(m.Name, eol)})
	}
	d.Set(box, s)
}

// sideText is the inverse of setSide.
func sideText(d *mem.Disk, box string) string {
	s, ok := d.Box(box)
	if !ok {
		return "!"
	}
	var out []string
	for _, m := range s.Messages {
		out = append(out, notation.Message{UID: m.UID, Name: notation.NameOf(m.Body), Flags: m.Flags}.String())
	}
	return strings.Join(out, " ")
}

// stateText is the notation of the state.
func stateText(fs vfs.FS, xside syncstate.Side) string {
	data, err := readFile(fs, statePath)
	if errors.Is(err, os.ErrNotExist) {
		return "!"
	}
	if err != nil {
		return err.Error()
	}
	st, err := syncstate.Parse("state", data, xside)
	if err != nil {
		return err.Error()
	}
	out := []string{fmt.Sprintf("pulled=%d pushed=%d", st.MaxUID[0], st.MaxUID[1])}
	if st.MaxExpired != 0 {
		out = append(out, fmt.Sprintf("expired=%d", st.MaxExpired))
	}
	lines := strings.Split(string(data), "\n\n")
	for line := range strings.SplitSeq(strings.TrimSuffix(lines[1], "\n"), "\n") {
		if f := strings.SplitN(line, " ", 3); len(f) == 3 {
			r := f[0] + "-" + f[1]
			if f[2] != "" {
				r += ":" + f[2]
			}
			out = append(out, r)
		}
	}
	return strings.Join(out, " ")
}

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

func writeFile(t testing.TB, fs vfs.FS, name string, data []byte) {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mode is how the stores behave.
type mode struct {
	name   string
	async  [2]int
	noUIDs bool
}

var modes = []mode{
	{name: "plain"},
	{name: "far async", async: [2]int{3, 0}},
	{name: "both async", async: [2]int{2, 4}},
	{name: "no UIDs", noUIDs: true},
}

// killer makes everything fail from the n-th step on, as if the program had
// been killed there. n = 0: never; the steps are counted.
type killer struct {
	mu    sync.Mutex
	n     int
	count int
}

var errKilled = errors.New("killed")

// step counts a step; it reports whether the program is dead.
func (k *killer) step(counts bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if counts && (k.n == 0 || k.count < k.n) {
		k.count++
	}
	return k.n > 0 && k.count >= k.n
}

// log keeps the messages that it receives, and counts the changes.
type log struct {
	messages []event.Message
	// done and detailed are the changes according to event.Done and event.MessageChanged,
	// and bytes those according to Done and Transferred.
	done, detailed [2]event.Counts
	bytes          [2]int64
}

// Take implements event.Sink.
func (l *log) Take(e event.Event) {
	switch e := e.(type) {
	case event.Message:
		l.messages = append(l.messages, e)
	case event.Transferred:
		l.bytes[e.Side] += e.Bytes
	case event.Done:
		l.bytes[e.Side] += e.Bytes
		count(&l.done[e.Side], e.Change, max(e.Count, 1))
	case event.MessageChanged:
		count(&l.detailed[e.Side], e.Change, 1)
	}
}

func count(c *event.Counts, change event.Change, n int) {
	switch change {
	case event.New:
		c.New += n
	case event.Flags:
		c.Flags += n
	case event.Trash:
		c.Trashed += n
	case event.Expunge:
		c.Expunged += n
	}
}

// checkCounts fails if the events and the result do not tell the same.
func (l *log) checkCounts(res engine.Result, dryRun bool) error {
	switch {
	case l.done != l.detailed:
		return fmt.Errorf("changes %+v, but in detail %+v", l.done, l.detailed)
	case dryRun && l.done != [2]event.Counts{}:
		return fmt.Errorf("a dry run has made changes: %+v", l.done)
	case !dryRun && (l.done != res.Counts || l.bytes != res.Bytes):
		return fmt.Errorf("changes %+v with %v bytes, but the result is %+v with %v bytes", l.done, l.bytes, res.Counts, res.Bytes)
	}
	return nil
}

// kind is a kind of message.
type kind uint8

const (
	kindNotice kind = iota
	kindWarning
	kindFailed  // an error about a message of the mailbox
	kindProblem // another one
)

func kindOf(m event.Message) kind {
	switch {
	case m.Severity == event.Notice:
		return kindNotice
	case m.Severity == event.Warning:
		return kindWarning
	case m.UID != 0:
		return kindFailed
	}
	return kindProblem
}

func (l *log) count(k kind) int {
	n := 0
	for _, e := range l.messages {
		if kindOf(e) == k {
			n++
		}
	}
	return n
}

// run synchronizes the world once.
func (w *pairWorld) run(c notation.Rules, m mode, k *killer, seed uint64, opts ...func(*engine.Pair)) (engine.Result, *log, error) {
	p, l := w.pair(c, m, k, seed, opts...)
	res, err := engine.Sync(context.Background(), p)
	if errors.Is(err, engine.ErrBoxMissing) && seed != 1 && w.text(c.ExpireSide) == nothingLeft {
		err = nil // the pair was removed, which is what the next run complains of
	}
	if wrong := l.checkCounts(res, p.DryRun); wrong != nil {
		return res, l, wrong
	}
	return res, l, err
}

// pair returns the pair of a run, and the log of its messages.
func (w *pairWorld) pair(c notation.Rules, m mode, k *killer, seed uint64, opts ...func(*engine.Pair)) (*engine.Pair, *log) {
	l := &log{}
	hook := func(op mem.Op) error {
		if op.Kind == mem.OpClose || op.Kind == mem.OpCaps {
			return nil
		}
		if k.step(!op.After) && !op.After {
			return &store.StoreError{Store: "mem", Err: errKilled}
		}
		return nil
	}
	farCaps, nearCaps := mem.IMAPCaps, mem.MaildirCaps
	if m.noUIDs {
		farCaps.ReportsUIDs, nearCaps.ReportsUIDs = false, false
	}
	fault := vfstest.NewFault(w.fs)
	fault.Inject(vfstest.Rule{Nth: 1, Every: true, Err: syscall.EIO, Match: func(op vfstest.Op, _ string) bool {
		return k.step(op&vfstest.OpChanges != 0)
	}})
	p := &engine.Pair{
		Channel: "test",
		Store: [2]store.Store{
			mem.New(w.far, mem.Options{Name: "far", Caps: farCaps, Trasher: true, Async: m.async[0], LateEffects: true, Hook: hook}),
			mem.New(w.near, mem.Options{Name: "near", Caps: nearCaps, Trasher: true, Async: m.async[1], LateEffects: true, Hook: hook}),
		},
		Box:        [2]string{"box", "box"},
		Create:     c.Create,
		Remove:     c.Remove,
		Rules:      c.Plan,
		ExpireSide: c.ExpireSide,
		TrashBox:   [2]string{"trash", "trash"},
		StatePath:  statePath,
		FS:         fault,
		FSync:      true,
		TUIDs:      notation.Random(seed),
		Events:     l,
		Details:    true,
	}
	switch {
	case c.AdoptCopy:
		p.Adopt = engine.AdoptCopy
	case c.Adopt:
		p.Adopt = engine.AdoptYes
	}
	for _, o := range opts {
		o(p)
	}
	return p, l
}

const nothingLeft = "far:   !\nnear:  !\nstate: !\ntrash:  / \n"

// text is everything about a world that two runs must agree on.
func (w *pairWorld) text(x syncstate.Side) string {
	return fmt.Sprintf("far:   %s\nnear:  %s\nstate: %s\ntrash: %s / %s\n",
		sideText(w.far, "box"), sideText(w.near, "box"), stateText(w.fs, x), trashText(w.far), trashText(w.near))
}

func trashText(d *mem.Disk) string {
	if s := sideText(d, "trash"); s != "!" {
		var names []string
		for f := range strings.FieldsSeq(s) {
			_, rest, _ := strings.Cut(f, ":")
			// A copy that was made just before the program was killed is made
			// again: better twice in the trash than not at all.
			if !slices.Contains(names, rest) {
				names = append(names, rest)
			}
		}
		slices.Sort(names) // both sides may fill it at the same time
		return strings.Join(names, " ")
	}
	return ""
}

func (sc *scenario) setup(t testing.TB, c notation.Rules) *pairWorld {
	t.Helper()
	w := &pairWorld{mem.NewDisk(), mem.NewDisk(), vfstest.NewMem(nil)}
	setSide(t, w.far, "box", sc.far, notation.Validity[0], "\r\n")
	setSide(t, w.near, "box", sc.near, notation.Validity[1], "\n")
	if err := w.fs.Mkdir(filepath.Dir(statePath), 0o700); err != nil {
		t.Fatal(err)
	}
	_ = w.fs.SyncDir("/")
	if sc.state != "" && sc.state != "!" {
		writeFile(t, w.fs, statePath, notation.StateFile(sc.state, notation.Validity, c.ExpireSide))
		_ = w.fs.SyncDir(filepath.Dir(statePath))
		sc.raiseNext(t, w, c)
	}
	return w
}

// raiseNext lets both mailboxes have assigned the UIDs that the state knows, unless
// the notation says otherwise.
func (sc *scenario) raiseNext(t testing.TB, w *pairWorld, c notation.Rules) {
	st, err := syncstate.Parse("state", notation.StateFile(sc.state, notation.Validity, c.ExpireSide), c.ExpireSide)
	if err != nil {
		return
	}
	for s, text := range []string{sc.far, sc.near} {
		if text == "!" || strings.Contains(text, "next=") {
			continue
		}
		top := st.MaxUID[s]
		for r := range st.Live() {
			top = max(top, r.UID[s])
		}
		d, _ := w.disk(syncstate.Side(s))
		d.Update("box", func(b *mem.BoxState) { b.UIDNext = max(b.UIDNext, top+1) })
	}
}

// leftovers returns the names of files that a finished run must not leave.
func (w *pairWorld) leftovers() []string {
	names, _ := w.fs.ReadNames(filepath.Dir(statePath))
	var out []string
	for _, n := range names {
		if n != filepath.Base(statePath) {
			out = append(out, n)
		}
	}
	return out
}

func runScenario(t *testing.T, sc scenario) {
	c := notation.ParseRules(t, sc.rules)
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			start := sc.setup(t, c)
			w := start.clone()
			k := &killer{}
			_, _, err := w.run(c, m, k, 1)
			if !checkErr(t, err, sc.wantErr) {
				return
			}
			trash := ""
			if f, n := trashText(w.far), trashText(w.near); f+n != "" {
				trash = strings.TrimSpace("far: " + f + " near: " + n)
			}
			for _, cmp := range [][3]string{
				{"far", sideText(w.far, "box"), sc.wantFar},
				{"near", sideText(w.near, "box"), sc.wantNear},
				{"state", stateText(w.fs, c.ExpireSide), sc.wantState},
				{"trash", trash, sc.wantTrash},
			} {
				if cmp[1] != cmp[2] {
					t.Errorf("%s:\n got  %s\n want %s", cmp[0], cmp[1], cmp[2])
				}
			}
			if t.Failed() || sc.wantErr != "" {
				return
			}
			if l := w.leftovers(); len(l) > 0 {
				t.Errorf("left over: %v", l)
			}
			want := w.text(c.ExpireSide)
			idempotent(t, w, c, m, want)
			// Killed after every step, the next run ends in the same state.
			for n := 1; n <= k.count && !t.Failed(); n++ {
				w := start.clone()
				dead := &killer{n: n}
				_, _, err := w.run(c, m, dead, 1)
				if err == nil && w.text(c.ExpireSide) != want {
					t.Errorf("killed at step %d of %d: no error, but another end:\n%s", n, k.count, w.text(c.ExpireSide))
					continue
				}
				at := w.text(c.ExpireSide)
				if _, _, err := w.run(c, m, &killer{}, 2); err != nil {
					t.Errorf("resumed after step %d of %d: %v\nat the interruption:\n%s", n, k.count, err, at)
					continue
				}
				if got := w.text(c.ExpireSide); got != want {
					t.Errorf("resumed after step %d of %d:\n%swant:\n%sat the interruption:\n%s", n, k.count, got, want, at)
				}
			}
		})
	}
}

func checkErr(t *testing.T, err error, want string) bool {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("no error, want %s", want)
	case err != nil && want == "":
		t.Errorf("error: %v", err)
	case err != nil && !strings.Contains(err.Error(), want):
		t.Errorf("error %v, want %s", err, want)
	default:
		return true
	}
	return false
}

// idempotent checks that another run changes nothing and writes nothing.
func idempotent(t *testing.T, w *pairWorld, c notation.Rules, m mode, want string) {
	t.Helper()
	again := &killer{}
	writes := vfstest.NewFault(w.fs)
	res, _, err := w.run(c, m, again, 3, func(p *engine.Pair) {
		p.FS = writes
	})
	if err != nil {
		t.Errorf("second run: %v", err)
	}
	if got := w.text(c.ExpireSide); got != want {
		t.Errorf("second run changed something:\n%swas:\n%s", got, want)
	}
	if n := writes.Count(vfstest.OpWrite | vfstest.OpRename | vfstest.OpSync); n > 0 {
		t.Errorf("second run wrote %d times", n)
	}
	if res.Counts != [2]event.Counts{} {
		t.Errorf("second run counted changes: %+v", res.Counts)
	}
}
