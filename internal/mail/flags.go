package mail

import "strings"

// Flags is the set of message flags that are synchronized. The bit values are
// part of the journal format (docs/format.md, Journal) and must not change.
type Flags uint8

// The synchronized flags, in the order of their Maildir letters.
const (
	FlagDraft     Flags = 1 << iota // D, \Draft
	FlagFlagged                     // F, \Flagged
	FlagForwarded                   // P, $Forwarded ("passed")
	FlagAnswered                    // R, \Answered ("replied")
	FlagSeen                        // S, \Seen
	FlagDeleted                     // T, \Deleted ("trashed")
)

// AllFlags has every synchronized flag set.
const AllFlags = FlagDraft | FlagFlagged | FlagForwarded | FlagAnswered | FlagSeen | FlagDeleted

// flagLetters holds the Maildir letter of bit i at index i; the letters are in
// alphabetical order, which is also the order they are written in.
const flagLetters = "DFPRST"

// Has reports whether all flags in g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// String returns the Maildir letters of f in alphabetical order, "" for none.
func (f Flags) String() string { return string(f.AppendTo(nil)) }

// AppendTo appends the Maildir letters of f, in alphabetical order, to b.
func (f Flags) AppendTo(b []byte) []byte {
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			b = append(b, flagLetters[i])
		}
	}
	return b
}

// FlagOfLetter returns the flag with the given Maildir letter, or 0.
func FlagOfLetter(c byte) Flags {
	if i := strings.IndexByte(flagLetters, c); i >= 0 {
		return 1 << i
	}
	return 0
}

// ParseFlags parses Maildir letters in any order. ok is false if s contains anything except DFPRST.
// The known flags are returned in any case.
func ParseFlags(s string) (f Flags, ok bool) {
	ok = true
	for i := range len(s) {
		g := FlagOfLetter(s[i])
		if g == 0 {
			ok = false
		}
		f |= g
	}
	return f, ok
}
