package plan

import (
	"fmt"
	"strings"
	"testing"

	"isync/internal/syncstate"
)

// opsOf reads "new old upgrade gone flags expunge solo".
func opsOf(words string) (o Ops) {
	for w := range strings.FieldsSeq(words) {
		switch w {
		case "new":
			o.New = true
		case "old":
			o.Old = true
		case "upgrade":
			o.Upgrade = true
		case "gone":
			o.Gone = true
		case "flags":
			o.Flags = true
		case "expunge":
			o.Expunge = true
		case "solo":
			o.ExpungeSolo = true
		case "all":
			o.New, o.Upgrade, o.Gone, o.Flags = true, true, true, true
		default:
			panic(w)
		}
	}
	return o
}

const testState = "FarUidValidity 1\nNearUidValidity 1\nMaxPulledUid 20\nMaxPushedUid 30\n"

func stateOf(t testing.TB, text string) *syncstate.State {
	t.Helper()
	st, err := syncstate.Parse("state", []byte(text), syncstate.Near)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func loadText(l Load) string {
	s := l.UIDs.String()
	if s == "" {
		s = "nothing"
	}
	if l.Flags {
		s += " flags"
	}
	if l.SizesFrom != 0 {
		s += fmt.Sprintf(" sizes %d", l.SizesFrom)
	}
	return s
}

// TestLoads states what is asked of the stores: no more than is needed.
func TestLoads(t *testing.T) {
	const plain = testState + "\n5 7 S\n12 9 \n0 11 \n14 0 \n20 30 \n"
	const expiredState = testState + "MaxExpiredFarUid 13\n\n3 2 ~S\n5 7 F\n9 0 ~\n14 9 \n20 30 \n"
	const placeholders = testState + "\n5 7 >\n12 9 \n14 0 ^\n20 30 <\n"
	tests := []struct {
		name              string
		state             string
		push, pull        string // ops on far, ops on near
		rules             Rules
		wantFar, wantNear string
	}{
		{name: "nothing", state: plain, wantFar: "nothing", wantNear: "nothing"},
		{name: "pull new", state: plain, pull: "new", wantFar: "21:*", wantNear: "nothing"},
		{name: "push new", state: plain, push: "new", wantFar: "nothing", wantNear: "31:*"},
		{name: "pull new with a limit of sizes", state: plain, pull: "new", rules: Rules{MaxSize: [2]int64{0, 1000}}, wantFar: "21:* sizes 21", wantNear: "nothing"},
		{name: "limit of the other side", state: plain, pull: "new", rules: Rules{MaxSize: [2]int64{1000, 0}}, wantFar: "21:*", wantNear: "nothing"},
		{name: "pull old", state: plain, pull: "old", wantFar: "1:* flags", wantNear: "nothing"},
		{name: "pull old with a limit of sizes", state: plain, pull: "old new", rules: Rules{MaxSize: [2]int64{0, 1000}}, wantFar: "1:* flags sizes 1", wantNear: "nothing"},
		// A far message that is marked deleted becomes an orphan if the near one is gone.
		{name: "pull gone", state: plain, pull: "gone", wantFar: "5:20 flags", wantNear: "7:30 flags"},
		{name: "near ExpungeSolo looks for far counterparts", state: plain, pull: "solo", wantFar: "5:20", wantNear: "1:* flags"},
		{name: "push flags", state: plain, push: "flags", wantFar: "5:20 flags", wantNear: "7:30 flags"},
		{name: "everything", state: plain, push: "all", pull: "all", wantFar: "5:* flags", wantNear: "7:* flags"},
		{name: "expunge looks at all messages", state: plain, pull: "new", push: "expunge", wantFar: "1:* flags", wantNear: "nothing"},
		{name: "flags of new messages when expunging", state: plain, pull: "new expunge", wantFar: "21:* flags", wantNear: "1:* flags"},
		{name: "below the expired only what is paired", state: expiredState, push: "all", pull: "all", wantFar: "3,5,14:* flags", wantNear: "2:* flags"},
		{name: "expiration without flags", state: expiredState, pull: "new", rules: Rules{MaxMessages: 5}, wantFar: "3,5,14:* flags", wantNear: "2:30 flags"},
		{name: "upgrade alone", state: placeholders, pull: "upgrade", wantFar: "5,14,20 flags", wantNear: "7,30 flags"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.rules
			r.Ops = [2]Ops{opsOf(tt.push), opsOf(tt.pull)}
			got := Loads(stateOf(t, tt.state), r)
			if s := loadText(got[syncstate.Far]); s != tt.wantFar {
				t.Errorf("far: %s, want %s", s, tt.wantFar)
			}
			if s := loadText(got[syncstate.Near]); s != tt.wantNear {
				t.Errorf("near: %s, want %s", s, tt.wantNear)
			}
		})
	}
}

// TestLoadsOfResumedRuns: what is pending is looked at whatever the rules.
func TestLoadsOfResumedRuns(t *testing.T) {
	st := stateOf(t, testState+"\n5 7 S\n")
	if _, _, err := syncstate.Replay(st, "j", []byte("5\n+ 17 0\n+ 0 25\n+ 9 0\n- 9 0\n")); err != nil {
		t.Fatal(err)
	}
	got := Loads(st, Rules{MaxSize: [2]int64{1000, 1000}})
	if s := loadText(got[syncstate.Far]); s != "17 sizes 17" {
		t.Errorf("far: %s", s)
	}
	if s := loadText(got[syncstate.Near]); s != "25 sizes 25" {
		t.Errorf("near: %s", s)
	}
	got = Loads(st, Rules{Ops: [2]Ops{{}, {New: true}}})
	if s := loadText(got[syncstate.Far]); s != "17,21:*" {
		t.Errorf("far: %s", s)
	}
	interrupted := stateOf(t, testState+"\n5 7 S\n")
	if _, _, err := syncstate.Replay(interrupted, "j", []byte("5\n~ 5 7 2\n")); err != nil {
		t.Fatal(err)
	}
	got = Loads(interrupted, Rules{})
	if s := loadText(got[syncstate.Near]); s != "7 flags" {
		t.Errorf("an interrupted expiration is not looked at: %s", s)
	}
}
