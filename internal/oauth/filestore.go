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
	return s.judgeDir()
}

// judgeDir returns why no file of the directory must be used.
func (s *FileStore) judgeDir() error {
	dir := filepath.Dir(s.Path)
	if di, err := s.FS.Stat(dir); !s.Shared && err == nil && di.Mode().Perm()&0o022 != 0 && di.Mode()&fs.ModeSticky == 0 {
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
// take. There is no other such file then: see Recover.
func (s *FileStore) Reserve(ctx context.Context) (Reserved, error) {
	if err := vfs.MkdirAll(s.FS, filepath.Dir(s.Path), dirMode, true); err != nil {
		return nil, storeError(s, err)
	}
	if err := s.Recover(ctx); err != nil {
		return nil, err
	}
	if err := s.judgeDir(); err != nil {
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

// leftovers returns the paths of the files that Reserve has made and that are still there.
func (s *FileStore) leftovers() (paths []string, err error) {
	dir := filepath.Dir(s.Path)
	names, err := s.FS.ReadNames(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, name := range names {
		if s.tempName(name) {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, storeError(s, err)
}

// Recover finishes what a process that was killed has left. If it was killed before the
// rename, the new grant is in the other file. That is newer than what is in its place: nothing
// is saved before Recover. The times of the grants do not matter, since the clock may have been
// set. It must be called with the lock.
func (s *FileStore) Recover(ctx context.Context) error {
	paths, err := s.leftovers()
	if err != nil {
		return err
	}
	for _, path := range paths {
		left := &FileStore{FS: s.FS, Path: path, Key: s.Key, Shared: s.Shared}
		g, err := left.Load(ctx)
		switch {
		case err == nil && g != nil:
			if err := s.FS.Rename(path, s.Path); err != nil {
				return storeError(s, err)
			}
			if err := s.FS.SyncDir(filepath.Dir(path)); err != nil {
				return storeError(s, err)
			}
		case err == nil, errors.Is(err, ErrDamaged):
			if err := s.FS.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return storeError(s, err)
			}
		case isLasting(err):
			// It is of no use now, but it may be with the former passphrase.
		default:
			// The refresh token that is in its place may have been used.
			return err
		}
	}
	return nil
}

// isLasting reports whether a file is not readable for a reason that does not pass by itself.
func isLasting(err error) bool {
	_, exposed := errors.AsType[*ExposedError](err)
	return exposed || errors.Is(err, ErrWrongKey) || errors.Is(err, ErrNoKey)
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
	// First, so that the file is complete with the last byte that is written.
	if err := r.f.Truncate(int64(len(data))); err != nil {
		return err
	}
	if _, err := r.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(struct{ io.Writer }{r.f}, bytes.NewReader(data)); err != nil {
		return err
	}
	return r.f.Sync()
}

// Discard implements Reserved.
func (r *reservedFile) Discard() {
	_ = r.f.Close()
	_ = r.s.FS.Remove(r.name)
}

// Delete implements Store. A grant that was about to be saved is removed, too: Recover would
// bring it back.
func (s *FileStore) Delete(context.Context) error {
	paths, err := s.leftovers()
	if err != nil {
		return err
	}
	removed := false
	for _, path := range append(paths, s.Path) {
		err := s.FS.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return storeError(s, err)
		}
		removed = removed || err == nil
	}
	if !removed {
		return nil
	}
	return storeError(s, s.FS.SyncDir(filepath.Dir(s.Path)))
}
