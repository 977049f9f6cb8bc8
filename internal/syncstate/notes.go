package syncstate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"isync/internal/mail"
)

// NotesVersion is the first line of a file of notes.
const NotesVersion = "isync notes 1"

// Notes are additional data about a pair, in a file next to its state that only this
// program reads (docs/format.md). The state is valid without them: if they are lost,
// messages that could not be copied are not tried again.
type Notes struct {
	// UIDValidity are those of the mailboxes that the notes are about.
	UIDValidity [2]uint32
	// Held are messages that could not be copied. Each is there once.
	Held []Held
	// Late are copies that a server may still be storing.
	Late []Late
	// Other are lines of kinds that this version does not know. They are kept.
	Other []string
}

// Held is a message that could not be copied, and is tried again in each run, after
// everything else.
type Held struct {
	Side Side     // where the message is
	UID  mail.UID // on that side
	// Whole: the user asked for the message by flagging its placeholder, so MaxSize does
	// not apply to it.
	Whole bool
	// Add and Del are flags that only the placeholder got or lost: those of the copy
	// differ in them from those of the message.
	Add, Del mail.Flags
	// Tries is how often it was tried.
	Tries uint32
	// Since is the time of the first attempt, to the second.
	Since time.Time
	// Why is the last error: one line of at most MaxWhy bytes.
	Why string
}

// Late is a copy that an interrupted run has sent and that was not found afterwards.
// The server may still store it.
type Late struct {
	Side   Side     // where the copy would be
	TUID   TUID     // that it carries
	Source mail.UID // of the message on the other side
	From   mail.UID // the copy has no lower UID
	Since  time.Time
}

// MaxLate bounds the number of such copies that are remembered.
const MaxLate = 20_000

// Expect notes a copy that a server may still store, in place of the oldest note if
// there are too many.
func (n *Notes) Expect(l Late) {
	if len(n.Late) >= MaxLate {
		n.Late = n.Late[1:]
	}
	n.Late = append(n.Late, l)
}

// MaxWhy bounds what is remembered of an error, in bytes.
const MaxWhy = 200

// Empty reports whether there are no notes.
func (n *Notes) Empty() bool { return len(n.Held) == 0 && len(n.Late) == 0 && len(n.Other) == 0 }

// Find returns the note about a message, or nil.
func (n *Notes) Find(s Side, u mail.UID) *Held {
	i := slices.IndexFunc(n.Held, func(h Held) bool { return h.Side == s && h.UID == u })
	if i < 0 {
		return nil
	}
	return &n.Held[i]
}

// Hold notes that a message could not be copied.
func (n *Notes) Hold(s Side, u mail.UID, now time.Time, why string) {
	h := n.Find(s, u)
	if h == nil {
		n.Held = append(n.Held, Held{Side: s, UID: u, Since: now})
		h = &n.Held[len(n.Held)-1]
	}
	h.Tries++
	h.Why = oneLine(why)
}

// Want notes that the user asked for a held message by flagging its placeholder, and
// which flags only the placeholder got or lost.
func (n *Notes) Want(s Side, u mail.UID, add, del mail.Flags) {
	if h := n.Find(s, u); h != nil {
		h.Whole, h.Add, h.Del = true, add, del
	}
}

// oneLine bounds a text and removes characters that cannot be printed.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	for len(s) > MaxWhy {
		r := []rune(s)
		s = string(r[:max(0, min(len(r)-1, MaxWhy))])
	}
	return s
}

// UIDs returns the UIDs of messages that are held on a side.
func (n *Notes) UIDs(s Side) mail.UIDSet { return n.uids(s, false) }

// Whole returns the UIDs of those that MaxSize does not apply to.
func (n *Notes) Whole(s Side) mail.UIDSet { return n.uids(s, true) }

func (n *Notes) uids(s Side, whole bool) mail.UIDSet {
	var uids []mail.UID
	for _, h := range n.Held {
		if h.Side == s && (h.Whole || !whole) {
			uids = append(uids, h.UID)
		}
	}
	return mail.NewUIDSet(uids...)
}

// Encode returns the contents of the file.
func (n *Notes) Encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nvalidity %d %d\n", NotesVersion, n.UIDValidity[Far], n.UIDValidity[Near])
	held := slices.Clone(n.Held)
	slices.SortFunc(held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.UID, b.UID))
	})
	for _, h := range held {
		kind, flags := "held", ""
		if h.Whole {
			kind = "whole"
			if h.Add|h.Del != 0 {
				flags = fmt.Sprintf("+%s-%s ", h.Add, h.Del)
			}
		}
		fmt.Fprintf(&b, "%s %s %d %d %d %s%s\n", kind, h.Side, h.UID, h.Tries, h.Since.Unix(), flags, strconv.Quote(h.Why))
	}
	for _, l := range n.Late {
		fmt.Fprintf(&b, "late %s %s %d %d %d\n", l.Side, l.TUID, l.Source, l.From, l.Since.Unix())
	}
	for _, line := range n.Other {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

// ErrNotes says that the format of a file is unknown.
var ErrNotes = errors.New("unknown version of the file")

// ParseNotes reads the contents of a file. It skips invalid lines. It fails with
// ErrNotes if the format of the file is unknown.
func ParseNotes(data []byte) (*Notes, error) {
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if lines[0] != NotesVersion {
		return nil, fmt.Errorf("%w (first line %.40q)", ErrNotes, lines[0])
	}
	n := &Notes{}
	for _, line := range lines[1:] {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "validity":
			var v [2]uint32
			if _, err := fmt.Sscanf(rest, "%d %d", &v[Far], &v[Near]); err == nil {
				n.UIDValidity = v
			}
		case "held", "whole":
			if h, ok := parseHeld(rest, kind == "whole"); ok && n.Find(h.Side, h.UID) == nil {
				n.Held = append(n.Held, h)
			}
		case "late":
			if l, ok := parseLate(rest); ok {
				n.Expect(l)
			}
		case "":
		default:
			n.Other = append(n.Other, line)
		}
	}
	return n, nil
}

func parseHeld(text string, whole bool) (h Held, ok bool) {
	f := strings.SplitN(text, " ", 5)
	if len(f) != 5 {
		return h, false
	}
	h.Whole = whole
	if rest, ok := strings.CutPrefix(f[4], "+"); ok && whole {
		var flags string
		flags, f[4], _ = strings.Cut(rest, " ")
		add, del, _ := strings.Cut(flags, "-")
		h.Add, _ = mail.ParseFlags(add)
		h.Del, _ = mail.ParseFlags(del)
	}
	side, ok := parseSide(f[0])
	uid, err := strconv.ParseUint(f[1], 10, 32)
	tries, terr := strconv.ParseUint(f[2], 10, 32)
	since, serr := strconv.ParseInt(f[3], 10, 64)
	why, werr := strconv.Unquote(f[4])
	if err != nil || terr != nil || serr != nil || werr != nil || !ok || uid == 0 {
		return h, false
	}
	h.Side, h.UID, h.Tries, h.Since, h.Why = side, mail.UID(uid), uint32(tries), time.Unix(since, 0), oneLine(why)
	return h, true
}

func parseSide(text string) (s Side, ok bool) {
	for _, s := range Sides {
		if s.String() == text {
			return s, true
		}
	}
	return 0, false
}

func parseLate(text string) (l Late, ok bool) {
	f := strings.Fields(text)
	if len(f) != 5 || len(f[1]) != len(l.TUID) {
		return l, false
	}
	side, ok := parseSide(f[0])
	source, serr := strconv.ParseUint(f[2], 10, 32)
	from, ferr := strconv.ParseUint(f[3], 10, 32)
	since, terr := strconv.ParseInt(f[4], 10, 64)
	if !ok || serr != nil || ferr != nil || terr != nil || source == 0 {
		return l, false
	}
	copy(l.TUID[:], f[1])
	l.Side, l.Source, l.From, l.Since = side, mail.UID(source), mail.UID(from), time.Unix(since, 0)
	return l, true
}
