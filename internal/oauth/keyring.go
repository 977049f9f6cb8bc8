package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"
)

// keyringTimeout is how long the keyring may take. A locked one may never answer.
const keyringTimeout = 5 * time.Second

// keyringService names the items of the keyring.
const keyringService = "isync OAuth"

// ErrKeyringSilent says that the keyring has not answered.
var ErrKeyringSilent = fmt.Errorf("it has not answered within %d seconds; it may be locked", keyringTimeout/time.Second)

// KeyringStore keeps a grant in the keyring of the system.
type KeyringStore struct {
	Account string
}

var (
	_ Store    = (*KeyringStore)(nil)
	_ Reserved = (*reservedItem)(nil)
)

func (s *KeyringStore) String() string { return "the keyring of the system" }

// ask makes a request to the keyring. The library cannot give one up, so it goes on by
// itself after the time limit.
func (s *KeyringStore) ask(ctx context.Context, request func() error) error {
	done := make(chan error, 1)
	go func() { done <- request() }()
	timeout := time.NewTimer(keyringTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		return ErrKeyringSilent
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Load implements Store.
func (s *KeyringStore) Load(ctx context.Context) (*Grant, error) {
	item := make(chan string, 1)
	err := s.ask(ctx, func() error {
		text, err := keyring.Get(keyringService, s.Account)
		item <- text
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storeError(s, err)
	}
	g, err := decodeGrant([]byte(<-item))
	return g, storeError(s, err)
}

// reservedItem is an item of the keyring that can be written.
type reservedItem struct{ s *KeyringStore }

// Reserve implements Store. It finds out whether the keyring can be read.
func (s *KeyringStore) Reserve(ctx context.Context) (Reserved, error) {
	_, err := s.Load(ctx)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	return &reservedItem{s}, nil
}

// Save implements Reserved.
func (r *reservedItem) Save(ctx context.Context, g *Grant) error {
	data, err := encodeGrant(g)
	if err == nil {
		err = r.s.ask(ctx, func() error { return keyring.Set(keyringService, r.s.Account, string(data)) })
	}
	return storeError(r.s, err)
}

// Discard implements Reserved.
func (*reservedItem) Discard() {}

// Delete implements Store.
func (s *KeyringStore) Delete(ctx context.Context) error {
	err := s.ask(ctx, func() error { return keyring.Delete(keyringService, s.Account) })
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return storeError(s, err)
}
