package maildir

import (
	"cmp"
	"strings"
)

// arrival is the time of delivery in a file name. Names are "<seconds>.<delivery>.<host>", where
// <delivery> is one of
//
//	<pid>_<counter>          this program, mutt, …
//	<pid>                    qmail
//	letters with numbers     everybody else: '#' (hexadecimal sequence number),
//	                         M (microseconds), P (pid), Q (counter), and others
//	                         that say nothing about order
//
// Deliveries of different kinds in the same second have no natural order; they
// are ordered by the first byte.
type arrival struct {
	seconds uint64 // a name without comes last
	kind    byte
	parts   [4]uint64 // 0: absent, else value + 1
	name    string
}

func parseArrival(name string) arrival {
	a := arrival{seconds: 1<<64 - 1, kind: 255, name: name}
	secs, rest, dotted := strings.Cut(name, ".")
	seconds, n := number(secs, 10)
	if !dotted || n == 0 || n != len(secs) {
		return a
	}
	a.seconds = seconds
	delivery, _, _ := strings.Cut(rest, ".")
	if delivery == "" {
		return a
	}
	a.kind = delivery[0]
	if pid, n := number(delivery, 10); n > 0 {
		a.kind = '0'
		counter, isCounter := strings.CutPrefix(delivery[n:], "_")
		a.parts[0] = pid + 1
		if c, m := number(counter, 10); isCounter && m > 0 {
			a.parts[1] = c + 1
		}
		return a
	}
	for delivery != "" {
		key, base := delivery[0], 10
		slot := strings.IndexByte("#MPQ", key)
		if slot < 1 {
			base = 16 // of '#', and of those that do not matter
		}
		value, n := number(delivery[1:], base)
		if slot >= 0 && n > 0 && a.parts[slot] == 0 {
			a.parts[slot] = value + 1
		}
		delivery = delivery[1+n:]
	}
	return a
}

// number parses a number at the beginning of s, and returns its number of characters. A number that
// is too large becomes the maximum.
func number(s string, base int) (value uint64, n int) {
	const limit = 1<<63 - 1
	for ; n < len(s); n++ {
		var d uint64
		switch c := s[n]; {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case base == 16 && c >= 'a' && c <= 'f':
			d = uint64(c-'a') + 10
		case base == 16 && c >= 'A' && c <= 'F':
			d = uint64(c-'A') + 10
		default:
			return value, n
		}
		if value > (limit-d)/uint64(base) {
			value = limit
		} else {
			value = value*uint64(base) + d
		}
	}
	return value, n
}

// compareArrival orders messages by the time of delivery in their names, and otherwise by bytes.
func compareArrival(a, b arrival) int {
	return cmp.Or(
		cmp.Compare(a.seconds, b.seconds),
		cmp.Compare(a.kind, b.kind),
		cmp.Compare(a.parts[0], b.parts[0]),
		cmp.Compare(a.parts[1], b.parts[1]),
		cmp.Compare(a.parts[2], b.parts[2]),
		cmp.Compare(a.parts[3], b.parts[3]),
		cmp.Compare(a.name, b.name),
	)
}
