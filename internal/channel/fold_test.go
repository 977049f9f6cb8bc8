package channel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFoldedNames: where the near store takes different names for the same, a
// mailbox is found there though it is spelled in another way, and of several
// one is synchronized.
func TestFoldedNames(t *testing.T) {
	for _, c := range []struct {
		name, far, near string
		args            []string
		want            []string
		errs            []string
	}{
		{
			name: "another spelling", far: "Work a/B", near: "work A/b",
			want: []string{"Work: Work = Work", "a/B: a/B = a/B"},
		},
		{
			name: "two on the far side", far: "Work work x", near: "work",
			want: []string{"Work: Work = Work", "work: work = work", "x: x = x"}, errs: []string{"Work"},
		},
		{
			name: "two on the far side, neither on the near one", far: "Work work",
			want: []string{"Work: Work = Work", "work: work = work"}, errs: []string{"work"},
		},
		{
			name: "two on the far side, and a third spelling", far: "Work work", near: "WORK",
			want: []string{"WORK: WORK = WORK", "Work: Work = Work", "work: work = work"}, errs: []string{"Work", "work"},
		},
		{
			name: "named", far: "Work work", args: []string{"c:work,Work"},
			want: []string{"work: work = work", "Work: Work = Work"}, errs: []string{"Work"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, pairsConfig("Patterns *"))
			w.folds["near"] = true
			w.boxes("far", strings.Fields(c.far)...)
			w.boxes("near", strings.Fields(c.near)...)
			w.run(t.Context(), c.args...)
			if d := cmp.Diff(c.want, w.obs.done); d != "" {
				t.Errorf("synchronized (-want +got):\n%s", d)
			}
			for name, err := range w.obs.errs {
				if !slices.Contains(c.errs, name) || !strings.Contains(err.Error(), ", and not again as") {
					t.Errorf("%s: %v", name, err)
				}
			}
			if len(w.obs.errs) != len(c.errs) {
				t.Errorf("errors: %v", w.obs.errs)
			}
			var folded []string
			for _, n := range w.disk["near"].Names() {
				folded = append(folded, strings.ToLower(n))
			}
			slices.Sort(folded)
			if n := len(slices.Compact(slices.Clone(folded))); n != len(folded) {
				t.Errorf("near: %q", w.disk["near"].Names())
			}
		})
	}
}
