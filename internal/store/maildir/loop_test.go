//go:build unix

package maildir_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
)

// unreadableFS fails to look at what is at, or below, one path.
type unreadableFS struct {
	vfs.OS
	path string
	err  error
}

func (u *unreadableFS) check(op, name string) error {
	if u.path != "" && (name == u.path || strings.HasPrefix(name, u.path+"/")) {
		return &fs.PathError{Op: op, Path: name, Err: u.err}
	}
	return nil
}

func (u *unreadableFS) Stat(name string) (fs.FileInfo, error) {
	if err := u.check("stat", name); err != nil {
		return nil, err
	}
	return u.OS.Stat(name)
}

func (u *unreadableFS) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	if err := u.check("open", name); err != nil {
		return nil, err
	}
	return u.OS.OpenFile(name, flag, perm)
}

func (u *unreadableFS) ReadNames(dir string) ([]string, error) {
	if err := u.check("open", dir); err != nil {
		return nil, err
	}
	return u.OS.ReadNames(dir)
}

// TestListingOddDirectories: what is wrong with one directory costs what is below
// it, and no more.
func TestListingOddDirectories(t *testing.T) {
	deep := "deep"
	var levels []string
	for i := range 30 {
		deep += fmt.Sprintf("/%d", i)
		levels = append(levels, deep)
	}
	for _, c := range []struct {
		name       string
		links      map[string]string // by name
		more       []string          // boxes
		unreadable string
		err        error
		want       []string // besides INBOX, a, a/b
		warn       string
	}{
		{name: "deep", more: levels, want: levels},
		{name: "itself", links: map[string]string{"a/self": "self"}, warn: "/a/self': too many levels"},
		{name: "top itself", links: map[string]string{"self": "self"}, warn: "/self': too many levels"},
		{name: "dangling", links: map[string]string{"a/no": "nowhere", "no": "nowhere"}},
		{name: "loop", links: map[string]string{"a/loop": "."}, warn: "/a/loop': symbolic link loop"},
		{name: "parent", links: map[string]string{"a/b/up": "../../a"}, warn: "/a/b/up': symbolic link loop"},
		{name: "root", links: map[string]string{"a/b/root": "../.."}, warn: "/a/b/root': symbolic link loop"},
		{name: "top root", links: map[string]string{"root": "."}, warn: "/root': symbolic link loop"},
		{name: "inbox", links: map[string]string{"Inbox/x": "../Inbox"}, warn: "/Inbox/x': symbolic link loop"},
		{name: "alias", links: map[string]string{"z": "a", "a/y": "b"}, want: []string{"a/y", "z", "z/b", "z/y"}},
		{name: "each other", more: []string{"c"}, links: map[string]string{"a/c": "../c", "c/a": "../a"}, want: []string{"a/c", "c", "c/a", "c/a/b"}, warn: "/a/c/a': symbolic link loop"},
		{name: "denied", unreadable: "/d", err: syscall.EACCES, more: []string{"d", "d/e"}, warn: "/d': permission denied"},
		{name: "denied below", unreadable: "/a/d", err: syscall.EACCES, more: []string{"a/d", "a/d/e"}, warn: "/a/d': permission denied"},
		{name: "denied cur", unreadable: "/a/d/cur", err: syscall.EACCES, more: []string{"a/d", "a/d/e"}, warn: "/a/d': permission denied"},
		{name: "too long", unreadable: "/a/d", err: syscall.ENAMETOOLONG, more: []string{"a/d"}, warn: "/a/d': file name too long"},
		{name: "broken disk", unreadable: "/a/d", err: syscall.EIO, more: []string{"a/d"}, warn: "error: input/output error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, append([]string{"Inbox", "a", "a/b"}, c.more...)...)
			for name, target := range c.links {
				check(t, os.Symlink(target, filepath.Join(dir, name)))
			}
			fsys := &unreadableFS{err: c.err}
			if c.unreadable != "" {
				fsys.path = dir + c.unreadable
			}
			var warned []string
			s, err := maildir.New(maildir.Options{
				Name: "local", Path: dir + "/", Inbox: dir + "/Inbox", SubFolders: maildir.SubFoldersVerbatim, FS: fsys,
				Warn: func(f event.Fact) { warned = append(warned, textOf(f)) },
			})
			check(t, err)
			boxes, err := s.List(context.Background(), store.ListRequest{Inbox: true, Others: true})
			if strings.HasPrefix(c.warn, "error: ") {
				if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(c.warn, "error: ")) {
					t.Fatalf("got %v", err)
				}
				return
			}
			check(t, err)
			var got []string
			for _, b := range boxes {
				got = append(got, b.Name)
			}
			slices.Sort(got)
			want := append([]string{"INBOX", "a", "a/b"}, c.want...)
			slices.Sort(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			switch {
			case c.warn == "" && len(warned) > 0, c.warn != "" && (len(warned) == 0 || !strings.Contains(strings.Join(warned, "\n"), c.warn)):
				t.Errorf("warned: %q", warned)
			}
			for _, b := range boxes { // whatever is listed can be opened
				m, err := s.Open(context.Background(), b.Name, store.OpenRequest{ReadOnly: true})
				if err != nil {
					t.Errorf("%s: %v", b.Name, err)
					continue
				}
				m.Close(context.Background())
			}
		})
	}
}

// TestListingManyLinks: directories with links to one another have more paths than
// can be listed.
func TestListingManyLinks(t *testing.T) {
	const n = 14
	var boxes []string
	for i := range n {
		boxes = append(boxes, fmt.Sprint("d", i))
	}
	dir := tree(t, append(boxes, "Inbox")...)
	for _, a := range boxes {
		for _, b := range boxes {
			if a != b {
				check(t, os.Symlink("../"+b, filepath.Join(dir, a, "to-"+b)))
			}
		}
	}
	warned := 0
	s, err := maildir.New(maildir.Options{
		Name: "local", Path: dir + "/", Inbox: dir + "/Inbox", SubFolders: maildir.SubFoldersVerbatim,
		Warn: func(event.Fact) { warned++ },
	})
	check(t, err)
	found, err := s.List(context.Background(), store.ListRequest{Inbox: true, Others: true})
	check(t, err)
	if len(found) < n || len(found) > 10*n*n || warned == 0 || warned > 10 {
		t.Errorf("%d mailboxes, %d warnings", len(found), warned)
	}
	for _, b := range boxes {
		if !slices.ContainsFunc(found, func(f store.Box) bool { return f.Name == b }) {
			t.Errorf("%s is not listed", b)
		}
	}
}
