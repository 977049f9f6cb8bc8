package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// snapshot is everything on one side at one moment: messages by mailbox.
type snapshot map[string][]message

// message is one message of a snapshot.
type message struct {
	subject string
	flags   string   // Maildir letters in alphabetical order
	size    int      // bytes, as this side stores it
	digest  [32]byte // of the parts that must be equal on both sides
	uid     imap.UID // on the server
	path    string   // in the Maildir
}

// newMessage describes a message given its bytes.
func newMessage(raw []byte, flags string) message {
	m := message{flags: flags, size: len(raw)}
	// The sides have different line ends, and a copy has an additional header line.
	lf := bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	m.digest = sha256.Sum256(dropHeader(lf, "X-TUID: "))
	m.subject = "(no subject)"
	if p, err := mail.ReadMessage(bytes.NewReader(lf)); err == nil {
		if s, err := new(mime.WordDecoder).DecodeHeader(p.Header.Get("Subject")); err == nil && s != "" {
			m.subject = s
		}
	}
	return m
}

// dropHeader returns a message without the header lines that start with prefix.
func dropHeader(lf []byte, prefix string) []byte {
	var out []byte
	rest := lf
	for len(rest) > 0 && rest[0] != '\n' {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		if !bytes.HasPrefix(line, []byte(prefix)) {
			out = append(out, line...)
		}
	}
	return append(out, rest...)
}

// only returns the one message with the given subject.
func only(msgs []message, box, subject string) (message, error) {
	var found []message
	for _, m := range msgs {
		if m.subject == subject {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return message{}, fmt.Errorf("%s holds %d messages called %q, not one", box, len(found), subject)
	}
	return found[0], nil
}

// count returns how many messages there are, and their bytes.
func (s snapshot) count() (messages, size int) {
	for _, msgs := range s {
		messages += len(msgs)
		for _, m := range msgs {
			size += m.size
		}
	}
	return messages, size
}

// disagreements compares two sides. They agree if they have the same mailboxes with the same
// messages, equally often and with the same flags. It returns the differences.
func disagreements(far, near snapshot) []string {
	var bad []string
	for _, box := range boxNames(far, near) {
		f, onFar := far[box]
		n, onNear := near[box]
		switch {
		case !onFar:
			bad = append(bad, fmt.Sprintf("mailbox %s is not on the server", box))
			continue
		case !onNear:
			bad = append(bad, fmt.Sprintf("mailbox %s is not in the Maildir", box))
			continue
		}
		for _, c := range changes(f, n) {
			bad = append(bad, fmt.Sprintf("%s: %s", box, c.against("the server", "the Maildir")))
		}
	}
	return bad
}

// boxNames returns the names of the mailboxes in any of the snapshots: the
// inbox, then the others in order.
func boxNames(snaps ...snapshot) []string {
	set := make(map[string]bool)
	for _, s := range snaps {
		for box := range s {
			set[box] = true
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b string) int {
		if (a == "INBOX") != (b == "INBOX") {
			if a == "INBOX" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}

// change is a difference between two states of a mailbox. A nil message does not exist.
type change struct{ old, new *message }

// changes returns the changes from before to after: removed messages, new messages, changed
// flags. Messages are identified by content.
func changes(before, after []message) []change {
	byDigest := make(map[[32]byte][]*message)
	for i := range after {
		d := after[i].digest
		byDigest[d] = append(byDigest[d], &after[i])
	}
	var out []change
	for i := range before {
		m := &before[i]
		twins := byDigest[m.digest]
		if len(twins) == 0 {
			out = append(out, change{old: m})
			continue
		}
		byDigest[m.digest] = twins[1:]
		if twins[0].flags != m.flags {
			out = append(out, change{m, twins[0]})
		}
	}
	for i := range after {
		m := &after[i]
		if slices.Contains(byDigest[m.digest], m) {
			out = append(out, change{new: m})
		}
	}
	return out
}

// against describes the change as a disagreement between two sides.
func (c change) against(old, new string) string {
	switch {
	case c.new == nil:
		return fmt.Sprintf("%q is only on %s", c.old.subject, old)
	case c.old == nil:
		return fmt.Sprintf("%q is only in %s", c.new.subject, new)
	}
	return fmt.Sprintf("%q has flags [%s] on %s and [%s] in %s", c.old.subject, c.old.flags, old, c.new.flags, new)
}

// flagWords names flags for people.
func flagWords(letters string) string {
	words := map[rune]string{'D': "draft", 'F': "flagged", 'P': "forwarded", 'R': "answered", 'S': "seen", 'T': "deleted"}
	var l []string
	for _, c := range letters {
		l = append(l, words[c])
	}
	return strings.Join(l, ", ")
}

// String describes the change as an event.
func (c change) String() string {
	switch {
	case c.new == nil:
		return fmt.Sprintf("- %s", c.old.subject)
	case c.old == nil:
		return fmt.Sprintf("+ %s", c.new.subject)
	}
	without := func(a, b string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(b, r) {
				return -1
			}
			return r
		}, a)
	}
	var what []string
	if s := without(c.new.flags, c.old.flags); s != "" {
		what = append(what, "now "+flagWords(s))
	}
	if s := without(c.old.flags, c.new.flags); s != "" {
		what = append(what, "no longer "+flagWords(s))
	}
	return fmt.Sprintf("~ %s (%s)", c.new.subject, strings.Join(what, ", "))
}
