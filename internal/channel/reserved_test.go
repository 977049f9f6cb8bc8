package channel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReservedNames: a mailbox that would get in the way of our own files is left
// out with one warning, and the others are synchronized.
func TestReservedNames(t *testing.T) {
	for _, c := range []struct {
		name, rc string
		local    bool
		far      []string
		want     []string
		left     int
	}{
		{
			"in a Maildir", pairsConfig("Patterns *"), true,
			[]string{"Work", "Work/new", "Work/.mbsyncstate", "x"},
			[]string{"Work: Work = Work", "x: x = x"},
			2,
		},
		{
			"sync states", "SyncState /state/\n" + pairsConfig("Patterns *\nSyncState /own/"), false,
			[]string{"Work", "Work.isync", "Work.new", "Work.journal", "Work.lock", "Work.isync.new", "other.isync", "Work.isync.x", "Work.x"},
			[]string{"Work: Work = Work", "Work.isync.x: Work.isync.x = Work.isync.x", "Work.x: Work.x = Work.x", "other.isync: other.isync = other.isync"},
			5,
		},
		{
			"sync states with names of their own", pairsConfig("Patterns *"), false,
			[]string{"Work", "Work.isync"},
			[]string{"Work: Work = Work", "Work.isync: Work.isync = Work.isync"},
			0,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.rc)
			w.local["near"] = c.local
			w.boxes("far", c.far...)
			w.run(t.Context())
			if d := cmp.Diff(c.want, w.obs.done); d != "" {
				t.Errorf("synchronized (-want +got):\n%s", d)
			}
			if len(w.obs.errs) != 0 || len(w.obs.warnings) != c.left {
				t.Errorf("errors %v, warnings %q", w.obs.errs, w.obs.warnings)
			}
		})
	}
}
