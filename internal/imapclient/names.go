package imapclient

import (
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// nameCoding converts mailbox names. Everywhere in this package, they are UTF-8 with the server's own hierarchy
// delimiter. On the wire, they are modified UTF-7, or UTF-8 after ENABLE UTF8=ACCEPT.
type nameCoding struct {
	utf8       atomic.Bool // UTF8=ACCEPT is on
	ampersands *Ampersands
}

// decode converts a mailbox name that was received to UTF-8.
func (n *nameCoding) decode(raw string) (string, error) {
	if n.utf8.Load() {
		if !utf8.ValidString(raw) {
			return "", imapwire.ErrNameUTF8
		}
		if n.ampersands.escaped() {
			return unescapeUTF8(raw), nil
		}
		return raw, nil
	}
	return imapwire.DecodeUTF7(raw)
}

// Ampersands says how a server encodes names after ENABLE UTF8=ACCEPT, which RFC 6855 does not specify. Some servers
// still write "&-" for an ampersand, as in modified UTF-7, or use modified UTF-7 for the whole name. Others write plain
// UTF-8. The connections to a server share it.
//
// It also stores raw names, which are not in modified UTF-7 although they should be, such as "A&B" or names with 8-bit
// characters. They are sent back unchanged.
type Ampersands struct {
	style atomic.Int32 // 0: unknown, 1: escaped, -1: as they are

	mu sync.Mutex
	// names are the listed names with special characters. The value says whether the name is raw.
	names map[string]bool
}

// Forget drops everything that was learned.
func (a *Ampersands) Forget() {
	a.style.Store(0)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = nil
}

// maxSpecialNames is the maximum number of these names.
const maxSpecialNames = 1 << 18

// noteName notes a name that was listed. It reports whether the mailbox can be reached
// by it. If two mailboxes have the same name, one in modified UTF-7 and one raw, the raw
// one cannot be reached.
func (a *Ampersands) noteName(name string, raw bool) bool {
	if !raw && !special(name) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was, known := a.names[name]
	if raw && (known && !was || !known && len(a.names) >= maxSpecialNames) {
		return false
	}
	if a.names == nil {
		a.names = make(map[string]bool)
	}
	if known || len(a.names) < maxSpecialNames {
		a.names[name] = raw
	}
	return true
}

// isRaw reports whether a name is sent unchanged.
func (a *Ampersands) isRaw(name string) bool {
	if !special(name) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names[name]
}

// special reports whether modified UTF-7 has another form for the name.
func special(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == '&' {
			return true
		}
	}
	return false
}

// encode converts a name, or a pattern, to the form that is sent.
func (n *nameCoding) encode(name string) (string, error) {
	if n.utf8.Load() {
		return n.escape(name), nil
	}
	if n.ampersands.isRaw(name) {
		return name, nil
	}
	return imapwire.EncodeUTF7(name)
}

func (a *Ampersands) escaped() bool { return a.style.Load() > 0 }

// learn examines a name that was received. If an ampersand in it is not escaped, the
// server does not escape ampersands. Until such a name is received, names that look
// escaped count as escaped.
func (a *Ampersands) learn(raw string) {
	switch {
	case !strings.Contains(raw, "&"):
	case unescapeUTF8(raw) == raw:
		a.style.Store(-1)
	default:
		a.style.CompareAndSwap(0, 1)
	}
}

// unescapeUTF8 returns the decoded name if raw is escaped, and otherwise raw.
func unescapeUTF8(raw string) string {
	if !strings.Contains(raw, "&") {
		return raw
	}
	if name, err := imapwire.DecodeUTF7(raw); err == nil {
		return name
	}
	// A name with non-ASCII letters can only contain "&-".
	if strings.Count(raw, "&") == strings.Count(raw, "&-") {
		return strings.ReplaceAll(raw, "&-", "&")
	}
	return raw
}

// add adds a mailbox name, or a pattern, to a command.
func (n *nameCoding) add(text *imapwire.Command, name string) *imapwire.Command {
	if !n.utf8.Load() && n.ampersands.isRaw(name) {
		return text.String(name)
	}
	return text.Mailbox(n.escape(name), n.utf8.Load())
}

// escape encodes ampersands like the server, after ENABLE UTF8=ACCEPT.
func (n *nameCoding) escape(name string) string {
	if n.utf8.Load() && n.ampersands.escaped() {
		return strings.ReplaceAll(name, "&", "&-")
	}
	return name
}

// boxKey returns the same text for all raw names of a mailbox: the name of the inbox is case-insensitive.
func boxKey(raw string) string {
	if strings.EqualFold(raw, mail.Inbox) {
		return mail.Inbox
	}
	return raw
}
