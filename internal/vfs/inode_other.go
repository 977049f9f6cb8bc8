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

// inode returns a text that identifies a file, as far as the system allows it.
func inode(fi fs.FileInfo) string {
	if m, ok := fi.Sys().(*InodeInfo); ok {
		return fmt.Sprint(m.Inode)
	}
	return ""
}
