package memo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"isync/internal/vfs"
)

// Dir is a directory of listings. It is safe for concurrent use, by several goroutines and by
// several processes.
type Dir struct {
	fs   vfs.FS
	path string

	mu    sync.Mutex
	swept time.Time // when removeOld last searched
}

// NewDir returns the directory at path. The first Save creates it.
func NewDir(fsys vfs.FS, path string) *Dir { return &Dir{fs: fsys, path: path} }

// A file name is a hash of the Key and a suffix. While a file is written, it also has a random
// part and newSuffix.
const (
	suffix    = ".listing"
	newSuffix = ".new"
)

// maxFile is the maximum size in bytes of a file that is read.
const maxFile = 1 << 30

const (
	// maxAge is the age from which an unfinished file counts as left over.
	maxAge = time.Hour
	// sweepEvery is the interval at which a long-running process searches for such files.
	sweepEvery = 24 * time.Hour
)

func (d *Dir) file(k Key) string {
	sum := sha256.Sum256(k.identity())
	return filepath.Join(d.path, hex.EncodeToString(sum[:16])+suffix)
}

// Load returns the listing of a mailbox, decoded and as the bytes of the file. If there is none,
// it returns nil and no error. The error wraps ErrPart if the file holds a part, which LoadPart
// can read.
func (d *Dir) Load(k Key) (*Listing, []byte, error) { return load(d, k, Decode) }

// LoadPart is Load for a file that holds a part.
func (d *Dir) LoadPart(k Key) (*Part, []byte, error) { return load(d, k, DecodePart) }

func load[T any](d *Dir, k Key, decode func(Key, []byte) (*T, error)) (*T, []byte, error) {
	data, err := d.read(d.file(k), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := decode(k, data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.file(k), err)
	}
	return l, data, nil
}

// read reads a file of at most limit bytes.
func (d *Dir) read(name string, limit int64) ([]byte, error) {
	f, err := d.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s: %w: it is no file, or too large", name, ErrInvalid)
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%s: %w: it has become shorter", name, ErrInvalid)
	}
	return data, err
}

// Save replaces the file of a mailbox. data is the result of Encode for the same Key.
func (d *Dir) Save(k Key, data []byte) error { return d.save(d.file(k), data) }

// Remove removes the file of a mailbox. It is no error if there is none.
func (d *Dir) Remove(k Key) error {
	if err := d.fs.Remove(d.file(k)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeOld removes files that interrupted processes have left. It searches for them once per
// sweepEvery.
func (d *Dir) removeOld() {
	d.mu.Lock()
	done := !d.swept.IsZero() && time.Since(d.swept) < sweepEvery
	if !done {
		d.swept = time.Now()
	}
	d.mu.Unlock()
	if done {
		return
	}
	names, err := d.fs.ReadNames(d.path)
	if err != nil {
		return
	}
	for _, n := range names {
		if !strings.HasSuffix(n, newSuffix) || !strings.Contains(n, suffix+".") && !strings.Contains(n, serverSuffix+".") && !strings.Contains(n, sessionSuffix+".") && !strings.HasPrefix(n, keyName+".") {
			continue
		}
		path := filepath.Join(d.path, n)
		if info, err := d.fs.Stat(path); err == nil && time.Since(info.ModTime()) > maxAge {
			_ = d.fs.Remove(path)
		}
	}
}
