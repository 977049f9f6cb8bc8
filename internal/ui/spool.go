package ui

import (
	"bytes"
	"io"
	"sync"
	"time"

	"isync/internal/event"
)

// Spool makes writers that never wait: another goroutine writes what they are given. If the
// reader of the output is so slow that maxSpool bytes are waiting, further text is dropped,
// until there is room again. A program that keeps running needs it: it must do its work
// although a terminal was stopped, or the program that reads its output hangs.
type Spool struct {
	o SpoolOptions

	mu     sync.Mutex
	cond   *sync.Cond // changes of what follows
	queue  []spooled
	size   int // bytes in the queue
	lost   int // lines that were dropped since the last one that was queued
	closed bool
	done   chan struct{} // closed when the goroutine has ended
}

// SpoolOptions describe a Spool.
type SpoolOptions struct {
	// Full, if not nil, is called when lines begin to be dropped. It must not write to the
	// Spool.
	Full func()
	// Dropped returns the text about lines that were dropped; see DroppedText and
	// DroppedObject. It is written before the next text. It must not use the Spool.
	Dropped func(lines int) []byte
}

// maxSpool is the number of waiting bytes above which text is dropped.
const maxSpool = 1 << 20

// spooled is text for a writer.
type spooled struct {
	w    *spoolWriter
	text []byte
}

// spoolWriter is a writer of a Spool.
type spoolWriter struct {
	spool *Spool
	w     io.Writer
	err   error // of w; then nothing more is written to it
}

// NewSpool returns a Spool. It must be closed.
func NewSpool(o SpoolOptions) *Spool {
	s := &Spool{o: o, done: make(chan struct{})}
	s.cond = sync.NewCond(&s.mu)
	go s.write()
	return s
}

// Writer returns a writer that passes text on to w. Its error is that of an earlier text.
// Texts of all writers of a Spool are written in order.
func (s *Spool) Writer(w io.Writer) io.Writer { return &spoolWriter{spool: s, w: w} }

// Write implements io.Writer. text is written as a whole, or dropped as a whole.
func (w *spoolWriter) Write(text []byte) (int, error) {
	s := w.spool
	s.mu.Lock()
	if w.err != nil {
		defer s.mu.Unlock()
		return 0, w.err
	}
	if s.size > 0 && s.size+len(text) > maxSpool {
		begins := s.lost == 0
		s.lost += max(bytes.Count(text, []byte{'\n'}), 1)
		s.mu.Unlock()
		if begins && s.o.Full != nil {
			s.o.Full()
		}
		return len(text), nil
	}
	defer s.mu.Unlock()
	if s.lost > 0 {
		s.put(w, s.o.Dropped(s.lost))
		s.lost = 0
	}
	s.put(w, bytes.Clone(text))
	return len(text), nil
}

// put queues text; s.mu is held.
func (s *Spool) put(w *spoolWriter, text []byte) {
	s.queue = append(s.queue, spooled{w, text})
	s.size += len(text)
	s.cond.Broadcast()
}

// write writes what is queued, until the Spool is closed.
func (s *Spool) write() {
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 && !s.closed {
			s.cond.Wait()
		}
		if len(s.queue) == 0 {
			return
		}
		next := s.queue[0]
		s.queue[0] = spooled{}
		s.queue = s.queue[1:]
		if next.w.err == nil {
			s.mu.Unlock()
			_, err := next.w.w.Write(next.text)
			s.mu.Lock()
			next.w.err = err
		}
		s.size -= len(next.text)
	}
}

// Close waits until everything is written, but not longer than patience. Then the process
// must end, and the goroutine ends with it.
func (s *Spool) Close(patience time.Duration) {
	s.mu.Lock()
	s.closed = true
	s.cond.Broadcast()
	s.mu.Unlock()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.done:
	case <-limit.C:
	}
}

// DroppedText is the line of text about lines that were dropped.
func DroppedText(lines int) []byte {
	text, _ := Text(event.OutputDropped{Lines: lines})
	return []byte("mbsync: warning: " + text + "\n")
}

// DroppedObject is the JSON object about lines that were dropped.
func DroppedObject(now time.Time, lines int) []byte {
	o := Objects{Now: func() time.Time { return now }}
	return bytes.Join(o.Lines(event.Message{Severity: event.Warning, Fact: event.OutputDropped{Lines: lines}}), nil)
}
