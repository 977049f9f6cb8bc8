package imap

import (
	"errors"
	"fmt"
	"strings"

	"isync/internal/mail"
	"isync/internal/store"
)

// layout maps canonical names to names on the server.
type layout struct {
	prefix string // before all names but those of the inbox
	delim  string // between components; "" if there are none, or it is unknown
}

// errAttack is the reason why a name with ".." is refused.
var errAttack = errors.New(`a name with a component ".." may be an attack`)

// errSkip says that a name is left out without a warning.
var errSkip = errors.New("not of this store")

// maxName is the maximum length of a name, in bytes. No user creates a longer name, and no path can be
// longer.
const maxName = 4096

// canonical returns the canonical form of a name that the server has listed
// with a delimiter. Its error is errSkip, errAttack, or a reason to warn.
func (l *layout) canonical(name, delim string) (string, error) {
	if l.delim != "" {
		delim = l.delim
	}
	if len(name) > maxName {
		return "", fmt.Errorf("its name is %d bytes long", len(name))
	}
	// Both "INBOX." as a prefix and INBOX itself are usual; the prefix comes
	// first, since it makes the inbox's children the mailboxes of the store.
	rest, prefixed := strings.CutPrefix(name, l.prefix)
	switch {
	case l.prefix == "":
	case prefixed:
		if rest == "" {
			return "", errSkip // the root itself, with its delimiter
		}
	case !isInbox(name, delim):
		return "", errSkip
	}
	if strings.HasSuffix(rest, ".lock") {
		return "", errSkip // left behind by some servers
	}
	parts := []string{rest}
	if delim != "" {
		parts = strings.Split(rest, delim)
	}
	for _, part := range parts {
		if err := checkComponent(part); err != nil {
			return "", err
		}
	}
	canonical := strings.Join(parts, "/")
	if l.prefix != "" && prefixed {
		if mail.IsInbox(canonical) {
			return "", errors.New("it cannot be distinguished from INBOX")
		}
		return canonical, nil
	}
	return mail.CanonicalBox(canonical), nil
}

func checkComponent(part string) error {
	switch part {
	case "":
		return errors.New("empty component")
	case ".":
		return errors.New(`component "."`)
	case "..":
		return errAttack
	}
	if strings.Contains(part, "/") {
		return errors.New(`reserved character "/" in it`)
	}
	for _, r := range part {
		if r < ' ' || r == 0x7f {
			return errors.New("control character in it")
		}
	}
	return nil
}

// isInbox reports whether a name on the server is the inbox or below it.
func isInbox(name, delim string) bool {
	head := name
	if delim != "" {
		head, _, _ = strings.Cut(name, delim)
	}
	return strings.EqualFold(head, mail.Inbox)
}

// server returns the name of a mailbox on the server.
func (l *layout) server(box string) (string, error) {
	parts := strings.Split(box, "/")
	prefix := l.prefix
	switch {
	case parts[0] == mail.Inbox:
		prefix = ""
	case prefix == "" && strings.EqualFold(parts[0], mail.Inbox):
		return "", nameError(store.NameInbox, box, "the server treats %q as INBOX", parts[0])
	}
	if len(parts) > 1 && l.delim == "" {
		return "", nameError(store.NameFlat, box, "the server has no sub-folders")
	}
	for i, part := range parts {
		if err := checkComponent(part); err != nil {
			return "", nameError(store.NameInvalid, box, "invalid mailbox name: %v", err)
		}
		if i == 0 && part == mail.Inbox {
			continue
		}
		if l.delim != "" && strings.Contains(part, l.delim) {
			return "", nameError(store.NameDelimiter, box, "%q is the server's hierarchy delimiter", l.delim)
		}
	}
	return prefix + strings.Join(parts, l.delim), nil
}

func nameError(reason store.NameReason, box, format string, args ...any) error {
	return &store.NameError{Reason: reason, Name: box, Text: fmt.Sprintf(format, args...)}
}

// holdsInbox reports whether the inbox is among the mailboxes with the prefix.
func (l *layout) holdsInbox() bool { return l.prefix == "" || l.underInbox() }

// underInbox reports whether a listing of the inbox and its children contains all mailboxes with the
// prefix.
func (l *layout) underInbox() bool {
	return len(l.prefix) >= len(mail.Inbox) && strings.EqualFold(l.prefix[:len(mail.Inbox)], mail.Inbox)
}

// patterns returns the LIST patterns that together cover the request.
func (l *layout) patterns(inbox, others bool) []string {
	under := l.prefix + "*"
	switch {
	case !others && !inbox:
		return nil
	case !others:
		return []string{mail.Inbox + "*"}
	case !inbox || l.prefix == "":
		return []string{under}
	case l.underInbox():
		return []string{mail.Inbox + "*"}
	}
	return []string{mail.Inbox + "*", under}
}

// SameBox implements store.Aliaser: with a prefix, a mailbox may have one name as a
// child of the inbox and another one without.
func (s *Store) SameBox(a, b string) bool {
	l := s.run().layout.get()
	if a == b || l == nil {
		return a == b
	}
	x, errX := l.server(a)
	y, errY := l.server(b)
	return errX == nil && errY == nil && x == y
}

var _ store.Aliaser = (*Store)(nil)
