package vfstest

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// memFile is an open file of a Mem.
type memFile struct {
	fs     *Mem
	node   *memNode
	name   string
	flag   int
	off    int64
	closed bool
}

// locked calls do while holding the lock of the file system, if the file is open.
func (f *memFile) locked(op string, do func() error) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError(op, f.name, fs.ErrClosed)
	}
	err := do()
	if err == io.EOF {
		return err
	}
	return pathError(op, f.name, err)
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Read(p []byte) (n int, err error) {
	err = f.locked("read", func() error {
		switch {
		case f.node.mode.IsDir():
			return syscall.EISDIR
		case f.flag&os.O_WRONLY != 0:
			return syscall.EBADF
		case len(p) == 0:
			return nil
		case f.off >= int64(len(f.node.data)):
			return io.EOF
		}
		n = copy(p, f.node.data[f.off:])
		f.off += int64(n)
		return nil
	})
	return n, err
}

func (f *memFile) Write(p []byte) (n int, err error) {
	err = f.locked("write", func() error {
		if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
			return syscall.EBADF
		}
		if f.flag&os.O_APPEND != 0 {
			f.off = int64(len(f.node.data))
		}
		f.node.write(f.off, p, f.fs.clock())
		f.off += int64(len(p))
		n = len(p)
		return nil
	})
	return n, err
}

func (f *memFile) Seek(offset int64, whence int) (pos int64, err error) {
	err = f.locked("seek", func() error {
		switch whence {
		case io.SeekCurrent:
			offset += f.off
		case io.SeekEnd:
			offset += int64(len(f.node.data))
		}
		if offset < 0 {
			return syscall.EINVAL
		}
		f.off, pos = offset, offset
		return nil
	})
	return pos, err
}

func (f *memFile) Truncate(size int64) error {
	return f.locked("truncate", func() error {
		if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 || size < 0 {
			return syscall.EINVAL
		}
		f.node.truncate(size, f.fs.clock())
		return nil
	})
}

func (f *memFile) Sync() error {
	return f.locked("sync", func() error {
		f.node.sync()
		return nil
	})
}

func (f *memFile) Stat() (fi fs.FileInfo, err error) {
	err = f.locked("stat", func() error {
		fi = f.fs.info(f.node, f.name)
		return nil
	})
	return fi, err
}

func (f *memFile) Close() error {
	return f.locked("close", func() error {
		f.closed = true
		if f.node.lock == f {
			f.node.lock = nil
			f.fs.unlocked.Broadcast()
		}
		return nil
	})
}

func (n *memNode) write(off int64, p []byte, now time.Time) {
	if len(p) == 0 {
		return
	}
	e := memEdit{off, slices.Clone(p)}
	n.writes = append(n.writes, e)
	n.data = e.apply(n.data)
	n.mtime, n.ctime = now, now
}

func (n *memNode) truncate(size int64, now time.Time) {
	if size == int64(len(n.data)) {
		return
	}
	e := memEdit{off: size}
	n.writes = append(n.writes, e)
	n.data = e.apply(n.data)
	n.mtime, n.ctime = now, now
}

// sync makes the bytes of the node durable.
func (n *memNode) sync() {
	if len(n.writes) > 0 {
		n.durable = slices.Clone(n.data)
		n.writes = nil
	}
}

// apply returns b after the edit; it may modify b.
func (e memEdit) apply(b []byte) []byte {
	end := e.off + int64(len(e.data))
	if e.data == nil && end < int64(len(b)) {
		return b[:end]
	}
	if grow := end - int64(len(b)); grow > 0 {
		b = append(b, make([]byte, grow)...)
	}
	copy(b[e.off:], e.data)
	return b
}
