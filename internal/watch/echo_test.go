package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
)

// markedServer makes the far store report changes as a server with NOTIFY does: some time
// after they were made, also its own, and with the mark. others counts the changes by others.
type markedServer struct {
	w   *world
	lag time.Duration

	mu     sync.Mutex
	others int
	sent   int
}

// settledBox is a mailbox that knows whether anybody else has changed it.
type settledBox struct {
	store.Mailbox
	s      *markedServer
	others int
	box    string
}

// Unwrap implements store.Wrapper.
func (b settledBox) Unwrap() any { return b.Mailbox }

// SettledMark implements store.Settler.
func (b settledBox) SettledMark() string {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if b.s.others != b.others {
		return ""
	}
	return b.s.markOf(b.box)
}

// markOf describes a mailbox.
func (s *markedServer) markOf(box string) string {
	st := s.w.disk["far"].State()[box]
	out := fmt.Sprint(st.UIDNext)
	for _, m := range st.Messages {
		out += fmt.Sprint(" ", m.UID, m.Flags)
	}
	return out
}

// open wraps a mailbox of the far store.
func (s *markedServer) open(m store.Mailbox, box string) store.Mailbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	return settledBox{m, s, s.others, box}
}

// change changes a mailbox as another client: it adds a message, or changes the flags of one.
func (s *markedServer) change(box string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others++
	s.sent++
	disk := s.w.disk["far"]
	if msgs := disk.State()[box].Messages; len(msgs) > 0 && s.sent%2 == 0 {
		disk.SetFlags(box, msgs[s.sent%len(msgs)].UID, mail.FlagSeen, mail.Flags(0))
		return
	}
	disk.Deliver(box, mem.Message{Body: fmt.Sprintf("Subject: other %d\n\nx\n", s.sent), Date: time.Now()})
}

// serve reports changes until ctx ends.
func (s *markedServer) serve(ctx context.Context) {
	reported := map[string]string{}
	for ctx.Err() == nil {
		var news []store.WatchReport
		s.mu.Lock()
		for _, box := range []string{"INBOX", "a"} {
			if mark := s.markOf(box); mark != reported[box] {
				reported[box] = mark
				news = append(news, store.WatchReport{Box: box, Mark: mark})
			}
		}
		s.mu.Unlock()
		time.Sleep(s.lag)
		for _, r := range news {
			s.w.report("far", r)
		}
	}
}

// startServer returns a world that has made its first run.
func startServer(t *testing.T, rc string, lag time.Duration) (*world, *markedServer) {
	w := newWorld(t, rc)
	for _, d := range w.disk {
		d.Set("a", mem.BoxState{})
	}
	s := &markedServer{w: w, lag: lag}
	w.wrap = s.open
	w.together = true
	w.begin()
	time.Sleep(time.Second)
	w.connected("far", store.WatchNotify, true, nil)
	w.connected("near", store.WatchFiles, true, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	time.Sleep(3 * time.Second)
	synctest.Wait()
	w.mu.Lock()
	w.pairs = nil
	w.mu.Unlock()
	return w, s
}

// TestEchoes: what a run has stored on a server, and what it has found there, is reported
// afterwards, and causes no further run.
func TestEchoes(t *testing.T) {
	for _, lag := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		inBubble(t, func(t *testing.T) {
			w, s := startServer(t, oneChannel, lag)
			w.changed("near", "a")
			w.ran(10*time.Second, "a")
			if !w.same("far", "near") {
				t.Error("the sides differ")
			}
			// The run for the first message finds the second one, too.
			var slow atomic.Bool
			slow.Store(true)
			w.setHook("far", func(op mem.Op) error {
				if op.Kind == mem.OpOpen && !op.After && slow.Swap(false) {
					time.Sleep(3 * lag)
				}
				return nil
			})
			s.change("a")
			time.Sleep(2*lag + lag/2)
			s.change("a")
			w.ran(10*time.Second, "a")
			if !w.same("far", "near") {
				t.Error("the sides differ")
			}
		})
	}
}

// TestEchoesHideNothing: another client changes the mailbox at any moment of a run that
// changes it, too. Nothing is missed, however late the server reports it.
func TestEchoesHideNothing(t *testing.T) {
	for _, lag := range []time.Duration{20 * time.Millisecond, 150 * time.Millisecond, 700 * time.Millisecond} {
		for _, changes := range []int{1, 2} {
			ended := false
			for moment := int64(1); !ended; moment++ {
				inBubble(t, func(t *testing.T) {
					w, s := startServer(t, oneChannel, lag)
					var n atomic.Int64
					w.setHook("far", func(mem.Op) error {
						time.Sleep(50 * time.Millisecond)
						if n.Add(1) == moment {
							for range changes {
								s.change("a")
							}
						}
						return nil
					})
					w.changed("near", "a")
					time.Sleep(10 * time.Second)
					synctest.Wait()
					ended = n.Load() < moment
					w.setHook("far", nil)
					if !w.same("far", "near") {
						t.Errorf("lag %v: %d changes at moment %d are missed", lag, changes, moment)
					}
				})
			}
		}
	}
}

const anotherChannel = `
MaildirStore near2
Path /near2/
Inbox /nearbox2

Channel d
Far :far:
Near :near2:
Patterns * INBOX
Create Both
Expunge Both
`

// TestEchoesAtRandom: changes on both sides, at random times, also with two channels that
// share the server: what one of them has settled is news for the other.
func TestEchoesAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		inBubble(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			rc, nears := oneChannel, []string{"near"}
			if seed%2 == 0 {
				rc, nears = rc+anotherChannel, []string{"near", "near2"}
			}
			w, s := startServer(t, rc, time.Duration(rnd.IntN(500)+20)*time.Millisecond)
			for range 40 {
				box := []string{"INBOX", "a"}[rnd.IntN(2)]
				if rnd.IntN(2) == 0 {
					s.change(box)
				} else {
					w.changed(nears[rnd.IntN(len(nears))], box)
				}
				time.Sleep(time.Duration(rnd.IntN(700)) * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if !w.same("far", "near") || !w.same("far", nears[len(nears)-1]) {
				t.Errorf("seed %d: a change was missed", seed)
			}
		})
	}
}
