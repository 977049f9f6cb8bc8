package vfs

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// direntBuf is the buffer for one getdents64(2) call. 256 KiB hold about 4,000 names of messages.
type direntBuf struct {
	data  [256 << 10]byte
	n     int      // bytes of data that the call has filled; 0: end of the directory
	err   error    // of the call
	names []string // in data
}

var direntBufs = sync.Pool{New: func() any { return new(direntBuf) }}

// manyNames is the number of bytes from which on another call is worth a goroutine.
const manyNames = 128 << 10

// eachNames calls fn with the names in a directory, in the system's order, without copying them.
// It reads large directories ahead, because the system needs more time to list them than fn to
// process the names.
func eachNames(dir string, fn func(names []string) error) error {
	var fd int
	err := retryIntr(func() (err error) {
		fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)

	now := direntBufs.Get().(*direntBuf)
	defer func() { direntBufs.Put(now) }()
	now.read(fd)
	var next *direntBuf
	defer func() {
		if next != nil {
			direntBufs.Put(next)
		}
	}()
	for now.n > 0 {
		if now.n < manyNames {
			if err := fn(now.parse()); err != nil {
				return err
			}
			now.read(fd)
			continue
		}
		if next == nil {
			next = direntBufs.Get().(*direntBuf)
		}
		var reading sync.WaitGroup
		reading.Go(func() { next.read(fd) })
		err := fn(now.parse())
		reading.Wait()
		if err != nil {
			return err
		}
		now, next = next, now
	}
	if now.err != nil {
		return &fs.PathError{Op: "readdirent", Path: dir, Err: now.err}
	}
	return nil
}

// read fills the buffer.
func (b *direntBuf) read(fd int) {
	b.err = retryIntr(func() (err error) {
		b.n, err = unix.Getdents(fd, b.data[:])
		return err
	})
	if b.err != nil {
		b.n = 0
	}
}

// parse returns the names in the buffer.
func (b *direntBuf) parse() []string {
	b.names = b.names[:0]
	for rest := b.data[:b.n]; len(rest) > 0; {
		name, size := nextDirent(rest)
		if len(name) > 0 {
			b.names = append(b.names, unsafe.String(&name[0], len(name)))
		}
		rest = rest[size:]
	}
	return b.names
}

// nextDirent returns the name in the first record and the size of the record. The name is empty
// if the entry must be left out.
func nextDirent(b []byte) (name []byte, size int) {
	const (
		lenAt  = unsafe.Offsetof(unix.Dirent{}.Reclen)
		nameAt = unsafe.Offsetof(unix.Dirent{}.Name)
	)
	size = int(binary.NativeEndian.Uint16(b[lenAt:]))
	name = b[nameAt:size]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	isDots := len(name) <= 2 && bytes.Equal(name, []byte("..")[:len(name)])
	if isDots || binary.NativeEndian.Uint64(b) == 0 {
		name = nil // an inode number of 0 marks a removed entry
	}
	return name, size
}

func retryIntr(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
