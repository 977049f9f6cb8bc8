package watching

import (
	"context"
	"errors"
	"fmt"
	"time"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
)

// maxLines bounds the number of connections if the account has no limit.
const maxLines = 10

// A server that ends an IDLE by itself so soon, so many times in a row, does not support
// it.
const (
	shortIdle  = 10 * time.Second
	shortIdles = 3
)

// extra is a line beside the main one.
type extra struct {
	line *line
	stop context.CancelFunc
	done chan struct{}
}

// idle watches a mailbox by means of IDLE. why is the reason for not using NOTIFY.
func (l *line) idle(ctx context.Context, c *imapclient.Client, why error) ending {
	a := l.a
	if !c.Caps().Has("IDLE") {
		if errors.Is(why, errNoNotify) {
			why = errNoIdle
		}
		return ending{err: why, poll: l.index == 0, firm: errors.Is(why, errNoIdle), done: l.index > 0}
	}
	examined := ""
	for short := 0; ; {
		box, ok := l.assigned()
		if !ok {
			if e := l.awaitBox(ctx, c, why); e != nil {
				return *e
			}
			examined = ""
			continue
		}
		changed := false
		if box != examined {
			var err error
			changed, err = l.examine(ctx, c, box)
			if refused(err) {
				a.debugf("cannot watch %q: %v", box, err)
				a.giveUp(box)
				examined = ""
				continue
			}
			if err != nil {
				return lost(err)
			}
			examined = box
		}
		if changed {
			a.mu.Lock()
			a.changed(nameKey(box))
			a.mu.Unlock()
		}
		l.setUp()
		if l.index == 0 {
			a.setMode(store.WatchIdle, why)
		}
		l.beginExtras(ctx)
		begin := time.Now()
		e, ended := l.wait(ctx, c)
		switch {
		case e != nil:
			return *e
		case !ended || time.Since(begin) >= shortIdle:
			short = 0
		default:
			if short++; short == shortIdles {
				return ending{err: errShortIdle, poll: l.index == 0, done: l.index > 0}
			}
		}
	}
}

// boxPatience is how long a connection is kept although there is no mailbox to be
// watched: the mailboxes may not be known yet.
const boxPatience = time.Minute

// awaitBox waits until the line has a mailbox. It returns nil if it has, or may have.
func (l *line) awaitBox(ctx context.Context, c *imapclient.Client, why error) *ending {
	a := l.a
	if l.index > 0 {
		return &ending{done: true}
	}
	a.mu.Lock()
	l.box = ""
	a.mu.Unlock()
	l.setUp()
	a.setMode(store.WatchIdle, why)
	l.beginExtras(ctx)
	limit := time.NewTimer(boxPatience)
	defer limit.Stop()
	select {
	case <-ctx.Done():
		return &ending{done: true}
	case <-c.Done():
		return new(lost(c.Err()))
	case <-l.wanted():
		return &ending{err: errWanted, poll: true}
	case <-limit.C:
		return &ending{err: errNoBoxes, poll: true}
	case <-l.probe:
		if err := noop(ctx, c, probeLimit); err != nil && !refused(err) {
			return &ending{err: err, atOnce: true, untested: true}
		}
	case <-l.moved:
	}
	return nil
}

// assigned returns the mailbox of the line.
func (l *line) assigned() (box string, ok bool) {
	l.a.mu.Lock()
	names := l.a.names
	l.a.mu.Unlock()
	if names == nil {
		return "", false
	}
	boxes := l.a.preferred(names)
	if l.index >= len(boxes) {
		return "", false
	}
	return boxes[l.index], true
}

// giveUp notes that the server does not open a mailbox. The lines choose others.
func (a *Account) giveUp(box string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unusable[nameKey(box)] = true
	a.moved()
}

// examine opens a mailbox. changed: it differs from what is known of it.
func (l *line) examine(ctx context.Context, c *imapclient.Client, box string) (changed bool, err error) {
	ctx, cancel := within(ctx, answerLimit)
	defer cancel()
	a := l.a
	a.mu.Lock()
	l.box, l.counted = box, false
	events := l.events
	a.mu.Unlock()
	opts := imapclient.SelectOptions{ReadOnly: true, CondStore: c.Caps().Has("CONDSTORE")}
	sel, err := c.Select(ctx, box, opts)
	if refused(err) && opts.CondStore {
		// Some servers do not accept the parameter.
		opts.CondStore = false
		sel, err = c.Select(ctx, box, opts)
	}
	if err != nil {
		return false, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.events == events {
		l.exists, l.counted = sel.Exists, sel.HasExists
	}
	is := a.known.note(statusOf(box, &sel))
	if is.arrived > 0 {
		a.noteArrived(nameKey(box), is.arrived)
	}
	return is.changed, nil
}

// wait sends an IDLE and waits until it ends, or is to be begun again. e is not nil if the
// connection must not be used any more. ended: the server has ended it by itself.
func (l *line) wait(ctx context.Context, c *imapclient.Client) (e *ending, ended bool) {
	idle, err := l.begin(ctx, c)
	if refused(err) {
		return &ending{err: fmt.Errorf("watching with IDLE: %w", err), poll: l.index == 0, done: l.index > 0}, false
	}
	if err != nil {
		return new(lost(err)), false
	}
	refresh := time.NewTimer(l.a.opts.IdleRefresh)
	defer refresh.Stop()
	begun, sooner := time.Now(), l.a.opts.IdleRefresh <= renewAfter
	limit := time.Duration(0)
	var after *ending // what comes after the IDLE has ended in good order
	probed := false
	for limit == 0 {
		t := quiet(c)
		select {
		case <-ctx.Done():
			limit, after = farewellLimit, &ending{done: true}
		case <-idle.Done():
			limit, ended = answerLimit, true
		case <-l.wanted():
			limit, after = answerLimit, &ending{err: errWanted, poll: true}
		case <-l.moved:
			if box, ok := l.assigned(); !ok || box != l.box {
				limit = answerLimit
			} else {
				l.beginExtras(ctx)
			}
		case <-refresh.C:
			limit = answerLimit
		case <-l.reckon:
			if !sooner {
				sooner = true
				refresh.Reset(time.Until(begun.Add(renewAfter)))
			}
		case <-l.probe:
			limit, probed = probeLimit, true
		case <-t.C:
			if silent(c) {
				limit = answerLimit
			}
		}
		t.Stop()
	}
	endCtx, cancel := within(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := idle.End(endCtx); err != nil && !refused(err) && ctx.Err() == nil {
		e = new(lost(err))
		if probed {
			e.atOnce, e.untested = true, true
		}
		return e, false
	}
	return after, ended
}

func (l *line) begin(ctx context.Context, c *imapclient.Client) (*imapclient.Idle, error) {
	ctx, cancel := within(ctx, answerLimit)
	defer cancel()
	return c.StartIdle(ctx)
}

// beginExtras starts lines for the other preferred mailboxes, on the main line.
func (l *line) beginExtras(ctx context.Context) {
	if l.index > 0 {
		return
	}
	a := l.a
	a.mu.Lock()
	names := a.names
	a.mu.Unlock()
	want := min(len(a.preferred(names)), maxLines)
	running := map[int]bool{}
	kept := l.extras[:0]
	for _, x := range l.extras {
		select {
		case <-x.done:
			x.stop()
		default:
			kept = append(kept, x)
			running[x.line.index] = true
		}
	}
	l.extras = kept
	for i := 1; i < want; i++ {
		if running[i] {
			continue
		}
		next := newLine(a, i)
		if next.reserve() != nil {
			return
		}
		ctx, stop := context.WithCancel(ctx)
		x := &extra{line: next, stop: stop, done: make(chan struct{})}
		l.extras = append(l.extras, x)
		a.mu.Lock()
		a.lines = append(a.lines, x.line)
		a.mu.Unlock()
		go func() {
			defer close(x.done)
			x.line.keep(ctx)
		}()
	}
}

// endExtras ends the other lines and waits for them.
func (l *line) endExtras() {
	for _, x := range l.extras {
		x.stop()
	}
	for _, x := range l.extras {
		<-x.done
	}
	l.extras = nil
}

// touch reports the mailbox of the line.
func (l *line) touch() {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	l.touched()
}

// touched is touch with a.mu held.
func (l *line) touched() {
	l.events++
	if l.box == "" {
		return
	}
	notify(l.reckon)
	l.a.known.forget(l.box)
	l.a.changed(nameKey(l.box))
}

// noteExists handles an EXISTS. Some servers repeat it although nothing has changed.
func (l *line) noteExists(n uint32) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	same := l.counted && l.exists == n
	if l.counted && n > l.exists && l.box != "" {
		l.a.noteArrived(nameKey(l.box), n-l.exists)
	}
	l.exists = n
	if !same {
		l.touched()
	}
}

// noteGone handles the report that n messages are gone.
func (l *line) noteGone(n uint64) {
	l.a.mu.Lock()
	defer l.a.mu.Unlock()
	if n > uint64(l.exists) {
		l.counted = false
	} else {
		l.exists -= uint32(n)
	}
	l.touched()
}

func (l *line) noteVanished(uids mail.UIDSet) { l.noteGone(uids.Len()) }
