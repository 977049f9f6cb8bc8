package ui

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/engine"
)

// TestTurns: pairs that are worked on at the same time are told one after the
// other, in the order in which they were begun.
func TestTurns(t *testing.T) {
	var buf bytes.Buffer
	p := New(Options{Out: &buf, Err: &buf, Level: Verbose, Explain: func(err error) []Problem {
		return []Problem{{Text: err.Error(), Hint: "try again"}}
	}})
	name := func(i int) engine.PairName {
		box := fmt.Sprintf("b%d", i)
		return engine.PairName{Channel: "c", Box: [2]string{box, box}, Name: box}
	}
	warn := func(i int, text string) {
		p.Observe(engine.Event{Kind: engine.Warning, Channel: "c", Box: name(i).Box, Text: text})
	}
	p.PairStarted(name(1))
	p.PairStarted(name(2))
	p.PairStarted(name(3))
	p.PairStarted(name(4))
	warn(3, "third")
	warn(1, "first")
	warn(2, "second")
	p.Warn("", "of no pair")
	p.PairDone(name(2), engine.Result{}, errors.New("failed"))
	p.PairDone(name(4), engine.Result{}, fmt.Errorf("%w: failed", engine.ErrReported))
	warn(1, "still first")
	p.PairDone(name(1), engine.Result{}, errors.New("failed, too"))
	warn(3, "at once")
	p.PairStarted(name(5))
	p.PairDone(name(3), engine.Result{}, nil)
	warn(5, "fifth")
	p.PairDone(name(5), engine.Result{}, nil)
	want := strings.Join([]string{
		"mbsync: warning: channel 'c', mailbox 'b1': first",
		"mbsync: warning: of no pair",
		"mbsync: warning: channel 'c', mailbox 'b1': still first",
		"mbsync: error: channel 'c', mailbox 'b1': failed, too",
		"hint: try again", // once, with the first that is told
		"mbsync: warning: channel 'c', mailbox 'b2': second",
		"mbsync: error: channel 'c', mailbox 'b2': failed",
		"mbsync: warning: channel 'c', mailbox 'b3': third",
		"mbsync: warning: channel 'c', mailbox 'b3': at once",
		"c:b3: nothing to do",
		"mbsync: warning: channel 'c', mailbox 'b5': fifth",
		"c:b5: nothing to do",
		"",
	}, "\n")
	if d := cmp.Diff(want, buf.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(p.status.turns) != 0 || len(p.status.pairs) != 0 {
		t.Error("something was left behind")
	}
}
