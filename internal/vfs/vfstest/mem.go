package vfstest

import (
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"isync/internal/vfs"
)

// Mem is a file system in memory that tracks what survives a power cut: it distinguishes flushed
// and unflushed bytes of files, and flushed and unflushed changes of directories. CrashClone
// returns the state after a power cut.
//
// It has no symbolic links, one user, and no umask. Its times are those of the clock, at full
// resolution.
type Mem struct {
	mu    sync.Mutex
	clock func() time.Time
	root  *memNode
	inode uint64
	// pending are the unflushed changes of directories, oldest first. Some of them may have
	// become durable since.
	pending []*dirChange
	// unlocked is signaled when a lock ends.
	unlocked *sync.Cond
}

var _ vfs.FS = (*Mem)(nil)

// memNode is a file or a directory.
type memNode struct {
	inode        uint64
	mode         fs.FileMode
	mtime, ctime time.Time

	// of a file
	data    []byte    // current contents
	durable []byte    // contents at the last flush
	writes  []memEdit // writes since then
	lock    *memFile

	// of a directory
	entries        map[string]*memNode
	durableEntries map[string]*memNode // entries at the last flush
}

// memEdit is a write at off, or a truncation to off if data is nil.
type memEdit struct {
	off  int64
	data []byte
}

// dirChange is an atomic change of one directory: all entries of set are set, or removed if nil.
// It survives only with the changes that it depends on.
type dirChange struct {
	dir     *memNode
	set     map[string]*memNode
	needs   []*dirChange
	durable bool
}

// NewMem returns an empty file system with the directory "/". A nil clock is time.Now.
func NewMem(clock func() time.Time) *Mem {
	if clock == nil {
		clock = time.Now
	}
	m := &Mem{clock: clock}
	m.unlocked = sync.NewCond(&m.mu)
	m.root = m.newNode(fs.ModeDir | 0o755)
	return m
}

func (m *Mem) newNode(mode fs.FileMode) *memNode {
	m.inode++
	now := m.clock()
	n := &memNode{inode: m.inode, mode: mode, mtime: now, ctime: now}
	if mode.IsDir() {
		n.entries = make(map[string]*memNode)
		n.durableEntries = make(map[string]*memNode)
	}
	return n
}

// clean returns name as a rooted path.
func clean(name string) string {
	return filepath.Clean("/" + filepath.ToSlash(name))
}

// find returns the node of a path.
func (m *Mem) find(name string) (*memNode, error) {
	n := m.root
	for part := range strings.SplitSeq(clean(name), "/") {
		if part == "" {
			continue
		}
		if !n.mode.IsDir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.entries[part]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

// findDir returns the parent directory of a path, and the name in it.
func (m *Mem) findDir(name string) (*memNode, string, error) {
	dir, base := filepath.Split(clean(name))
	if base == "" {
		return nil, "", syscall.EBUSY
	}
	d, err := m.find(dir)
	if err == nil && !d.mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if len(base) > 255 {
		err = syscall.ENAMETOOLONG
	}
	return d, base, err
}

// change makes and records a change of a directory.
func (m *Mem) change(dir *memNode, set map[string]*memNode, needs ...*dirChange) *dirChange {
	c := &dirChange{dir: dir, set: set, needs: needs}
	m.pending = slices.DeleteFunc(m.pending, func(p *dirChange) bool { return p.durable })
	for _, p := range m.pending {
		if p.dir != dir {
			continue
		}
		for name := range set {
			if _, ok := p.set[name]; ok {
				c.needs = append(c.needs, p)
				break
			}
		}
	}
	m.pending = append(m.pending, c)
	now := m.clock()
	for name, n := range set {
		if n == nil {
			delete(dir.entries, name)
		} else {
			dir.entries[name] = n
			n.ctime = now
		}
	}
	dir.mtime, dir.ctime = now, now
	return c
}

// flush makes a change durable, and first those that it depends on.
func (c *dirChange) flush() {
	if c.durable {
		return
	}
	c.durable = true
	for _, n := range c.needs {
		n.flush()
	}
	for name, n := range c.set {
		if n == nil {
			delete(c.dir.durableEntries, name)
		} else {
			c.dir.durableEntries[name] = n
		}
	}
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (m *Mem) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	switch {
	case err == nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, pathError("open", name, syscall.EEXIST)
	case err == nil && n.mode.IsDir() && flag&(os.O_WRONLY|os.O_RDWR) != 0:
		return nil, pathError("open", name, syscall.EISDIR)
	case err == syscall.ENOENT && flag&os.O_CREATE != 0:
		dir, base, err := m.findDir(name)
		if err != nil {
			return nil, pathError("open", name, err)
		}
		n = m.newNode(perm.Perm())
		m.change(dir, map[string]*memNode{base: n})
	case err != nil:
		return nil, pathError("open", name, err)
	}
	if flag&os.O_TRUNC != 0 {
		n.truncate(0, m.clock())
	}
	return &memFile{fs: m, node: n, name: name, flag: flag}, nil
}

func (m *Mem) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.findDir(name)
	if err == nil && dir.entries[base] != nil {
		err = syscall.EEXIST
	}
	if err != nil {
		return pathError("mkdir", name, err)
	}
	m.change(dir, map[string]*memNode{base: m.newNode(fs.ModeDir | perm.Perm())})
	return nil
}

func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.findDir(name)
	if err == nil {
		n := dir.entries[base]
		switch {
		case n == nil:
			err = syscall.ENOENT
		case len(n.entries) > 0:
			err = syscall.ENOTEMPTY
		default:
			m.change(dir, map[string]*memNode{base: nil})
		}
	}
	return pathError("remove", name, err)
}

func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.rename(oldname, newname); err != nil {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// A rename within one directory is one change. A rename to another directory is two changes. The
// removal depends on the addition: a power cut may leave both names, but never none.
func (m *Mem) rename(oldname, newname string) error {
	from, oldbase, err := m.findDir(oldname)
	if err != nil {
		return err
	}
	to, newbase, err := m.findDir(newname)
	if err != nil {
		return err
	}
	n, old := from.entries[oldbase], to.entries[newbase]
	switch {
	case n == nil:
		return syscall.ENOENT
	case n == old:
		return nil
	case old != nil && old.mode.IsDir() && !n.mode.IsDir():
		return syscall.EISDIR
	case old != nil && !old.mode.IsDir() && n.mode.IsDir():
		return syscall.ENOTDIR
	case old != nil && len(old.entries) > 0:
		return syscall.ENOTEMPTY
	case n.mode.IsDir() && strings.HasPrefix(clean(newname)+"/", clean(oldname)+"/"):
		return syscall.EINVAL
	}
	if from == to {
		m.change(from, map[string]*memNode{oldbase: nil, newbase: n})
		return nil
	}
	added := m.change(to, map[string]*memNode{newbase: n})
	m.change(from, map[string]*memNode{oldbase: nil}, added)
	return nil
}

func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return m.info(n, filepath.Base(clean(name))), nil
}

func (m *Mem) ReadNames(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(dir)
	if err == nil && !n.mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, pathError("open", dir, err)
	}
	// The order is scrambled but reproducible, because no code may rely on it.
	scramble := func(s string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(s))
		return h.Sum64()
	}
	names := slices.Collect(maps.Keys(n.entries))
	slices.SortFunc(names, func(a, b string) int {
		if scramble(a) < scramble(b) {
			return -1
		}
		return 1
	})
	return names, nil
}

func (m *Mem) Chtimes(name string, _, mtime time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	if err != nil {
		return pathError("chtimes", name, err)
	}
	n.mtime, n.ctime = mtime, m.clock()
	return nil
}

func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(dir)
	if err == nil && !n.mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return pathError("sync", dir, err)
	}
	m.flushDir(n)
	return nil
}

func (m *Mem) flushDir(n *memNode) {
	for _, c := range m.pending {
		if c.dir == n {
			c.flush()
		}
	}
}

// SyncAll makes everything durable.
func (m *Mem) SyncAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.pending {
		c.flush()
	}
	m.pending = nil
	var walk func(n *memNode)
	walk = func(n *memNode) {
		n.sync()
		for _, e := range n.entries {
			walk(e)
		}
	}
	walk(m.root)
}

func (m *Mem) Lock(f vfs.File, wait bool) error {
	mf, ok := f.(*memFile)
	if !ok {
		return pathError("lock", f.Name(), fs.ErrInvalid)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for mf.node.lock != nil && mf.node.lock != mf {
		if !wait {
			return vfs.ErrLocked
		}
		m.unlocked.Wait()
	}
	if mf.closed {
		return pathError("lock", f.Name(), fs.ErrClosed)
	}
	mf.node.lock = mf
	return nil
}

// memFileInfo implements fs.FileInfo.
type memFileInfo struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime time.Time
	sys   vfs.InodeInfo
}

func (m *Mem) info(n *memNode, name string) fs.FileInfo {
	return &memFileInfo{name, int64(len(n.data)), n.mode, n.mtime, vfs.InodeInfo{FS: m, Inode: n.inode, ChangeTime: n.ctime}}
}

func (i *memFileInfo) Name() string       { return i.name }
func (i *memFileInfo) Size() int64        { return i.size }
func (i *memFileInfo) Mode() fs.FileMode  { return i.mode }
func (i *memFileInfo) ModTime() time.Time { return i.mtime }
func (i *memFileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i *memFileInfo) Sys() any           { return &i.sys }
