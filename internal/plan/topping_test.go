package plan

import (
	"testing"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// TestTopping: known messages raise the highest propagated UID, but not beyond
// a message that was not listed and may be a new one.
func TestTopping(t *testing.T) {
	const header = "FarUidValidity 1\nNearUidValidity 1\nMaxPulledUid 0\nMaxPushedUid 2\n"
	for _, c := range []struct {
		name, state string
		loaded      mail.UIDSet
		found       []mail.UID
		want        mail.UID
	}{
		{"everything listed", "\n2 1 \n3 2 \n", mail.UIDsFrom(1), []mail.UID{2, 3}, 3},
		{"unknown message listed", "\n2 1 \n3 2 \n", mail.UIDsFrom(1), []mail.UID{1, 2, 3}, 0},
		{"message may hide below the listed ones", "\n2 1 \n3 2 \n", mail.NewUIDSet(2, 3), []mail.UID{2, 3}, 0},
		{"message may hide between the listed ones", "\n1 1 \n3 2 \n", mail.NewUIDSet(1, 3), []mail.UID{1, 3}, 1},
		{"expired ones hide", "MaxExpiredFarUid 1\n\n2 1 \n3 2 \n", mail.NewUIDSet(2, 3), []mail.UID{2, 3}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := Input{State: stateOf(t, header+c.state)}
			in.Rules.Ops[syncstate.Near] = opsOf("gone")
			in.Box[syncstate.Far].Loaded = c.loaded
			for _, u := range c.found {
				in.Box[syncstate.Far].Messages = append(in.Box[syncstate.Far].Messages, mail.Meta{UID: u})
			}
			if got := Make(in).MaxUID[syncstate.Far]; got != c.want {
				t.Errorf("highest propagated UID %d, want %d", got, c.want)
			}
		})
	}
}
