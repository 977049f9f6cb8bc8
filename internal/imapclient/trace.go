package imapclient

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"isync/internal/imapwire"
)

// mask replaces secrets.
const mask = "****"

// A masker removes secrets from traces and errors.
type masker struct {
	mu      sync.Mutex
	secrets []string
	// challenges: an AUTHENTICATE is under way, so that continuation lines are secret.
	challenges atomic.Bool
}

// add masks s from now on, both as it is and in its quoted form.
func (m *masker) add(s string) {
	// Masking every "a" would make traces unreadable, and reveal the password.
	if len(s) < 3 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, form := range []string{s, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)} {
		if !slices.Contains(m.secrets, form) {
			m.secrets = append(m.secrets, form)
		}
	}
}

// shown prepares a text of the server for output: it masks secrets, which the server might repeat, and removes control
// characters.
func (m *masker) shown(s string) string {
	m.mu.Lock()
	for _, secret := range m.secrets {
		s = strings.ReplaceAll(s, secret, mask)
	}
	m.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// partOfSecret reports whether a word may be a part of a secret.
func (m *masker) partOfSecret(word string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(word) > 2 && slices.ContainsFunc(m.secrets, func(s string) bool { return strings.Contains(s, word) })
}

// secretIn returns the secret part of a response: the text after the last NUL (PLAIN), the token (OAUTHBEARER, XOAUTH2),
// and otherwise all of it.
func secretIn(reply []byte) string {
	s := string(reply)
	if _, token, ok := strings.Cut(s, "Bearer "); ok {
		token, _, _ = strings.Cut(token, "\x01")
		return token
	}
	return s[strings.LastIndexByte(s, 0)+1:]
}

// traceSent shows a command.
func (c *Client) traceSent(tag string, parts []imapwire.Part) {
	if c.opts.Hooks.Trace == nil {
		return
	}
	var b strings.Builder
	b.WriteString(tag + " ")
	for _, p := range parts {
		switch {
		case p.Literal != nil && p.Literal.Secret:
			b.WriteString("{" + mask + "}")
		case p.Literal != nil:
			fmt.Fprintf(&b, "{%d}", p.Literal.Size)
		case p.Secret:
			b.WriteString(mask)
		default:
			b.Write(p.Text)
		}
	}
	c.opts.Hooks.Trace(Sent, strings.TrimRight(b.String(), "\r\n"))
}

func (c *Client) traceReceived(line []byte) {
	s := string(line)
	if c.mask.challenges.Load() && strings.HasPrefix(s, "+") {
		s = "+ " + mask
	}
	c.opts.Hooks.Trace(Received, c.mask.shown(s))
}
