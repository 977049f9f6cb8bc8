package config

import (
	"fmt"
	"io"
)

// hidden is what a Secret shows of itself.
const hidden = "[hidden]"

// Secret is a password. However it is printed, formatted or marshaled, it does
// not show; only Reveal tells it. The zero value is "none".
type Secret struct {
	// A pointer, because fmt does not call the methods of values in unexported
	// fields, but neither does it follow pointers there.
	s *string
}

// NewSecret wraps a password.
func NewSecret(s string) Secret { return Secret{&s} }

// IsSet reports whether there is a password; an empty one counts.
func (s Secret) IsSet() bool { return s.s != nil }

// Reveal returns the password itself, "" if there is none. The result must not
// find its way into any output.
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

// Format writes a fixed text whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns a fixed text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
