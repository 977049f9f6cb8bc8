package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// printTable prints results as a table for people.
func printTable(w io.Writer, results []result) {
	fmt.Fprintf(w, "\nMedians; wall time with the range of the runs. Bursts: waits for the server, of the busiest connection.\n\n")
	fmt.Fprintf(w, "%-4s %4s  %-13s %8s %17s %7s %8s %10s %10s %7s %6s %5s %5s  %s\n",
		"", "RTT", "", "wall s", "(range)", "CPU s", "peak MB", "up", "down", "lines", "bursts", "conns", "files", "ours/mbsync")
	last := ""
	for _, r := range results {
		if r.Scenario != last {
			if last = r.Scenario; r.Title != "" {
				fmt.Fprintf(w, "%s: %s\n", r.Scenario, r.Title)
			}
		}
		walls := make([]float64, len(r.Runs))
		for i, f := range r.Runs {
			walls[i] = f.Wall
		}
		fmt.Fprintf(w, "%-4s %4d  %-13s %8.3f %17s %7.2f %8.1f %10d %10d %7d %6d %5d %5d  %s\n",
			r.Scenario, r.RTT, r.Peer, r.Wall, fmt.Sprintf("(%.3f-%.3f)", slices.Min(walls), slices.Max(walls)),
			r.CPU, float64(r.Peak)/1024, r.Up, r.Down, r.Lines, r.Bursts, r.Connections, r.Files, verdict(r))
		if r.Calls > 0 {
			fmt.Fprintf(w, "%27s calls of the system\n", fmt.Sprint(r.Calls))
		}
		if r.Syncs > 0 {
			fmt.Fprintf(w, "%27s calls of fsync and the like\n", fmt.Sprint(r.Syncs))
		}
	}
}

// verdict compares with mbsync and the targets.
func verdict(r result) string {
	var parts []string
	if r.Ratio > 0 {
		parts = append(parts, fmt.Sprintf("%.3f = 1/%.1f", r.Ratio, 1/r.Ratio))
		if r.Target > 0 {
			parts = append(parts, fmt.Sprintf("target %.3f %s", r.Target, met(r.Ratio <= r.Target)))
		}
	}
	if r.MaxBursts > 0 {
		parts = append(parts, fmt.Sprintf("%d bursts %s", r.MaxBursts, met(r.Bursts <= r.MaxBursts)))
	}
	return strings.Join(parts, ", ")
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

func TestTable(t *testing.T) {
	runs := []figures{{Wall: 3, CPU: 1, Peak: 1 << 10}, {Wall: 1, CPU: 3, Peak: 3 << 10}, {Wall: 2, CPU: 2, Peak: 2 << 10}}
	m := median(runs)
	if m.Wall != 2 || m.CPU != 2 || m.Peak != 3<<10 {
		t.Errorf("median is %+v", m)
	}
	var b strings.Builder
	printTable(&b, []result{
		{Scenario: "S2", Title: "nothing", Peer: ours, Runs: runs, figures: m, Ratio: 0.5, Target: 0.25, MaxBursts: 2},
		{Scenario: "S2", Title: "nothing", Peer: "mbsync", Runs: runs, figures: m},
	})
	for _, want := range []string{"S2: nothing", "0.500 = 1/2.0, target 0.250 MISSED, 2 bursts met", "(1.000-3.000)", "mbsync"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, &b)
		}
	}
}
