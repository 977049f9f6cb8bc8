package maildir_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/store/storetest"
	"isync/internal/vfs"
)

// snapshot describes everything below dir.
func snapshot(t testing.TB, dir string) map[string]string {
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(fi.Mode(), vfs.ChangeTime(fi).UnixNano())
		if fi.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += string(b)
		}
		out[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSuite(t *testing.T) {
	plusPlus := func(name string) bool { return strings.Contains(name, ".") }
	for _, c := range []struct {
		name    string
		style   maildir.SubFolders
		opts    maildir.Options
		refuses func(string) bool
	}{
		{"verbatim", maildir.SubFoldersVerbatim, maildir.Options{FSync: true}, nil},
		{"legacy", maildir.SubFoldersLegacy, maildir.Options{NoDelay: true}, nil},
		{"maildir++", maildir.SubFoldersMaildirPP, maildir.Options{InfoDelimiter: ';', NoDelay: true}, plusPlus},
		{"unset", maildir.SubFoldersUnset, maildir.Options{NoUIDs: true, NoDelay: true}, nil},
		{"altmap", maildir.SubFoldersVerbatim, maildir.Options{AltMap: true, NoDelay: true}, nil},
		{"altmap maildir++", maildir.SubFoldersMaildirPP, maildir.Options{AltMap: true, FSync: true}, plusPlus},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Run(t, storetest.Config{
				KeepsEmpty: true,
				Refuses:    c.refuses,
				New: func(t testing.TB) storetest.Backend {
					dir := t.TempDir()
					o := c.opts
					o.Name, o.SubFolders = "local", c.style
					o.Inbox = filepath.Join(dir, "Inbox")
					if c.style != maildir.SubFoldersMaildirPP {
						o.Path = dir + "/"
					}
					return storetest.Backend{
						Open: func(t testing.TB) store.Store {
							s, err := maildir.New(o)
							if err != nil {
								t.Fatal(err)
							}
							return s
						},
						Snapshot: func(t testing.TB) map[string]string { return snapshot(t, dir) },
					}
				},
			})
		})
	}
}
