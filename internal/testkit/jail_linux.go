package testkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// canJail returns an error if this process cannot make a jail.
func canJail() error {
	if os.Geteuid() == 0 {
		return nil
	}
	// Without root, chroot needs a user name space.
	for _, name := range []string{"/proc/sys/kernel/unprivileged_userns_clone", "/proc/sys/user/max_user_namespaces"} {
		if data, err := os.ReadFile(name); err == nil && len(data) > 0 && data[0] == '0' {
			return fmt.Errorf("only root can run it here (%s is 0)", name)
		}
	}
	return nil
}

// jailAttr returns the attributes of a process that runs in a jail as its owner.
func jailAttr(dir string, owner account) *syscall.SysProcAttr {
	attr := processAttr()
	attr.Chroot = dir
	if os.Geteuid() == 0 {
		attr.Credential = &syscall.Credential{Uid: uint32(owner.uid), Gid: uint32(owner.gid)}
		return attr
	}
	attr.Cloneflags = syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: owner.uid, HostID: owner.uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: owner.gid, HostID: owner.gid, Size: 1}}
	return attr
}

// makeNull makes a null device, if possible.
func makeNull(path string) error {
	const mode = syscall.S_IFCHR | 0o666
	if err := syscall.Mknod(path, mode, 1<<8|3); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(os.Chmod(path, 0o666), f.Close())
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// endInmates ends all processes whose root is the directory. Daemons are no longer children of
// the process that started them.
func endInmates(dir string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		alive := inmates(dir)
		if len(alive) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", alive)
		}
		for _, pid := range alive {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// inmates returns the processes whose root is the directory.
func inmates(dir string) []int {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil
	}
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		return nil
	}
	var pids []int
	for _, l := range links {
		// A zombie has no root any more.
		if root, err := os.Readlink(l); err != nil || root != dir {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(l))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
