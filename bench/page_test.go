package bench

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/performance.md")

// The results that the page shows, and the page.
const (
	published = "results.json"
	page      = "../docs/performance.md"
)

// The table is between these lines of the page.
const (
	tableBegin = "<!-- made by \"make performance\" -->\n"
	tableEnd   = "<!-- end of what \"make performance\" makes -->\n"
)

// TestPerformancePage: the page shows the published results. With -update it is made
// to show them, and the results in the file JSON are published before.
func TestPerformancePage(t *testing.T) {
	if *update {
		if path := os.Getenv("JSON"); path != "" {
			r := read(t, published)
			r.merge(read(t, path))
			write(t, published, r)
		}
	}
	table := pageTable(read(t, published))
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	old, after, ended := strings.Cut(rest, tableEnd)
	switch {
	case !ok || !ended:
		t.Fatalf("%s lacks the lines %q and %q", page, tableBegin, tableEnd)
	case *update:
		text := before + tableBegin + "\n" + table + "\n" + tableEnd + after
		if err := os.WriteFile(page, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	case strings.Trim(old, "\n")+"\n" != table:
		t.Errorf("%s does not show the results of %s: run make performance", page, published)
	}
}

// pageTable makes the table of a report, with the sentence that says where it is from.
func pageTable(r report) string {
	var b strings.Builder
	var days []string
	lowest, highest := 0.0, 0.0
	for i, x := range r.Results {
		days = append(days, x.Measured)
		if i == 0 {
			lowest, highest = x.Load, x.Load
		}
		lowest, highest = min(lowest, x.Load), max(highest, x.Load)
	}
	slices.Sort(days)
	if days = slices.Compact(days); len(days) > 1 {
		days = []string{days[0], "to", days[len(days)-1]}
	}
	fmt.Fprintf(&b, "Measured %s (UTC) on %s/%s, %d processors, %d GB of memory, with a load average of %.1f to %.1f.\n",
		strings.Join(days, " "), r.Machine.System, r.Machine.Architecture, r.Machine.Processors, r.Machine.Memory, lowest, highest)
	b.WriteString("Versions:")
	for i, name := range slices.Sorted(maps.Keys(r.Versions)) {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, " %s %s", name, r.Versions[name])
	}
	b.WriteString(".\n\n| scenario | RTT | mbsync | ours | ours/mbsync | target | bursts of mbsync | ours |\n|---|---|---|---|---|---|---|---|\n")
	for i, x := range r.Results {
		if x.Peer != ours {
			continue
		}
		theirs, theirBursts := "–", "–"
		if at := slices.IndexFunc(r.Results, func(y result) bool {
			return y.Peer == "mbsync" && y.Scenario == x.Scenario && y.RTT == x.RTT
		}); at >= 0 {
			theirs, theirBursts = seconds(r.Results[at].Wall), fmt.Sprint(r.Results[at].Bursts)
		}
		ratio, target, bursts := "–", "–", fmt.Sprint(x.Bursts)
		if x.Ratio > 0 {
			ratio = fmt.Sprintf("%.3f", x.Ratio)
		}
		if x.Target > 0 {
			target = fmt.Sprintf("≤ %.3f", x.Target)
			if x.Ratio > x.Target {
				target += " missed"
			}
		}
		if x.MaxBursts > 0 {
			bursts += fmt.Sprintf(" (≤ %d)", x.MaxBursts)
		}
		if x.RTT == 0 {
			// Without a delay every answer ends a burst.
			bursts, theirBursts = "", ""
		}
		title := x.Title
		if i > 0 && r.Results[i-1].Scenario == x.Scenario {
			title = "the same"
		}
		fmt.Fprintf(&b, "| %s: %s | %d | %s | %s | %s | %s | %s | %s |\n",
			x.Scenario, title, x.RTT, theirs, seconds(x.Wall), ratio, target, theirBursts, bursts)
	}
	return b.String()
}

// seconds shows a time with three digits.
func seconds(s float64) string {
	switch {
	case s < 1:
		return fmt.Sprintf("%.3f", s)
	case s < 10:
		return fmt.Sprintf("%.2f", s)
	}
	return fmt.Sprintf("%.1f", s)
}

func TestMerge(t *testing.T) {
	at := func(scenario string, rtt int, peer string, wall float64) result {
		return result{Scenario: scenario, RTT: rtt, Peer: peer, figures: figures{Wall: wall}}
	}
	r := report{Versions: map[string]string{"ours": "1", "mbsync": "1"}, Results: []result{
		at("S2", 0, ours, 1), at("S2", 0, "mbsync", 2), at("S2", 0, "interimap", 3), at("S2", 50, ours, 4), at("S3", 0, ours, 5),
	}}
	r.merge(report{Versions: map[string]string{"ours": "2"}, Results: []result{
		at("S1", 0, ours, 6), at("S2", 0, ours, 7), at("S2", 0, "mbsync", 8),
	}})
	var got []float64
	for _, x := range r.Results {
		got = append(got, x.Wall)
	}
	if want := []float64{6, 7, 8, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("results are %v, want %v", got, want)
	}
	if r.Versions["ours"] != "2" || r.Versions["mbsync"] != "1" {
		t.Errorf("versions are %v", r.Versions)
	}
}
