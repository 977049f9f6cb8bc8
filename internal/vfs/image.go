package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"strings"
)

// imageBlock is the unit in bytes in which an Image is compared with its file.
const imageBlock = 4096

// Image is an open file for a library that requires an *os.File, because it maps it into memory.
//
// In the file system of the operating system, File is the file itself. In any other file system,
// File is a copy, which Settle writes back in the order in which such a library would have
// written it: first the body, then the head that makes the new body valid, each of them flushed.
type Image struct {
	// File is the file for the library. The library may close it.
	File *os.File

	original File   // nil: File is the original
	settled  []byte // contents of original
}

// OpenImage opens a file as an image. The flags are those of OpenFile. A new file gets its mode
// from CreateLike: NAME.new replaces NAME.
func OpenImage(fsys FS, name string, flag int, perm fs.FileMode) (*Image, error) {
	open := func() (File, error) { return fsys.OpenFile(name, flag, perm) }
	if flag&os.O_CREATE != 0 {
		open = func() (File, error) { return CreateLike(fsys, name, strings.TrimSuffix(name, ".new"), flag) }
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	if of, ok := f.(*osFile); ok {
		return &Image{File: of.File}, nil
	}
	img := &Image{original: f}
	if img.settled, err = io.ReadAll(f); err == nil {
		err = img.copy()
	}
	if err != nil {
		img.Close()
		return nil, err
	}
	return img, nil
}

// IsCopy reports whether File is a copy. A copy need not be flushed.
func (i *Image) IsCopy() bool { return i.original != nil }

// copy creates File.
func (i *Image) copy() (err error) {
	if i.File, err = os.CreateTemp("", "image-*"); err != nil {
		return err
	}
	if _, err = i.File.Write(i.settled); err != nil {
		return err
	}
	_, err = i.File.Seek(0, io.SeekStart)
	return err
}

// Settle writes changes of the copy to the file system: first everything after the first head
// bytes, then those bytes. With sync, each of the two parts is durable before the next step.
// Settle does nothing if File is not a copy.
func (i *Image) Settle(head int, sync bool) error {
	if i.original == nil {
		return nil
	}
	// The file is read by its name, because the library may have closed File.
	now, err := os.ReadFile(i.File.Name())
	if err != nil {
		return err
	}
	head = min(head, len(now))
	for _, part := range [][2]int{{head, len(now)}, {0, head}} {
		wrote := false
		for off := part[0]; off < part[1]; off += imageBlock {
			block := now[off:min(off+imageBlock, part[1])]
			if off+len(block) <= len(i.settled) && bytes.Equal(block, i.settled[off:off+len(block)]) {
				continue
			}
			if _, err := i.original.Seek(int64(off), io.SeekStart); err != nil {
				return err
			}
			if _, err := i.original.Write(block); err != nil {
				return err
			}
			wrote = true
		}
		if wrote && sync {
			if err := i.original.Sync(); err != nil {
				return err
			}
		}
	}
	i.settled = now
	return nil
}

// Close closes the image, and File if it is still open. Changes since the last Settle are lost.
func (i *Image) Close() {
	if i.File != nil {
		i.File.Close()
	}
	if i.original != nil {
		i.original.Close()
		if i.File != nil {
			_ = os.Remove(i.File.Name()) // the temporary file
		}
	}
}
