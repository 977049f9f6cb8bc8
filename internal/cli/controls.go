package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"isync/internal/engine"
)

// controls are the arguments of -T, for tests only. Their meaning is stable.
type controls struct {
	noDelay    bool // z: no deliberate delays
	keep       bool // j: keep state and journal unchanged before the commit
	logImplied bool // J: also journal the changes implied by the commit
	exitAfter  int  // s<N>: exit after step N; 0: never
	asyncFar   bool // a: operations of the far store complete asynchronously
	asyncBoth  bool // A: those of both stores
	noUIDs     bool // u: Maildir stores do not report the UIDs of new messages
	noExpunge  bool // x: omit only the final expunge
	given      bool
}

// scanControls parses the letters after -T.
func (c *commandLine) scanControls(rest string) error {
	t := &c.controls
	t.given = true
	for rest != "" {
		letter := rest[0]
		rest = rest[1:]
		switch letter {
		case 'z':
			t.noDelay = true
		case 'j':
			t.keep = true
		case 'J':
			t.logImplied = true
		case 'a':
			t.asyncFar = true
		case 'A':
			t.asyncBoth = true
		case 'u':
			t.noUIDs = true
		case 'x':
			t.noExpunge = true
		case 's':
			digits := rest
			if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
				digits = rest[:i]
			}
			n, err := strconv.ParseInt(digits, 10, 32)
			if err != nil || n < 1 {
				return usagef("test control 's' needs a positive number of steps, as in -Ts12")
			}
			t.exitAfter, rest = int(n), rest[len(digits):]
		default:
			return usagef("unknown test control %q", string(rune(letter)))
		}
	}
	return nil
}

// exitSteps is the exit code of a run that -Ts has ended.
const exitSteps = 100

// engineControls returns the controls for the engine; nil: none apply. Steps are reported to out.
func (t *controls) engineControls(debug bool, out io.Writer, exit func(int)) *engine.Controls {
	if !t.keep && t.exitAfter == 0 && !t.asyncFar && !t.asyncBoth && !t.noExpunge {
		return nil
	}
	return &engine.Controls{
		Steps: &engine.Steps{
			Operations: debug || t.asyncFar || t.asyncBoth,
			Limit:      t.exitAfter,
			Exit:       func() { exit(exitSteps) },
		},
		Async:       [2]bool{t.asyncFar || t.asyncBoth, t.asyncBoth},
		NoExpunge:   t.noExpunge,
		KeepJournal: t.keep,
		Report: func(steps, entries int) {
			fmt.Fprintf(out, "### %d steps, %d entries ###\n", steps, entries)
		},
	}
}
