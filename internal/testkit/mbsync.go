package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Mbsync is a C mbsync for comparisons.
type Mbsync struct {
	Path    string
	Version string // such as "1.4.4"
}

// FindMbsync returns the installed mbsync: 1.4.4 on Debian bookworm.
func FindMbsync(tb testing.TB) *Mbsync {
	tb.Helper()
	return asked(tb, FindProgram(tb, "mbsync", "isync"))
}

// FindMbsync15 returns mbsync 1.5.1 of Debian trixie, which tools/roots.sh has unpacked.
func FindMbsync15(tb testing.TB) *Mbsync {
	tb.Helper()
	path := filepath.Join(rootCache(), fmt.Sprintf("isync-trixie-%d", rootLayout), "mbsync")
	if _, err := os.Stat(path); err != nil {
		needed(tb, "mbsync 1.5.1, which \"make servers\" unpacks: %v", err)
	}
	return asked(tb, path)
}

// asked returns the mbsync at a path, with the version that it prints.
func asked(tb testing.TB, path string) *Mbsync {
	tb.Helper()
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		tb.Fatalf("%s --version: %v", path, err)
	}
	m := regexp.MustCompile(`^isync (\S+)`).FindSubmatch(out)
	if m == nil {
		tb.Fatalf("%s --version: %q", path, out)
	}
	return &Mbsync{Path: path, Version: string(m[1])}
}

// MbsyncResult is the result of a run.
type MbsyncResult struct {
	Stdout, Stderr string
	ExitCode       int
}

// Run runs mbsync with a configuration in the directory home, which is also its HOME. It waits
// for the end of the run and accepts any exit code.
func (m *Mbsync) Run(tb testing.TB, home, config string, args ...string) MbsyncResult {
	tb.Helper()
	rc := filepath.Join(home, "mbsyncrc")
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.Path, append([]string{"-c", rc}, args...)...)
	cmd.Dir = home
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "XDG_") && name != "HOME" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+home)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		tb.Fatalf("mbsync: %v\n%s", errors.Join(err, ctx.Err()), &errs)
	}
	return MbsyncResult{Stdout: out.String(), Stderr: errs.String(), ExitCode: cmd.ProcessState.ExitCode()}
}
