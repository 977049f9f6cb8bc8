package vfstest

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"isync/internal/vfs"
)

// Op is a kind of file system operation, or a set of them.
type Op uint

// The operations that Fault counts and can make fail.
const (
	OpOpen   Op = 1 << iota // of a file that must exist
	OpCreate                // opening with O_CREATE
	OpRead
	OpWrite
	OpSync
	OpTruncate
	OpClose
	OpMkdir
	OpRemove
	OpRename
	OpStat // of a name or an open file
	OpReadNames
	OpChtimes
	OpSyncDir
	OpLock

	// OpChanges are the operations that change stored data or make it durable.
	OpChanges = OpCreate | OpWrite | OpSync | OpTruncate | OpMkdir | OpRemove |
		OpRename | OpChtimes | OpSyncDir
	// OpAll are all operations.
	OpAll = 1<<iota - 1
)

// A Rule makes operations fail.
type Rule struct {
	// Ops are the operations that count; 0 means OpAll.
	Ops Op
	// Match, if set, limits the rule to some operations and names.
	Match func(op Op, name string) bool
	// Nth is the first operation that fails, counting from 1; 0: none.
	Nth int
	// Every: all operations from the Nth on fail, not only that one.
	Every bool
	// Err is the error. A write that fails with ENOSPC writes half of its bytes.
	Err syscall.Errno
}

// Fault passes all operations to another file system, except those that its rule makes fail. A
// failing operation is not executed, but a file whose Close fails is closed.
type Fault struct {
	fs vfs.FS

	mu     sync.Mutex
	rule   Rule
	seen   int // number of operations that matched the rule
	fired  int
	counts map[Op]int
	before func(op Op, name string)
}

var _ vfs.FS = (*Fault)(nil)

// NewFault returns a Fault without a rule.
func NewFault(fs vfs.FS) *Fault { return &Fault{fs: fs, counts: make(map[Op]int)} }

// Inject sets the rule and resets all counts.
func (f *Fault) Inject(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Ops == 0 {
		r.Ops = OpAll
	}
	f.rule, f.seen, f.fired = r, 0, 0
	clear(f.counts)
}

// Before sets a function that is called before each operation, on the same goroutine. For a
// rename, name is the old name.
func (f *Fault) Before(hook func(op Op, name string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = hook
}

// Count returns the number of operations of these kinds since the last Inject.
func (f *Fault) Count(ops Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for op, c := range f.counts {
		if op&ops != 0 {
			n += c
		}
	}
	return n
}

// Fired returns the number of operations that the rule has made fail. In a loop over Nth = 1, 2,
// 3, …, it is 0 after the last operation.
func (f *Fault) Fired() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// check counts an operation, calls the Before function, and returns the error if it must fail.
func (f *Fault) check(op Op, name string) error {
	f.mu.Lock()
	hook := f.before
	f.counts[op]++
	var err error
	if r := f.rule; r.Nth > 0 && op&r.Ops != 0 && (r.Match == nil || r.Match(op, name)) {
		f.seen++
		if f.seen == r.Nth || f.seen > r.Nth && r.Every {
			f.fired++
			err = r.Err
		}
	}
	f.mu.Unlock()
	if hook != nil {
		hook(op, name)
	}
	return err
}

func (f *Fault) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	op := OpOpen
	if flag&os.O_CREATE != 0 {
		op = OpCreate
	}
	if err := f.check(op, name); err != nil {
		return nil, pathError("open", name, err)
	}
	file, err := f.fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

func (f *Fault) Mkdir(name string, perm fs.FileMode) error {
	if err := f.check(OpMkdir, name); err != nil {
		return pathError("mkdir", name, err)
	}
	return f.fs.Mkdir(name, perm)
}

func (f *Fault) Remove(name string) error {
	if err := f.check(OpRemove, name); err != nil {
		return pathError("remove", name, err)
	}
	return f.fs.Remove(name)
}

func (f *Fault) Rename(oldname, newname string) error {
	if err := f.check(OpRename, oldname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return f.fs.Rename(oldname, newname)
}

func (f *Fault) Stat(name string) (fs.FileInfo, error) {
	if err := f.check(OpStat, name); err != nil {
		return nil, pathError("stat", name, err)
	}
	return f.fs.Stat(name)
}

func (f *Fault) ReadNames(dir string) ([]string, error) {
	if err := f.check(OpReadNames, dir); err != nil {
		return nil, pathError("open", dir, err)
	}
	return f.fs.ReadNames(dir)
}

func (f *Fault) Chtimes(name string, atime, mtime time.Time) error {
	if err := f.check(OpChtimes, name); err != nil {
		return pathError("chtimes", name, err)
	}
	return f.fs.Chtimes(name, atime, mtime)
}

func (f *Fault) SyncDir(dir string) error {
	if err := f.check(OpSyncDir, dir); err != nil {
		return pathError("sync", dir, err)
	}
	return f.fs.SyncDir(dir)
}

func (f *Fault) Lock(file vfs.File, wait bool) error {
	if err := f.check(OpLock, file.Name()); err != nil {
		return pathError("lock", file.Name(), err)
	}
	if ff, ok := file.(*faultFile); ok {
		file = ff.File
	}
	return f.fs.Lock(file, wait)
}

// faultFile is an open file of a Fault.
type faultFile struct {
	vfs.File
	fs *Fault
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.fs.check(OpRead, f.Name()); err != nil {
		return 0, pathError("read", f.Name(), err)
	}
	return f.File.Read(p)
}

func (f *faultFile) Write(p []byte) (int, error) {
	err := f.fs.check(OpWrite, f.Name())
	if err == nil {
		return f.File.Write(p)
	}
	n := 0
	if errors.Is(err, syscall.ENOSPC) {
		n, _ = f.File.Write(p[:len(p)/2])
	}
	return n, pathError("write", f.Name(), err)
}

func (f *faultFile) Sync() error {
	if err := f.fs.check(OpSync, f.Name()); err != nil {
		return pathError("sync", f.Name(), err)
	}
	return f.File.Sync()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.check(OpTruncate, f.Name()); err != nil {
		return pathError("truncate", f.Name(), err)
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Stat() (fs.FileInfo, error) {
	if err := f.fs.check(OpStat, f.Name()); err != nil {
		return nil, pathError("stat", f.Name(), err)
	}
	return f.File.Stat()
}

func (f *faultFile) Close() error {
	err := f.fs.check(OpClose, f.Name())
	cerr := f.File.Close()
	if err != nil {
		return pathError("close", f.Name(), err)
	}
	return cerr
}
