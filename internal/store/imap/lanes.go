package imap

import (
	"bytes"
	"context"
	"sync"
	"time"

	"isync/internal/imapclient"
	"isync/internal/store"
)

// Where a server has to be asked before each message is sent, a connection takes
// one message per round trip. If that is slow, and there are enough messages to
// make up for the logins, further connections share the work. Their messages may
// get their UIDs in another order than they were put.
const (
	// lanesRTT is from which round trip time on that is done, and lanesFrom from
	// which message on.
	lanesRTT  = 10 * time.Millisecond
	lanesFrom = 8
	// maxLanes is how many connections are used at most.
	maxLanes = 8
)

// lanes are connections that store messages side by side.
type lanes struct {
	a    *appender
	jobs chan job // closed when there are no more
	// cancel makes the lanes give up what they are at.
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// job is a message to be stored by one of the lanes.
type job struct {
	sent *sent
	msg  imapclient.AppendMessage
	buf  *bytes.Buffer // that msg is in
}

var laneBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// byLanes tells whether a message of that size goes by one of the lanes, which
// are made when it is time.
func (a *appender) byLanes(ctx context.Context, c *imapclient.Client, size int64) bool {
	switch {
	case size > renderLimit:
		return false
	case a.lanes != nil:
		return true
	case !c.LiteralWaits(size) || c.RTT() < lanesRTT || a.box.store.pool.crowded():
		return false
	}
	if a.waited++; a.waited <= lanesFrom {
		return false
	}
	// They live longer than this call, until end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.lanes = &lanes{a: a, jobs: make(chan job), cancel: cancel}
	for i := range maxLanes {
		a.lanes.wg.Go(func() { a.lanes.run(ctx, i > 0) })
	}
	return true
}

// put hands a message to a lane. It goes on as soon as one has time.
func (l *lanes) put(ctx context.Context, o *store.Outgoing) error {
	buf := laneBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	if _, err := o.Body.WriteTo(buf); err != nil {
		laneBuffers.Put(buf)
		return bodyError(err)
	}
	if int64(buf.Len()) != o.Size {
		laneBuffers.Put(buf)
		return bodyError(errWrongSize)
	}
	j := job{
		sent: &sent{key: o.Key, started: make(chan struct{})}, buf: buf,
		msg: imapclient.AppendMessage{Flags: o.Flags & l.a.box.Info().Flags, Date: o.Date, Size: o.Size, Body: buf},
	}
	l.a.enqueue(j.sent) // in this order the answers are looked at
	select {
	case l.jobs <- j:
		return nil
	case <-ctx.Done():
		j.sent.err = context.Cause(ctx)
		close(j.sent.started)
		return ctx.Err()
	}
}

// run is a lane, with a connection of its own or that of the mailbox. A lane that
// gets no connection leaves the work to the others.
func (l *lanes) run(ctx context.Context, own bool) {
	m := l.a.box
	use := m.use
	if own {
		sess := m.store.pool.spare(ctx, &m.store.door)
		if sess == nil {
			return
		}
		defer m.store.pool.put(sess)
		if sess.client.CompressIfSlow(ctx) != nil {
			return // the connection is lost
		}
		use = func(context.Context) (*session, error) {
			sess.uses.Add(1)
			return sess, nil
		}
	}
	for j := range l.jobs {
		s := j.sent
		if s.err = l.a.failure(); s.err == nil {
			var sess *session
			if sess, s.err = use(ctx); s.err == nil {
				s.client = sess.client
				s.pending, s.err = s.client.StartAppend(ctx, m.name, j.msg)
			}
		}
		laneBuffers.Put(j.buf)
		close(s.started)
	}
}

// end waits for the lanes, which have nothing to do any more; some may still be
// about to connect.
func (l *lanes) end() {
	close(l.jobs)
	l.cancel()
	l.wg.Wait()
}
