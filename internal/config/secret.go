package config

import (
	"fmt"
	"io"
)

// hidden is the text of a formatted Secret.
const hidden = "[hidden]"

// Secret is a password. Printing, formatting or marshaling it shows a fixed text; only Reveal
// returns it. The zero value is no password.
type Secret struct {
	// It is a pointer, because fmt calls no methods of values in unexported fields, and does not
	// follow pointers in them.
	s *string
}

// NewSecret wraps a password.
func NewSecret(s string) Secret { return Secret{&s} }

// IsSet reports whether there is a password. It may be empty.
func (s Secret) IsSet() bool { return s.s != nil }

// Reveal returns the password; "": there is none. The result must not be printed.
func (s Secret) Reveal() string {
	if s.s == nil {
		return ""
	}
	return *s.s
}

// Equal reports whether both are unset or hold the same password.
func (s Secret) Equal(o Secret) bool {
	return s.IsSet() == o.IsSet() && s.Reveal() == o.Reveal()
}

// String returns a fixed text.
func (s Secret) String() string { return hidden }

// GoString returns a fixed text.
func (s Secret) GoString() string { return hidden }

// Format writes a fixed text for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns a fixed text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
