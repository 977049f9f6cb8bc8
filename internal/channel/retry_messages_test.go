package channel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
)

// TestRetriesOfMessages: whatever a server does about one or two messages, the others are
// copied in the same run, and each of the two is reported once. The next run tries them
// again.
func TestRetriesOfMessages(t *testing.T) {
	refusal := func(k store.Kind) error { return &store.KindError{Kind: k, Err: errTest} }
	for _, tt := range []struct {
		name string
		err  error
		// passes is after how many times the messages are accepted.
		passes int
		failed bool
		most   time.Duration // without the deviation
	}{
		{"connection lost", lost(), 1000, true, 0},
		{"connection lost twice", lost(), 2, false, 0},
		{"refused", refusal(store.Passing), 1000, true, 40 * time.Second},
		{"refused twice", refusal(store.Passing), 2, false, 40 * time.Second},
		{"too big", refusal(store.LastingMessage), 1000, true, 0},
	} {
		for _, bad := range [][]int{{3}, {0}, {19}, {3, 7}, {3, 4}, {0, 19}} {
			for _, pull := range []bool{false, true} {
				t.Run(fmt.Sprint(tt.name, " ", bad, " pull ", pull), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newTrial(t, 0)
						var messages []mem.Message
						var want []string
						isBad := map[mail.UID]bool{}
						for i := range 20 {
							subject := fmt.Sprintf("m%02d", i)
							messages = append(messages, mem.Message{Body: message(subject)})
							if slices.Contains(bad, i) {
								isBad[mail.UID(i+1)] = true
							}
							if !tt.failed || !slices.Contains(bad, i) {
								want = append(want, subject)
							}
						}
						from, to, kind := "near", "far", mem.OpPutItem
						if pull {
							from, to, kind = "far", "near", mem.OpFetchItem
						}
						w.disk[from].Set("b", mem.BoxState{Messages: messages})
						tried := map[mail.UID]int{}
						last := mail.UID(0)
						w.hook["near"] = func(op mem.Op) error {
							if op.Kind == mem.OpFetchItem {
								last = op.UID // which is going to be stored
							}
							return nil
						}
						w.fails = func(op mem.Op) error {
							u := op.UID
							if !pull {
								u = last
							}
							if op.Kind != kind || op.After || !isBad[u] {
								return nil
							}
							if tried[u]++; tried[u] <= tt.passes {
								return tt.err
							}
							return nil
						}
						sum := w.sync(t.Context())
						if got := w.subjects(to, "b"); !slices.Equal(sorted(got), want) {
							t.Errorf("copied %q, want %q", got, want)
						}
						if sum.Failed != tt.failed || w.took > tt.most*5/4+20*time.Second {
							t.Errorf("%+v after %v", sum, w.took)
						}
						if total := sum.Counts[0].New + sum.Counts[1].New; total != len(want) {
							t.Errorf("%d copies counted, want %d", total, len(want))
						}
						if len(w.failed) != 20-len(want) {
							t.Errorf("%d messages reported: %q", len(w.failed), w.failed)
						}
						if !tt.failed {
							return
						}
						// The next run tries them again, and less often.
						clear(tried)
						w.failed = nil
						sum = w.sync(t.Context())
						for u := range isBad {
							if tried[u] == 0 || tried[u] > 5 {
								t.Errorf("the next run tried message %d %d times", u, tried[u])
							}
						}
						if !sum.Failed || len(w.failed) != len(bad) {
							t.Errorf("the next run: %+v, %q", sum, w.failed)
						}
						isBad = nil
						if sum = w.sync(t.Context()); sum.Failed || len(w.subjects(to, "b")) != 20 {
							t.Errorf("in the end: %+v, %q", sum, w.subjects(to, "b"))
						}
					})
				})
			}
		}
	}
}

func sorted(s []string) []string {
	out := slices.Clone(s)
	slices.Sort(out)
	return out
}

// TestRetriesTellOnce: what several tries find is told once.
func TestRetriesTellOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTrial(t, 0)
		state := mem.BoxState{Messages: []mem.Message{
			{Body: message("1")}, {Body: message("2"), Flags: mail.FlagFlagged},
		}}
		w.disk["far"].Set("b", state)
		if sum := w.sync(t.Context()); sum.Failed {
			t.Fatal(sum)
		}
		// One is deleted here and changed there, which is told.
		state.Messages = state.Messages[1:]
		far, _ := w.disk["far"].Box("b")
		far.Messages[0].Flags = mail.FlagSeen
		w.disk["far"].Set("b", far)
		near, _ := w.disk["near"].Box("b")
		near.Messages = near.Messages[1:]
		w.disk["near"].Set("b", near)
		w.fails = func(op mem.Op) error {
			if op.Kind == mem.OpFlagItem && w.tries < 3 {
				return lost()
			}
			return nil
		}
		if sum := w.sync(t.Context()); sum.Failed || w.tries != 3 {
			t.Errorf("%+v, %d failures", sum, w.tries)
		}
		told := 0
		for _, m := range w.crowd.messages {
			if m.Fact != nil && strings.Contains(textOf(m), "delet") {
				told++
			}
		}
		if told != 1 {
			t.Errorf("told %d times: %+v", told, w.crowd.messages)
		}
	})
}

var _ event.Sink = (*trial)(nil)
