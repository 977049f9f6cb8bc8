package mail

import "strings"

// Box names are canonical everywhere outside the stores: UTF-8, components
// separated by "/", no empty components, and the inbox (and only it, in any
// spelling at the start of a name that IMAP calls INBOX) spelled "INBOX".

// Inbox is the canonical name of the inbox.
const Inbox = "INBOX"

// CanonicalBox returns name with an INBOX in any spelling, alone or as the
// first component, replaced by the canonical one. IMAP stores apply it to what
// servers list; INBOX is case-insensitive there (RFC 9051 §5.1).
func CanonicalBox(name string) string {
	head, rest, sub := strings.Cut(name, "/")
	if !strings.EqualFold(head, Inbox) {
		return name
	}
	if sub {
		return Inbox + "/" + rest
	}
	return Inbox
}

// IsInbox reports whether the canonical name is the inbox or one of its
// children.
func IsInbox(name string) bool {
	return name == Inbox || strings.HasPrefix(name, Inbox+"/")
}
