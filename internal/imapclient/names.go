package imapclient

import (
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// nameCoding converts mailbox names. They are UTF-8 with the server's own hierarchy delimiter everywhere
// in this package; they are encoded as modified UTF-7 (or not, after ENABLE
// UTF8=ACCEPT) on the way.
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

// Ampersands is what is known of a server's way to write names after ENABLE
// UTF8=ACCEPT, which RFC 6855 leaves open: some servers still write "&-" for an
// ampersand, as in modified UTF-7, or all of a name in that; others write all
// names as they are. Connections to one server share it.
//
// It also keeps raw names, which are not in modified UTF-7 although they should be,
// such as "A&B" or names with 8-bit characters. They are sent back unchanged.
type Ampersands struct {
	style atomic.Int32 // 0: unknown, 1: escaped, -1: as they are

	mu sync.Mutex
	// names are those that were listed with anything but plain ASCII: whether
	// they are raw.
	names map[string]bool
}

// Forget drops everything that was learned.
func (a *Ampersands) Forget() {
	a.style.Store(0)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = nil
}

// maxSpecialNames bounds the number of these names.
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

// isRaw reports whether a name is to be sent as it is.
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

// unescapeUTF8 returns the name behind one that is escaped, or the name itself
// if it is not.
func unescapeUTF8(raw string) string {
	if !strings.Contains(raw, "&") {
		return raw
	}
	if name, err := imapwire.DecodeUTF7(raw); err == nil {
		return name
	}
	// With letters that are no ASCII there can be "&-" only.
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

// escape writes ampersands as the server does, after ENABLE UTF8=ACCEPT.
func (n *nameCoding) escape(name string) string {
	if n.utf8.Load() && n.ampersands.escaped() {
		return strings.ReplaceAll(name, "&", "&-")
	}
	return name
}

// boxKey returns what is the same for all raw names of one mailbox: that of the
// inbox is case-insensitive.
func boxKey(raw string) string {
	if strings.EqualFold(raw, mail.Inbox) {
		return mail.Inbox
	}
	return raw
}
