package imapclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is the number of bytes of a kept body that stay in memory.
const spoolMemory = 64 << 10

// A spool is a body that is kept for later. nil means no body; all methods may be called on it.
type spool struct {
	open func() (SpoolFile, error)
	size int64
	mem  bytes.Buffer
	file SpoolFile
	err  error
}

func newSpool(open func() (SpoolFile, error)) *spool {
	if open == nil {
		open = tempFile
	}
	return &spool{open: open}
}

// tempFile returns a file that is removed when it is closed, or when the program ends.
func tempFile() (SpoolFile, error) {
	f, err := os.CreateTemp("", "mbsync-")
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) == nil {
		return f, nil
	}
	// Some systems cannot remove open files.
	return removing{f}, nil
}

type removing struct{ *os.File }

func (f removing) Close() error {
	return errors.Join(f.File.Close(), os.Remove(f.Name()))
}

// fill reads the whole body. reader returns an error of it.
func (s *spool) fill(r io.Reader) {
	s.size, s.err = io.Copy(&s.mem, io.LimitReader(r, spoolMemory))
	if s.err != nil || s.size < spoolMemory {
		return
	}
	if s.file, s.err = s.open(); s.err != nil {
		return
	}
	if _, s.err = s.mem.WriteTo(s.file); s.err != nil {
		return
	}
	n, err := io.Copy(s.file, r)
	s.size += n
	s.err = err
}

// reader returns the body from its start.
func (s *spool) reader() (io.Reader, error) {
	if s.err != nil {
		return nil, fmt.Errorf("cannot set a message aside: %w", s.err)
	}
	if s.file == nil {
		return bytes.NewReader(s.mem.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot set a message aside: %w", err)
	}
	return s.file, nil
}

func (s *spool) close() {
	if s != nil && s.file != nil {
		// Nothing depends on it any more.
		_ = s.file.Close()
		s.file = nil
	}
}
