package config

import "strings"

// TLSVersions is a set of TLS versions.
type TLSVersions uint8

// The versions of TLS.
const (
	TLS10 TLSVersions = 1 << iota
	TLS11
	TLS12
	TLS13

	// DefaultTLSVersions are the versions that are considered secure.
	DefaultTLSVersions = TLS12 | TLS13
)

var tlsVersionNames = [...]string{"1.0", "1.1", "1.2", "1.3"}

// Has reports whether all versions of o are in the set.
func (v TLSVersions) Has(o TLSVersions) bool { return v&o == o }

// String lists the versions, separated by spaces.
func (v TLSVersions) String() string {
	var names []string
	for i, n := range tlsVersionNames {
		if v&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " ")
}

// Range returns the lowest and the highest version as protocol numbers (TLS 1.0 is 0x0301), and
// whether the set contains all versions between them. Both are 0 for the empty set.
func (v TLSVersions) Range() (lo, hi uint16, whole bool) {
	for i := range tlsVersionNames {
		if v&(1<<i) == 0 {
			continue
		}
		n := 0x0301 + uint16(i)
		if lo == 0 {
			lo, whole = n, true
		} else if n != hi+1 {
			whole = false
		}
		hi = n
	}
	return lo, hi, whole
}

// tlsVersion returns the version with the given number, or 0.
func tlsVersion(number string) TLSVersions {
	for i, n := range tlsVersionNames {
		if n == number {
			return 1 << i
		}
	}
	return 0
}

// andNewer returns the oldest version of the set and all newer ones.
func (v TLSVersions) andNewer() TLSVersions {
	all := TLSVersions(1<<len(tlsVersionNames) - 1)
	return all &^ (v&-v - 1)
}

// changesFrom returns the arguments of TLSVersions that change the set base to v.
func (v TLSVersions) changesFrom(base TLSVersions) []string {
	var args []string
	for i, n := range tlsVersionNames {
		switch bit := TLSVersions(1 << i); {
		case v&bit != 0 && base&bit == 0:
			args = append(args, "+"+n)
		case v&bit == 0 && base&bit != 0:
			args = append(args, "-"+n)
		}
	}
	return args
}
