package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"strings"
)

// imageBlock is the unit in which an Image is compared with its file.
const imageBlock = 4096

// Image is an open file for a library that insists on an *os.File because it
// maps it into memory.
//
// In the file system of the operating system that is the file itself. In any
// other one it is a copy, which Settle writes back in the order in which such a
// library would have written it: first the body, then the head that makes the
// new body valid, each of them flushed.
type Image struct {
	// File is what the library works on, and closes.
	File *os.File

	original File   // nil: File is it
	settled  []byte // what original holds
}

// OpenImage opens a file as an image; the flags are those of OpenFile. For the mode of
// a new one see CreateLike: NAME.new is to replace NAME.
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

// IsCopy tells whether File is a copy, which need not be flushed.
func (i *Image) IsCopy() bool { return i.original != nil }

// copy makes File.
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

// Settle brings what was written to File to the file system: at first what lies
// behind the first head bytes, then these. With sync each part is durable before
// the next step. It does nothing if File is the file itself.
func (i *Image) Settle(head int, sync bool) error {
	if i.original == nil {
		return nil
	}
	// By its name, as the library may have closed it.
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

// Close closes the image, and File if that is still open. What was not settled
// is lost.
func (i *Image) Close() {
	if i.File != nil {
		i.File.Close()
	}
	if i.original != nil {
		i.original.Close()
		if i.File != nil {
			_ = os.Remove(i.File.Name()) // a temporary file, good for nothing more
		}
	}
}
