package vfs

import (
	"math"
	"time"
)

// setClamped sets the time of a file with set. get returns the stored time. A file system that
// cannot store a time should store the nearest possible one. But some drop high bits of the
// seconds, which turns a time far in the future into one in the past; then setClamped tries other
// times.
func setClamped(want time.Time, set func(time.Time) error, get func() (time.Time, error)) error {
	err := set(want)
	if err != nil || want.Unix() >= 0 && want.Unix() <= math.MaxInt32 {
		return err
	}
	for _, nearest := range nearestTimes(want) {
		got, err := get()
		if err != nil || isNear(want, got) {
			return err
		}
		if err := set(nearest); err != nil {
			return err
		}
	}
	return nil
}

// nearestTimes returns the times to try in place of a time that a file system cannot store. Every
// file system can store the last one.
func nearestTimes(t time.Time) []time.Time {
	first, last := time.Unix(math.MinInt32, 0), time.Unix(math.MaxInt32, 0)
	switch {
	case t.Before(first):
		return []time.Time{first, time.Unix(0, 0)}
	case t.Unix() < 0:
		return []time.Time{time.Unix(0, 0)}
	}
	return []time.Time{last}
}

// isNear reports whether a file system has stored a time exactly, or the nearest possible time.
func isNear(want, got time.Time) bool {
	const coarsest = 2 * time.Second
	if d := want.Sub(got); d >= -coarsest && d <= coarsest {
		return true
	}
	if want.Unix() < 0 {
		// This is the first time that FAT can store in all time zones.
		return got.After(want) && got.Before(time.Date(1980, 1, 3, 0, 0, 0, 0, time.UTC))
	}
	return got.Before(want) && got.Unix() >= math.MaxInt32-2
}
