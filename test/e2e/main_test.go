//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test.
var binary string

// converter is the other program, beside it.
var converter string

// sideBySide is how many tests run at a time.
const sideBySide = 4

// TestMain builds the programs.
func TestMain(m *testing.M) {
	if os.Getenv(measureEnv) != "" {
		if err := measured(); err != nil {
			panic(err)
		}
		return
	}
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		// They wait more than they compute.
		if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
			panic(err)
		}
	}
	dir, err := os.MkdirTemp("", "isync-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	// One test runs the program as somebody else.
	if err := os.Chmod(dir, 0o755); err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "mbsync")
	converter = filepath.Join(dir, "mdconvert")
	build := exec.Command("go", "build", "-o", dir+"/", "./cmd/mbsync", "./cmd/mdconvert")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build: %v\n%s", err, out))
	}
	useMemory()
	m.Run()
}

// useMemory moves all mail of the tests to a file system in memory, if there is
// one and nobody says otherwise by setting TMPDIR: these tests write a lot, and
// none of them switches the power off.
func useMemory() {
	const dir, enough = "/dev/shm", 2 << 30
	var st syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(dir, &st) != nil || st.Bavail*uint64(st.Bsize) < enough {
		return
	}
	f, err := os.CreateTemp(dir, "isync-e2e-")
	if err != nil {
		return
	}
	f.Close()
	os.Remove(f.Name())
	os.Setenv("TMPDIR", dir)
}

// lookAtSources looks at the sources of the program: go test notes what tests
// look at, but not what their children do, and would answer from its cache
// after a change.
var lookAtSources = sync.OnceValue(func() error {
	for _, dir := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(_ string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

// guard ends the test binary when a test takes too long, whatever it waits for.
func guard(tb testing.TB, limit time.Duration) {
	tb.Helper()
	name := tb.Name()
	timer := time.AfterFunc(limit, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("%s has not ended after %v", name, limit))
	})
	tb.Cleanup(func() { timer.Stop() })
}

// measureEnv names the file that a measuring process reports to.
const measureEnv = "ISYNC_E2E_MEASURE"

// usage is what a process has used.
type usage struct {
	Wall, User, System time.Duration
	MaxRSS             int64 // bytes
	Code               int
}

func (u usage) String() string {
	return fmt.Sprintf("%.2f s wall, %.2f s user + %.2f s system, peak memory %.1f MB",
		u.Wall.Seconds(), u.User.Seconds(), u.System.Seconds(), float64(u.MaxRSS)/1e6)
}

// measured runs the command line and writes what it has used. It is a process
// of its own, since a child begins with the peak memory of its parent, and the
// test's is large.
func measured() error {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	begin := time.Now()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	s := cmd.ProcessState
	u := usage{Wall: time.Since(begin), User: s.UserTime(), System: s.SystemTime(), Code: s.ExitCode()}
	if r, ok := s.SysUsage().(*syscall.Rusage); ok {
		u.MaxRSS = r.Maxrss * 1024
	}
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv(measureEnv), data, 0o600)
}

// measure runs a program in the world and tells what it has used.
func (w *homeWorld) measure(p program, args ...string) usage {
	w.tb.Helper()
	report := filepath.Join(w.dir, "usage")
	self, err := os.Executable()
	if err != nil {
		w.tb.Fatal(err)
	}
	all := append([]string{p.path, "-c", w.rcFile()}, p.args...)
	cmd := exec.Command(self, append(all, args...)...)
	cmd.Env = append(w.env(), measureEnv+"="+report)
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.tb.Fatalf("%s: %v\n%s", p.name, err, out)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		w.tb.Fatal(err)
	}
	var u usage
	if err := json.Unmarshal(data, &u); err != nil {
		w.tb.Fatal(err)
	}
	if u.Code != 0 {
		w.tb.Fatalf("%s: exit code %d\n%s", p.name, u.Code, out)
	}
	if bad := complaints(string(out)); len(bad) > 0 {
		w.tb.Errorf("%s says %q", p.name, bad)
	}
	if err := os.Remove(report); err != nil {
		w.tb.Fatal(err)
	}
	return u
}

// complaints returns the lines of what a program says that are neither its
// summary nor what is to be expected of every run here.
func complaints(said string) []string {
	var out []string
	for line := range strings.Lines(said) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !harmless.MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}
