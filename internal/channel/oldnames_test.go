package channel_test

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// TestOldNames: a local mailbox with the name that an mbsync before 1.5 gave it
// is not taken for another mailbox.
func TestOldNames(t *testing.T) {
	const rc = "IMAPStore far\nHost mail.invalid\n\nMaildirStore near\nPath /near/\nInbox /nearbox\n\n" +
		"Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\n"
	w := newWorld(t, rc)
	w.local["near"] = true
	w.boxes("far", "Entwürfe", "Gelöscht", "plain")
	w.boxes("near", "Entw&APw-rfe", "Gel&APY-scht", "Gelöscht", "A&AOQ-B", "plain")
	if sum := w.run(context.Background()); !sum.Failed {
		t.Error("no failure")
	}
	for box, want := range map[string]bool{"Entwürfe": true, "Entw&APw-rfe": true, "Gelöscht": false, "Gel&APY-scht": false, "A&AOQ-B": false, "plain": false} {
		if !slices.ContainsFunc(w.obs.started, func(s string) bool { return strings.HasPrefix(s, box+":") }) {
			t.Errorf("%s was not considered: %q", box, w.obs.started)
		}
		err := w.obs.errs[box]
		if (err != nil) != want || want && !strings.Contains(err.Error(), "before 1.5") {
			t.Errorf("%s: error %v", box, err)
		}
	}
	if got := strings.Join(w.disk["near"].Names(), " "); strings.Contains(got, "Entwürfe") {
		t.Errorf("near: %s", got)
	}
	if got := strings.Join(w.disk["far"].Names(), " "); strings.Contains(got, "Entw&") {
		t.Errorf("far: %s", got)
	}
}
