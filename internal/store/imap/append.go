package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// renderLimit is the size up to which a message is completed in memory before it is sent, in bytes. So an
// error of its source has no effect on the connection.
const renderLimit = 1 << 20

// maxRefused is the number of messages in a row that the server may refuse.
const maxRefused = 5

// Append implements store.Mailbox.
func (m *mailbox) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	sess, err := m.changeCounted(ctx)
	if err != nil {
		return nil, err
	}
	caps := sess.Client.Caps()
	a := &appender{
		box: m, done: done, ended: make(chan struct{}),
		tells:   caps.Has("UIDPLUS"), // as Caps has it
		gathers: caps.Has("MULTIAPPEND"),
	}
	a.cond.L = &a.mu
	go a.complete(ctx)
	return a, nil
}

// appender implements store.Appender.
type appender struct {
	box  *mailbox
	done func(store.AppendResult)
	// tells: the server returns the UIDs of stored messages.
	tells bool
	buf   bytes.Buffer // for rendering
	row   int          // how many were refused since the last one was stored
	group *group       // gathers messages that have not been sent; may be nil
	bytes int64        // of the messages so far

	// parallel has the additional connections; nil: none. waited is the number of messages so far
	// whose literal had to wait for a continuation request.
	parallel *parallelAppend
	waited   int

	mu   sync.Mutex
	cond sync.Cond
	// queue has the sent messages and groups without an answer, in order.
	queue    []*sent
	spare    []*group // emptied
	finished bool
	err      error // nothing more can be stored
	// gathers: one command stores several messages. refusals counts the refused commands.
	gathers  bool
	refusals int

	ended chan struct{} // closed when the goroutine has ended
}

// sent is a message that was sent, or a group of them.
type sent struct {
	key   int
	group *group // nil: one message
	// started is closed when pending and client, or err, are set; nil: they are set.
	started chan struct{}
	pending *imapclient.Pending[imapclient.Appended]
	client  *imapclient.Client
	err     error
}

// answer waits for the server's answer.
func (s *sent) answer(ctx context.Context) (imapclient.Appended, error) {
	if s.started != nil {
		<-s.started
	}
	if s.err != nil {
		return imapclient.Appended{}, s.err
	}
	return s.pending.Wait(ctx)
}

// complete waits for the answers, in order. It is the appender's goroutine.
func (a *appender) complete(ctx context.Context) {
	defer close(a.ended)
	for {
		a.mu.Lock()
		for len(a.queue) == 0 && !a.finished {
			a.cond.Wait()
		}
		if len(a.queue) == 0 {
			a.mu.Unlock()
			return
		}
		next, failed := a.queue[0], a.err
		a.mu.Unlock()

		got, err := next.answer(ctx)
		switch {
		case failed != nil && err != nil:
		case next.group != nil:
			failed = a.groupAnswered(ctx, next, &got, err)
		default:
			failed = a.answered(next.key, &got, err)
		}

		a.mu.Lock()
		a.queue = a.queue[1:]
		if next.group != nil {
			a.spare = append(a.spare, next.group)
		}
		if a.err == nil {
			a.err = failed
		}
		a.cond.Broadcast()
		a.mu.Unlock()
	}
}

// answered handles the server's answer for a message. An error means that no more messages can be
// stored.
func (a *appender) answered(key int, got *imapclient.Appended, err error) error {
	m := a.box
	if err != nil {
		m.noteUnknown()
	}
	switch {
	case err == nil:
		uid := mail.UID(0)
		if a.told(got) {
			if got.UIDValidity != m.Info().UIDValidity {
				return m.fail("storing messages", errNewValidity)
			}
			uid = got.UID()
		}
		m.noteStored(uid)
		a.stored(key, uid, false)
	case !refused(err):
		return m.fail("storing messages", err)
	case imapclient.HasCode(err, imapwire.CodeTryCreate), imapclient.HasCode(err, imapwire.CodeNonexistent):
		return m.fail("storing messages", errors.Join(store.ErrNoBox, err))
	case reachOf(err) != ofMessage:
		return m.failAs(reachOf(err), "storing messages", err)
	case !certain(err):
		if a.row++; a.row == maxRefused {
			// The messages are not the reason.
			return m.fail("storing messages", fmt.Errorf("%d messages in a row failed: %w", a.row, err))
		}
		fallthrough
	default:
		a.done(store.AppendResult{Key: key, Err: judged(err)})
	}
	return nil
}

// told reports whether the server has reported the UIDs of the stored messages, and
// they are valid.
func (a *appender) told(got *imapclient.Appended) bool {
	return a.tells && got.UIDValidity != 0 && a.box.Info().UIDValidity != 0 && !a.box.deposit
}

// stored completes a stored message. The UID is 0 if it is not known.
func (a *appender) stored(key int, uid mail.UID, more bool) {
	a.row = 0
	if uid != 0 {
		a.box.noteUID(uid)
	}
	a.done(store.AppendResult{Key: key, UID: uid, More: more})
}

// failure returns the reason why no more messages can be stored.
func (a *appender) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

var errSizeUnknown = errors.New("size of the message is not known")

// Put implements store.Appender.
func (a *appender) Put(ctx context.Context, o *store.Outgoing) error {
	if err := a.failure(); err != nil {
		return err
	}
	sess, err := a.box.use(ctx)
	if err != nil {
		return err
	}
	if o.Size < 0 {
		return a.box.fail("storing messages", errSizeUnknown)
	}
	if a.bytes += o.Size; a.bytes >= bulkBytes {
		if err := sess.Client.CompressIfSlow(ctx); err != nil {
			return a.box.fail("storing messages", err)
		}
	}
	if o.Size <= renderLimit && a.gathering() {
		return a.gather(ctx, sess.Client, o)
	}
	if err := a.sendGroup(ctx, sess.Client); err != nil {
		return err
	}
	if a.inParallel(ctx, sess.Client, o.Size) {
		return a.parallel.put(ctx, o)
	}
	msg := imapclient.AppendMessage{Flags: o.Flags & a.box.Info().Flags, Date: o.Date, Size: o.Size, Body: o.Body}
	if o.Size <= renderLimit {
		if msg.Body, err = a.render(o); err != nil {
			return bodyError(err)
		}
	} else if err := a.drain(ctx); err != nil {
		// If its source fails, the connection must be closed, and the result of the earlier
		// messages would be unknown.
		return err
	}
	if !a.box.deposit {
		sess.NoteAppend()
	}
	p, err := sess.Client.StartAppend(ctx, a.box.name, msg)
	if be, ok := errors.AsType[*imapclient.BodyError](err); ok {
		if be.Conn != nil {
			if err := a.box.reconnect(ctx); err != nil {
				return err
			}
		}
		return bodyError(be.Err)
	}
	if err != nil {
		return a.box.fail("storing messages", err)
	}
	a.enqueue(&sent{key: o.Key, pending: p, client: sess.Client})
	return nil
}

// enqueue makes the goroutine wait for an answer.
func (a *appender) enqueue(s *sent) {
	a.box.noteSent()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, s)
	a.cond.Broadcast()
}

// bodyError makes a *store.BodyError of err, unless it is one.
func bodyError(err error) error {
	if be, ok := errors.AsType[*store.BodyError](err); ok {
		return be
	}
	return &store.BodyError{Err: err}
}

var errWrongSize = errors.New("message does not have the announced size")

// render completes a message in memory.
func (a *appender) render(o *store.Outgoing) (*bytes.Buffer, error) {
	if b, ok := o.Body.(*bytes.Buffer); ok && int64(b.Len()) == o.Size {
		return b, nil
	}
	a.buf.Reset()
	a.buf.Grow(int(o.Size))
	if _, err := o.Body.WriteTo(&a.buf); err != nil {
		return nil, err
	}
	if int64(a.buf.Len()) != o.Size {
		return nil, errWrongSize
	}
	return &a.buf, nil
}

// drain waits until all messages sent have been answered.
func (a *appender) drain(ctx context.Context) error { return a.await(ctx, 0) }

// await waits until no more than n sent messages and groups have no answer.
func (a *appender) await(ctx context.Context, n int) error {
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cond.Broadcast()
	})
	defer stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > n && ctx.Err() == nil {
		a.cond.Wait()
	}
	if a.err != nil {
		return a.err
	}
	return ctx.Err()
}

// Finish implements store.Appender.
func (a *appender) Finish(ctx context.Context) error {
	err := a.sendRest(ctx)
	if err == nil {
		err = a.drain(ctx)
	}
	a.mu.Lock()
	a.finished = true
	queue := a.queue
	a.cond.Broadcast()
	a.mu.Unlock()
	if len(queue) > 0 {
		// The context has ended. Closing the connections ends the goroutines.
		a.hangUp(queue)
	}
	if a.parallel != nil {
		a.parallel.end()
	}
	<-a.ended
	if ferr := a.failure(); err == nil {
		err = ferr
	}
	return err
}

// hangUp closes the connections of the queue.
func (a *appender) hangUp(queue []*sent) {
	if a.parallel != nil {
		a.parallel.cancel()
	}
	if sess, err := a.box.use(context.Background()); err == nil {
		_ = sess.Client.Close()
	}
	for _, s := range queue {
		if s.started != nil {
			<-s.started
		}
		if s.client != nil {
			_ = s.client.Close()
		}
	}
}
