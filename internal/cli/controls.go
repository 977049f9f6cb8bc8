package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"isync/internal/engine"
)

// controls are what tests may ask for with -T. They are not for users, but
// stable.
type controls struct {
	noDelay    bool // z: no artificial delays
	keep       bool // j: leave state and journal as they are before the commit
	logImplied bool // J: journal also what the commit implies
	exitAfter  int  // s<N>: end after the N-th step; 0: do not
	asyncFar   bool // a: the far store completes later
	asyncBoth  bool // A: both do
	noUIDs     bool // u: Maildir stores do not report UIDs
	noExpunge  bool // x: everything but the final expunge
	given      bool
}

// scanControls reads the letters after -T.
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

// exitSteps is the exit code of a run that ended at the step of -Ts.
const exitSteps = 100

// engineControls returns what the engine has to do with the controls; nil if it
// has nothing to. The steps are reported to out.
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
