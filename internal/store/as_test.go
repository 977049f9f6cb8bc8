package store_test

import (
	"testing"

	"isync/internal/store"
)

type local struct{ store.Store }

func (local) BoxPath(box string) (string, error) { return "dir/" + box, nil }

func (local) Root() string { return "dir" }

type wrapper struct{ inner any }

func (w wrapper) Unwrap() any { return w.inner }

type folding struct{ wrapper }

func (folding) Fold(box string) string { return box }

func TestAs(t *testing.T) {
	for name, v := range map[string]any{"bare": local{}, "wrapped": wrapper{local{}}, "wrapped twice": folding{wrapper{wrapper{local{}}}}} {
		if l, ok := store.As[store.Local](v); !ok {
			t.Errorf("%s: not found", name)
		} else if p, err := l.BoxPath("x"); p != "dir/x" || err != nil {
			t.Errorf("%s: %s, %v", name, p, err)
		}
		if _, ok := store.As[store.Trasher](v); ok {
			t.Errorf("%s: found what is not implemented", name)
		}
		if _, ok := store.As[store.Folder](v); ok != (name == "wrapped twice") {
			t.Errorf("%s: Folder: %t", name, ok)
		}
	}
	if _, ok := store.As[store.Local](nil); ok {
		t.Error("nil is a Local")
	}
}
