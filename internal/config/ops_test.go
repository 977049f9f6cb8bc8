package config

import (
	"errors"
	"strings"
	"testing"
)

// onText writes operations as "far / near".
func onText(o Ops) string { return o.On[Far].String() + " / " + o.On[Near].String() }

func TestSyncWords(t *testing.T) {
	const full = "New Upgrade Gone Flags"
	tests := []struct {
		words string
		want  string // what may be done to far / near, or an error
	}{
		// style 1
		{"None", " / "},
		{"Noop", " / "},
		{"none noop", " / "},
		{"Full", full + " / " + full},
		{"All", full + " / " + full},
		{"Pull", " / " + full},
		{"Push", full + " / "},
		{"Pull Push", full + " / " + full},
		{"New", "New / New"},
		{"new NEW", "New / New"},
		{"Pull Pull", " / " + full},
		{"Old", "Old / Old"},
		{"Full Old", "New Old Upgrade Gone Flags / New Old Upgrade Gone Flags"},
		{"Pull New Flags", " / New Flags"},
		{"Push Gone Old", "Old Gone / "},
		{"Pull Push Upgrade", "Upgrade / Upgrade"},
		{"Pull ReNew Delete", " / Upgrade Gone"},
		// style 2
		{"PullNew", " / New"},
		{"PushFlags PullNew", "Flags / New"},
		{"PullFull", " / " + full},
		{"PullFull PullOld", " / New Old Upgrade Gone Flags"},
		{"PullNew Push", full + " / New"},
		{"Push PullNew PullGone", full + " / New Gone"},
		{"PullNew Flags", "Flags / New Flags"},
		{"PullNew Flags Gone", "Gone Flags / New Gone Flags"},
		{"PullOld Pull", " / New Old Upgrade Gone Flags"},
		{"PullOld PushOld", "Old / Old"},
		{"PullReNew pushdelete", "Gone / Upgrade"},
		// errors
		{"None New", "Conflicting Sync options@New"},
		{"Pull None", "Conflicting Sync options@None"},
		{"PullNew Noop", "Conflicting Sync options@Noop"},
		{"PullNew Pull Push", "Invalid combination of simple and compound Sync options@Push"},
		{"PullNew Gone Push", "Invalid combination of simple and compound Sync options@Push"},
		{"Pull PullOld Gone", "Invalid combination of simple and compound Sync options@Gone"},
		{"PullNew PullNew", "Redundant Sync options@PullNew"},
		{"PullNew Pull", "Redundant Sync options@Pull"},
		{"Flags PushFlags", "Redundant Sync options@PushFlags"},
		{"PullNew Full", "Redundant Sync options@Full"},
		{"PullGone PushNew Push", "Redundant Sync options@Push"},
	}
	for _, tt := range tests {
		var b OpsBuilder
		words := strings.Fields(tt.words)
		for i, w := range words {
			dirs, ops, _, ok := parseSyncWord(w)
			if !ok {
				t.Fatalf("%s is not understood", w)
			}
			b.Sync(dirs, ops, i)
		}
		checkOps(t, "Sync", &b, words, tt.want, OpSync)
	}
	for _, w := range []string{"", "Pul", "PullPush", "PullNone", "PullAll", "NewPull", "Both"} {
		if _, _, _, ok := parseSyncWord(w); ok {
			t.Errorf("%q was accepted", w)
		}
	}
}

func checkOps(t *testing.T, option string, b *OpsBuilder, words []string, want string, given OpSet) {
	t.Helper()
	o, errs := b.Build()
	got := onText(o)
	if len(errs) > 0 {
		got = errs[0].Error() + "@" + words[errs[0].Ref]
		given = 0
		if errs[0].Option != option {
			t.Errorf("%s %v: the error is about %s", option, words, errs[0].Option)
		}
	}
	if got != want || o.Given != given || len(errs) > 1 {
		t.Errorf("%s %v = %q, given %q, %v; want %q", option, words, got, o.Given, errs, want)
	}
}

func TestBoxWords(t *testing.T) {
	sides := map[string]Sides{"None": NoSide, "Far": FarSide, "Near": NearSide, "Both": BothSides}
	for _, option := range []OpSet{OpCreate, OpRemove, OpExpunge, OpExpungeSolo} {
		name := option.String()
		for words, want := range map[string]string{
			"None":      " / ",
			"None None": " / ",
			"Far":       "X / ",
			"Near":      " / X",
			"Both":      "X / X",
			"Far Near":  "X / X",
			"None Far":  "Conflicting X options@Far",
			"Both None": "Conflicting X options@None",
			"Far Far":   "Redundant X options@Far",
			"Both Near": "Redundant X options@Near",
			"Near Both": "Redundant X options@Both",
		} {
			var b OpsBuilder
			fields := strings.Fields(words)
			for i, w := range fields {
				b.Box(option, sides[w], i)
			}
			checkOps(t, name, &b, fields, strings.ReplaceAll(want, "X", name), option)
		}
	}
}

func TestOpsOver(t *testing.T) {
	var b OpsBuilder
	b.Sync(1<<Pull, OpNew, 0)
	b.Box(OpCreate, NearSide, 1)
	b.Box(OpExpunge, NoSide, 2)
	upper, errs := b.Build()
	if errs != nil {
		t.Fatal(errs)
	}
	lower := Ops{On: [2]OpSet{OpFull | OpCreate | OpExpunge, OpExpunge | OpRemove}, Given: opAll}
	got := upper.Over(lower)
	if want := " / New Create Remove"; onText(got) != want || got.Given != opAll {
		t.Errorf("got %q (%s), want %q", onText(got), got.Given, want)
	}
	if got := (Ops{}).Over(lower); got != lower {
		t.Errorf("nothing over something = %v", got)
	}
	if got, want := onText(DefaultOps()), "New Upgrade Gone Flags / New Upgrade Gone Flags"; got != want {
		t.Errorf("default is %q", got)
	}
}

func TestOpsCheck(t *testing.T) {
	ok := Ops{On: [2]OpSet{OpExpunge, OpExpungeSolo}}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	bad := Ops{On: [2]OpSet{OpExpunge, OpExpungeSolo | OpExpunge}}
	if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "near side") {
		t.Errorf("got %v", err)
	}
}

func TestOpsErrorInFile(t *testing.T) {
	_, _, err := parse(t, withChannel("Sync Pull", "Sync None"))
	var ops *OpsError
	if !errors.As(err, &ops) || ops.Kind != ConflictingOps {
		t.Fatalf("got %v", err)
	}
	if want := `/etc/rc:13: Conflicting Sync options: "None" with "Pull" in line 12`; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
