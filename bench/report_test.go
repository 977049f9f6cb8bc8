package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// result is what one program took for one scenario.
type result struct {
	Scenario string
	Title    string
	RTT      int // milliseconds
	Peer     string
	figures  // medians
	Runs     []figures
	// Ratio is our time over that of mbsync, where both were run; Target what
	// it should be.
	Ratio, Target float64 `json:",omitempty"`
	// MaxBursts is how often we should wait at most.
	MaxBursts int `json:",omitempty"`
	// Measured is the day, in UTC.
	Measured string
	// Load is the average load of the machine in the minute before the end of the measurement,
	// which includes that of the measurement itself.
	Load float64
}

// report is the content of a file of results.
type report struct {
	// Versions are those of the programs that took part, by their names.
	Versions map[string]string
	Machine  machine
	Results  []result
}

// machine is what matters of the machine.
type machine struct {
	System, Architecture string
	Processors           int
	Memory               int // GB
}

// result completes a result with when and where it was measured.
func (b *bench) result(r result) result {
	r.Measured = time.Now().UTC().Format(time.DateOnly)
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(data), &r.Load)
	}
	return r
}

// report returns all results so far.
func (b *bench) report() report {
	r := report{
		Versions: map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")},
		Machine:  machine{System: runtime.GOOS, Architecture: runtime.GOARCH, Processors: runtime.NumCPU(), Memory: memoryGB()},
		Results:  b.results,
	}
	maps.Copy(r.Versions, b.versions)
	for _, s := range b.servers {
		if s.files == nil {
			r.Versions["cyrus"] = testkit.UnpackedVersion("cyrus-trixie", "cyrus-imapd")
			continue
		}
		r.Versions["dovecot"], _, _ = strings.Cut(firstLine("dovecot", "--version"), " ")
	}
	return r
}

// versionOf returns the version of a program.
func versionOf(p peer) string {
	if p.name == ours || p.name == "before" {
		// The commit, if the binary is built here.
		line := firstLine(p.program, "--version")
		if p.name == ours && os.Getenv("MBSYNC") == "" {
			line = strings.TrimSpace(line + " " + firstLine("git", "describe", "--tags", "--always", "--dirty"))
		}
		return line
	}
	return strings.TrimPrefix(firstLine(p.program, "--version"), "isync ")
}

// firstLine returns the first line that a program prints.
func firstLine(argv ...string) string {
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// memoryGB returns the size of the memory, in GB; 0: unknown.
func memoryGB() int {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kilobytes int
	_, _ = fmt.Sscanf(string(data), "MemTotal: %d", &kilobytes)
	return (kilobytes + 1<<19) >> 20
}

// merge replaces those scenarios of a report that another one has, with the same round trip time, for all programs:
// only times of one run can be compared.
func (r *report) merge(other report) {
	type key struct {
		scenario string
		rtt      int
	}
	fresh := map[key]bool{}
	for _, x := range other.Results {
		fresh[key{x.Scenario, x.RTT}] = true
	}
	kept := slices.DeleteFunc(r.Results, func(x result) bool { return fresh[key{x.Scenario, x.RTT}] })
	r.Results = append(kept, other.Results...)
	slices.SortStableFunc(r.Results, func(a, b result) int {
		return cmp.Or(cmp.Compare(orderOf(a.Scenario), orderOf(b.Scenario)), cmp.Compare(a.RTT, b.RTT))
	})
	if r.Versions == nil {
		r.Versions = map[string]string{}
	}
	for name, version := range other.Versions {
		r.Versions[name] = version
	}
	r.Machine = other.Machine
}

// orderOf is the place of a scenario in the list of all.
func orderOf(id string) int {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.id == id })
	if i < 0 { // a first run
		i = slices.IndexFunc(scenarios, func(s scenario) bool { return places[s.place].first == id })
	}
	return i
}

// read reads a file of results.
func read(tb testing.TB, path string) report {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		tb.Fatalf("%s: %v", filepath.Base(path), err)
	}
	return r
}

// write writes a file of results.
func write(tb testing.TB, path string, r report) {
	tb.Helper()
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o666); err != nil {
		tb.Fatal(err)
	}
}
