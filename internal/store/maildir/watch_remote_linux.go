package maildir

import "golang.org/x/sys/unix"

// The file systems that other machines, or a program in user space, change without a report
// to the watches of this kernel: their f_type of statfs(2).
var remoteTypes = map[uint32]bool{
	unix.NFS_SUPER_MAGIC:  true,
	unix.SMB_SUPER_MAGIC:  true,
	unix.SMB2_SUPER_MAGIC: true,
	unix.CIFS_SUPER_MAGIC: true,
	unix.FUSE_SUPER_MAGIC: true,
	unix.V9FS_MAGIC:       true,
	unix.CEPH_SUPER_MAGIC: true,
	unix.AFS_SUPER_MAGIC:  true,
	unix.CODA_SUPER_MAGIC: true,
}

// onRemote reports whether a directory is on such a file system.
func onRemote(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && remoteTypes[uint32(st.Type)] //nolint:gosec // magic numbers have 32 bits
}
