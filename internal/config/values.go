package config

import (
	"math"
	"strconv"
	"strings"
)

// parseBool parses yes/true/on/1 and no/false/off/0 in any case.
func parseBool(s string) (v, ok bool) {
	switch strings.ToLower(s) {
	case "yes", "true", "on", "1":
		return true, true
	case "no", "false", "off", "0":
		return false, true
	}
	return false, false
}

// parseSize parses a size in bytes: an integer, optionally followed by k or m (KiB, MiB) and b,
// in any case.
func parseSize(s string) (int64, bool) {
	digits := 0
	for digits < len(s) && '0' <= s[digits] && s[digits] <= '9' {
		digits++
	}
	unit := int64(1)
	switch strings.ToLower(s[digits:]) {
	case "", "b":
	case "k", "kb":
		unit = 1 << 10
	case "m", "mb":
		unit = 1 << 20
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// parseInt parses a decimal integer without sign in the range lo..hi.
func parseInt(s string, lo, hi int) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || int(n) < lo || int(n) > hi {
		return 0, false
	}
	return int(n), true
}

// isPunct reports whether s is exactly one ASCII punctuation character.
func isPunct(s string) bool {
	return len(s) == 1 && strings.IndexByte("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", s[0]) >= 0
}

// isAtom reports whether s may be the name of a SASL mechanism or an IMAP capability: visible
// ASCII without the special characters of IMAP.
func isAtom(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, s[i]) >= 0 {
			return false
		}
	}
	return true
}
