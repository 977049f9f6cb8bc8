package oauth

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestSealed: an encrypted file needs its passphrase, and is never replaced without it.
func TestSealed(t *testing.T) {
	w := newWorld(t, -time.Second)
	key := func(k string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return k, nil }
	}
	// A plain file is read, and encrypted when it is saved.
	w.store.Key = key("right")
	first := token(t, w.source())
	data, err := os.ReadFile(w.store.Path)
	if err != nil || !bytes.HasPrefix(data, []byte(agePrefix)) || bytes.Contains(data, []byte(secretMark)) {
		t.Fatalf("not encrypted: %v", err)
	}
	if token(t, w.source()) != first {
		t.Error("another token")
	}

	forgotten := 0
	w.store.Key, w.store.WrongKey = key("wrong"), func() { forgotten++ }
	err, passing := failure(t, w.source())
	if !errors.Is(err, ErrWrongKey) || passing || forgotten == 0 {
		t.Errorf("got %v, passing %v", err, passing)
	}
	if _, err := w.store.Reserve(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("it can be replaced: %v", err)
	}
	w.store.Key = nil
	if err, _ := failure(t, w.source()); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
	if _, err := w.store.Reserve(t.Context()); !errors.Is(err, ErrNoKey) {
		t.Errorf("it can be replaced: %v", err)
	}
	w.store.Key = func(context.Context) (string, error) { return "", errors.New("no key today") }
	if err, _ := failure(t, w.source()); !strings.Contains(err.Error(), "no key today") {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(w.store.Path); !bytes.Equal(after, data) {
		t.Error("the file has changed")
	}

	// A file that is cut off is damaged.
	w.store.Key = key("right")
	if err := os.WriteFile(w.store.Path, data[:len(data)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	err, _ = failure(t, w.source())
	if e, ok := errors.AsType[*ConsentError](err); !ok || e.Reason != Damaged {
		t.Errorf("got %v", err)
	}
}

// TestCommandStore: the commands get the token on their input, and print it.
func TestCommandStore(t *testing.T) {
	p := newIDP(t)
	var kept []byte
	failing := false
	s := &CommandStore{LoadCommand: "load", SaveCommand: "save", Run: func(_ context.Context, command string, input []byte) ([]byte, error) {
		if failing && command == "save" {
			return nil, errors.New("command \"save\": exit status 1")
		}
		if command == "save" {
			kept = input
		}
		return kept, nil
	}}
	if g, err := s.Load(t.Context()); g != nil || err != nil {
		t.Errorf("got %v, %v", g, err)
	}
	put(t, s, p.issue(p.client(), -time.Second))
	w := &world{idp: p, store: fileStore(t)}
	source := w.source()
	source.o.Store = s
	first := token(t, source)
	if !bytes.Contains(kept, []byte(first)) {
		t.Error("not saved")
	}
	failing = true
	source.Invalidate(first)
	second := token(t, source)
	if second == first || bytes.Contains(kept, []byte(second)) || len(w.facts) != 1 {
		t.Errorf("a token that cannot be saved is not used; facts %v", w.facts)
	}
	failing = false
	if token(t, source) != second || !bytes.Contains(kept, []byte(second)) {
		t.Error("not saved later")
	}
	if err := s.Delete(t.Context()); err != nil || len(kept) > 0 {
		t.Errorf("got %v", err)
	}
}
