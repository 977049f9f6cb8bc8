package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// figures are what one run of a program took.
type figures struct {
	Wall, CPU float64 // seconds
	Peak      int64   // KiB, of the largest process
	testkit.Traffic
	Files int // that were open at a time
	Syncs int `json:",omitempty"` // calls of fsync and fdatasync, if counted
	Calls int `json:",omitempty"` // calls of the system, if counted
}

// invocation is how a program is run.
type invocation struct {
	argv []string
	home string
}

// tooLong is when a run is given up.
const tooLong = 15 * time.Minute

// run runs a program and measures it.
func run(tb testing.TB, inv invocation) figures {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	cmd := exec.CommandContext(ctx, inv.argv[0], inv.argv[1:]...)
	cmd.Dir = inv.home
	cmd.Env = environment(inv.home)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	stop, seen := make(chan struct{}), make(chan peaks)
	go func() { seen <- watch(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	wall := time.Since(begin)
	close(stop)
	most := <-seen
	f := figures{
		Wall: wall.Seconds(), Peak: most.size, Files: most.files,
		CPU: (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(),
	}
	if err != nil {
		tb.Fatalf("%q: %v\n%s", inv.argv, err, tail(out.String()))
	}
	return f
}

// environment is that of a user who has only a home directory.
func environment(home string) []string {
	env := []string{"HOME=" + home, "LANG=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	for _, dir := range []string{"CONFIG", "DATA", "STATE", "CACHE"} {
		env = append(env, "XDG_"+dir+"_HOME="+filepath.Join(home, strings.ToLower(dir)))
	}
	return env
}

// peaks are the most that a process had at a time.
type peaks struct {
	size  int64 // KiB
	files int   // open
}

// watch follows a process. What the system says of the size of one that has ended
// includes the process it was forked from.
func watch(pid int, stop <-chan struct{}) (p peaks) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil {
			if _, rest, ok := bytes.Cut(data, []byte("VmHWM:")); ok {
				if f := bytes.Fields(rest); len(f) > 0 {
					n, _ := strconv.ParseInt(string(f[0]), 10, 64)
					p.size = max(p.size, n)
				}
			}
		}
		if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			p.files = max(p.files, len(files))
		}
		select {
		case <-stop:
			return p
		case <-tick.C:
		}
	}
}

// tail returns the end of what a program has said.
func tail(s string) string { return s[max(0, len(s)-2000):] }

// The calls that countCalls counts: those that make the disk flush something, or
// all.
const (
	flushes = "fsync,fdatasync,sync_file_range,syncfs"
	anyCall = "all"
)

// countCalls runs a program and counts its calls of the system.
func countCalls(tb testing.TB, strace, which string, inv invocation) int {
	tb.Helper()
	report := filepath.Join(tb.TempDir(), "strace")
	inv.argv = append([]string{strace, "-f", "-c", "-o", report, "-e", "trace=" + which}, inv.argv...)
	run(tb, inv)
	data, err := os.ReadFile(report)
	if err != nil {
		tb.Fatal(err)
	}
	calls := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 5 || f[len(f)-1] == "total" {
			continue
		}
		// The head of the table and its rules have no number there.
		if n, err := strconv.Atoi(f[3]); err == nil {
			calls += n
		}
	}
	if which == anyCall {
		fmt.Printf("%s", tail(string(data)))
	}
	return calls
}

// median returns the run whose time is the median, with the median of the other
// figures too.
func median(runs []figures) figures {
	pick := func(value func(figures) float64) float64 {
		v := make([]float64, len(runs))
		for i, r := range runs {
			v[i] = value(r)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	m := runs[0]
	m.Wall = pick(func(f figures) float64 { return f.Wall })
	m.CPU = pick(func(f figures) float64 { return f.CPU })
	m.Up = int64(pick(func(f figures) float64 { return float64(f.Up) }))
	m.Down = int64(pick(func(f figures) float64 { return float64(f.Down) }))
	m.Lines = int64(pick(func(f figures) float64 { return float64(f.Lines) }))
	m.Bursts = int(pick(func(f figures) float64 { return float64(f.Bursts) }))
	m.Connections = int(pick(func(f figures) float64 { return float64(f.Connections) }))
	// The peak is the highest.
	for _, r := range runs {
		m.Peak, m.Files = max(m.Peak, r.Peak), max(m.Files, r.Files)
	}
	return m
}
