package ui_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/testkit"
	"isync/internal/ui"
)

// stalled is a writer that waits until it is told to go on.
type stalled struct {
	goesOn chan struct{}
	mu     sync.Mutex
	got    bytes.Buffer
}

func (s *stalled) Write(p []byte) (int, error) {
	<-s.goesOn
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

// TestSpool: its writers do not wait, keep the order, and drop whole texts if there are too
// many. How many lines are missing is told in their place, once.
func TestSpool(t *testing.T) {
	t.Parallel()
	out := &stalled{goesOn: make(chan struct{})}
	full := 0
	s := ui.NewSpool(ui.SpoolOptions{Full: func() { full++ }, Dropped: ui.DroppedText})
	one, two := s.Writer(out), s.Writer(out)
	line := strings.Repeat("x", 999)
	const lines = 5000
	for i := range lines {
		w := one
		if i%2 == 1 {
			w = two
		}
		if n, err := fmt.Fprintf(w, "%d %s\n", i, line); err != nil || n < 1000 {
			t.Fatal(n, err)
		}
	}
	if full != 1 {
		t.Errorf("Full was called %d times", full)
	}
	close(out.goesOn)
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(time.Millisecond) {
		out.mu.Lock()
		n := bytes.Count(out.got.Bytes(), []byte{'\n'})
		out.mu.Unlock()
		if n > 1000 {
			break
		}
	}
	fmt.Fprintln(one, "last")
	s.Close(20 * time.Second)
	got := strings.Split(strings.TrimSuffix(out.got.String(), "\n"), "\n")
	kept := len(got) - 2
	if kept < 900 || kept > 1100 {
		t.Fatalf("%d lines were kept", kept)
	}
	for i, l := range got[:kept] {
		if l != fmt.Sprintf("%d %s", i, line) {
			t.Fatalf("line %d: %.100s", i, l)
		}
	}
	if want := fmt.Sprintf("mbsync: warning: %d line(s) were dropped here", lines-kept); !strings.HasPrefix(got[kept], want) || got[kept+1] != "last" {
		t.Errorf("not %q: %q", want, got[kept:])
	}
}

// TestSpoolClose: the end does not wait long for a reader that reads nothing.
func TestSpoolClose(t *testing.T) {
	t.Parallel()
	out := &stalled{goesOn: make(chan struct{})}
	defer close(out.goesOn)
	s := ui.NewSpool(ui.SpoolOptions{Dropped: ui.DroppedText})
	fmt.Fprintln(s.Writer(out), "x")
	begin := time.Now()
	if s.Close(50 * time.Millisecond); time.Since(begin) > 10*time.Second {
		t.Error("Close has waited")
	}
}

// TestSpoolLost: a writer that fails gets nothing more, and the others go on.
func TestSpoolLost(t *testing.T) {
	t.Parallel()
	var good bytes.Buffer
	lost := errors.New("lost")
	s := ui.NewSpool(ui.SpoolOptions{Dropped: ui.DroppedText})
	bad, other := s.Writer(writerFunc(func([]byte) (int, error) { return 0, lost })), s.Writer(&good)
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := fmt.Fprintln(bad, "x"); errors.Is(err, lost) {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal("no error")
		}
	}
	fmt.Fprintln(other, "y")
	s.Close(20 * time.Second)
	if good.String() != "y\n" {
		t.Errorf("%q", &good)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestDroppedObject: it is an object of docs/events.md.
func TestDroppedObject(t *testing.T) {
	t.Parallel()
	end := []byte(`{"v":1,"time":"2026-11-28T21:08:06.476Z","type":"summary","seconds":1,"exit":0}` + "\n")
	got := testkit.Events(t, append(ui.DroppedObject(time.Now(), 7), end...))
	if got[0].Text("code") != "output-dropped" || !strings.HasPrefix(got[0].Text("text"), "7 line(s)") {
		t.Errorf("%v", got[0])
	}
}
