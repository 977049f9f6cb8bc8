package imapwire

import "isync/internal/mail"

// flagNames are the IMAP names of mail.Flags, in the order of their bits.
var flagNames = [...]string{
	`\Draft`, `\Flagged`, `$Forwarded`, `\Answered`, `\Seen`, `\Deleted`,
}

// AppendFlags appends a parenthesized list of the IMAP names of the flags.
func AppendFlags(b []byte, f mail.Flags) []byte {
	b = append(b, '(')
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			if b[len(b)-1] != '(' {
				b = append(b, ' ')
			}
			b = append(b, name...)
		}
	}
	return append(b, ')')
}

// flagOf returns the flag with an IMAP name, ignoring case; 0: there is none.
func flagOf(b []byte) mail.Flags {
	switch len(b) {
	case 5:
		if isWord(b, `\SEEN`) {
			return mail.FlagSeen
		}
	case 6:
		if isWord(b, `\DRAFT`) {
			return mail.FlagDraft
		}
	case 8:
		if isWord(b, `\FLAGGED`) {
			return mail.FlagFlagged
		}
		if isWord(b, `\DELETED`) {
			return mail.FlagDeleted
		}
	case 9:
		if isWord(b, `\ANSWERED`) {
			return mail.FlagAnswered
		}
	case 10:
		if isWord(b, `$FORWARDED`) {
			return mail.FlagForwarded
		}
	}
	return 0
}

// FlagSet are the flags in a FLAGS response or a PERMANENTFLAGS code.
type FlagSet struct {
	// Flags are those that can be synchronized.
	Flags mail.Flags
	// Any: there was "\*", so new keywords can be used. Flags does not include them.
	Any bool
}

// add adds the flag of the given name.
func (s *FlagSet) add(name []byte) {
	if len(name) == 2 && name[0] == '\\' && name[1] == '*' {
		s.Any = true
	}
	s.Flags |= flagOf(name)
}

// flags reads a parenthesized list of flags. NIL, which some servers send, is
// an empty list.
func (d *Decoder) flags() (set FlagSet, err error) {
	c, err := d.peek()
	if err != nil {
		return set, err
	}
	if c != '(' {
		w, err := d.word(clsAtomEnd)
		if err == nil && !isWord(w, "NIL") {
			err = errOpen
		}
		return set, err
	}
	d.pos++
	for {
		more, err := d.more()
		if err != nil || !more {
			return set, err
		}
		switch d.buf[d.pos] {
		case '(', '"', '{':
			// It cannot be a flag.
			err = d.skipValue()
		default:
			var w []byte
			if w, err = d.word(clsAtomEnd); err == nil {
				set.add(w)
			}
		}
		if err != nil {
			return set, err
		}
	}
}
