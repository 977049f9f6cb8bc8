//go:build !unix

package vfs

import (
	"fmt"
	"io/fs"
)

// groupOf returns the group that owns a file.
func groupOf(fs.FileInfo) (gid int, ok bool) { return 0, false }

// userOf returns the user who owns a file.
func userOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// inode identifies a file as well as the system can.
func inode(fi fs.FileInfo) string {
	if m, ok := fi.Sys().(*InodeInfo); ok {
		return fmt.Sprint(m.Inode)
	}
	return ""
}
