package channel_test

import (
	"slices"
	"testing"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
)

// What a preview says is what a run does.
func TestPreview(t *testing.T) {
	w := newWorld(t, "SyncState /state/\n"+stores+"Channel c\nFar :far:x/\nNear :near:\nPatterns * !c\nCreate Near")
	w.boxes("far", "x/a", "x/a/b", "x/c", "y")
	w.boxes("near", "d")
	ch := w.cfg.Channels[0]
	var st [2]store.Store
	for i, s := range []*config.Store{ch.Far.Store, ch.Near.Store} {
		var err error
		if st[i], err = w.open(s); err != nil {
			t.Fatal(err)
		}
	}
	p := channel.NewPreviewer(ch, st, w.cfg.Global)
	for side, want := range map[config.Side][]string{config.Far: {"a", "a/b"}, config.Near: {"d"}} {
		got, err := p.Side(t.Context(), side)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", side, got, err)
		}
	}
	v := p.Pair("a/b")
	if v.Err != nil || v.Box != [2]string{"x/a/b", "a/b"} || v.StatePath != "/state/:far:x!a!b_:near:a!b" {
		t.Errorf("%+v", v)
	}
}

// TestListKnown: a listing tells on which sides mailboxes are, and what is left
// out.
func TestListKnown(t *testing.T) {
	w := newWorld(t, stores+"Channel c\nFar :far:\nNear :near:\nPatterns *")
	w.boxes("far", "a", "b")
	w.boxes("near", "b")
	l := channel.List(t.Context(), w.selection(), w.options())
	if len(l) != 1 || len(l[0].Known) != 2 || len(l[0].Left) != 0 {
		t.Fatalf("%+v", l)
	}
	if k := l[0].Known; k[0][1] == k[0][0] || k[1][1] != k[1][0] {
		t.Errorf("%v", k)
	}
}
