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
	Syncs int `json:",omitempty"` // calls of fsync and fdatasync, if counted
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
	stop, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watchPeak(cmd.Process.Pid, stop) }()
	err := cmd.Wait()
	wall := time.Since(begin)
	close(stop)
	f := figures{
		Wall: wall.Seconds(), Peak: <-peak,
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

// watchPeak follows the largest size that a process had. What the system says
// of a process that has ended includes the process it was forked from.
func watchPeak(pid int, stop <-chan struct{}) (peak int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil {
			if _, rest, ok := bytes.Cut(data, []byte("VmHWM:")); ok {
				if f := bytes.Fields(rest); len(f) > 0 {
					n, _ := strconv.ParseInt(string(f[0]), 10, 64)
					peak = max(peak, n)
				}
			}
		}
		select {
		case <-stop:
			return peak
		case <-tick.C:
		}
	}
}

// tail returns the end of what a program has said.
func tail(s string) string { return s[max(0, len(s)-2000):] }

// countSyncs runs a program and counts its calls of fsync and fdatasync.
func countSyncs(tb testing.TB, strace string, inv invocation) int {
	tb.Helper()
	report := filepath.Join(tb.TempDir(), "strace")
	inv.argv = append([]string{strace, "-f", "-c", "-o", report, "-e", "trace=fsync,fdatasync,sync_file_range,syncfs"}, inv.argv...)
	run(tb, inv)
	data, err := os.ReadFile(report)
	if err != nil {
		tb.Fatal(err)
	}
	syncs := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.Contains(f[len(f)-1], "sync") {
			continue
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			tb.Fatalf("strace: %q", line)
		}
		syncs += n
	}
	return syncs
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
	m.Bursts = int(pick(func(f figures) float64 { return float64(f.Bursts) }))
	m.Connections = int(pick(func(f figures) float64 { return float64(f.Connections) }))
	// The peak is the highest.
	for _, r := range runs {
		m.Peak = max(m.Peak, r.Peak)
	}
	return m
}
