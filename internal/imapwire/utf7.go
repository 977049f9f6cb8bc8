package imapwire

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// base64 of modified UTF-7: "," for "/", no padding (RFC 3501 §5.1.3).
var utf7base64 = base64.NewEncoding(
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// ErrName says that a mailbox name cannot be translated.
var ErrName = errors.New("mailbox name is not valid modified UTF-7")

// ErrNameUTF8 says that a mailbox name cannot be encoded.
var ErrNameUTF8 = errors.New("mailbox name is not valid UTF-8")

// EncodeUTF7 returns the modified UTF-7 of a mailbox name (RFC 3501 §5.1.3).
// Its error is ErrNameUTF8.
func EncodeUTF7(name string) (string, error) {
	plain := true
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == '&' {
			plain = false
			break
		}
	}
	if plain {
		return name, nil
	}
	if !utf8.ValidString(name) {
		return "", ErrNameUTF8
	}
	var b []byte
	var wide []byte // UTF-16BE that waits to be written
	flush := func() {
		if len(wide) > 0 {
			b = append(b, '&')
			b = utf7base64.AppendEncode(b, wide)
			b = append(b, '-')
			wide = wide[:0]
		}
	}
	for _, r := range name {
		switch {
		case r == '&':
			flush()
			b = append(b, "&-"...)
		case 0x20 <= r && r <= 0x7e:
			flush()
			b = append(b, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				wide = append(wide, byte(u>>8), byte(u))
			}
		}
	}
	flush()
	return string(b), nil
}

// DecodeUTF7 returns the mailbox name whose modified UTF-7 is raw. If EncodeUTF7 of the result is not the same as raw, the
// name could not be sent back to the server, and the error is ErrName.
func DecodeUTF7(raw string) (string, error) {
	special := false
	for i := range len(raw) {
		c := raw[i]
		if c < 0x20 || c > 0x7e {
			return "", ErrName
		}
		special = special || c == '&'
	}
	if !special {
		return raw, nil
	}
	var b []byte
	var units []uint16
	rest := raw
	for {
		plain, tail, found := strings.Cut(rest, "&")
		b = append(b, plain...)
		if !found {
			break
		}
		code, tail, found := strings.Cut(tail, "-")
		if !found {
			return "", ErrName
		}
		rest = tail
		if code == "" {
			b = append(b, '&')
			continue
		}
		wide, err := utf7base64.DecodeString(code)
		if err != nil || len(wide)%2 != 0 {
			return "", ErrName
		}
		units = units[:0]
		for i := 0; i < len(wide); i += 2 {
			units = append(units, uint16(wide[i])<<8|uint16(wide[i+1]))
		}
		for _, r := range utf16.Decode(units) {
			b = utf8.AppendRune(b, r)
		}
	}
	name := string(b)
	// This also finds lone surrogates, encoded ASCII and split runs.
	if back, err := EncodeUTF7(name); err != nil || back != raw {
		return "", ErrName
	}
	return name, nil
}
