package cli

import (
	"strconv"
	"strings"
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

// unsupported names the first control that cannot be followed yet; "" if all
// can.
func (t *controls) unsupported() string {
	switch {
	case t.keep:
		return "-Tj"
	case t.exitAfter != 0:
		return "-Ts"
	case t.asyncFar:
		return "-Ta"
	case t.asyncBoth:
		return "-TA"
	case t.noExpunge:
		return "-Tx"
	}
	return ""
}
