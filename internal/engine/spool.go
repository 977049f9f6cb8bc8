package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"isync/internal/store"
)

// Batches of a copy between two servers: a batch is read in full before it is
// written, while the next one is read.
const (
	batchMessages = 100
	// spoolMemory is the part of a message that is kept in memory; the rest
	// goes to a temporary file.
	spoolMemory = 256 << 10
)

// spooled is a converted message that waits to be stored.
type spooled struct {
	i    int
	out  *store.Outgoing
	data *spool
}

// copyBatches copies by reading batches completely before writing them.
func (c *copier) copyBatches(ctx context.Context, app store.Appender) error {
	batches := make(chan []spooled, 1)
	result := make(chan error, 1)
	var broken atomic.Bool // the target: then reading on is for nothing
	go func() {            // ends when batches is closed; copyBatches waits for it
		var err error
		for batch := range batches {
			for _, m := range batch {
				if err == nil {
					err = c.hand(ctx, app, m.i, m.out)
					broken.Store(err != nil)
				}
				m.data.Close()
			}
		}
		result <- err
	}()
	var err error
	for from := 0; from < len(c.copies) && err == nil && !broken.Load(); from += batchMessages {
		var batch []spooled
		err = c.fetch(ctx, from, min(from+batchMessages, len(c.copies)), func(i int, in *store.Incoming) error {
			m, err := c.spool(i, in)
			if m != nil {
				batch = append(batch, *m)
			}
			return err
		})
		batches <- batch
	}
	close(batches)
	return joinErrors(err, <-result)
}

// spool reads and converts a message. It returns nil if the message could not be read.
func (c *copier) spool(i int, in *store.Incoming) (*spooled, error) {
	flags, conv, err := c.describe(i, in)
	if err != nil {
		return nil, err
	}
	data := &spool{}
	b := &body{conv: conv, src: in.Body}
	n, err := b.WriteTo(data)
	if data.err != nil {
		data.Close()
		return nil, data.err
	}
	if err != nil {
		data.Close()
		return nil, c.bodyFailed(i, err)
	}
	out := &store.Outgoing{Key: i, Flags: flags, Size: n, Body: data}
	if c.CopyArrivalDate {
		out.Date = in.Date
	}
	return &spooled{i, out, data}, nil
}

// spool holds a message. Everything after the first bytes is in a temporary file.
type spool struct {
	mem  bytes.Buffer
	file *os.File
	err  error // of the file
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.mem.Len()+len(p) <= spoolMemory {
		return s.mem.Write(p)
	}
	if s.file == nil {
		if s.file, s.err = os.CreateTemp("", "mbsync-*"); s.err != nil {
			s.err = fmt.Errorf("creating a temporary file: %w", s.err)
			return 0, s.err
		}
		_ = os.Remove(s.file.Name()) // fails on Windows; Close does it there
	}
	n, err := s.file.Write(p)
	if err != nil {
		s.err = fmt.Errorf("writing a temporary file: %w", err)
	}
	return n, s.err
}

// WriteTo writes the message, once.
func (s *spool) WriteTo(w io.Writer) (int64, error) {
	n, err := s.mem.WriteTo(w)
	if err != nil || s.file == nil {
		return n, err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return n, &store.BodyError{Err: err}
	}
	m, err := io.Copy(w, s.file)
	return n + m, err
}

// Close drops the message.
func (s *spool) Close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
}
