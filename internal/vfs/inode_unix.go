//go:build unix

package vfs

import (
	"fmt"
	"io/fs"
	"syscall"
)

// groupOf returns the group that owns a file.
func groupOf(fi fs.FileInfo) (gid int, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Gid), true
}

// userOf returns the user who owns a file.
func userOf(fi fs.FileInfo) (uid int, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// inode returns a text that identifies a file, as far as the system allows it.
func inode(fi fs.FileInfo) string {
	switch st := fi.Sys().(type) {
	case *InodeInfo:
		return fmt.Sprint(st.Inode)
	case *syscall.Stat_t:
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return ""
}
