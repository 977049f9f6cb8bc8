package storetest

import (
	"context"
	"testing"

	"isync/internal/store"
)

// Wrap returns a store that passes calls on to s and implements only store.Store and
// store.Wrapper; the same applies to its mailboxes. Other abilities of s must be found
// by store.As.
func Wrap(s store.Store) store.Store { return wrappedStore{s} }

type wrappedStore struct{ store.Store }

func (w wrappedStore) Unwrap() any { return w.Store }

func (w wrappedStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := w.Store.Open(ctx, box, req)
	if err != nil {
		return nil, err
	}
	return wrappedBox{m}, nil
}

type wrappedBox struct{ store.Mailbox }

func (w wrappedBox) Unwrap() any { return w.Mailbox }

// abilities has, for each optional interface of package store, a function that reports
// whether a store or mailbox implements it.
var abilities = map[string]func(any) bool{
	"Local":        has[store.Local],
	"InboxHolder":  has[store.InboxHolder],
	"Folder":       has[store.Folder],
	"Aliaser":      has[store.Aliaser],
	"Trasher":      has[store.Trasher],
	"Preparer":     has[store.Preparer],
	"Renewer":      has[store.Renewer],
	"Checker":      has[store.Checker],
	"Raiser":       has[store.Raiser],
	"Recaller":     has[store.Recaller],
	"Rememberer":   has[store.Rememberer],
	"Marker":       has[store.Marker],
	"Marked":       has[store.Marked],
	"Settler":      has[store.Settler],
	"RenameFinder": has[store.RenameFinder],
	"Counter":      has[store.Counter],
	"RunBeginner":  has[store.RunBeginner],
	"Retrier":      has[store.Retrier],
	"PartLister":   has[store.PartLister],
	"SpecialUser":  has[store.SpecialUser],
	"UseFinder":    has[store.UseFinder],
	"Filer":        has[store.Filer],
	"Rester":       has[store.Rester],
	"Watcher":      has[store.Watcher],
	"Pipeliner":    has[store.Pipeliner],
	"Anticipator":  has[store.Anticipator],
	"AheadMarker":  has[store.AheadMarker],
}

func has[T any](v any) bool {
	_, ok := store.As[T](v)
	return ok
}

// mustBe returns a store or mailbox as a T; the test fails if it is none.
func mustBe[T any](e *env, v any) T {
	e.Helper()
	t, ok := store.As[T](v)
	if !ok {
		e.Fatalf("%T cannot do what it could before", v)
	}
	return t
}

// sameAbilities checks that a store and its mailboxes have the same abilities with and
// without a wrapper.
func sameAbilities(e *env) {
	bare := e.backend.Open(e)
	defer bare.Close()
	if err := bare.Create(e.ctx(), "box"); err != nil {
		e.Fatal(err)
	}
	compare := func(what string, bare, wrapped any) {
		for name, can := range abilities {
			if can(bare) != can(wrapped) {
				e.Errorf("%s is a store.%s: bare %v, wrapped %v", what, name, can(bare), can(wrapped))
			}
		}
	}
	compare("the store", bare, Wrap(bare))
	m := e.box(bare, "box", store.OpenRequest{})
	w := e.box(Wrap(bare), "box", store.OpenRequest{})
	defer m.leave()
	defer w.leave()
	compare("the mailbox", m.Mailbox, w.Mailbox)
}

// runWrapped runs the suite with stores that are wrapped.
func runWrapped(t *testing.T, cfg Config) {
	inner := cfg.New
	cfg.New = func(t testing.TB) Backend {
		b := inner(t)
		open := b.Open
		b.Open = func(t testing.TB) store.Store { return Wrap(open(t)) }
		return b
	}
	t.Run("wrapped", func(t *testing.T) { run(t, cfg) })
}
