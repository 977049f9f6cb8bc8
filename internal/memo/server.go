package memo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"isync/internal/vfs"
)

// Besides listings, the directory has a file for each server with its capabilities. The caller
// determines the contents. These files are replaced and checked like listings, and may also be
// removed at any time.
const (
	serverSuffix = ".server"
	serverMagic  = "isync server 1\n"
	// maxServer is the maximum size in bytes of such a file.
	maxServer = 1 << 20
)

func (d *Dir) serverFile(key string) string {
	sum := sha256.Sum256([]byte(serverMagic + key))
	return filepath.Join(d.path, hex.EncodeToString(sum[:16])+serverSuffix)
}

// LoadServer returns the data of the server that key identifies. If there is none, it returns nil
// and no error.
func (d *Dir) LoadServer(key string) ([]byte, error) {
	name := d.serverFile(key)
	data, err := d.read(name, maxServer)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(data, []byte(serverMagic))
	n := len(rest) - sha256.Size
	if !ok || n < 0 || sha256.Sum256(append([]byte(key), rest[:n]...)) != [sha256.Size]byte(rest[n:]) {
		return nil, fmt.Errorf("%s: %w", name, ErrInvalid)
	}
	return rest[:n], nil
}

// SaveServer replaces the data of a server.
func (d *Dir) SaveServer(key string, data []byte) error {
	sum := sha256.Sum256(append([]byte(key), data...))
	return d.save(d.serverFile(key), append(append([]byte(serverMagic), data...), sum[:]...))
}

// save replaces a file.
func (d *Dir) save(name string, data []byte) error {
	if err := vfs.MkdirAll(d.fs, d.path, 0o700, false); err != nil {
		return err
	}
	d.removeOld()
	return vfs.Replace(d.fs, name, data, 0o600)
}
