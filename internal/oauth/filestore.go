package oauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"isync/internal/vfs"
)

// FileStore keeps a grant in a file that only its owner can read.
type FileStore struct {
	FS   vfs.FS
	Path string
	// Key, if not nil, returns the passphrase that the file is encrypted with.
	Key func(ctx context.Context) (string, error)
	// WrongKey, if not nil, is called if the passphrase is not that of the file.
	WrongKey func()
	// Shared: the file system has no modes and owners.
	Shared bool
}

var _ Store = (*FileStore)(nil)

func (s *FileStore) String() string { return s.Path }

// ExposedError says that other users can read the file, own it, or write to its directory.
type ExposedError struct {
	Path string
	// Owner: it belongs to another user. Directory: Path is the directory of the file.
	Owner, Directory bool
	Mode             fs.FileMode
}

func (e *ExposedError) Error() string {
	switch {
	case e.Owner:
		return "it belongs to another user, and is not used"
	case e.Directory:
		return fmt.Sprintf("other users can replace files in the directory %s (mode %04o), so it is not used", e.Path, e.Mode)
	}
	return fmt.Sprintf("other users can read or change it (mode %04o), so it is not used", e.Mode)
}

// Load implements Store.
func (s *FileStore) Load(ctx context.Context) (*Grant, error) {
	data, err := s.read()
	if err != nil || data == nil {
		return nil, storeError(s, err)
	}
	if data, err = s.open(ctx, data); err != nil {
		return nil, storeError(s, err)
	}
	g, err := decodeGrant(data)
	return g, storeError(s, err)
}

// read returns the contents of the file; nil: it does not exist.
func (s *FileStore) read() ([]byte, error) {
	f, err := s.FS.OpenFile(s.Path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := s.judge(fi); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxGrant+1))
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// judge returns why a file must not be used.
func (s *FileStore) judge(fi fs.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return errors.New("it is not a file")
	}
	if s.Shared {
		return nil
	}
	if uid, ok := vfs.Owner(fi); ok && uid != os.Geteuid() {
		return &ExposedError{Path: s.Path, Owner: true, Mode: fi.Mode().Perm()}
	}
	if fi.Mode().Perm()&0o077 != 0 {
		return &ExposedError{Path: s.Path, Mode: fi.Mode().Perm()}
	}
	dir := filepath.Dir(s.Path)
	if di, err := s.FS.Stat(dir); err == nil && di.Mode().Perm()&0o022 != 0 && di.Mode()&fs.ModeSticky == 0 {
		return &ExposedError{Path: dir, Directory: true, Mode: di.Mode().Perm()}
	}
	return nil
}

// reservedSize is how much is written in advance: more than any token takes, so that the
// disk is not full when the token is there.
const reservedSize = 32 << 10

// reservedFile is a file beside the store that becomes its new contents.
type reservedFile struct {
	s    *FileStore
	f    vfs.File
	name string
}

// Reserve implements Store. It creates a file, and writes as much to it as a grant may
// take.
func (s *FileStore) Reserve(ctx context.Context) (Reserved, error) {
	if err := vfs.MkdirAll(s.FS, filepath.Dir(s.Path), dirMode, true); err != nil {
		return nil, storeError(s, err)
	}
	// What is there must be ours, and with the same key.
	if data, err := s.read(); err != nil {
		return nil, storeError(s, err)
	} else if _, err := s.open(ctx, data); err != nil {
		return nil, storeError(s, err)
	}
	name := s.Path + "." + rand.Text() + ".new"
	f, err := s.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, storeError(s, err)
	}
	r := &reservedFile{s, f, name}
	if _, err = f.Write(make([]byte, reservedSize)); err == nil {
		err = f.Sync()
	}
	if err == nil {
		// Recover finds it then, also after a power cut.
		err = s.FS.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		r.Discard()
		return nil, storeError(s, err)
	}
	return r, nil
}

// tempName reports whether a name is that of a file that Reserve has made.
func (s *FileStore) tempName(name string) bool {
	text, ok := strings.CutPrefix(name, filepath.Base(s.Path)+".")
	if !ok {
		return false
	}
	text, ok = strings.CutSuffix(text, ".new")
	return ok && len(text) == len(rand.Text()) && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// Recover finishes what a process that was killed has left. If it was killed before the
// rename, the new grant is in the other file. It must be called with the lock.
func (s *FileStore) Recover(ctx context.Context) error {
	dir := filepath.Dir(s.Path)
	names, err := s.FS.ReadNames(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return storeError(s, err)
	}
	for _, name := range names {
		if !s.tempName(name) {
			continue
		}
		now, err := s.Load(ctx)
		if err != nil && !errors.Is(err, ErrDamaged) {
			return err
		}
		left := &FileStore{FS: s.FS, Path: filepath.Join(dir, name), Key: s.Key, Shared: s.Shared}
		g, err := left.Load(ctx)
		if err == nil && g != nil && (now == nil || !g.Obtained.Before(now.Obtained)) {
			if err := s.FS.Rename(left.Path, s.Path); err != nil {
				return storeError(s, err)
			}
			if err := s.FS.SyncDir(dir); err != nil {
				return storeError(s, err)
			}
			continue
		}
		if err := s.FS.Remove(left.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storeError(s, err)
		}
	}
	return nil
}

// Save implements Reserved.
func (r *reservedFile) Save(ctx context.Context, g *Grant) error {
	err := r.write(ctx, g)
	if cerr := r.f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = r.s.FS.Rename(r.name, r.s.Path)
	}
	if err != nil {
		_ = r.s.FS.Remove(r.name)
		return storeError(r.s, err)
	}
	return storeError(r.s, r.s.FS.SyncDir(filepath.Dir(r.s.Path)))
}

func (r *reservedFile) write(ctx context.Context, g *Grant) error {
	data, err := encodeGrant(g)
	if err == nil {
		data, err = r.s.seal(ctx, data)
	}
	if err != nil {
		return err
	}
	if _, err := r.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{r.f}, bytes.NewReader(data)); err != nil {
		return err
	}
	if err := r.f.Truncate(int64(len(data))); err != nil {
		return err
	}
	return r.f.Sync()
}

// Discard implements Reserved.
func (r *reservedFile) Discard() {
	_ = r.f.Close()
	_ = r.s.FS.Remove(r.name)
}

// Delete implements Store.
func (s *FileStore) Delete(context.Context) error {
	err := s.FS.Remove(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.FS.SyncDir(filepath.Dir(s.Path))
	}
	return storeError(s, err)
}
