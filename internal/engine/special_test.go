package engine_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/testkit/notation"
	"isync/internal/ui"
)

// setFar puts another far store under a run.
func setFar(w *pairWorld, o mem.Options) func(*engine.Pair) {
	o.Name = "far"
	return func(p *engine.Pair) { p.Store[0] = mem.New(w.far, o) }
}

func setNear(w *pairWorld, o mem.Options) func(*engine.Pair) {
	o.Name = "near"
	return func(p *engine.Pair) { p.Store[1] = mem.New(w.near, o) }
}

func (l *log) texts(k kind) string {
	var out []string
	for _, e := range l.messages {
		if kindOf(e) == k {
			s := ""
			if e.Fact != nil {
				s, _ = ui.Text(e.Fact)
			}
			if e.Err != nil {
				s += fmt.Sprintf("%d: %v", e.UID, e.Err)
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, "\n")
}

func wantText(t *testing.T, w *pairWorld, c notation.Rules, far, near, state string) {
	t.Helper()
	want := fmt.Sprintf("far:   %s\nnear:  %s\nstate: %s\ntrash:  / \n", far, near, state)
	if got := w.text(c.ExpireSide); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// TestRefusedMessage: a message that one side cannot give, or the other does
// not take, costs that message only. It gets no record, so that other programs
// can go on, and is tried again and reported in each run, until it is copied.
func TestRefusedMessage(t *testing.T) {
	refuse := func(kind mem.Kind, which mail.UID, key int) mem.Options {
		return mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
			if op.Kind == kind && !op.After && (op.UID == which && kind == mem.OpFetchItem || op.Key == key && kind == mem.OpPutItem) {
				return errors.New("no thanks")
			}
			return nil
		}}
	}
	for _, how := range []string{"unreadable", "refused"} {
		t.Run(how, func(t *testing.T) {
			sc := scenario{far: "1:A 2:B 3:C", near: "", state: "!"}
			c := notation.ParseRules(t, "sync")
			w := sc.setup(t, c)
			broken := setFar(w, refuse(mem.OpFetchItem, 2, -1))
			if how == "refused" {
				o := refuse(mem.OpPutItem, 0, 1)
				o.Caps = mem.MaildirCaps
				broken = setNear(w, o)
			}
			res, l, err := w.run(c, modes[0], &killer{}, 1, broken)
			if err != nil || res.Failed != 1 || res.Counts[1].New != 2 {
				t.Fatalf("%v, %+v", err, res)
			}
			if got := l.texts(kindFailed); !strings.HasPrefix(got, "2: ") || !strings.Contains(got, "no thanks") {
				t.Errorf("told: %s", got)
			}
			wantText(t, w, c, "1:A 2:B 3:C", "1:A 2:C", "pulled=3 pushed=2 1-1 3-2")
			for range 2 {
				res, l, err := w.run(c, modes[0], &killer{}, 2, refuseAlone(how, w))
				if err != nil || res.Failed != 1 || res.Counts[1].New != 0 || !strings.HasPrefix(l.texts(kindFailed), "2: ") {
					t.Errorf("tried again: %v, %+v, %s", err, res, l.texts(kindFailed))
				}
			}
			wantText(t, w, c, "1:A 2:B 3:C", "1:A 2:C", "pulled=3 pushed=2 1-1 3-2")
			if names := w.leftovers(); !slices.Equal(names, []string{"pair.isync"}) {
				t.Errorf("left: %q", names)
			}
			if res, _, err := w.run(c, modes[0], &killer{}, 3); err != nil || res.Failed != 0 {
				t.Fatal(err)
			}
			wantText(t, w, c, "1:A 2:B 3:C", "1:A 2:C 3:B", "pulled=3 pushed=3 1-1 3-2 2-3")
			if names := w.leftovers(); len(names) > 0 {
				t.Errorf("left: %q", names)
			}
		})
	}
}

// refuseAlone refuses the only message that is tried.
func refuseAlone(how string, w *pairWorld) func(*engine.Pair) {
	o := mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
		if !op.After && (op.Kind == mem.OpFetchItem || op.Kind == mem.OpPutItem) {
			return errors.New("still no thanks")
		}
		return nil
	}}
	if how == "unreadable" {
		return setFar(w, o)
	}
	o.Caps = mem.MaildirCaps
	return setNear(w, o)
}

// TestVanishedMessage: a message that is gone before it is read is no error.
func TestVanishedMessage(t *testing.T) {
	sc := scenario{far: "1:A 2:B 3:C", near: "", state: "!"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	res, l, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
		if op.Kind == mem.OpFetch && !op.After {
			w.far.Expunge("box", 2)
		}
		return nil
	}}))
	if err != nil || res.Failed != 0 || l.count(kindFailed) != 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	wantText(t, w, c, "1:A 3:C", "1:A 2:C", "pulled=3 pushed=2 1-1 3-2")
}

// TestStoreLostMidway: a connection that is lost costs no message; the next run
// copies the rest, and the message that may have caused it at the end.
func TestStoreLostMidway(t *testing.T) {
	sc := scenario{far: "1:A 2:B 3:C", near: "", state: "!"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	_, l, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: mem.IMAPCaps, Hook: func(op mem.Op) error {
		if op.Kind == mem.OpFetchItem && op.UID == 2 {
			return &store.StoreError{Store: "far", Err: errors.New("connection lost")}
		}
		return nil
	}}))
	var se *store.StoreError
	if !errors.As(err, &se) || l.count(kindFailed) != 0 {
		t.Fatalf("%v %v", err, l.messages)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "1:A 2:B 3:C", "1:A 2:C 3:B", "pulled=3 pushed=3 1-1 3-2 2-3")
}

func TestCopyArrivalDate(t *testing.T) {
	for _, copyDate := range []bool{false, true} {
		sc := scenario{far: "", near: "", state: "!"}
		c := notation.ParseRules(t, "sync")
		w := sc.setup(t, c)
		date := time.Date(1999, 12, 31, 23, 59, 58, 0, time.UTC)
		w.far.Deliver("box", mem.Message{Date: date, Body: notation.Body("A", "\r\n")})
		w.near.Deliver("box", mem.Message{Date: date.Add(time.Hour), Body: notation.Body("B", "\n")})
		if _, _, err := w.run(c, modes[0], &killer{}, 1, func(p *engine.Pair) { p.CopyArrivalDate = copyDate }); err != nil {
			t.Fatal(err)
		}
		far, _ := w.far.Box("box")
		near, _ := w.near.Box("box")
		if got := near.Messages[1].Date.Equal(date); got != copyDate {
			t.Errorf("CopyArrivalDate %v: pulled message has %v", copyDate, near.Messages[1].Date)
		}
		if got := far.Messages[1].Date.Equal(date.Add(time.Hour)); got != copyDate {
			t.Errorf("CopyArrivalDate %v: pushed message has %v", copyDate, far.Messages[1].Date)
		}
	}
}

func TestNotices(t *testing.T) {
	tests := []struct {
		name, rules, far, near, state string
		want                          []string // a part of each notice
	}{
		{"conflicting changes", "sync", "", "1:A:F 2:B:R", "pulled=2 pushed=2 1-1 2-2:R", []string{"conflicting changes: message 1"}},
		{"undeleted and deleted", "sync", "", "1:A", "pulled=1 pushed=1 1-1:T", []string{"conflicting changes: message 1"}},
		{"unholdable flags, once each", "sync", "perm=FRST 1:A 2:B", "1:A:PD 2:B:P", "pulled=2 pushed=2 1-1 2-2", []string{"cannot hold flag 'D'", "cannot hold flag 'P'"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sc := scenario{far: tt.far, near: tt.near, state: tt.state}
			c := notation.ParseRules(t, tt.rules)
			w := sc.setup(t, c)
			_, l, err := w.run(c, modes[0], &killer{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Split(l.texts(kindNotice), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("notices: %q", got)
			}
			for i, w := range tt.want {
				if !strings.Contains(got[i], w) {
					t.Errorf("notice %q, want %q", got[i], w)
				}
			}
		})
	}
}

// TestLostCopies: a store that tells no UIDs, and does not have what it said it had
// stored, has failed. The message is copied again by the next run, unless there is
// another new message, which may be the copy without its X-TUID.
func TestLostCopies(t *testing.T) {
	for name, tt := range map[string]struct {
		arrives     string // in the meantime
		near, state string
		then        string
		failed      int
	}{
		"gone":    {"", "2:B", "pulled=2 pushed=0 2-2", "2:B 3:A", 1},
		"its own": {"A", "2:B 3:A", "pulled=2 pushed=0 1-3 2-2", "2:B 3:A", 0},
		"another": {"X", "2:B 3:X", "pulled=2 pushed=0 2-2", "2:B 3:X 4:A", 1},
		// It might be the copy.
		"without Message-ID": {"Y", "2:B 3:Y", "pulled=2 pushed=0 1-0 2-2", "2:B 3:Y", 0},
	} {
		t.Run(name, func(t *testing.T) {
			sc := scenario{far: "1:A 2:B", near: "", state: "!"}
			c := notation.ParseRules(t, "pull-new pull-gone pull-flags")
			w := sc.setup(t, c)
			caps := mem.MaildirCaps
			caps.ReportsUIDs = false
			first := true
			res, l, err := w.run(c, modes[0], &killer{}, 1, setNear(w, mem.Options{Caps: caps, Hook: func(op mem.Op) error {
				if op.Kind == mem.OpScan && op.Need.TUIDs && !op.After && first {
					first = false
					w.near.Expunge("box", 1)
					if tt.arrives != "" {
						body := notation.Body(tt.arrives, "\n")
						if tt.arrives == "Y" {
							body = strings.Replace(body, "Message-Id", "Comments", 1)
						}
						w.near.Deliver("box", mem.Message{Body: body})
					}
				}
				return nil
			}}))
			if err != nil || res.Failed != tt.failed {
				t.Fatalf("%v, %+v", err, res)
			}
			if got := l.texts(kindWarning); strings.Contains(got, "1 message(s) that were copied") != (name == "without Message-ID") {
				t.Errorf("warnings: %q", got)
			}
			wantText(t, w, c, "1:A 2:B", tt.near, tt.state)
			if res, _, err := w.run(c, modes[0], &killer{}, 2); err != nil || res.Failed != 0 {
				t.Errorf("then: %v, %+v", err, res)
			}
			if got := sideText(w.near, "box"); got != tt.then {
				t.Errorf("then: %s, want %s", got, tt.then)
			}
		})
	}
}

// TestUnselectiveExpunge: a server that cannot expunge selectively expunges
// all; it is not asked to if something could not be trashed.
func TestUnselectiveExpunge(t *testing.T) {
	caps := mem.IMAPCaps
	caps.SelectiveExpunge = false
	sc := scenario{far: "1:A:T 2:B:T 3:C", near: "1:A 2:B 3:C", state: "pulled=3 pushed=3 1-1 2-2 3-3"}
	t.Run("plain", func(t *testing.T) {
		c := notation.ParseRules(t, "sync expunge-far expunge-near")
		w := sc.setup(t, c)
		if _, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: caps})); err != nil {
			t.Fatal(err)
		}
		wantText(t, w, c, "3:C", "3:C", "pulled=3 pushed=3 3-3")
	})
	t.Run("solo", func(t *testing.T) {
		c := notation.ParseRules(t, "sync solo-far expunge-near")
		w := sc.setup(t, c)
		_, _, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: caps}))
		if err == nil || !strings.Contains(err.Error(), "UIDPLUS") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("trash fails", func(t *testing.T) {
		c := notation.ParseRules(t, "sync expunge-far trash-far")
		w := sc.setup(t, c)
		res, l, err := w.run(c, modes[0], &killer{}, 1, setFar(w, mem.Options{Caps: caps, Trasher: true, Hook: func(op mem.Op) error {
			if op.Kind == mem.OpTrashItem && op.UID == 1 && !op.After {
				return errors.New("trash is full")
			}
			return nil
		}}))
		if err != nil || res.Failed != 1 {
			t.Fatalf("%v, %+v", err, res)
		}
		if got := sideText(w.far, "box"); !strings.HasPrefix(got, "1:A:T ") {
			t.Errorf("far: %s", got)
		}
		if !strings.Contains(l.texts(kindNotice), "prone to race conditions") || !strings.Contains(l.texts(kindWarning), "nothing is expunged") {
			t.Errorf("told: %s\n%s", l.texts(kindNotice), l.texts(kindWarning))
		}
	})
}

// TestRecoveryIsRecorded: the new UIDVALIDITY is in the state afterwards.
func TestRecoveryIsRecorded(t *testing.T) {
	sc := scenario{far: "val=7 1:A", near: "1:A", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	_, l, err := w.run(c, modes[0], &killer{}, 1)
	if err != nil || !strings.Contains(l.texts(kindNotice), "recovered from a change of UIDVALIDITY on the far side") {
		t.Fatalf("%v, %s", err, l.texts(kindNotice))
	}
	data, _ := readFile(w.fs, statePath)
	if want := fmt.Sprintf("FarUidValidity 7\nNearUidValidity %d\n", notation.Validity[1]); !strings.HasPrefix(string(data), want) {
		t.Errorf("state:\n%s", data)
	}
}

// TestRecoveryNeedsEvidence walks along the limits of what is accepted.
func TestRecoveryNeedsEvidence(t *testing.T) {
	for _, tt := range []struct {
		agree, missing int
		ok             bool
	}{{4, 1, true}, {3, 1, false}, {20, 100, true}, {19, 100, false}, {0, 1, false}} {
		c := notation.ParseRules(t, "sync")
		w := (&scenario{far: "!", near: "!"}).setup(t, c)
		state := "pulled=0 pushed=0"
		far, near := mem.BoxState{UIDValidity: 7}, mem.BoxState{UIDValidity: notation.Validity[1]}
		for i := range tt.agree + tt.missing {
			u := mail.UID(i + 1)
			name := fmt.Sprintf("M%d", i)
			state += fmt.Sprintf(" %d-%d", u, u)
			near.Messages = append(near.Messages, mem.Message{UID: u, Body: notation.Body(name, "\n")})
			if i < tt.agree {
				far.Messages = append(far.Messages, mem.Message{UID: u, Body: notation.Body(name, "\r\n")})
			}
		}
		w.far.Set("box", far)
		w.near.Set("box", near)
		writeFile(t, w.fs, statePath, notation.StateFile(state, notation.Validity, syncstate.Near))
		_, _, err := w.run(c, modes[0], &killer{}, 1)
		if (err == nil) != tt.ok {
			t.Errorf("%d agree, %d missing: %v", tt.agree, tt.missing, err)
		}
	}
}

// TestTornJournal: a line that a crash has cut off is told of, and dropped.
func TestTornJournal(t *testing.T) {
	sc := scenario{far: "1:A 2:B", near: "1:A", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	writeFile(t, w.fs, statePath+".new", nil)
	writeFile(t, w.fs, statePath+".journal", []byte("5\n+ 2 0\n# 2 0 abc"))
	res, l, err := w.run(c, modes[0], &killer{}, 1)
	if err != nil || res.Problems != 1 || !strings.Contains(l.texts(kindProblem), "/state/pair.journal:3: incomplete journal entry") {
		t.Fatalf("%v, %s", err, l.texts(kindProblem))
	}
	wantText(t, w, c, "1:A 2:B", "1:A 2:B", "pulled=2 pushed=2 1-1 2-2")
}

// TestUnusableState: a state or journal that cannot be understood is an error
// that names the place, and is left as it is.
func TestUnusableState(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"", "FarUidValidity x\n\n", "/state/pair:1: malformed"},
		{".journal", "4\n+ 2 0\n", "/state/pair.journal:1: incompatible journal version '4'"},
		{".journal", "5\n- 9 9\n", "/state/pair.journal:2: entry '- 9 9' refers"},
	} {
		sc := scenario{far: "1:A 2:B", near: "1:A", state: "pulled=1 pushed=1 1-1"}
		c := notation.ParseRules(t, "sync")
		w := sc.setup(t, c)
		writeFile(t, w.fs, statePath+".new", nil)
		writeFile(t, w.fs, statePath+tt.file, []byte(tt.text))
		_, _, err := w.run(c, modes[0], &killer{}, 1)
		var bad *syncstate.Error
		if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: error %v", tt.text, err)
		}
		if data, _ := readFile(w.fs, statePath+tt.file); string(data) != tt.text {
			t.Errorf("%q became %q", tt.text, data)
		}
		if sideText(w.near, "box") != "1:A" {
			t.Error("something was done")
		}
	}
}

// TestStaleJournal: the journal of a committed run is ignored, and cannot come
// back to life.
func TestStaleJournal(t *testing.T) {
	sc := scenario{far: "1:A 2:B", near: "1:A", state: "pulled=1 pushed=1 1-1"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	writeFile(t, w.fs, statePath+".journal", []byte("5\n- 1 1\n"))
	if _, _, err := w.run(c, modes[0], &killer{}, 1); err != nil {
		t.Fatal(err)
	}
	wantText(t, w, c, "1:A 2:B", "1:A 2:B", "pulled=2 pushed=2 1-1 2-2")
}

// TestLocked: two runs never work on the same pair.
func TestLocked(t *testing.T) {
	sc := scenario{far: "1:A", near: "", state: "!"}
	c := notation.ParseRules(t, "sync")
	w := sc.setup(t, c)
	f, err := w.fs.OpenFile(statePath+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = w.fs.Lock(f, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 1); !errors.Is(err, engine.ErrLocked) {
		t.Errorf("error %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run(c, modes[0], &killer{}, 2); err != nil {
		t.Error(err)
	}
	wantText(t, w, c, "1:A", "1:A", "pulled=1 pushed=1 1-1")
}
