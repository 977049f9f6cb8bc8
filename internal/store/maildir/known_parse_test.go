package maildir

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"isync/internal/mail"
)

// knownBatch makes a batch of n records from a UID on.
func knownBatch(validity uint32, from, n int) []byte {
	records := make([]knownName, n)
	for i := range records {
		u := mail.UID(from + i)
		records[i] = knownName{first: u, last: u, sum: uint32(u) + 7}
	}
	return appendBatch(nil, validity, records)
}

// TestParseKnown: the batches of a file count up to the first one that is cut off, damaged, or
// was written under another UIDVALIDITY.
func TestParseKnown(t *testing.T) {
	const first, second = 5000, 3 // more than are read at once
	whole := slices.Concat(knownBatch(1, 1, first), knownBatch(1, first+1, second))
	one := len(knownBatch(1, 1, first))
	parse := func(b []byte, n int, end bool) {
		t.Helper()
		for _, size := range []int64{int64(len(b)), 0, -1} {
			list, all, err := parseKnown(iotest.HalfReader(bytes.NewReader(b)), size, 1)
			if err != nil || len(list) != n || all != end {
				t.Fatalf("%d bytes, size %d: %d records, %v, %v; want %d, %v", len(b), size, len(list), all, err, n, end)
			}
			for i, k := range list {
				if u := mail.UID(i + 1); k != (knownName{first: u, last: u, sum: uint32(u) + 7}) {
					t.Fatalf("record %d is %+v", i, k)
				}
			}
		}
	}
	parse(nil, 0, true)
	parse(whole, first+second, true)
	parse(whole[:one], first, true)
	for _, cut := range []int{1, batchHeader - 1, batchHeader, batchHeader + 1, batchHeader + recordSize, one - 1} {
		parse(whole[:cut], 0, false)
	}
	for cut := one + 1; cut < len(whole); cut++ {
		parse(whole[:cut], first, false)
	}
	for _, at := range []int{0, 4, 8, 12, batchHeader, one - 1} {
		bad := slices.Clone(whole)
		bad[at]++
		parse(bad, 0, false)
	}
	for at := one; at < len(whole); at++ {
		bad := slices.Clone(whole)
		bad[at] ^= 0x40
		parse(bad, first, false)
	}
	parse(slices.Concat(whole[:one], knownBatch(2, 9000, 5)), first, false)
	// A damaged batch does not change the order of the others.
	back := knownBatch(1, 1, 2)
	back[len(back)-1]++
	parse(slices.Concat(whole, back), first+second, false)

	failed := errors.New("EIO")
	for _, n := range []int{0, 3, batchHeader + 5, one, one + 3} {
		r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(failed))
		if _, _, err := parseKnown(r, int64(len(whole)), 1); !errors.Is(err, failed) {
			t.Errorf("an error after %d bytes: got %v", n, err)
		}
	}
}
