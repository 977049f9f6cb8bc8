package vfs

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// direntBuf is what one getdents64(2) call fills: 256 KiB hold some 4,000
// names of messages.
type direntBuf struct {
	data  [256 << 10]byte
	names []string // in data
}

var direntBufs = sync.Pool{New: func() any { return new(direntBuf) }}

// eachNames hands out the names in a directory as the system tells them, without
// copying them.
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

	buf := direntBufs.Get().(*direntBuf)
	defer direntBufs.Put(buf)
	for {
		var n int
		err := retryIntr(func() (err error) {
			n, err = unix.Getdents(fd, buf.data[:])
			return err
		})
		if err != nil {
			return &fs.PathError{Op: "readdirent", Path: dir, Err: err}
		}
		if n == 0 {
			return nil
		}
		buf.names = buf.names[:0]
		for rest := buf.data[:n]; len(rest) > 0; {
			name, size := nextDirent(rest)
			if len(name) > 0 {
				buf.names = append(buf.names, unsafe.String(&name[0], len(name)))
			}
			rest = rest[size:]
		}
		if err := fn(buf.names); err != nil {
			return err
		}
	}
}

// nextDirent returns the name in the first record, empty for those to be left
// out, and the size of the record.
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
