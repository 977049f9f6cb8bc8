package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var figureRow = regexp.MustCompile(`^\| .*\((\w+)\) \| ([0-9.]+) \| ([0-9.]+) \|$`)

// TestReadmeFigures: the times of the README are those of docs/performance.md, which "make
// performance" writes. They may differ by half, so that not each new measurement changes the
// README. UPDATE_DOCS=1 writes the present ones.
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
	readme := filepath.Join(root, "README.md")
	lines := readPage(t, readme).lines
	update := os.Getenv("UPDATE_DOCS") == "1"
	for n, l := range lines {
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
		if update {
			head, _, _ := strings.Cut(l, ") |")
			lines[n] = fmt.Sprintf("%s) | %s | %s |", head, rounded(measured[0]), rounded(measured[1]))
			continue
		}
		for i, text := range m[2:] {
			shown, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			if shown > measured[i]*3/2 || shown < measured[i]/2 {
				t.Errorf("README.md shows %s for %s, docs/performance.md has %v", text, m[1], measured[i])
			}
		}
	}
	if found == 0 {
		t.Error("README.md has no figures")
	}
	if update {
		if err := os.WriteFile(readme, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
	}
}

// rounded returns a time with two digits.
func rounded(seconds float64) string {
	switch {
	case seconds >= 10:
		return strconv.FormatFloat(seconds, 'f', 0, 64)
	case seconds >= 1:
		return strconv.FormatFloat(seconds, 'f', 1, 64)
	}
	return strconv.FormatFloat(seconds, 'f', 2, 64)
}
