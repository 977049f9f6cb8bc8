//go:build unix

package vfs_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"isync/internal/vfs"
)

// TestMain lets the test binary be the other process of a test.
func TestMain(m *testing.M) {
	if name := os.Getenv("VFS_TEST_HOLD_LOCK"); name != "" {
		f, err := vfs.OS{}.OpenFile(name, os.O_RDWR, 0)
		if err == nil {
			err = vfs.OS{}.Lock(f, true)
		}
		fmt.Println("locked:", err)
		bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLockExcludesProcesses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	open := func() vfs.File {
		f, err := vfs.OS{}.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		check(t, err)
		return f
	}
	ours := open()
	check(t, vfs.OS{}.Lock(ours, false))

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "VFS_TEST_HOLD_LOCK="+name)
	stdin, err := child.StdinPipe()
	check(t, err)
	stdout, err := child.StdoutPipe()
	check(t, err)
	check(t, child.Start())
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- s
	}()
	// A descriptor opened and closed meanwhile would drop a bare fcntl lock.
	check(t, open().Close())
	select {
	case s := <-line:
		t.Errorf("the other process was not kept out: %s", s)
	case <-time.After(100 * time.Millisecond):
	}
	check(t, ours.Close())
	if s := <-line; s != "locked: <nil>\n" {
		t.Errorf("the other process got %q", s)
	}
	ours = open()
	if err := (vfs.OS{}).Lock(ours, false); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("locked against another process: %v", err)
	}
	stdin.Close()
	check(t, child.Wait())
	check(t, vfs.OS{}.Lock(ours, true))
	check(t, ours.Close())
}

// TestLockRemoved: files that are locked, removed and closed do not stand in
// the way of others that get their inodes.
func TestLockRemoved(t *testing.T) {
	var fsys vfs.OS
	dir := t.TempDir()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			name := filepath.Join(dir, strconv.Itoa(g))
			for range 500 {
				f, err := fsys.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				if err := fsys.Lock(f, false); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := fsys.Remove(name); err != nil {
					t.Error(err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
