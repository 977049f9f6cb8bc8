package ui

import (
	"errors"
	"io"
	"sync"
	"time"

	"isync/internal/event"
)

// JSONOptions are the options of a JSON sink.
type JSONOptions struct {
	Out io.Writer
	Objects
	// Lost, if not nil, is called once, from another goroutine, if the output cannot be
	// written. After that, nothing more is written.
	Lost func(error)
}

// JSON is a sink that writes events as JSON Lines (docs/events.md). Another goroutine writes
// them, so Take waits for the reader of the output only if maxQueue bytes are waiting. It is
// safe for concurrent use.
type JSON struct {
	mu      sync.Mutex // guards objects
	objects Objects

	out  io.Writer
	lost func(error)

	queueMu sync.Mutex // guards what follows
	cond    *sync.Cond // changes of it
	queue   []byte     // lines that are not written yet
	closed  bool       // there will be no more lines
	err     error

	once  sync.Once
	hurry chan struct{} // closed by Hurry
	done  chan struct{} // closed when the goroutine has ended
}

const (
	// maxQueue is the number of waiting bytes from which on Take waits for the output.
	maxQueue = 1 << 20
	// maxFlush is how long Close waits for the output after Hurry.
	maxFlush = time.Second
)

// errNotRead says that lines were dropped, because the output was not read.
var errNotRead = errors.New("the output is not read")

var _ event.Sink = (*JSON)(nil)

// NewJSON returns a sink. It must be closed.
func NewJSON(o JSONOptions) *JSON {
	j := &JSON{objects: o.Objects, out: o.Out, lost: o.Lost, hurry: make(chan struct{}), done: make(chan struct{})}
	j.cond = sync.NewCond(&j.queueMu)
	j.objects.begin(j.objects.Now())
	go j.write()
	return j
}

// Take implements event.Sink. It makes no objects once the output is lost.
func (j *JSON) Take(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.objects.Lines(e) {
		j.put(line)
	}
}

// put queues a line.
func (j *JSON) put(line []byte) {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	for len(j.queue) >= maxQueue && j.err == nil && !j.isHurried() {
		j.cond.Wait()
	}
	switch {
	case j.err != nil || j.closed:
	case len(j.queue) >= maxQueue:
		j.err = errNotRead
	default:
		j.queue = append(j.queue, line...)
		j.cond.Broadcast()
	}
}

// write writes what is queued, until the sink is closed or the output is lost.
func (j *JSON) write() {
	defer close(j.done)
	var spare []byte
	for {
		j.queueMu.Lock()
		for len(j.queue) == 0 && !j.closed {
			j.cond.Wait()
		}
		lines := j.queue
		j.queue = spare[:0]
		j.cond.Broadcast()
		j.queueMu.Unlock()
		if len(lines) == 0 {
			return
		}
		_, err := j.out.Write(lines)
		if err != nil {
			j.fail(err)
			return
		}
		spare = lines
	}
}

// fail notes that the output is lost.
func (j *JSON) fail(err error) {
	j.queueMu.Lock()
	j.err, j.queue = err, nil
	j.cond.Broadcast()
	j.queueMu.Unlock()
	if j.lost != nil {
		j.lost(err)
	}
}

// Hurry must be called when the program is to end soon. From then on, Take does not wait
// for the output, and drops lines above maxQueue.
func (j *JSON) Hurry() {
	j.once.Do(func() { close(j.hurry) })
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	j.cond.Broadcast()
}

func (j *JSON) isHurried() bool {
	select {
	case <-j.hurry:
		return true
	default:
		return false
	}
}

// Close writes the rest. It returns an error if not everything could be written.
func (j *JSON) Close() error {
	j.queueMu.Lock()
	j.closed = true
	j.cond.Broadcast()
	j.queueMu.Unlock()
	select {
	case <-j.done:
	case <-j.hurry:
		select {
		case <-j.done:
		case <-time.After(maxFlush):
			return errNotRead // the process ends, and the goroutine with it
		}
	}
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	return j.err
}
