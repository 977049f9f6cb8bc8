package memo_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"isync/internal/memo"
	"isync/internal/vfs"
)

// TestSessions: sessions are encrypted, and nobody else can read the files. What is damaged, or
// is about another server, counts as missing.
func TestSessions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	d := memo.NewDir(vfs.OS{}, dir)
	if data, err := d.LoadSessions("a"); data != nil || err != nil {
		t.Errorf("%q %v", data, err)
	}
	const secret = "this is a secret ticket"
	save := func() {
		t.Helper()
		if err := d.SaveSessions("a", []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	save()
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	var session, key string
	for _, f := range files {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
		path := filepath.Join(dir, f.Name())
		if strings.HasSuffix(path, ".key") {
			key = path
		} else {
			session = path
		}
		if data, err := os.ReadFile(path); err != nil || bytes.Contains(data, []byte("secret")) {
			t.Errorf("%s is not encrypted: %v", f.Name(), err)
		}
	}
	load := func() string {
		data, _ := memo.NewDir(vfs.OS{}, dir).LoadSessions("a")
		return string(data)
	}
	if got := load(); got != secret {
		t.Errorf("%q", got)
	}
	if data, err := d.LoadSessions("b"); data != nil || err != nil {
		t.Errorf("%q %v", data, err)
	}
	whole, err := os.ReadFile(session)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		for _, data := range [][]byte{damaged, whole[:i]} {
			if err := os.WriteFile(session, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := load(); got != "" {
				t.Errorf("byte %d: %q", i, got)
			}
		}
	}
	for _, damage := range []func() error{
		func() error { return os.Remove(key) },
		func() error { return os.WriteFile(key, []byte("short"), 0o600) },
		func() error { return os.WriteFile(key, bytes.Repeat([]byte("k"), 32), 0o600) },
		func() error { return os.WriteFile(key, bytes.Repeat([]byte("k"), 3200), 0o600) },
	} {
		save()
		if got := load(); got != secret {
			t.Errorf("%q", got)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if got := load(); got != "" {
			t.Errorf("without the key: %q", got)
		}
	}
}

// TestSessionFiles: old files are removed, and there are not too many.
func TestSessionFiles(t *testing.T) {
	dir := t.TempDir()
	d := memo.NewDir(vfs.OS{}, dir)
	for i := range 70 {
		if err := d.SaveSessions(fmt.Sprint(i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.tls"))
	if len(files) != 64 {
		t.Errorf("%d files", len(files))
	}
	old := time.Now().Add(-8 * 24 * time.Hour)
	for _, f := range files {
		if err := os.Chtimes(f, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.SaveSessions("new", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if files, _ = filepath.Glob(filepath.Join(dir, "*.tls")); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

// FuzzSessionFile: a file that was not made with the key is not read.
func FuzzSessionFile(f *testing.F) {
	f.Add([]byte("isync tls sessions 1\n0123456789abrest"))
	dir := f.TempDir()
	d := memo.NewDir(vfs.OS{}, dir)
	if err := d.SaveSessions("a", []byte("x")); err != nil {
		f.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.tls"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := d.LoadSessions("a"); err == nil {
			t.Errorf("%q", got)
		}
	})
}
