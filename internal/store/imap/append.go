package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
)

// renderLimit is up to which size a message is put together in memory before
// anything of it is sent, so that an error of its source has no consequences.
const renderLimit = 1 << 20

// maxRefused is how many messages in a row the server may refuse.
const maxRefused = 5

// Append implements store.Mailbox.
func (m *mailbox) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	sess, err := m.change(ctx)
	if err != nil {
		return nil, err
	}
	tells := sess.client.Caps().Has("UIDPLUS") // as Caps has it
	a := &appender{box: m, done: done, tells: tells, ended: make(chan struct{})}
	a.cond.L = &a.mu
	go a.complete(ctx)
	return a, nil
}

// appender implements store.Appender.
type appender struct {
	box  *mailbox
	done func(store.AppendResult)
	// tells: the server tells the UIDs of what it has stored.
	tells bool
	buf   bytes.Buffer // for rendering
	row   int          // how many were refused since the last one was stored

	mu   sync.Mutex
	cond sync.Cond
	// queue has the messages that were sent, in order, from the one whose
	// answer is waited for.
	queue    []sent
	finished bool
	err      error // nothing more can be stored

	ended chan struct{} // closed when the goroutine has ended
}

// sent is a message that was sent.
type sent struct {
	key     int
	pending *imapclient.Pending[imapclient.Appended]
	client  *imapclient.Client
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

		got, err := next.pending.Wait(ctx)
		if failed == nil || err == nil {
			failed = a.answered(next.key, &got, err)
		}

		a.mu.Lock()
		a.queue = a.queue[1:]
		if a.err == nil {
			a.err = failed
		}
		a.cond.Broadcast()
		a.mu.Unlock()
	}
}

// answered looks at the server's answer to one message. Its error means that
// nothing more can be stored.
func (a *appender) answered(key int, got *imapclient.Appended, err error) error {
	m := a.box
	switch {
	case err == nil:
		uid := got.UID()
		if !a.tells || got.UIDValidity == 0 || m.deposit {
			uid = 0
		} else if got.UIDValidity != m.Info().UIDValidity {
			return m.fail("storing messages", errNewValidity)
		}
		a.row = 0
		if uid != 0 {
			m.noteUID(uid)
		}
		a.done(store.AppendResult{Key: key, UID: uid})
	case !refused(err):
		return m.fail("storing messages", err)
	case imapclient.HasCode(err, imapwire.CodeTryCreate), imapclient.HasCode(err, imapwire.CodeNonexistent):
		return m.fail("storing messages", errors.Join(store.ErrNoBox, err))
	case reachOf(err) != ofMessage:
		return m.failAs(reachOf(err), "storing messages", err)
	case !imapclient.HasCode(err, imapwire.CodeTooBig):
		if a.row++; a.row == maxRefused {
			// It cannot be that it dislikes them all.
			return m.fail("storing messages", fmt.Errorf("%d messages in a row: %w", a.row, err))
		}
		fallthrough
	default:
		a.done(store.AppendResult{Key: key, Err: err})
	}
	return nil
}

// failure returns why nothing more can be stored.
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
	msg := imapclient.AppendMessage{Flags: o.Flags & a.box.Info().Flags, Date: o.Date, Size: o.Size, Body: o.Body}
	if o.Size <= renderLimit {
		if msg.Body, err = a.render(o); err != nil {
			return bodyError(err)
		}
	} else if err := a.drain(ctx); err != nil {
		// If its source fails the connection has to be given up, and nobody would
		// know what became of the messages before it.
		return err
	}
	p, err := sess.client.StartAppend(ctx, a.box.name, msg)
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
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, sent{o.Key, p, sess.client})
	a.cond.Broadcast()
	return nil
}

// bodyError makes a *store.BodyError of err, unless it is one.
func bodyError(err error) error {
	if be, ok := errors.AsType[*store.BodyError](err); ok {
		return be
	}
	return &store.BodyError{Err: err}
}

var errWrongSize = errors.New("message has not the size that was announced")

// render puts a message together in memory.
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
func (a *appender) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.cond.Broadcast()
	})
	defer stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 && ctx.Err() == nil {
		a.cond.Wait()
	}
	if a.err != nil {
		return a.err
	}
	return ctx.Err()
}

// Finish implements store.Appender.
func (a *appender) Finish(ctx context.Context) error {
	err := a.drain(ctx)
	a.mu.Lock()
	a.finished = true
	queue := a.queue
	a.cond.Broadcast()
	a.mu.Unlock()
	if len(queue) > 0 {
		// We were told to stop. The goroutine does not wait any longer than the
		// connection lasts.
		_ = queue[0].client.Close()
	}
	<-a.ended
	if ferr := a.failure(); err == nil {
		err = ferr
	}
	return err
}
