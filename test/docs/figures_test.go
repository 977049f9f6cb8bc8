package docs

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var figureRow = regexp.MustCompile(`^\| .*\((\w+)\) \| ([0-9.]+) \| ([0-9.]+) \|$`)

// TestReadmeFigures: the times of the README are those of docs/performance.md, which "make
// performance" writes. They may differ by a third, so that not each new measurement changes the
// README.
func TestReadmeFigures(t *testing.T) {
	times := map[string][2]float64{}
	for _, l := range readPage(t, filepath.Join(root, "docs", "performance.md")).lines {
		cells := strings.Split(l, "|")
		name, _, ok := strings.Cut(l, ":")
		if !ok || len(cells) < 6 {
			continue
		}
		theirs, err1 := strconv.ParseFloat(strings.TrimSpace(cells[3]), 64)
		ours, err2 := strconv.ParseFloat(strings.TrimSpace(cells[4]), 64)
		if err1 == nil && err2 == nil && strings.TrimSpace(cells[2]) == "50" {
			times[strings.TrimPrefix(name, "| ")] = [2]float64{theirs, ours}
		}
	}
	found := 0
	for _, l := range readPage(t, filepath.Join(root, "README.md")).lines {
		m := figureRow.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		found++
		measured, ok := times[m[1]]
		if !ok {
			t.Errorf("docs/performance.md has no scenario %s with a round-trip time of 50 ms", m[1])
			continue
		}
		for i, text := range m[2:] {
			shown, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			if shown > measured[i]*4/3 || shown < measured[i]*2/3 {
				t.Errorf("README.md shows %s for %s, docs/performance.md has %v", text, m[1], measured[i])
			}
		}
	}
	if found == 0 {
		t.Error("README.md has no figures")
	}
}
