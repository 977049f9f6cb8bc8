package watching

import (
	"context"
	"time"

	"isync/internal/imapclient"
)

// Dovecot 2.3 and 2.4 notice changes by watching a log file: for NOTIFY the log of the list index, for IDLE
// the log of the mailbox. When a log is long and old enough, Dovecot replaces the file, but still watches the
// old one. The log of the list index is replaced after some 180 to 360 changes. From then on, Dovecot notices
// changes only every 30 seconds, until the client sends the command again. So NOTIFY and IDLE are sent again
// after changes. NOTIFY NONE comes first: two NOTIFY in a row watch the same file, and the end of the first
// one ends the watching of both.
const (
	// renewAfter is the time for which a NOTIFY or an IDLE is used if it has reported something. With
	// NOTIFY, renewEach is added for each mailbox above renewBoxes, since the answer has the status of
	// all mailboxes.
	renewAfter = time.Minute
	renewEach  = 100 * time.Millisecond
	renewBoxes = 600
	// reportLimit is the time within which the server must report a change by mbsync. Otherwise NOTIFY
	// is sent again, if it is at least as old as renewLate. That time doubles each time it does not help,
	// up to maxLate times.
	reportLimit = 3 * time.Second
	renewLate   = 10 * time.Second
	maxLate     = 6
	// maxExpected bounds the number of mailboxes of which a report is expected.
	maxExpected = 100
)

// Expect must be called when the server has confirmed a change by mbsync itself that NOTIFY
// reports. name is the mailbox.
func (a *Account) Expect(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.expected == nil || len(a.expected) >= maxExpected {
		return
	}
	name = nameKey(name)
	_, reports := a.known[name] // otherwise it is in another namespace
	if _, ok := a.expected[name]; ok || !reports {
		return
	}
	a.expected[name] = time.Now().Add(reportLimit)
	notify(a.lines[0].reckon)
}

// met notes that a mailbox was reported in time; a.mu must be held.
func (l *line) met(name string) {
	if _, ok := l.a.expected[name]; ok {
		delete(l.a.expected, name)
		l.late = 0
	}
}

// renewal returns when NOTIFY is to be sent again; the zero time: not yet known.
func (l *line) renewal() (at time.Time) {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if l.reported {
		sooner(l.asked.Add(renewAfter + renewEach*time.Duration(max(0, len(a.known)-renewBoxes))))
	}
	for _, limit := range a.expected {
		if earliest := l.asked.Add(renewLate << l.late); limit.Before(earliest) {
			limit = earliest
		}
		sooner(limit)
	}
	return at
}

// renew ends the reports of the server, and asks for them again. The answer has the changes that
// were not reported. If the server refuses one of the commands, it may report nothing any more.
func (l *line) renew(ctx context.Context, c *imapclient.Client) error {
	ctx, cancel := within(ctx, answerLimit)
	defer cancel()
	l.noteLate()
	if err := c.EndNotify(ctx); err != nil {
		return err
	}
	l.beginListing()
	if err := c.Notify(ctx, l.wantedEvents...); err != nil {
		return err
	}
	l.endListing()
	return nil
}

// noteLate notes whether a report is late.
func (l *line) noteLate() {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, limit := range a.expected {
		if !time.Now().Before(limit) {
			l.late = min(l.late+1, maxLate)
			return
		}
	}
}
