package channel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/channel"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/mem"
)

// crowd records which pairs run at the same time.
type crowd struct {
	mu       sync.Mutex
	started  []string
	running  map[string]bool
	most     int
	together map[string]bool // "a+b": pairs that were under way at the same time
	messages []event.Message
	errs     []error
}

func newCrowd() *crowd { return &crowd{running: map[string]bool{}, together: map[string]bool{}} }

// Take implements event.Sink.
func (c *crowd) Take(e event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e := e.(type) {
	case event.Message:
		if e.Severity != event.Error {
			c.messages = append(c.messages, e)
		}
	case event.PairBegun:
		c.begun(e.Pair)
	case event.PairEnded:
		delete(c.running, e.Pair.Channel+":"+e.Pair.Name)
		if e.Err != nil {
			c.errs = append(c.errs, e.Err)
		}
	case event.ChannelFailed:
		c.errs = append(c.errs, e.Err)
	}
}

func (c *crowd) begun(p event.Pair) {
	name := p.Channel + ":" + p.Name
	for other := range c.running {
		both := []string{name, other}
		slices.Sort(both)
		c.together[strings.Join(both, "+")] = true
	}
	c.running[name] = true
	c.started = append(c.started, name)
	c.most = max(c.most, len(c.running))
}

const oneAccount = `
IMAPAccount a
Host h
User u
Connections 2

IMAPStore far
Account a

MaildirStore near
Path /near/
Inbox /nearbox

Channel c
Far :far:
Near :near:
Patterns *
Create Both
`

// TestConnections: as many pairs are worked on at a time as the account may have
// connections, and they are begun in order.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAccount)
		for i := range 9 {
			w.boxes("far", fmt.Sprintf("b%d", i))
		}
		w.hook["far"] = func(mem.Op) error {
			time.Sleep(time.Second)
			return nil
		}
		obs := newCrowd()
		o := w.options()
		o.Parallel, o.Events = 0, obs
		sum := channel.Run(t.Context(), w.selection(), o)
		if sum.Failed || sum.Boxes != 9 || obs.most != 2 {
			t.Errorf("%+v; %d pairs at a time", sum, obs.most)
		}
		if !slices.IsSorted(obs.started) {
			t.Errorf("begun as %q", obs.started)
		}
	})
}

// TestSameMailbox: what is in two channels is worked on by one at a time, and
// the user is told.
func TestSameMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, twoChannels)
		w.boxes("far", "a", "b", "c")
		slow := func(mem.Op) error {
			time.Sleep(time.Second)
			return nil
		}
		w.hook["far"], w.hook["near"], w.hook["third"] = slow, slow, slow
		obs := newCrowd()
		o := w.options()
		o.Parallel, o.Events = 0, obs
		if sum := channel.Run(t.Context(), w.selection(), o); sum.Failed {
			t.Errorf("%+v, %v", sum, obs.errs)
		}
		for pair := range obs.together {
			if strings.Contains(pair, "one:") && strings.Contains(pair, "two:") {
				t.Errorf("at the same time: %s", pair)
			}
		}
		if obs.most < 2 {
			t.Error("the pairs of a channel were not worked on at the same time")
		}
		if len(obs.messages) != 1 || !strings.Contains(textOf(obs.messages[0]), "mailbox 'a' of MaildirStore \"far\" is in channel 'one', too") {
			t.Errorf("told %v", obs.messages)
		}
	})
}

// TestIndependentChannels: channels that have nothing in common take as long as
// the slowest one.
func TestIndependentChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rc strings.Builder
		for i := range 10 {
			fmt.Fprintf(&rc, "IMAPStore far%[1]d\nHost h%[1]d\nUser u\n\nMaildirStore near%[1]d\nPath /near%[1]d/\nInbox /near%[1]d/INBOX\n\n"+
				"Channel c%[1]d\nFar :far%[1]d:\nNear :near%[1]d:\nPatterns *\nCreate Both\n\n", i)
		}
		w := newWorld(t, rc.String())
		for i := range 10 {
			name := fmt.Sprintf("far%d", i)
			w.boxes(name, "a")
			w.hook[name] = func(mem.Op) error {
				time.Sleep(time.Second)
				return nil
			}
		}
		o := w.options()
		o.Events = newCrowd()
		begin := time.Now()
		o.Parallel = 1
		channel.Run(t.Context(), w.selection("c0"), o)
		one := time.Since(begin)
		begin = time.Now()
		o.Parallel = 0
		sum := channel.Run(t.Context(), w.selection(), o)
		if d := time.Since(begin); sum.Failed || sum.Channels != 10 || d > 2*one {
			t.Errorf("%+v in %v; one channel takes %v", sum, d, one)
		}
	})
}

// TestCrowded: a pair that could not get its sessions while others had theirs is
// tried once more, alone.
func TestCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, oneAccount)
		w.boxes("far", "a", "b", "c", "d")
		var mu sync.Mutex
		open := map[string]bool{}
		w.hook["far"] = func(op mem.Op) error {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			if op.Kind != mem.OpOpen || op.After {
				return nil
			}
			// Only one of the mailboxes can be had at a time at first.
			if len(open) > 0 && !open[op.Box] && len(open) < 3 {
				open[op.Box] = true
				return &store.StoreError{Store: "far", Err: store.ErrCrowded}
			}
			open[op.Box] = true
			return nil
		}
		obs := newCrowd()
		o := w.options()
		o.Parallel, o.Events = 0, obs
		sum := channel.Run(t.Context(), w.selection(), o)
		if sum.Failed || len(obs.errs) > 0 || sum.Boxes != 4 {
			t.Errorf("%+v, %v", sum, obs.errs)
		}
	})
}

// TestBrokenStoreIsToldOnce: of pairs that fail at the same time because their
// store has failed, the first tells why.
func TestBrokenStoreIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, strings.Replace(oneAccount, "Connections 2", "Connections 5", 1))
		w.boxes("far", "a", "b", "c", "d", "e", "f", "g", "h")
		w.hook["far"] = func(op mem.Op) error {
			if op.Box == "" {
				return nil
			}
			time.Sleep(time.Second)
			return storeBroken("far")
		}
		obs := newCrowd()
		o := w.options()
		o.Parallel, o.Events = 0, obs
		sum := channel.Run(t.Context(), w.selection(), o)
		fresh := 0
		for _, err := range obs.errs {
			if !isReported(err) {
				fresh++
			}
		}
		if !sum.Failed || fresh != 1 || len(obs.errs) > 5 {
			t.Errorf("%+v; %d errors, of which %d are news", sum, len(obs.errs), fresh)
		}
	})
}

func isReported(err error) bool { return strings.HasPrefix(err.Error(), engine.ErrReported.Error()) }

// TestSchedulingDoesNotMatter: a run over several channels that have stores,
// and a trash, in common ends the same however it is scheduled.
func TestSchedulingDoesNotMatter(t *testing.T) {
	const rc = `
MaildirStore far
Path /far/
Inbox /farbox
Trash bin

MaildirStore near
Path /near/
Inbox /nearbox
Trash bin

MaildirStore third
Path /third/
Inbox /thirdbox

Channel one
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both

Channel two
Far :near:
Near :third:
Patterns *
Create Both
Expunge Both

Channel three
Far :third:
Near :far:extra
`
	outcome := func(seed uint64, parallel int) string {
		rnd := rand.New(rand.NewPCG(seed, 1))
		delays := rand.New(rand.NewPCG(seed, 2))
		var mu sync.Mutex // guards delays
		w := newWorld(t, rc)
		for _, st := range []string{"far", "near", "third"} {
			for _, b := range []string{"a", "b", "c", "bin", "extra", "INBOX"} {
				if b != "extra" && b != "INBOX" && rnd.IntN(3) == 0 {
					continue
				}
				w.boxes(st, b)
			}
		}
		var out strings.Builder
		for range 3 {
			// Something is deleted, which then goes to the trash.
			for _, st := range []string{"far", "near", "third"} {
				b := []string{"a", "b", "c"}[rnd.IntN(3)]
				if box, ok := w.disk[st].Box(b); ok && len(box.Messages) > 0 {
					box.Messages[rnd.IntN(len(box.Messages))].Flags |= 1 << rnd.IntN(6)
					w.disk[st].Set(b, box)
				}
			}
			o := w.options()
			obs := newCrowd()
			o.Parallel, o.Events = parallel, obs
			if parallel != 1 {
				for _, st := range []string{"far", "near", "third"} {
					w.hook[st] = func(mem.Op) error {
						mu.Lock()
						d := time.Duration(delays.IntN(200)) * time.Microsecond
						mu.Unlock()
						time.Sleep(d)
						return nil
					}
				}
			}
			sum := channel.Run(context.Background(), w.selection(), o)
			fmt.Fprintf(&out, "%+v %v\n", sum, len(obs.errs))
		}
		for _, st := range []string{"far", "near", "third"} {
			for _, b := range []string{"a", "b", "c", "bin", "extra", "INBOX"} {
				s := w.subjects(st, b)
				slices.Sort(s)
				fmt.Fprintf(&out, "%s/%s: %q\n", st, b, s)
			}
		}
		return out.String()
	}
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			want := outcome(seed, 1)
			for _, parallel := range []int{0, 3} {
				if d := cmp.Diff(want, outcome(seed, parallel)); d != "" {
					t.Fatalf("seed %d, %d at a time: -in order +at once:\n%s", seed, parallel, d)
				}
			}
		})
	}
}
