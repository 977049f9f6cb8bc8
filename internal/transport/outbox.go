package transport

import (
	"context"
	"io"
	"sync"
)

// outboxSize is the maximum number of bytes in an Outbox. Put waits while it is full.
const outboxSize = 128 << 10

// An Outbox is a bounded buffer between the goroutines that send commands, one at a time, and the
// writer goroutine. Data that arrives during a write is sent with the next one.
type Outbox struct {
	wake chan struct{} // there is data to write
	room chan struct{} // there is room in the buffer
	idle chan struct{} // the buffer may be empty

	mu      sync.Mutex
	w       io.Writer
	buf     []byte
	writing bool
}

// flushWriter is a writer that buffers data until Flush.
type flushWriter interface {
	io.Writer
	Flush() error
}

// NewOutbox returns an outbox that writes to w.
func NewOutbox(w io.Writer) *Outbox {
	return &Outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1), idle: make(chan struct{}, 1), w: w}
}

// Put passes p to the writer. dead is closed when the connection is lost; then Put returns
// ErrClosed.
func (o *Outbox) Put(ctx context.Context, dead <-chan struct{}, p []byte) error {
	for {
		o.mu.Lock()
		n := min(len(p), outboxSize-len(o.buf))
		o.buf = append(o.buf, p[:n]...)
		o.mu.Unlock()
		notify(o.wake)
		p = p[n:]
		if len(p) == 0 {
			return nil
		}
		select {
		case <-o.room:
		case <-dead:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Swap makes the writer write to w from now on. The outbox must be empty; see Drain.
func (o *Outbox) Swap(w io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = w
}

// Run writes until dead is closed. After an error it calls failed and discards all further data.
func (o *Outbox) Run(dead <-chan struct{}, failed func(error)) {
	var spare []byte
	var broken bool
	for {
		select {
		case <-o.wake:
		case <-dead:
			return
		}
		o.mu.Lock()
		b, w := o.buf, o.w
		o.buf = spare[:0]
		o.writing = true
		o.mu.Unlock()
		notify(o.room)
		if len(b) > 0 && !broken {
			_, err := w.Write(b)
			if f, ok := w.(flushWriter); ok && err == nil {
				err = f.Flush()
			}
			if err != nil {
				broken = true
				failed(err)
			}
		}
		spare = b
		o.mu.Lock()
		o.writing = false
		o.mu.Unlock()
		notify(o.idle)
	}
}

// Drain waits until all data has been written. Only one goroutine may call it, and no other may
// call Put meanwhile.
func (o *Outbox) Drain(ctx context.Context, dead <-chan struct{}) error {
	for {
		o.mu.Lock()
		empty := len(o.buf) == 0 && !o.writing
		o.mu.Unlock()
		if empty {
			return nil
		}
		select {
		case <-o.idle:
		case <-dead:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
