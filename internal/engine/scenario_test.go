package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// scenario is one case of synchronization in a compact notation.
//
// A side is a list of messages "UID:NAME[:FLAGS]"; NAME tells which message it
// is, with a "*" behind it if it is big, and a "?" if it is its placeholder.
// "!" instead of a list: the mailbox does not exist. "next=N" sets UIDNEXT,
// "val=N" UIDVALIDITY, "perm=FLAGS" the flags that the mailbox can hold.
//
// A state is "pulled=N pushed=N [expired=N]" and records "FAR-NEAR[:STATUS FLAGS]"
// with the state file's characters. "!" : there is none.
//
// Rules are words: pull/push-{new,old,upgrade,gone,flags,all}, expunge-{far,near},
// solo-{far,near}, create-…, remove-…, max=N, unread=yes|no, xside=far,
// maxsize-{far,near}, trash-{far,near}, trashnew-…, remotetrash-….
type scenario struct {
	name                         string
	rules                        string
	far, near, state             string
	wantFar, wantNear, wantState string
	wantTrash                    string // messages in the trashes, "far: … near: …"
	wantErr                      string // of the first run
}

// world is what a run works on, and what survives it.
type world struct {
	far, near *mem.Disk
	fs        *vfstest.Mem
}

const statePath = "/state/pair"

func (w *world) clone() *world {
	return &world{w.far.Clone(), w.near.Clone(), w.fs.CrashClone(100, nil)}
}

const (
	farValidity, nearValidity = 101, 202
	bigBody                   = 4000
)

func subjectOf(body string) string {
	for line := range strings.SplitSeq(body, "\n") {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			s = strings.TrimRight(s, "\r")
			if p, ok := strings.CutPrefix(s, "[placeholder] "); ok {
				return strings.TrimSuffix(p, "*") + "?"
			}
			return s
		}
	}
	return "NOSUBJECT"
}

func makeBody(name, eol string) string {
	b := "From: x" + eol + "Subject: " + name + eol + "Message-Id: <" + name + ">" + eol + eol + "body of " + name + eol
	if strings.HasSuffix(name, "*") {
		b += strings.Repeat("x", bigBody) + eol
	}
	return b
}

// setSide fills a mailbox from its notation.
func setSide(t testing.TB, d *mem.Disk, box, text string, validity uint32, eol string) {
	t.Helper()
	if text == "!" {
		return
	}
	s := mem.BoxState{UIDValidity: validity}
	for _, f := range strings.Fields(text) {
		if n, ok := strings.CutPrefix(f, "next="); ok {
			s.UIDNext = mail.UID(atoi(t, n))
			continue
		}
		if n, ok := strings.CutPrefix(f, "perm="); ok {
			s.Permanent, _ = mail.ParseFlags(n)
			continue
		}
		if n, ok := strings.CutPrefix(f, "val="); ok {
			s.UIDValidity = uint32(atoi(t, n))
			continue
		}
		parts := strings.SplitN(f, ":", 3)
		m := mem.Message{UID: mail.UID(atoi(t, parts[0]))}
		name := parts[1]
		if p, ok := strings.CutSuffix(name, "?"); ok {
			m.Body = makeBody("[placeholder] "+p, eol)
		} else {
			m.Body = makeBody(name, eol)
		}
		if len(parts) == 3 {
			m.Flags, _ = mail.ParseFlags(parts[2])
		}
		s.Messages = append(s.Messages, m)
	}
	d.Set(box, s)
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("notation: %v", err)
	}
	return n
}

// sideText is the inverse of setSide.
func sideText(d *mem.Disk, box string) string {
	s, ok := d.Box(box)
	if !ok {
		return "!"
	}
	var out []string
	for _, m := range s.Messages {
		f := fmt.Sprintf("%d:%s", m.UID, subjectOf(m.Body))
		if m.Flags != 0 {
			f += ":" + m.Flags.String()
		}
		out = append(out, f)
	}
	return strings.Join(out, " ")
}

// stateFile turns the notation of a state into the file.
func stateFile(t testing.TB, text string, xside syncstate.Side) []byte {
	t.Helper()
	head := fmt.Sprintf("FarUidValidity %d\nNearUidValidity %d\n", farValidity, nearValidity)
	var recs string
	for _, f := range strings.Fields(text) {
		if k, v, ok := strings.Cut(f, "="); ok {
			name := map[string]string{"pulled": "MaxPulledUid", "pushed": "MaxPushedUid", "expired": "MaxExpiredFarUid"}[k]
			if k == "expired" && xside == syncstate.Far {
				name = "MaxExpiredNearUid"
			}
			head += name + " " + v + "\n"
			continue
		}
		uids, flags, _ := strings.Cut(f, ":")
		recs += strings.Replace(uids, "-", " ", 1) + " " + flags + "\n"
	}
	return []byte(head + "\n" + recs)
}

// stateText is the inverse of stateFile.
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

// config is what the rules of a scenario say.
type config struct {
	rules          plan.Rules
	create, remove [2]bool
	xside          syncstate.Side
}

func parseRules(t testing.TB, text string) config {
	t.Helper()
	c := config{xside: syncstate.Near}
	for _, w := range strings.Fields(text) {
		word, val, _ := strings.Cut(w, "=")
		kind, what, _ := strings.Cut(word, "-")
		side := syncstate.Far
		if what == "near" || kind == "pull" {
			side = syncstate.Near
		}
		ops := &c.rules.Ops[side]
		switch kind {
		case "pull", "push":
			switch what {
			case "all":
				ops.New, ops.Upgrade, ops.Gone, ops.Flags = true, true, true, true
			case "new":
				ops.New = true
			case "old":
				ops.Old = true
			case "upgrade":
				ops.Upgrade = true
			case "gone":
				ops.Gone = true
			case "flags":
				ops.Flags = true
			default:
				t.Fatalf("notation: %s", w)
			}
		case "sync": // everything
			for s := range c.rules.Ops {
				o := &c.rules.Ops[s]
				o.New, o.Upgrade, o.Gone, o.Flags = true, true, true, true
			}
		case "expunge":
			ops.Expunge = true
		case "solo":
			ops.ExpungeSolo = true
		case "create":
			c.create[side] = true
		case "remove":
			c.remove[side] = true
		case "max":
			c.rules.MaxMessages = atoi(t, val)
		case "unread":
			c.rules.ExpireUnread = plan.No
			if val == "yes" {
				c.rules.ExpireUnread = plan.Yes
			}
		case "xside":
			c.xside = syncstate.Far
		case "maxsize":
			c.rules.MaxSize[side] = 1000
		case "trash":
			c.rules.Trash[side].Enabled = true
		case "trashnew":
			c.rules.Trash[side].Enabled, c.rules.Trash[side].OnlyNew = true, true
		case "remotetrash":
			c.rules.Trash[side].Enabled, c.rules.Trash[side].RemoteNew = true, true
		default:
			t.Fatalf("notation: %s", w)
		}
	}
	return c
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

// log is an observer that keeps what it is told.
type log struct{ events []engine.Event }

func (l *log) Observe(e engine.Event) { l.events = append(l.events, e) }

func (l *log) count(kind engine.EventKind) int {
	n := 0
	for _, e := range l.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// run synchronizes the world once.
func (w *world) run(c config, m mode, k *killer, seed uint64, opts ...func(*engine.Pair)) (engine.Result, *log, error) {
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
	r := rand.New(rand.NewPCG(seed, 7))
	p := &engine.Pair{
		Channel: "test",
		Store: [2]store.Store{
			mem.New(w.far, mem.Options{Name: "far", Caps: farCaps, Trasher: true, Async: m.async[0], LateEffects: true, Hook: hook}),
			mem.New(w.near, mem.Options{Name: "near", Caps: nearCaps, Trasher: true, Async: m.async[1], LateEffects: true, Hook: hook}),
		},
		Box:        [2]string{"box", "box"},
		Create:     c.create,
		Remove:     c.remove,
		Rules:      c.rules,
		ExpireSide: c.xside,
		TrashBox:   [2]string{"trash", "trash"},
		StatePath:  statePath,
		FS:         fault,
		FSync:      true,
		TUIDs:      randReader{r},
		Observer:   l,
	}
	for _, o := range opts {
		o(p)
	}
	res, err := engine.Sync(context.Background(), p)
	if errors.Is(err, engine.ErrBoxMissing) && seed != 1 && w.text(c.xside) == nothingLeft {
		err = nil // the pair was removed, which is what the next run complains of
	}
	return res, l, err
}

type randReader struct{ *rand.Rand }

func (r randReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

const nothingLeft = "far:   !\nnear:  !\nstate: !\ntrash:  / \n"

// text is everything about a world that two runs must agree on.
func (w *world) text(x syncstate.Side) string {
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

func (sc *scenario) setup(t testing.TB, c config) *world {
	t.Helper()
	w := &world{mem.NewDisk(), mem.NewDisk(), vfstest.NewMem(nil)}
	setSide(t, w.far, "box", sc.far, farValidity, "\r\n")
	setSide(t, w.near, "box", sc.near, nearValidity, "\n")
	if err := w.fs.Mkdir(filepath.Dir(statePath), 0o700); err != nil {
		t.Fatal(err)
	}
	_ = w.fs.SyncDir("/")
	if sc.state != "" && sc.state != "!" {
		writeFile(t, w.fs, statePath, stateFile(t, sc.state, c.xside))
		_ = w.fs.SyncDir(filepath.Dir(statePath))
		sc.raiseNext(t, w, c)
	}
	return w
}

// raiseNext lets both mailboxes have assigned the UIDs that the state knows, unless
// the notation says otherwise.
func (sc *scenario) raiseNext(t testing.TB, w *world, c config) {
	st, err := syncstate.Parse("state", stateFile(t, sc.state, c.xside), c.xside)
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
func (w *world) leftovers() []string {
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
	c := parseRules(t, sc.rules)
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
				{"state", stateText(w.fs, c.xside), sc.wantState},
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
			want := w.text(c.xside)
			idempotent(t, w, c, m, want)
			// Killed after every step, the next run ends in the same state.
			for n := 1; n <= k.count && !t.Failed(); n++ {
				w := start.clone()
				dead := &killer{n: n}
				_, _, err := w.run(c, m, dead, 1)
				if err == nil && w.text(c.xside) != want {
					t.Errorf("killed at step %d of %d: no error, but another end:\n%s", n, k.count, w.text(c.xside))
					continue
				}
				at := w.text(c.xside)
				if _, _, err := w.run(c, m, &killer{}, 2); err != nil {
					t.Errorf("resumed after step %d of %d: %v\nat the interruption:\n%s", n, k.count, err, at)
					continue
				}
				if got := w.text(c.xside); got != want {
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
func idempotent(t *testing.T, w *world, c config, m mode, want string) {
	t.Helper()
	again := &killer{}
	writes := vfstest.NewFault(w.fs)
	res, _, err := w.run(c, m, again, 3, func(p *engine.Pair) {
		p.FS = writes
	})
	if err != nil {
		t.Errorf("second run: %v", err)
	}
	if got := w.text(c.xside); got != want {
		t.Errorf("second run changed something:\n%swas:\n%s", got, want)
	}
	if n := writes.Count(vfstest.OpWrite | vfstest.OpRename | vfstest.OpSync); n > 0 {
		t.Errorf("second run wrote %d times", n)
	}
	if res.Counts != [2]engine.Counts{} {
		t.Errorf("second run counted changes: %+v", res.Counts)
	}
}
