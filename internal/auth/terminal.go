package auth

import (
	"context"
	"errors"
	"os"
	"sync"
)

// ErrNoPrompt is returned if a password is to be asked for, but there is nobody
// to ask.
var ErrNoPrompt = errors.New("no password is configured, and there is no terminal to ask for one")

// Terminal is what commands and questions talk to the user on. It is shared by
// all accounts and makes them take turns. The fields must not be changed once it
// is in use; the zero value runs commands on the standard streams and asks
// nothing.
type Terminal struct {
	// Prompt asks a question and returns the answer without the line end. What
	// is typed must not show unless echo. nil: there is nobody to ask.
	Prompt func(ctx context.Context, question string, echo bool) (string, error)
	// Suspend stops whatever else is written to the terminal; the function it
	// returns resumes that. Either may be nil.
	Suspend func() (resume func())
	// Stdin and Stderr are what commands get; nil stands for those of the
	// process.
	Stdin, Stderr *os.File

	once sync.Once
	turn chan struct{} // holds one token while somebody has the terminal
}

// acquire waits for the terminal and quietens it. The caller must call release.
func (t *Terminal) acquire(ctx context.Context) (release func(), err error) {
	t.once.Do(func() { t.turn = make(chan struct{}, 1) })
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var resume func()
	if t.Suspend != nil {
		resume = t.Suspend()
	}
	return func() {
		if resume != nil {
			resume()
		}
		<-t.turn
	}, nil
}

// ask asks a question.
func (t *Terminal) ask(ctx context.Context, question string, echo bool) (string, error) {
	if t.Prompt == nil {
		return "", ErrNoPrompt
	}
	release, err := t.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	return t.Prompt(ctx, question, echo)
}

func (t *Terminal) stdin() *os.File {
	if t.Stdin != nil {
		return t.Stdin
	}
	return os.Stdin
}

func (t *Terminal) stderr() *os.File {
	if t.Stderr != nil {
		return t.Stderr
	}
	return os.Stderr
}
