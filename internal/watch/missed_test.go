package watch_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/store"
	"isync/internal/store/mem"
)

// afterClose calls f once after a mailbox of a store was closed.
func (w *world) afterClose(name, box string, f func()) {
	done := false
	w.setHook(name, func(op mem.Op) error {
		if op.Kind == mem.OpClose && op.Box == box && op.After && !done {
			done = true
			f()
		}
		return nil
	})
}

// TestReportsBeforeBoxesAreKnown: a change that is reported while the first run, or the one
// that finds a new mailbox, is going on, is not lost although the run comes too early for it.
func TestReportsBeforeBoxesAreKnown(t *testing.T) {
	for _, name := range []string{"far", "near"} {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, oneChannel)
			w.disk["far"].Set("a", mem.BoxState{})
			w.afterClose("near", "a", func() { w.changed(name, "a") })
			w.begin()
			w.ran(time.Second, "INBOX", "a", "a")
			if !w.same("far", "near") {
				t.Error("a change during the first run was missed")
			}
			w.disk["far"].Set("b", mem.BoxState{})
			w.afterClose("near", "b", func() { w.changed(name, "b") })
			w.report("far", store.WatchReport{Boxes: true})
			w.ran(time.Second, "INBOX", "a", "b", "b")
			if !w.same("far", "near") {
				t.Error("a change in a new mailbox was missed")
			}
			w.ran(time.Minute)
		})
	}
}

const twoChannels = `
MaildirStore far1
Path /far1/
Inbox /farbox1

MaildirStore far2
Path /far2/
Inbox /farbox2

MaildirStore near
Path /near/
Inbox /nearbox

Channel c
Far :far1:
Near :near:
Patterns * INBOX
Create Both

Channel d
Far :far2:
Near :near:
Patterns * INBOX
Create Both
`

// TestChannelsThatShareAStore: what one channel changes in a store is passed on by the
// other one, although the store does not report changes of its own.
func TestChannelsThatShareAStore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, twoChannels)
		w.together = true
		w.begin()
		time.Sleep(time.Minute)
		for i, name := range []string{"far1", "far2", "far1"} {
			w.changed(name, "INBOX")
			time.Sleep(time.Second)
			synctest.Wait()
			if !w.same("far1", "near") || !w.same("far2", "near") {
				t.Errorf("change %d in %s did not reach the other channel", i, name)
			}
		}
		w.mu.Lock()
		w.pairs = nil
		w.mu.Unlock()
		w.ran(time.Minute)
	})
}

// TestTrashIsPassedOn: what a run puts in the trash is synchronized, too.
func TestTrashIsPassedOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strings.Replace(oneChannel, "Inbox /nearbox", "Inbox /nearbox\nTrash trash", 1))
		w.disk["near"].Set("trash", mem.BoxState{})
		w.add("far", "INBOX")
		w.begin()
		time.Sleep(time.Minute)
		w.disk["far"].Expunge("INBOX", w.disk["far"].State()["INBOX"].Messages[0].UID)
		w.report("far", store.WatchReport{Box: "INBOX"})
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(w.disk["near"].State()["trash"].Messages); n != 1 {
			t.Fatalf("the near trash has %d messages", n)
		}
		if n := len(w.disk["far"].State()["trash"].Messages); n != 1 {
			t.Errorf("the far trash has %d messages", n)
		}
	})
}

// TestRefusedMessage: a message that cannot be copied does not delay others.
func TestRefusedMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		refused := w.disk["far"].Deliver("a", mem.Message{Body: "Subject: refused\n\nx\n", Date: time.Now()})[0]
		w.setHook("far", func(op mem.Op) error {
			if op.Kind == mem.OpFetchItem && !op.After && op.UID == refused && op.Box == "a" {
				return &store.KindError{Kind: store.LastingMessage, Err: errors.New("it cannot be read")}
			}
			return nil
		})
		w.report("far", store.WatchReport{Box: "a"})
		time.Sleep(30 * time.Minute)
		for range 3 {
			before := len(w.disk["near"].State()["a"].Messages)
			w.changed("far", "a")
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(w.disk["near"].State()["a"].Messages); n != before+1 {
				t.Errorf("the next message is not there after a second")
			}
			time.Sleep(17 * time.Second)
		}
	})
}

// TestFailingAttemptsToConnect: each attempt is reported. That does not delay the runs that
// are tried without a connection.
func TestFailingAttemptsToConnect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := started(t, "a")
		down := &store.StoreError{Store: "far", Err: &store.KindError{Kind: store.Passing, Err: errors.New("no route")}}
		w.connected("far", store.WatchNotify, false, down)
		w.changed("near", "a")
		for range 15 {
			time.Sleep(20 * time.Second)
			w.connected("far", store.WatchNotify, false, down)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !w.same("far", "near") {
			t.Error("nothing was tried for more than 5 minutes")
		}
	})
}
