package watching

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
)

// events are what NOTIFY reports. A server must support the first two.
var events = []string{
	imapclient.EventMessageNew, imapclient.EventMessageExpunge, imapclient.EventFlagChange, imapclient.EventMailboxName,
}

// wantedEvents returns the events to ask for.
func (a *Account) wantedEvents() []string {
	a.mu.Lock()
	members := slices.Clone(a.members)
	a.mu.Unlock()
	if slices.ContainsFunc(members, func(m *Member) bool { return m.listener.Subscriptions() }) {
		return append(slices.Clone(events), imapclient.EventSubscriptionChange)
	}
	return events
}

// notify watches by means of NOTIFY. why is the reason if that is not possible, but
// something else may be.
func (l *line) notify(ctx context.Context, c *imapclient.Client) (e ending, why error) {
	a := l.a
	if !c.Caps().Has("NOTIFY") {
		return e, errNoNotify
	}
	a.mu.Lock()
	overflown := a.noNotify
	a.noNotify = false
	a.mu.Unlock()
	if overflown {
		return e, errOverflow
	}
	if err := l.askNotify(ctx, c); refused(err) {
		return e, err
	} else if err != nil {
		return lost(err), nil
	}
	l.endExtras()
	l.endListing()
	l.setUp()
	a.setMode(store.WatchNotify, nil)
	return l.listen(ctx, c), nil
}

// askNotify sends NOTIFY, after the commands that make its reports more useful.
func (l *line) askNotify(ctx context.Context, c *imapclient.Client) error {
	ctx, cancel := within(ctx, answerLimit)
	defer cancel()
	// Only then is a change of flags reported.
	if caps := c.Caps(); caps.Has("ENABLE") {
		for _, extension := range []string{"QRESYNC", "CONDSTORE"} {
			if caps.Has(extension) {
				if _, err := c.Enable(ctx, extension); err != nil && !refused(err) {
					return err
				}
				break
			}
		}
	}
	if c.Enabled().Has("UTF8=ACCEPT") {
		// A list shows how the server writes names.
		if _, err := c.List(ctx, imapclient.ListRequest{Patterns: []string{"*"}}); err != nil && !refused(err) {
			return err
		}
	}
	l.beginListing()
	wanted := l.a.wantedEvents()
	l.wantedEvents = wanted
	err := c.Notify(ctx, wanted...)
	supported, ok := imapclient.SupportedEvents(err)
	if !ok {
		return err
	}
	fewer := slices.DeleteFunc(slices.Clone(wanted), func(e string) bool {
		return !slices.ContainsFunc(supported, func(s string) bool { return strings.EqualFold(s, e) })
	})
	if len(fewer) < 2 || !slices.Equal(fewer[:2], wanted[:2]) {
		return err
	}
	l.a.debugf("the server supports only these events: %s", strings.Join(fewer, " "))
	l.beginListing()
	l.wantedEvents = fewer
	return c.Notify(ctx, fewer...)
}

// listen waits until the connection ends.
func (l *line) listen(ctx context.Context, c *imapclient.Client) ending {
	for {
		limit := time.Duration(0)
		t := quiet(c)
		probed := false
		var renewal <-chan time.Time // nil: nothing to wait for
		if at := l.renewal(); !at.IsZero() {
			renewal = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return ending{done: true}
		case <-c.Done():
			return lost(c.Err())
		case <-l.overflow:
			// The server reports nothing more, so the rest is done without NOTIFY, and on
			// another connection: in this one it might not report changes during IDLE.
			l.a.mu.Lock()
			l.a.noNotify = true
			l.a.mu.Unlock()
			l.a.missed()
			return ending{err: errOverflow, atOnce: true, untested: true}
		case <-l.wanted():
			return ending{err: errWanted, poll: true}
		case <-l.probe:
			limit, probed = probeLimit, true
		case <-l.reckon:
		case <-renewal:
			if err := l.renew(ctx, c); err != nil {
				return ending{err: fmt.Errorf("watching with NOTIFY: %w", err)}
			}
		case <-t.C:
			if silent(c) {
				limit = answerLimit
			}
		}
		t.Stop()
		if limit == 0 {
			continue
		}
		if err := noop(ctx, c, limit); err != nil && !refused(err) {
			return ending{err: err, atOnce: probed, untested: probed}
		}
	}
}

// noop tests the connection.
func noop(ctx context.Context, c *imapclient.Client, limit time.Duration) error {
	ctx, cancel := within(ctx, limit)
	defer cancel()
	return c.Noop(ctx)
}

// beginListing begins the answer to NOTIFY.
func (l *line) beginListing() {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.listing = map[string]change{}
	l.asked, l.reported, l.a.expected = time.Now(), false, make(map[string]time.Time)
}

// abandonListing ends an incomplete answer to NOTIFY; a.mu must be held. It reports the changes in the
// answer so far, because the next answer does not contain them again.
func (l *line) abandonListing() {
	a := l.a
	listed := l.listing
	l.listing = nil
	if !a.whole { // the next answer is reported as a whole
		return
	}
	for name, is := range listed {
		if is.fresh {
			a.tell(reportBoxes)
		}
		if is.changed {
			a.changed(name)
		}
	}
}

// endListing reports how the mailboxes in the answer to NOTIFY differ from those known.
func (l *line) endListing() {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	listed := l.listing
	l.listing = nil
	other := false
	for name := range a.known {
		if _, ok := listed[name]; !ok {
			a.known.remove(name)
			other = true
		}
	}
	if a.whole {
		for name, is := range listed {
			other = other || is.fresh
			if is.changed {
				a.changed(name)
			}
		}
	}
	switch {
	case !a.whole || len(listed) == 0:
		a.tell(reportEach)
	case other:
		a.tell(reportBoxes)
	}
	a.whole = len(listed) > 0
}

// noteStatus handles an unsolicited STATUS, and those in the answer to NOTIFY.
func (l *line) noteStatus(st *imapwire.BoxStatus) {
	a := l.a
	if len(st.Name) > maxName {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	name := nameKey(st.Name)
	is := a.known.note(st)
	if is.arrived > 0 {
		a.noteArrived(name, is.arrived)
	}
	if l.listing != nil {
		if len(l.listing) < maxKnown {
			before := l.listing[name]
			l.listing[name] = change{fresh: is.fresh || before.fresh, changed: is.changed || before.changed}
		}
		return
	}
	l.met(name)
	if !l.reported {
		l.reported = true
		notify(l.reckon)
	}
	if is.fresh {
		a.tell(reportBoxes)
	}
	if is.changed {
		a.changed(name)
	}
}

// noteList handles an unsolicited LIST: a mailbox was created, removed or renamed, or
// subscribed or unsubscribed.
func (l *line) noteList(e *imapclient.ListEntry) {
	a := l.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.HasAttr(`\NonExistent`) {
		a.known.remove(e.Name)
	} else if len(e.Name) <= maxName {
		a.known.add(e.Name)
	}
	a.tell(reportBoxes)
}
