package config

import (
	"slices"
	"strings"

	"isync/internal/event"
)

// specialPrefix is the prefix of a word that selects a mailbox by its special use, such as
// Special:Sent.
const specialPrefix = "Special:"

// specialUses are the uses with an attribute (RFC 6154, RFC 8457).
var specialUses = []string{"All", "Archive", "Drafts", "Flagged", "Important", "Junk", "Sent", "Trash"}

// SpecialUses returns the words that may follow "Special:".
func SpecialUses() []string { return slices.Clone(specialUses) }

// parseSpecial parses a mailbox name. For a word such as Special:Sent it returns the use, and the
// word in its usual case. For Special::Sent it returns the name "Special:Sent".
func parseSpecial(word string) (use, name string) {
	if len(word) < len(specialPrefix) || !strings.EqualFold(word[:len(specialPrefix)], specialPrefix) {
		return "", word
	}
	rest := word[len(specialPrefix):]
	i := indexFold(specialUses, strings.TrimLeft(rest, ":"))
	switch {
	case i < 0:
		return "", word
	case rest[0] == ':':
		return "", word[:len(specialPrefix)] + rest[1:]
	}
	return specialUses[i], specialPrefix + specialUses[i]
}

// ParseBox parses a mailbox name of the command line; see parseSpecial.
func ParseBox(word string) (use, name string) { return parseSpecial(word) }

// warnUse warns of a name that is probably a misspelled special use.
func (p *parser) warnUse(pos Pos, word string) {
	if len(word) < len(specialPrefix) || !strings.EqualFold(word[:len(specialPrefix)], specialPrefix) {
		return
	}
	rest := word[len(specialPrefix):]
	if near := nearest(rest, specialUses); near != "" && !strings.EqualFold(near, rest) && !strings.HasPrefix(rest, ":") {
		p.warn(pos, event.UseUnknown{Word: quote(word), Meant: specialPrefix + near})
	}
}

// isServer reports whether the mailboxes of a store can have special uses.
func (s *Store) isServer() bool { return s != nil && s.IMAP != nil }

// resolveUses determines which words of channels and stores are special uses. For a MaildirStore
// they are mailbox names.
func (p *parser) resolveUses() {
	for _, s := range p.cfg.Stores {
		if at := s.Pos("Trash"); s.isServer() && at.IsSet() {
			p.warnUse(at, s.Trash)
			s.TrashUse, s.Trash = parseSpecial(s.Trash)
		}
	}
	for _, c := range p.cfg.Channels {
		server := c.Far.Store.isServer() || c.Near.Store.isServer()
		for i := range c.Patterns {
			if pat := &c.Patterns[i]; server {
				p.warnUse(pat.Pos, pat.Text)
				pat.Use, pat.Text = parseSpecial(pat.Text)
			}
		}
		for _, e := range []*End{&c.Far, &c.Near} {
			if !e.Store.isServer() {
				continue
			}
			p.warnUse(e.Pos, e.Box)
			e.Use, e.Box = parseSpecial(e.Box)
			if e.Use != "" && len(c.Patterns) > 0 {
				p.errorf(e.Pos, e.Box, "Channel %s: %s with Patterns", quote(c.Name), quote(e.Box)).
					Hint = "it is a single mailbox: remove Patterns, or write Far :store: and Patterns " + e.Box
			}
		}
	}
}
