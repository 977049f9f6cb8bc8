//go:build unix

package vfs

import (
	"fmt"
	"io/fs"
	"syscall"
)

// inode identifies a file as well as the system can.
func inode(fi fs.FileInfo) string {
	switch st := fi.Sys().(type) {
	case *MemInfo:
		return fmt.Sprint(st.Inode)
	case *syscall.Stat_t:
		return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	}
	return ""
}
