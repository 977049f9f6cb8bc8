package imap

import (
	"bytes"
	"context"
	"sync"
	"time"

	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// With synchronizing literals, a connection stores one message per round trip. If round
// trips are slow and there are enough messages to make up for the logins, additional
// connections store messages in parallel. Then UIDs may be assigned in another order
// than that of Put.
const (
	// parallelRTT is the minimum round trip time, and parallelFrom the number of the first
	// message, for which that is done.
	parallelRTT  = 10 * time.Millisecond
	parallelFrom = 8
	// maxParallel is the maximum number of connections.
	maxParallel = 8
)

// parallelAppend has the connections that store messages in parallel.
type parallelAppend struct {
	a    *appender
	jobs chan job // closed when there are no more
	// cancel stops the workers.
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// job is a message that a worker stores.
type job struct {
	sent *sent
	msg  imapclient.AppendMessage
	buf  *bytes.Buffer // that msg is in
}

var jobBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// inParallel reports whether a message of that size is stored by a worker. It starts
// the workers when that saves time.
func (a *appender) inParallel(ctx context.Context, c *imapclient.Client, size int64) bool {
	switch {
	case size > renderLimit:
		return false
	case a.parallel != nil:
		return true
	case !c.LiteralWaits(size) || c.RTT() < parallelRTT || a.box.store.pool.Crowded():
		return false
	}
	if a.waited++; a.waited <= parallelFrom {
		return false
	}
	// They live longer than this call, until end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.parallel = &parallelAppend{a: a, jobs: make(chan job), cancel: cancel}
	for i := range maxParallel {
		a.parallel.wg.Go(func() { a.parallel.run(ctx, i > 0) })
	}
	return true
}

// put passes a message to a worker. It waits until a worker is idle.
func (p *parallelAppend) put(ctx context.Context, o *store.Outgoing) error {
	buf := jobBuffers.Get().(*bytes.Buffer)
	buf.Reset()
	if _, err := o.Body.WriteTo(buf); err != nil {
		jobBuffers.Put(buf)
		return bodyError(err)
	}
	if int64(buf.Len()) != o.Size {
		jobBuffers.Put(buf)
		return bodyError(errWrongSize)
	}
	j := job{
		sent: &sent{key: o.Key, started: make(chan struct{})}, buf: buf,
		msg: imapclient.AppendMessage{Flags: o.Flags & p.a.box.Info().Flags, Date: o.Date, Size: o.Size, Body: buf},
	}
	p.a.enqueue(j.sent) // in this order the answers are looked at
	select {
	case p.jobs <- j:
		return nil
	case <-ctx.Done():
		j.sent.err = context.Cause(ctx)
		close(j.sent.started)
		return ctx.Err()
	}
}

// run is a worker, with a connection of its own or that of the mailbox. A worker that
// gets no connection ends; the others do the work.
func (p *parallelAppend) run(ctx context.Context, own bool) {
	m := p.a.box
	use := m.use
	if own {
		sess := m.store.pool.Spare(ctx, &m.store.gate, session.Want{Changes: true})
		if sess == nil {
			return
		}
		defer m.store.pool.Put(sess, session.Want{})
		if sess.Client.CompressIfSlow(ctx) != nil {
			return // the connection is lost
		}
		use = func(context.Context) (*session.Session, error) {
			sess.Use()
			return sess, nil
		}
	}
	for j := range p.jobs {
		s := j.sent
		if s.err = p.a.failure(); s.err == nil {
			var sess *session.Session
			if sess, s.err = use(ctx); s.err == nil {
				s.client = sess.Client
				s.pending, s.err = s.client.StartAppend(ctx, m.name, j.msg)
			}
		}
		jobBuffers.Put(j.buf)
		close(s.started)
	}
}

// end waits for the workers, after the last message. Some may still be connecting.
func (p *parallelAppend) end() {
	close(p.jobs)
	p.cancel()
	p.wg.Wait()
}
