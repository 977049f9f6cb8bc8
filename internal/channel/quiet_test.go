package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store/mem"
	"isync/internal/vfs"
)

// quietWorld is a world that remembers, and counts what is done.
type quietWorld struct {
	*world
	now time.Time
	mu  sync.Mutex
	ops map[string][]string // of a kind, "store box"
	// alter changes what is about to be run.
	alter func(*channel.Options, []channel.Selection)
}

func newQuietWorld(t *testing.T, rc string) *quietWorld {
	q := &quietWorld{world: newWorld(t, rc), now: time.Unix(1_700_000_000, 0)}
	for _, s := range q.cfg.Stores {
		q.hook[s.Name] = func(op mem.Op) error {
			q.mu.Lock()
			defer q.mu.Unlock()
			if !op.After {
				q.ops[string(op.Kind)] = append(q.ops[string(op.Kind)], s.Name+" "+op.Box)
			}
			return nil
		}
	}
	return q
}

// sync runs the channels and returns which mailboxes were opened, and which
// were listed.
func (q *quietWorld) sync(args ...string) (opened, scanned []string) {
	q.tb.Helper()
	q.ops = map[string][]string{}
	q.stores, q.obs = nil, &recorder{}
	o := q.options()
	o.Memory, o.MemoryKey = "/cache", "/rc"
	o.Now = func() time.Time { return q.now }
	sel := q.selection(args...)
	if q.alter != nil {
		q.alter(&o, sel)
	}
	channel.Run(context.Background(), sel, o)
	for _, kind := range []mem.Kind{mem.OpOpen, mem.OpScan} {
		slices.Sort(q.ops[string(kind)])
	}
	return q.ops[string(mem.OpOpen)], q.ops[string(mem.OpScan)]
}

const oneChannel = `
Channel one
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
`

// TestUnchangedIsLeftAlone: pairs that had nothing to do are not opened as long
// as nothing has changed that matters.
func TestUnchangedIsLeftAlone(t *testing.T) {
	all := []string{"far a", "far b", "far c", "near a", "near b", "near c"}
	b := []string{"far b", "near b"}
	for _, tt := range []struct {
		name   string
		change func(*quietWorld)
		want   []string
	}{
		{"nothing", func(*quietWorld) {}, nil},
		{"a message on the far side", func(q *quietWorld) { q.disk["far"].Deliver("b", mem.Message{Body: message("x")}) }, b},
		{"a message on the near side", func(q *quietWorld) { q.disk["near"].Deliver("b", mem.Message{Body: message("x")}) }, b},
		{"a flag on the far side", func(q *quietWorld) { q.disk["far"].SetFlags("b", 1, mail.FlagSeen, 0) }, b},
		{"a flag on the near side", func(q *quietWorld) { q.disk["near"].SetFlags("b", 1, mail.FlagSeen, 0) }, b},
		{"a message expunged", func(q *quietWorld) { q.disk["far"].Expunge("b", 1) }, b},
		{"a mailbox gone", func(q *quietWorld) { q.disk["near"].Drop("b") }, []string{"far b"}},
		{"a new mailbox", func(q *quietWorld) { q.boxes("far", "d") }, []string{"far d", "near d"}},
		{"other operations", func(q *quietWorld) {
			q.alter = func(_ *channel.Options, sel []channel.Selection) { sel[0].Ops.On[config.Far] = config.OpNew }
		}, all},
		{"another limit", func(q *quietWorld) { q.cfg.Channel("one").MaxMessages = 5 }, all},
		{"another trash", func(q *quietWorld) { q.cfg.Store("far").Trash = "bin" }, all},
		{"another place", func(q *quietWorld) { q.cfg.Store("near").Path = "/elsewhere/" }, all},
		{"other names of files", func(q *quietWorld) { q.cfg.Store("near").Maildir.InfoDelimiter = ';' }, all},
		{"another limit of size", func(q *quietWorld) { q.cfg.Store("near").MaxSize = 5 }, all},
		{"another state", func(q *quietWorld) {
			st := "/state/:far:b_:near:b"
			data, err := vfs.ReadFile(q.fs, st)
			if err != nil {
				q.tb.Fatal(err)
			}
			q.put(st, string(data)+"\n")
		}, b},
		{"an interrupted run", func(q *quietWorld) { q.put("/state/:far:b_:near:b.journal", "x") }, b},
		{"time", func(q *quietWorld) { q.now = q.now.Add(8 * 24 * time.Hour) }, all},
		{"the clock set back", func(q *quietWorld) { q.now = q.now.Add(-time.Hour) }, all},
		{"another configuration file", func(q *quietWorld) {
			q.alter = func(o *channel.Options, _ []channel.Selection) { o.MemoryKey = "/other" }
		}, all},
		{"no memory", func(q *quietWorld) {
			q.alter = func(o *channel.Options, _ []channel.Selection) { o.Memory = "" }
		}, all},
		{"a step counter", func(q *quietWorld) {
			q.alter = func(o *channel.Options, _ []channel.Selection) { o.Controls = &engine.Controls{} }
		}, all},
		{"reasons are wanted", func(q *quietWorld) {
			q.alter = func(o *channel.Options, _ []channel.Selection) { o.Explain = true }
		}, nil},
		{"the memory is damaged", func(q *quietWorld) {
			f := q.memory()
			data, err := vfs.ReadFile(q.fs, f)
			if err != nil {
				q.tb.Fatal(err)
			}
			data[len(data)/2] ^= 1
			q.put(f, string(data))
		}, all},
		{"the memory is cut off", func(q *quietWorld) { q.put(q.memory(), "isync quiet pairs 1\n") }, all},
		{"the memory is gone", func(q *quietWorld) {
			if err := q.fs.Remove(q.memory()); err != nil {
				q.tb.Fatal(err)
			}
		}, all},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newQuietWorld(t, oneChannel)
			q.tb = t
			q.boxes("far", "a", "b", "c")
			if opened, _ := q.sync(); len(opened) != 6 {
				t.Fatalf("the first run opened %q", opened)
			}
			if opened, scanned := q.sync(); !slices.Equal(opened, all) || !slices.Equal(scanned, all) {
				t.Fatalf("the second run opened %q, listed %q", opened, scanned)
			}
			opened, _ := q.sync()
			if len(opened) != 0 {
				t.Fatalf("the third run opened %q", opened)
			}
			if len(q.ops[string(mem.OpMarks)]) != 0 {
				t.Error("marks were asked for one by one")
			}
			if len(q.obs.done) != 3 || !q.obs.results["a"].Unchanged {
				t.Errorf("told %q", q.obs.log)
			}
			tt.change(q)
			opened, _ = q.sync()
			if got := slices.Compact(opened); !slices.Equal(got, tt.want) {
				t.Errorf("opened %q, want %q", got, tt.want)
			}
		})
	}
}

// TestTrashIsLookedAt: a mailbox that had nothing to do is a trash, too, and what
// another pair of the same run puts there is carried on at once.
func TestTrashIsLookedAt(t *testing.T) {
	q := newQuietWorld(t, oneChannel)
	q.cfg.Store("far").Trash = "trash"
	q.boxes("far", "a", "b", "trash")
	q.sync()
	q.sync()
	if opened, _ := q.sync(); len(opened) != 0 {
		t.Fatalf("opened %q", opened)
	}
	q.disk["near"].SetFlags("a", 1, mail.FlagDeleted, 0)
	opened, _ := q.sync()
	if want := []string{"far a", "far trash", "near a", "near trash"}; !slices.Equal(slices.Compact(opened), want) {
		t.Errorf("opened %q", opened)
	}
	if s := q.subjects("near", "trash"); len(s) != 2 {
		t.Errorf("in the trash here: %q", s)
	}
}

// memory returns the file of the channel.
func (q *quietWorld) memory() string {
	names, err := q.fs.ReadNames("/cache/pairs")
	if err != nil || len(names) != 1 {
		q.tb.Fatalf("%q, %v", names, err)
	}
	return "/cache/pairs/" + names[0]
}

func (q *quietWorld) put(path, data string) {
	q.tb.Helper()
	f, err := q.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write([]byte(data))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		q.tb.Fatal(err)
	}
}

// TestSinglePair: a pair that is alone is opened, but not listed.
func TestSinglePair(t *testing.T) {
	q := newQuietWorld(t, "\nChannel one\nFar :far:a\nNear :near:a\nCreate Both\n")
	q.boxes("far", "a")
	q.sync()
	q.sync()
	opened, scanned := q.sync()
	if len(opened) != 2 || len(scanned) != 0 || len(q.ops[string(mem.OpMarks)]) != 0 {
		t.Errorf("opened %q, listed %q, %q", opened, scanned, q.ops[string(mem.OpMarks)])
	}
	q.disk["far"].SetFlags("a", 1, mail.FlagSeen, 0)
	q.sync()
	if b, _ := q.disk["near"].Box("a"); b.Messages[0].Flags != mail.FlagSeen {
		t.Errorf("flags %v", b.Messages[0].Flags)
	}
}

// TestFailureIsNotRemembered: what has failed is tried again.
func TestFailureIsNotRemembered(t *testing.T) {
	q := newQuietWorld(t, oneChannel)
	q.boxes("far", "a", "b")
	q.sync()
	count := q.hook["near"]
	q.hook["near"] = func(op mem.Op) error {
		if op.Kind == mem.OpScan && op.Box == "b" {
			return errTest
		}
		return count(op)
	}
	q.sync()
	q.hook["near"] = count
	if opened, _ := q.sync(); !slices.Equal(opened, []string{"far b", "near b"}) {
		t.Errorf("opened %q", opened)
	}
}

// TestDryRunRemembersNothing: nor does it write anything.
func TestDryRunRemembersNothing(t *testing.T) {
	q := newQuietWorld(t, oneChannel)
	q.boxes("far", "a", "b")
	q.sync()
	if err := q.fs.Remove(q.memory()); err != nil {
		t.Fatal(err)
	}
	q.dry = true
	q.sync()
	q.sync()
	if names, _ := q.fs.ReadNames("/cache/pairs"); len(names) != 0 {
		t.Errorf("there is %q", names)
	}
}

// TestMemoryMakesNoDifference: random changes lead to the same mailboxes,
// whether it is remembered what had nothing to do or not.
func TestMemoryMakesNoDifference(t *testing.T) {
	const rc = twoChannels + "\nChannel three\nFar :third:a\nNear :near:extra\nCreate Both\nMaxMessages 3\nExpunge Near\n"
	outcome := func(seed uint64, memory bool) (result []string, opened int) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		q := newQuietWorld(t, rc)
		q.alter = func(o *channel.Options, _ []channel.Selection) {
			o.Parallel = []int{1, 0}[seed%2]
			o.Events = newCrowd()
			if !memory {
				o.Memory = ""
			}
		}
		stores, boxes := []string{"far", "near", "third"}, []string{"a", "b", "c", "extra"}
		for _, st := range stores {
			q.boxes(st, boxes[:3]...)
		}
		for step := range 25 {
			if rnd.IntN(2) == 0 {
				st, box := stores[rnd.IntN(3)], boxes[rnd.IntN(4)]
				b, ok := q.disk[st].Box(box)
				switch k := rnd.IntN(4); {
				case !ok:
				case k == 0:
					q.disk[st].Deliver(box, mem.Message{Body: message(fmt.Sprint("new ", step))})
				case len(b.Messages) == 0:
				case k == 1:
					q.disk[st].Expunge(box, b.Messages[rnd.IntN(len(b.Messages))].UID)
				default:
					f := mail.Flags(1) << rnd.IntN(6)
					m := b.Messages[rnd.IntN(len(b.Messages))]
					q.disk[st].SetFlags(box, m.UID, f&^m.Flags, f&m.Flags)
				}
			}
			o, _ := q.sync([][]string{nil, {"one"}, {"two", "three"}}[rnd.IntN(3)]...)
			opened += len(o)
			for _, st := range stores {
				for _, box := range boxes {
					b, _ := q.disk[st].Box(box)
					var list []string
					for _, m := range b.Messages {
						s, _, _ := strings.Cut(strings.TrimPrefix(m.Body, "Subject: "), "\n")
						list = append(list, s+" "+m.Flags.String())
					}
					slices.Sort(list) // messages of two directions may come in any order
					result = append(result, fmt.Sprintf("%d %s %s %q", step, st, box, list))
				}
			}
		}
		return result, opened
	}
	var with, without int
	for seed := range uint64(40) {
		want, a := outcome(seed, false)
		got, b := outcome(seed, true)
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d: -without +with:\n%s", seed, d)
		}
		without, with = without+a, with+b
	}
	if with*3 > without*2 {
		t.Errorf("%d mailboxes were opened, and %d without the memory", with, without)
	}
}
