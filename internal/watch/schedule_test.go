package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNoReportIsForgotten: whatever is reported, however runs end: after the last report a
// run begins within a bounded time, and there is no run without a reason.
func TestNoReportIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e entry
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		pending := false       // something was reported since a run began
		var reported time.Time // the first such report
		var lastFailed bool
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				local := rapid.Bool().Draw(t, "local")
				if local {
					e.reportedLocally(now)
				} else {
					e.reported(now)
				}
				if !pending {
					pending, reported = true, now
				}
			case 2:
				if e.running {
					lastFailed = rapid.IntRange(0, 3).Draw(t, "failed") == 0
					if lastFailed {
						e.failed(now, nil, retryMax)
					} else {
						e.succeeded(now)
					}
					if pending {
						reported = now // the run was too early
					}
				}
			}
			at := e.due()
			switch {
			case e.running:
				continue
			case at.IsZero() && (pending || lastFailed):
				t.Fatalf("forgotten: %+v", e)
			case !at.IsZero() && !pending && !lastFailed:
				t.Fatalf("no reason for a run: %+v", e)
			case pending && e.failures == 0 && at.After(reported.Add(localMax)):
				t.Fatalf("reported at %v, due at %v", reported, at)
			}
			if !at.IsZero() && !at.After(now) {
				e.begin()
				pending, lastFailed = false, false
			}
		}
	})
}

// TestBackoff: waits grow, and have an upper bound.
func TestBackoff(t *testing.T) {
	for n := 1; n < 30; n++ {
		base := min(retryFirst<<min(n-1, 20), retryMax)
		if d := backoff(n, retryMax); d < base*3/4 || d > base*5/4 {
			t.Errorf("after %d failures: %v", n, d)
		}
	}
}
