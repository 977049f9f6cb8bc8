package vfs

import (
	"math"
	"time"
)

// setClamped sets the time of a file by set. File systems that cannot hold it should
// take the nearest that they can, but some drop bits of the number of seconds, and
// what is far in the future becomes long ago. get tells what has become of it.
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

// nearestTimes returns what to take instead of a time that a file system does not
// hold. All hold the last one.
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

// isNear tells whether a file system has taken a time as it is, or the nearest one
// that it holds.
func isNear(want, got time.Time) bool {
	const coarsest = 2 * time.Second
	if d := want.Sub(got); d >= -coarsest && d <= coarsest {
		return true
	}
	if want.Unix() < 0 {
		// The first time that FAT holds, whatever the zone.
		return got.After(want) && got.Before(time.Date(1980, 1, 3, 0, 0, 0, 0, time.UTC))
	}
	return got.Before(want) && got.Unix() >= math.MaxInt32-2
}
