package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"isync/internal/engine"
	"isync/internal/testkit/notation"
)

// TestPrepared: preparing a pair changes no message. A pair that was prepared and
// released holds nothing. Executing it has the same result as a run that begins then,
// even if another run has synchronized the pair in between.
func TestPrepared(t *testing.T) {
	for _, between := range []bool{false, true} {
		for _, sc := range allScenarios() {
			t.Run(fmt.Sprintf("%s/another run %v", sc.name, between), func(t *testing.T) {
				c := notation.ParseRules(t, sc.rules)
				want := sc.setup(t, c)
				wantRes, _, wantErr := want.run(c, modes[0], &killer{}, 1)
				seed := uint64(1)
				if between {
					seed = 3
					wantRes, _, wantErr = want.run(c, modes[0], &killer{}, seed)
				}

				w := sc.setup(t, c)
				before := [2]string{sideText(w.far, "box"), sideText(w.near, "box")}
				p, _ := w.pair(c, modes[0], &killer{}, seed)
				prepared, err := engine.Prepare(t.Context(), p)
				if err == nil {
					for i, now := range [2]string{sideText(w.far, "box"), sideText(w.near, "box")} {
						if now != before[i] && now != "!" && before[i] != "!" {
							t.Errorf("preparing has changed a mailbox:\n%s\nbefore:\n%s", now, before[i])
						}
					}
					err = prepared.Release(t.Context())
				}
				if between {
					_, _, _ = w.run(c, modes[0], &killer{}, 1) // as above
				}
				var res engine.Result
				if err == nil || between {
					res, err = prepared.Execute(t.Context())
				}
				if errors.Is(err, engine.ErrBoxMissing) && w.text(c.ExpireSide) == nothingLeft {
					return // the pair was removed
				}
				if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Errorf("got error %v, want %v", err, wantErr)
				}
				if res.Counts != wantRes.Counts && err == nil {
					t.Errorf("got %v, want %v", res.Counts, wantRes.Counts)
				}
				if got := w.text(c.ExpireSide); got != want.text(c.ExpireSide) {
					t.Errorf("got\n%s\nwant\n%s", got, want.text(c.ExpireSide))
				}
			})
		}
	}
}
