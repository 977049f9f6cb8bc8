package vfs

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOddTimes: no time is ever wrapped around, whatever a file system does with
// those that it cannot hold.
func TestOddTimes(t *testing.T) {
	clamp := func(first, last int64) func(int64) int64 {
		return func(s int64) int64 { return min(max(s, first), last) }
	}
	fat := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	systems := map[string]struct {
		hold        func(int64) int64
		first, last int64
	}{
		"64 bits":           {func(s int64) int64 { return s }, math.MinInt64, math.MaxInt64},
		"ext4":              {clamp(math.MinInt32, 15032385535), math.MinInt32, 15032385535},
		"32 bits":           {clamp(math.MinInt32, math.MaxInt32), math.MinInt32, math.MaxInt32},
		"32 bits, wraps":    {func(s int64) int64 { return int64(int32(s)) }, math.MinInt32, math.MaxInt32},
		"unsigned, wraps":   {func(s int64) int64 { return int64(uint32(s)) }, 0, math.MaxUint32},
		"34 bits, wraps":    {func(s int64) int64 { return (s+1<<31)&(1<<34-1) - 1<<31 }, math.MinInt32, 1<<34 - 1<<31 - 1},
		"FAT":               {clamp(fat, 4354819198), fat, 4354819198},
		"FAT, even seconds": {func(s int64) int64 { return clamp(fat, 4354819198)(s) &^ 1 }, fat, 4354819198},
	}
	for name, sys := range systems {
		for _, year := range []int{-1, 0, 1, 1000, 1582, 1677, 1678, 1901, 1902, 1969, 1970, 1981, 2026, 2037, 2038, 2039, 2106, 2107, 2262, 2263, 2446, 2447, 2500, 5000, 9999, 10000} {
			want := time.Date(year, 3, 4, 5, 6, 8, 0, time.UTC)
			var held int64
			err := setClamped(want, func(t time.Time) error { held = sys.hold(t.Unix()); return nil },
				func() (time.Time, error) { return time.Unix(held, 0), nil })
			w := want.Unix()
			switch {
			case err != nil:
				t.Errorf("%s, %d: %v", name, year, err)
			case w >= sys.first && w <= sys.last:
				if held != w {
					t.Errorf("%s, %d: %v", name, year, time.Unix(held, 0).UTC())
				}
			case w > sys.last && (held < math.MaxInt32-1 || held > w), w < sys.first && (held < w || held > max(0, sys.first)):
				t.Errorf("%s, %d: %v", name, year, time.Unix(held, 0).UTC())
			}
		}
	}
}

// TestChtimes: the file system of this machine gets what it can hold.
func TestChtimes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, year := range []int{0, 1, 1600, 1900, 1960, 1970, 2026, 2100, 2262, 2263, 2300, 9999} {
		want := time.Date(year, 6, 1, 12, 0, 0, 0, time.UTC)
		if err := (OS{}).Chtimes(name, want, want); err != nil {
			t.Errorf("%d: %v", year, err)
			continue
		}
		fi, err := OS{}.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fi.ModTime(); !isNear(want, got) {
			t.Errorf("%v became %v", want, got.UTC())
		}
	}
}
