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
	// UIDValidity are the UIDVALIDITYs of the mailboxes that the notes are about.
	UIDValidity [2]uint32
	// Held are messages that could not be copied. Each is in the list once.
	Held []Held
	// Skipped are messages that the user has given up. They are not copied. None of them is
	// in Held.
	Skipped []Held
	// Late are copies that a server may still be storing.
	Late []Late
	// Ambiguous are messages that were not copied when the state was made anew, because the
	// other side may have them. Each side is there at most once.
	Ambiguous []Ambiguous
	// Restoring: a run has begun to undo deletions and was not completed.
	Restoring bool
	// HeldOf is the number of known messages of each side when its deletions first exceeded
	// MaxDelete; 0: they do not.
	HeldOf [2]int
	// Box holds the names of the mailboxes that were found by their special uses; "": it was
	// found by its name.
	Box [2]string
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
	// Add and Del are flags that only the placeholder got or lost. The copy gets the flags of
	// the message with these changes.
	Add, Del mail.Flags
	// Tries is the number of runs that have tried to copy it.
	Tries uint32
	// Since is the time of the first attempt, to the second.
	Since time.Time
	// Why is the last error: one line of at most MaxWhy bytes.
	Why string
	// About describes the message to the user.
	About About
}

// About describes a message.
type About struct {
	Size      int64     // in bytes; 0: unknown
	Date      time.Time // of arrival, to the second; zero: unknown
	MessageID string    // one line of at most MaxWhy bytes; "": unknown
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

// Drop drops all notes but those that this version does not know.
func (n *Notes) Drop() { *n = Notes{UIDValidity: n.UIDValidity, Box: n.Box, Other: n.Other} }

// MaxWhy is the maximum length of a stored error, in bytes.
const MaxWhy = 200

// Empty reports whether there are no notes.
func (n *Notes) Empty() bool {
	return len(n.Held) == 0 && len(n.Skipped) == 0 && len(n.Late) == 0 && len(n.Ambiguous) == 0 && !n.Restoring && n.HeldOf == [2]int{} && n.Box == [2]string{} && len(n.Other) == 0
}

// Find returns the note about a held message, or nil.
func (n *Notes) Find(s Side, u mail.UID) *Held { return find(n.Held, s, u) }

// FindSkipped returns the note about a skipped message, or nil.
func (n *Notes) FindSkipped(s Side, u mail.UID) *Held { return find(n.Skipped, s, u) }

func find(list []Held, s Side, u mail.UID) *Held {
	i := slices.IndexFunc(list, func(h Held) bool { return h.Side == s && h.UID == u })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// Skip gives up a held message. It reports whether the message was held.
func (n *Notes) Skip(s Side, u mail.UID) bool { return move(&n.Held, &n.Skipped, s, u) }

// Unskip makes a skipped message held again. It reports whether the message was skipped.
func (n *Notes) Unskip(s Side, u mail.UID) bool { return move(&n.Skipped, &n.Held, s, u) }

func move(from, to *[]Held, s Side, u mail.UID) bool {
	h := find(*from, s, u)
	if h == nil {
		return false
	}
	*to = append(*to, *h)
	*from = slices.DeleteFunc(*from, func(h Held) bool { return h.Side == s && h.UID == u })
	return true
}

// Forget drops the notes about held and skipped messages for which gone returns true.
func (n *Notes) Forget(gone func(h Held) bool) {
	n.Held = slices.DeleteFunc(n.Held, gone)
	n.Skipped = slices.DeleteFunc(n.Skipped, gone)
}

// Describe adds data about a held message. Unknown values replace nothing.
func (n *Notes) Describe(s Side, u mail.UID, a About) {
	h := n.Find(s, u)
	if h == nil {
		return
	}
	if a.Size > 0 {
		h.About.Size = a.Size
	}
	if !a.Date.IsZero() {
		h.About.Date = time.Unix(a.Date.Unix(), 0)
	}
	if a.MessageID != "" {
		h.About.MessageID = oneLine(a.MessageID)
	}
}

// Hold notes that a message could not be copied.
func (n *Notes) Hold(s Side, u mail.UID, now time.Time, why string) {
	h := n.Find(s, u)
	if h == nil {
		n.Skipped = slices.DeleteFunc(n.Skipped, func(h Held) bool { return h.Side == s && h.UID == u })
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
func (n *Notes) UIDs(s Side) mail.UIDSet { return uids(n.Held, s, false) }

// Whole returns the UIDs of held messages that MaxSize does not apply to.
func (n *Notes) Whole(s Side) mail.UIDSet { return uids(n.Held, s, true) }

// SkippedUIDs returns the UIDs of messages that are skipped on a side.
func (n *Notes) SkippedUIDs(s Side) mail.UIDSet { return uids(n.Skipped, s, false) }

func uids(list []Held, s Side, whole bool) mail.UIDSet {
	var uids []mail.UID
	for _, h := range list {
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
	held, skipped := ordered(n.Held), ordered(n.Skipped)
	for _, h := range held {
		fmt.Fprintf(&b, "%s\n", h.line())
	}
	for _, h := range skipped {
		fmt.Fprintf(&b, "skipped %d %s\n", n.UIDValidity[h.Side], h.line())
	}
	for _, h := range slices.Concat(held, skipped) {
		if a := h.About; a.Size > 0 || a.unix() != 0 || a.MessageID != "" {
			fmt.Fprintf(&b, "about %d %s %d %d %d %s\n", n.UIDValidity[h.Side], h.Side, h.UID, a.Size, a.unix(), strconv.Quote(a.MessageID))
		}
	}
	for _, l := range n.Late {
		fmt.Fprintf(&b, "late %s %s %d %d %d\n", l.Side, l.TUID, l.Source, l.From, l.Since.Unix())
	}
	n.encodeAmbiguous(&b)
	if n.Restoring {
		b.WriteString("restoring\n")
	}
	for _, s := range Sides {
		if k := n.HeldOf[s]; k > 0 {
			fmt.Fprintf(&b, "deletions %d %s %d\n", n.UIDValidity[s], s, k)
		}
	}
	for _, s := range Sides {
		if n.Box[s] != "" {
			fmt.Fprintf(&b, "box %s %s\n", s, strconv.Quote(n.Box[s]))
		}
	}
	for _, line := range n.Other {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

func ordered(list []Held) []Held {
	return slices.SortedFunc(slices.Values(list), func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.UID, b.UID))
	})
}

// line returns the line of a held message.
func (h *Held) line() string {
	kind, flags := "held", ""
	if h.Whole {
		kind = "whole"
		if h.Add|h.Del != 0 {
			flags = fmt.Sprintf("+%s-%s ", h.Add, h.Del)
		}
	}
	return fmt.Sprintf("%s %s %d %d %d %s%s", kind, h.Side, h.UID, h.Tries, h.Since.Unix(), flags, strconv.Quote(h.Why))
}

// unix returns the time of arrival in seconds since 1970; 0: unknown.
func (a *About) unix() int64 {
	if a.Date.IsZero() {
		return 0
	}
	return a.Date.Unix()
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
	p := notesParser{Notes: n}
	for _, line := range lines[1:] {
		p.line(line)
	}
	p.end()
	return n, nil
}

// notesParser reads lines of notes. A line with a UIDVALIDITY is valid only if it is
// that of the notes: versions that do not know such lines keep them when the UIDVALIDITY
// changes. The UIDVALIDITY of the notes is known only at the end.
type notesParser struct {
	*Notes
	skipped []dated
	about   []dated // only Side, UID and About are set
	// ambiguous have their UIDVALIDITY.
	ambiguous []datedAmbiguous
	// heldOf are Notes.HeldOf by side and UIDVALIDITY.
	heldOf map[sideOf]int
}

// sideOf is a side with the UIDVALIDITY that its mailbox had.
type sideOf struct {
	Side
	validity uint32
}

// dated is a note with the UIDVALIDITY that its UID belongs to.
type dated struct {
	Held
	validity uint32
}

func (p *notesParser) line(line string) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "validity":
		var v [2]uint32
		if _, err := fmt.Sscanf(rest, "%d %d", &v[Far], &v[Near]); err == nil {
			p.UIDValidity = v
		}
	case "restoring":
		p.Restoring = true
	case "box":
		name, quoted, _ := strings.Cut(rest, " ")
		side, known := parseSide(name)
		if box, err := strconv.Unquote(quoted); known && err == nil {
			p.Box[side] = box
		}
	case "held", "whole":
		if h, ok := parseHeld(rest, kind == "whole"); ok && p.Find(h.Side, h.UID) == nil {
			p.Held = append(p.Held, h)
		}
	case "skipped":
		validity, rest, ok := cutValidity(rest)
		kind, rest, _ := strings.Cut(rest, " ")
		if h, held := parseHeld(rest, kind == "whole"); ok && held && (kind == "held" || kind == "whole") {
			p.skipped = append(p.skipped, dated{h, validity})
		}
	case "about":
		validity, rest, ok := cutValidity(rest)
		if h, about := parseAbout(rest); ok && about {
			p.about = append(p.about, dated{h, validity})
		}
	case "late":
		if l, ok := parseLate(rest); ok {
			p.Expect(l)
		}
	case "ambiguous":
		validity, rest, ok := cutValidity(rest)
		if a, valid := parseAmbiguous(rest); ok && valid {
			p.ambiguous = append(p.ambiguous, datedAmbiguous{a, validity})
		}
	case "deletions":
		validity, rest, ok := cutValidity(rest)
		name, count, _ := strings.Cut(rest, " ")
		side, known := parseSide(name)
		if k, err := strconv.ParseUint(count, 10, 31); ok && known && err == nil {
			if p.heldOf == nil {
				p.heldOf = map[sideOf]int{}
			}
			p.heldOf[sideOf{side, validity}] = int(k)
		}
	case "":
	default:
		p.Other = append(p.Other, line)
	}
}

func (p *notesParser) end() {
	for _, s := range Sides {
		p.HeldOf[s] = p.heldOf[sideOf{s, p.UIDValidity[s]}]
	}
	for _, a := range p.ambiguous {
		if a.validity == p.UIDValidity[a.Side] {
			p.HoldBack(a.Side, a.UIDs, a.Since)
		}
	}
	for _, s := range p.skipped {
		if s.validity == p.UIDValidity[s.Side] && p.Find(s.Side, s.UID) == nil && p.FindSkipped(s.Side, s.UID) == nil {
			p.Skipped = append(p.Skipped, s.Held)
		}
	}
	for _, a := range p.about {
		if a.validity != p.UIDValidity[a.Side] {
			continue
		}
		h := p.Find(a.Side, a.UID)
		if h == nil {
			h = p.FindSkipped(a.Side, a.UID)
		}
		if h != nil {
			h.About = a.About
		}
	}
}

// cutValidity reads the UIDVALIDITY that a line begins with.
func cutValidity(text string) (validity uint32, rest string, ok bool) {
	number, rest, ok := strings.Cut(text, " ")
	v, err := strconv.ParseUint(number, 10, 32)
	return uint32(v), rest, ok && err == nil
}

// parseAbout parses the description of a message.
func parseAbout(text string) (h Held, ok bool) {
	f := strings.SplitN(text, " ", 5)
	if len(f) != 5 {
		return h, false
	}
	side, ok := parseSide(f[0])
	uid, err := strconv.ParseUint(f[1], 10, 32)
	size, serr := strconv.ParseUint(f[2], 10, 63)
	date, derr := strconv.ParseInt(f[3], 10, 64)
	id, ierr := strconv.Unquote(f[4])
	if !ok || err != nil || serr != nil || derr != nil || ierr != nil || uid == 0 {
		return h, false
	}
	h.Side, h.UID = side, mail.UID(uid)
	h.About = About{Size: int64(size), MessageID: oneLine(id)}
	if date != 0 {
		h.About.Date = time.Unix(date, 0)
	}
	return h, true
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
