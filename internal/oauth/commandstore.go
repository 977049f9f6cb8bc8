package oauth

import (
	"context"
)

// CommandStore keeps a grant by means of two commands.
type CommandStore struct {
	// LoadCommand prints the grant, and SaveCommand reads it from its input; an empty
	// input removes it. Run runs one of them.
	LoadCommand, SaveCommand string
	Run                      func(ctx context.Context, command string, input []byte) (output []byte, err error)
}

var (
	_ Store    = (*CommandStore)(nil)
	_ Reserved = (*reservedCommand)(nil)
)

func (s *CommandStore) String() string { return "the commands TokenLoadCmd and TokenSaveCmd" }

// Load implements Store.
func (s *CommandStore) Load(ctx context.Context) (*Grant, error) {
	out, err := s.Run(ctx, s.LoadCommand, nil)
	if err != nil {
		return nil, err
	}
	g, err := decodeGrant(out)
	return g, storeError(s, err)
}

// reservedCommand is a command that saves a grant. It may still fail.
type reservedCommand struct{ s *CommandStore }

// Reserve implements Store.
func (s *CommandStore) Reserve(context.Context) (Reserved, error) { return &reservedCommand{s}, nil }

// Save implements Reserved.
func (r *reservedCommand) Save(ctx context.Context, g *Grant) error {
	data, err := encodeGrant(g)
	if err != nil {
		return storeError(r.s, err)
	}
	_, err = r.s.Run(ctx, r.s.SaveCommand, data)
	return err
}

// Discard implements Reserved.
func (*reservedCommand) Discard() {}

// Delete implements Store.
func (s *CommandStore) Delete(ctx context.Context) error {
	_, err := s.Run(ctx, s.SaveCommand, nil)
	return err
}
