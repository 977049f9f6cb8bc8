package memo

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"isync/internal/vfs"
)

// For each TLS server, and each set of TLS options for it, the directory has a file with session
// tickets. The files are encrypted with a key in a separate file, so that a copy of a single file
// is useless. Without the key, the tickets count as missing.
const (
	sessionSuffix = ".tls"
	sessionMagic  = "isync tls sessions 1\n"
	keyName       = "tls.key"
	keySize       = 32
	// maxSessionFile is the maximum size in bytes of a file.
	maxSessionFile = 256 << 10
	// maxSessionFiles is the maximum number of files, and maxSessionAge their maximum age.
	maxSessionFiles = 64
	maxSessionAge   = 7 * 24 * time.Hour
)

func (d *Dir) sessionFile(id string) string {
	sum := sha256.Sum256([]byte(sessionMagic + id))
	return filepath.Join(d.path, hex.EncodeToString(sum[:16])+sessionSuffix)
}

// LoadSessions returns the sessions of id. If there are none, it returns nil and no error.
func (d *Dir) LoadSessions(id string) ([]byte, error) {
	name := d.sessionFile(id)
	data, err := d.read(name, maxSessionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	aead, err := d.sessionKey(false)
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(string(data), sessionMagic)
	if !ok || len(rest) < aead.NonceSize() {
		return nil, fmt.Errorf("%s: %w", name, ErrInvalid)
	}
	nonce, sealed := rest[:aead.NonceSize()], rest[aead.NonceSize():]
	plain, err := aead.Open(nil, []byte(nonce), []byte(sealed), []byte(id))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, ErrInvalid)
	}
	return plain, nil
}

// SaveSessions replaces the sessions of id, and removes old files.
func (d *Dir) SaveSessions(id string, data []byte) error {
	if err := vfs.MkdirAll(d.fs, d.path, 0o700, false); err != nil {
		return err
	}
	aead, err := d.sessionKey(true)
	if err != nil {
		return err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	sealed := aead.Seal(append([]byte(sessionMagic), nonce...), nonce, data, []byte(id))
	if err := d.save(d.sessionFile(id), sealed); err != nil {
		return err
	}
	d.removeOldSessions()
	return nil
}

// sessionKey returns the cipher with the key of the directory. make: a missing or damaged key is
// replaced. Data that was encrypted with the old key is lost.
func (d *Dir) sessionKey(make bool) (cipher.AEAD, error) {
	name := filepath.Join(d.path, keyName)
	key, err := d.read(name, keySize)
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("%s: %w", name, ErrInvalid)
	}
	if err != nil && make {
		key = slices.Repeat([]byte{0}, keySize)
		if _, err = rand.Read(key); err == nil {
			err = vfs.Replace(d.fs, name, key, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// removeOldSessions removes files that are too old to be resumed, and the oldest ones if there
// are too many.
func (d *Dir) removeOldSessions() {
	names, err := d.fs.ReadNames(d.path)
	if err != nil {
		return
	}
	type file struct {
		path string
		time time.Time
	}
	var files []file
	for _, n := range names {
		if !strings.HasSuffix(n, sessionSuffix) {
			continue
		}
		path := filepath.Join(d.path, n)
		if info, err := d.fs.Stat(path); err == nil {
			files = append(files, file{path, info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return b.time.Compare(a.time) })
	for i, f := range files {
		if i >= maxSessionFiles || time.Since(f.time) > maxSessionAge {
			_ = d.fs.Remove(f.path)
		}
	}
}
