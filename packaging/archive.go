package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// entry is one file in an archive.
type entry struct {
	name string // with slashes
	mode int64
	data []byte
}

// archivePath is where a file is in an archive, which is laid out so that
// the directories bin and share can be copied to any prefix.
func (f file) archivePath() string {
	switch f.kind {
	case program:
		return "bin/" + f.name
	case manual:
		return "share/man/man1/" + f.name
	case completion:
		return "share/" + completionPath(f.name)
	case unit:
		return "systemd/user/" + f.name
	case example:
		return "docs/examples/" + f.name
	case document:
		return "docs/" + f.name
	case readme, license, attribution, changes:
		return f.name
	}
	panic("kind")
}

// completionPath is where shells look for a file of theirs, below a "share".
func completionPath(name string) string {
	switch {
	case path.Ext(name) == ".fish":
		return "fish/vendor_completions.d/" + name
	case name[0] == '_':
		return "zsh/site-functions/" + name
	}
	// bash finds it by the name of the command.
	return "bash-completion/completions/" + name[:len(name)-len(path.Ext(name))]
}

// writeArchive writes the archive of a target and returns its name.
func writeArchive(rel release, t target, files []file, out string) (name string, err error) {
	top := packageName + "-" + rel.fileVersion() + "-" + t.os + "-" + t.arch
	var entries []entry
	for _, f := range files {
		if f.kind == unit && t.os != "linux" {
			continue
		}
		data, err := f.read()
		if err != nil {
			return "", err
		}
		e := entry{name: top + "/" + f.archivePath(), mode: 0o644, data: data}
		if f.kind == program {
			e.mode = 0o755
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	write := writeTar
	name = top + ".tar.gz"
	if t.os == "windows" {
		write, name = writeZip, top+".zip"
	}
	w, err := os.Create(filepath.Join(out, name)) //nolint:gosec // the name is ours
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return name, write(w, entries, rel.time)
}

// writeTar writes a tar.gz, in which all files have the same time and belong to root.
func writeTar(w io.Writer, entries []entry, when time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Size: int64(len(e.data)),
			ModTime: when, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(e.data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// writeZip writes a zip, in which all files have the same time.
func writeZip(w io.Writer, entries []entry, when time.Time) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: when}
		h.SetMode(os.FileMode(e.mode)) //nolint:gosec // it is ours
		f, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := f.Write(e.data); err != nil {
			return err
		}
	}
	return z.Close()
}

// gzipped returns the data compressed, with neither name nor time.
func gzipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
