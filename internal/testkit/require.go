package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// FindProgram returns the path of a program. If it is missing, it installs its Debian package, if
// this is allowed. Otherwise the test is skipped, or fails if all tests must run.
func FindProgram(tb testing.TB, name, pkg string) string {
	tb.Helper()
	path, err := lookPath(name)
	if err == nil {
		return path
	}
	if ierr := install(pkg); ierr != nil {
		err = fmt.Errorf("%w; %w", err, ierr)
	} else if path, err = lookPath(name); err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("this test needs %s (Debian package %s): %v", name, pkg, err)
	}
	tb.Skipf("this test needs %s (Debian package %s): %v", name, pkg, err)
	return ""
}

// lookPath finds a program in PATH or in the directories of root's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/bin"} {
		if p, derr := exec.LookPath(filepath.Join(dir, name)); derr == nil {
			return p, nil
		}
	}
	return "", err
}

var (
	installMu sync.Mutex
	installed = make(map[string]error)
)

// install installs a Debian package, once per test binary.
func install(pkg string) error {
	switch {
	case os.Getenv("ISYNC_TEST_APT") != "1":
		return errors.New("ISYNC_TEST_APT=1 is not set, so it is not installed now")
	case os.Geteuid() != 0:
		return errors.New("only root can install it")
	}
	installMu.Lock()
	defer installMu.Unlock()
	if err, ok := installed[pkg]; ok {
		return err
	}
	err := aptInstall(pkg)
	installed[pkg] = err
	return err
}

// aptInstall installs a package. It waits for other test binaries that do the same. RUNLEVEL=1
// keeps the package from starting a system service.
func aptInstall(pkg string) error {
	run := func(args ...string) error {
		cmd := exec.Command("apt-get", append([]string{"-qq", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lines[len(lines)-1])
		}
		return nil
	}
	err := run("install", "-y", "--no-install-recommends", pkg)
	if err == nil {
		return nil
	}
	if uerr := run("update"); uerr != nil {
		return uerr
	}
	return run("install", "-y", "--no-install-recommends", pkg)
}

// shortTempDir returns a private directory with a short path, because the path of a Unix socket
// is limited to about 100 bytes. It is removed with the test.
func shortTempDir(tb testing.TB) string {
	tb.Helper()
	base := os.TempDir()
	if len(base) > 40 {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "isync")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("removing %s: %v", dir, err)
		}
	})
	return dir
}
