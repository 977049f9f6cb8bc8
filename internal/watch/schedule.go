package watch

import (
	"math/rand/v2"
	"time"

	"isync/internal/store"
)

// The waits between a report and a run.
const (
	// collect is the time after a report in which further reports are collected.
	collect = 300 * time.Millisecond
	// remoteMax and localMax are the maximum waits after the first report. localMax is longer,
	// because users mark messages one after the other.
	remoteMax = time.Second
	localMax  = 3 * time.Second
)

// The first and the maximum wait after consecutive failures.
const (
	retryFirst = time.Second
	retryMax   = 5 * time.Minute
	// lockedMax is the maximum wait if another program is synchronizing the mailboxes.
	lockedMax = 30 * time.Second
	// lastingWait is the wait after an error that only the user can correct, such as a refused
	// password.
	lastingWait = 15 * time.Minute
)

// entry is the schedule of a pair of mailboxes or of a channel. A zero time means never.
type entry struct {
	running bool
	ended   time.Time // end of the last run

	// remote and local are the times when reports cause a run. remoteFirst and localFirst are the
	// first reports since the last run.
	remote, remoteFirst time.Time
	local, localFirst   time.Time
	// remoteAgain and localAgain: a report during the run may have come too late for it, so
	// another run follows.
	remoteAgain, localAgain bool
	// planned is the time of the next run without a report.
	planned time.Time

	// failures is the number of consecutive failed runs; retry is the next attempt.
	failures int
	retry    time.Time
	// partial: in the last run, only some messages have failed, so reports need not wait for
	// retry.
	partial bool
}

// reported records a report from a remote store. The first one causes a run at once. Soon after a
// run, reports are collected.
func (e *entry) reported(now time.Time) {
	if e.running {
		e.remoteAgain = true
		return
	}
	if e.remoteFirst.IsZero() {
		e.remoteFirst = now
		if now.Sub(e.ended) >= collect {
			e.remote = now
			return
		}
	}
	if e.remote.Equal(e.remoteFirst) {
		return // due at once
	}
	e.remote = earlier(now.Add(collect), e.remoteFirst.Add(remoteMax))
}

// reportedLocally records a report from a local store. Reports are collected.
func (e *entry) reportedLocally(now time.Time) {
	if e.running {
		e.localAgain = true
		return
	}
	if e.localFirst.IsZero() {
		e.localFirst = now
	}
	e.local = earlier(now.Add(collect), e.localFirst.Add(localMax))
}

// plan makes a run due at a time, unless an earlier one is planned.
func (e *entry) plan(at time.Time) {
	if e.planned.IsZero() || at.Before(e.planned) {
		e.planned = at
	}
}

// due returns when the next run is due. After a complete failure this is never before retry.
func (e *entry) due() time.Time {
	if e.running {
		return time.Time{}
	}
	var at time.Time
	for _, t := range []time.Time{e.remote, e.local, e.planned, e.retry} {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if !at.IsZero() && at.Before(e.retry) && !e.partial {
		return e.retry
	}
	return at
}

// begin begins a run. It covers all reports until now.
func (e *entry) begin() {
	*e = entry{running: true, ended: e.ended, failures: e.failures}
}

// end ends a run.
func (e *entry) end(now time.Time) {
	remote, local := e.remoteAgain, e.localAgain
	*e = entry{ended: now, failures: e.failures, planned: e.planned}
	if remote {
		e.remoteFirst, e.remote = now, now.Add(collect)
	}
	if local {
		e.reportedLocally(now)
	}
}

// succeeded ends a run that has succeeded.
func (e *entry) succeeded(now time.Time) {
	e.end(now)
	e.failures = 0
}

// failed ends a run that has failed. most is the maximum wait until the next attempt. The wait is
// longer if err, which may be nil, is an error that only the user can correct.
func (e *entry) failed(now time.Time, err error, most time.Duration) {
	e.end(now)
	e.failures++
	e.retry = now.Add(backoff(e.failures, most))
	if kind, _ := store.KindOf(err); kind == store.LastingAccount {
		e.retry = now.Add(lastingWait)
	}
}

// incomplete ends a run in which only some messages have failed.
func (e *entry) incomplete(now time.Time) {
	e.failed(now, nil, retryMax)
	e.partial = true
}

// backoff returns the wait after a number of consecutive failures, at least one.
func backoff(failures int, most time.Duration) time.Duration {
	d := retryFirst
	for i := 1; i < failures && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	return d + time.Duration((rand.Float64()-0.5)/2*float64(d)) // ±25 %
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
