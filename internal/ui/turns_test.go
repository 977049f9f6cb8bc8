package ui

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
)

// TestTurns: pairs that are worked on at the same time are told one after the
// other, in the order in which they were begun.
func TestTurns(t *testing.T) {
	var buf bytes.Buffer
	p := New(Options{Out: &buf, Err: &buf, Level: Verbose, Explain: func(err error) []Problem {
		return []Problem{{Text: err.Error(), Hint: "try again"}}
	}})
	name := func(i int) event.Pair {
		box := fmt.Sprintf("b%d", i)
		return event.Pair{Channel: "c", Box: [2]string{box, box}, Name: box}
	}
	warn := func(i int, text string) {
		p.Take(event.Message{Severity: event.Warning, Pair: event.Pair{Channel: "c", Box: name(i).Box}, Fact: plain(text)})
	}
	p.Take(event.PairBegun{Pair: name(1)})
	p.Take(event.PairBegun{Pair: name(2)})
	p.Take(event.PairBegun{Pair: name(3)})
	p.Take(event.PairBegun{Pair: name(4)})
	warn(3, "third")
	warn(1, "first")
	warn(2, "second")
	p.Take(event.Message{Severity: event.Warning, Fact: plain("of no pair")})
	p.Take(event.PairEnded{Pair: name(2), Err: errors.New("failed")})
	p.Take(event.PairEnded{Pair: name(4), Err: errors.New("failed"), Reported: true})
	warn(1, "still first")
	p.Take(event.PairEnded{Pair: name(1), Err: errors.New("failed, too")})
	warn(3, "at once")
	p.Take(event.PairBegun{Pair: name(5)})
	p.Take(event.PairEnded{Pair: name(3)})
	warn(5, "fifth")
	p.Take(event.PairEnded{Pair: name(5)})
	want := strings.Join([]string{
		"mbsync: warning: channel 'c', mailbox 'b1': first [plain]",
		"mbsync: warning: of no pair [plain]",
		"mbsync: warning: channel 'c', mailbox 'b1': still first [plain]",
		"mbsync: error: channel 'c', mailbox 'b1': failed, too",
		"hint: try again", // once, with the first that is told
		"mbsync: warning: channel 'c', mailbox 'b2': second [plain]",
		"mbsync: error: channel 'c', mailbox 'b2': failed",
		"mbsync: warning: channel 'c', mailbox 'b3': third [plain]",
		"mbsync: warning: channel 'c', mailbox 'b3': at once [plain]",
		"c:b3: nothing to do",
		"mbsync: warning: channel 'c', mailbox 'b5': fifth [plain]",
		"c:b5: nothing to do",
		"",
	}, "\n")
	if d := cmp.Diff(want, buf.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if len(p.turns.order) != 0 || len(p.turns.pairs) != 0 {
		t.Error("something was left behind")
	}
}
