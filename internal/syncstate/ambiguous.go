package syncstate

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"isync/internal/mail"
)

// Ambiguous are messages of one side. They have records without a counterpart.
type Ambiguous struct {
	Side  Side
	UIDs  mail.UIDSet
	Since time.Time // to the second
}

// AmbiguousUIDs returns the ambiguous messages of a side.
func (n *Notes) AmbiguousUIDs(s Side) mail.UIDSet {
	for _, a := range n.Ambiguous {
		if a.Side == s {
			return a.UIDs
		}
	}
	return nil
}

// HoldBack notes the ambiguous messages of a side.
func (n *Notes) HoldBack(s Side, uids mail.UIDSet, now time.Time) {
	n.Ambiguous = slices.DeleteFunc(n.Ambiguous, func(a Ambiguous) bool { return a.Side == s })
	if !uids.Empty() {
		n.Ambiguous = append(n.Ambiguous, Ambiguous{s, uids, now})
	}
}

// Release notes that messages of a side are not ambiguous any more.
func (n *Notes) Release(s Side, uids mail.UIDSet) {
	for _, a := range n.Ambiguous {
		if a.Side == s && !uids.Empty() {
			n.HoldBack(s, a.UIDs.Without(uids), a.Since)
			return
		}
	}
}

// encodeAmbiguous writes the lines of a file of notes. They contain the UIDVALIDITY: versions
// that do not know these lines keep them when the UIDVALIDITY changes.
func (n *Notes) encodeAmbiguous(b *bytes.Buffer) {
	for _, s := range Sides {
		if u := n.AmbiguousUIDs(s); !u.Empty() {
			i := slices.IndexFunc(n.Ambiguous, func(a Ambiguous) bool { return a.Side == s })
			fmt.Fprintf(b, "ambiguous %d %s %d %s\n", n.UIDValidity[s], s, n.Ambiguous[i].Since.Unix(), u)
		}
	}
}

// datedAmbiguous are ambiguous messages with the UIDVALIDITY that their UIDs belong to.
type datedAmbiguous struct {
	Ambiguous
	validity uint32
}

func parseAmbiguous(text string) (a Ambiguous, ok bool) {
	f := strings.Fields(text)
	if len(f) != 3 {
		return a, false
	}
	side, ok := parseSide(f[0])
	since, serr := strconv.ParseInt(f[1], 10, 64)
	if !ok || serr != nil {
		return a, false
	}
	a.Side, a.Since = side, time.Unix(since, 0)
	for part := range strings.SplitSeq(f[2], ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, ferr := strconv.ParseUint(first, 10, 32)
		to, terr := strconv.ParseUint(last, 10, 32)
		if ferr != nil || terr != nil || from == 0 || to < from {
			return a, false
		}
		a.UIDs.AddRange(mail.UID(from), mail.UID(to))
	}
	return a, true
}
