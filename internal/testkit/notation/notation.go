// Package notation is a compact language for tests of the engine. It describes what a run
// begins with: two mailboxes, a sync state, and rules.
//
// A side is a list of messages "UID:NAME[:FLAGS]". A "*" after the name stands for a big
// message, a "?" for the placeholder of a big message. UID 0 is a message that was
// delivered to a Maildir and has no UID yet. "next=N" sets UIDNEXT, "val=N" UIDVALIDITY,
// "perm=FLAGS" the flags that the mailbox can hold. "!" instead of a list: there is no
// mailbox.
//
// A state is "pulled=N pushed=N [expired=N]" and records "FAR-NEAR[:STATUS FLAGS]" with the
// characters of the state file (docs/format.md). "!": there is none.
//
// Rules are words: sync, pull- and push-{new,old,upgrade,gone,flags,all}, and for a side
// expunge-, solo-, create-, remove-, maxsize-, trash-, trashnew-, remotetrash-{far,near};
// max=N, unread=yes|no, xside=far.
package notation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/syncstate"
)

// Missing is the notation of a mailbox or state that does not exist.
const Missing = "!"

// Validity is the UIDVALIDITY of the far and the near mailbox, if the notation does not
// set it.
var Validity = [2]uint32{101, 202}

// SizeLimit is MaxSize in bytes where the rules have maxsize. Big messages are larger.
const SizeLimit = 1000

// Message is a message of a side.
type Message struct {
	UID   mail.UID
	Name  string // with "*" or "?"
	Flags mail.Flags
}

// String returns the notation.
func (m Message) String() string {
	s := fmt.Sprintf("%d:%s", m.UID, m.Name)
	if m.Flags != 0 {
		s += ":" + m.Flags.String()
	}
	return s
}

// Side is a mailbox.
type Side struct {
	Missing  bool
	Messages []Message
	// UIDNext and UIDValidity are 0, and Permanent is nil, if the notation does not set
	// them.
	UIDNext     mail.UID
	UIDValidity uint32
	Permanent   *mail.Flags
}

// ParseSide reads a side.
func ParseSide(tb testing.TB, text string) (s Side) {
	tb.Helper()
	if text == Missing {
		return Side{Missing: true}
	}
	for word := range strings.FieldsSeq(text) {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			s.Messages = append(s.Messages, parseMessage(tb, word))
		case key == "next":
			s.UIDNext = mail.UID(number(tb, value))
		case key == "val":
			s.UIDValidity = uint32(number(tb, value))
		case key == "perm":
			f, _ := mail.ParseFlags(value)
			s.Permanent = &f
		default:
			tb.Fatalf("notation: unknown %q", word)
		}
	}
	return s
}

func parseMessage(tb testing.TB, text string) Message {
	tb.Helper()
	parts := append(strings.SplitN(text, ":", 3), "")
	if len(parts) < 3 {
		tb.Fatalf("notation: malformed message %q", text)
	}
	flags, _ := mail.ParseFlags(parts[2])
	return Message{mail.UID(number(tb, parts[0])), parts[1], flags}
}

func number(tb testing.TB, text string) int {
	tb.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("notation: %v", err)
	}
	return n
}

const placeholderMark = "[placeholder] "

// Body returns the message of a name, with these line ends.
func Body(name, eol string) string {
	subject := name
	if p, ok := strings.CutSuffix(name, "?"); ok {
		subject = placeholderMark + p + "*"
	}
	b := "From: x" + eol + "Subject: " + subject + eol + "Message-Id: <" + name + ">" + eol + eol + "This is " + name + "." + eol
	if strings.HasSuffix(name, "*") {
		b += strings.Repeat("It is long."+eol, 4*SizeLimit/10)
	}
	return b
}

// NameOf is the inverse of Body. For an incomplete message it returns a different name.
func NameOf(text string) string {
	eol := "\n"
	if strings.Contains(text, "\r\n") {
		eol = "\r\n"
	}
	_, rest, ok := strings.Cut(text, eol+"Subject: ")
	if !ok {
		return "BROKEN"
	}
	name, _, _ := strings.Cut(rest, eol)
	if p, ok := strings.CutPrefix(name, placeholderMark); ok {
		return strings.TrimSuffix(p, "*") + "?"
	}
	_, is, _ := strings.Cut(text, eol+eol)
	if _, want, _ := strings.Cut(Body(name, eol), eol+eol); is != want {
		return name + "BROKEN"
	}
	return name
}

// StateFile returns the contents of the state file for a state.
func StateFile(text string, validity [2]uint32, expireSide syncstate.Side) []byte {
	head := fmt.Sprintf("FarUidValidity %d\nNearUidValidity %d\n", validity[0], validity[1])
	var recs string
	for word := range strings.FieldsSeq(text) {
		if k, v, ok := strings.Cut(word, "="); ok {
			key := map[string]string{"pulled": "MaxPulledUid", "pushed": "MaxPushedUid", "expired": "MaxExpiredFarUid"}[k]
			if k == "expired" && expireSide == syncstate.Far {
				key = "MaxExpiredNearUid"
			}
			head += key + " " + v + "\n"
			continue
		}
		uids, flags, _ := strings.Cut(word, ":")
		recs += strings.Replace(uids, "-", " ", 1) + " " + flags + "\n"
	}
	return []byte(head + "\n" + recs)
}

// Rules are the rules of a test.
type Rules struct {
	Plan           plan.Rules
	Create, Remove [2]bool
	ExpireSide     syncstate.Side
	// Adopt: messages are paired if there is no state; AdoptCopy: and ambiguous ones copied.
	Adopt, AdoptCopy bool
}

// ParseRules reads rules.
func ParseRules(tb testing.TB, text string) Rules {
	tb.Helper()
	r := Rules{ExpireSide: syncstate.Near}
	for word := range strings.FieldsSeq(text) {
		if !r.word(tb, word) {
			tb.Fatalf("notation: unknown rule %q", word)
		}
	}
	return r
}

// word parses one word of the rules. It reports whether the word is known.
func (r *Rules) word(tb testing.TB, word string) bool {
	tb.Helper()
	word, value, _ := strings.Cut(word, "=")
	kind, what, _ := strings.Cut(word, "-")
	side := syncstate.Far
	if what == "near" || kind == "pull" {
		side = syncstate.Near
	}
	ops, trash := &r.Plan.Ops[side], &r.Plan.Trash[side]
	switch kind {
	case "sync":
		for _, s := range syncstate.Sides {
			all(&r.Plan.Ops[s])
		}
	case "pull", "push":
		return setOp(ops, what)
	case "expunge":
		ops.Expunge = true
	case "solo":
		ops.ExpungeSolo = true
	case "create":
		r.Create[side] = true
	case "remove":
		r.Remove[side] = true
	case "maxsize":
		r.Plan.MaxSize[side] = SizeLimit
	case "trash":
		trash.Enabled = true
	case "trashnew":
		trash.Enabled, trash.OnlyNew = true, true
	case "remotetrash":
		trash.Enabled, trash.RemoteNew = true, true
	case "max":
		r.Plan.MaxMessages = number(tb, value)
	case "unread":
		r.Plan.ExpireUnread = map[string]plan.Tristate{"yes": plan.Yes, "no": plan.No}[value]
	case "xside":
		r.ExpireSide = syncstate.Far
	case "adopt":
		r.Adopt, r.AdoptCopy = true, value == "copy"
	default:
		return false
	}
	return true
}

func all(ops *plan.Ops) { ops.New, ops.Upgrade, ops.Gone, ops.Flags = true, true, true, true }

func setOp(ops *plan.Ops, what string) bool {
	switch what {
	case "all":
		all(ops)
	case "new":
		ops.New = true
	case "old":
		ops.Old = true
	case "upgrade":
		ops.Upgrade = true
	case "gone":
		ops.Gone = true
	case "flags":
		ops.Flags = true
	default:
		return false
	}
	return true
}

// Random returns random bytes that depend only on the seed, for temporary ids.
func Random(seed uint64) io.Reader { return random{rand.New(rand.NewPCG(seed, 7))} }

type random struct{ *rand.Rand }

func (r random) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}
