package auth

import (
	"context"
	"errors"
	"os"
	"sync"
)

// ErrNoPrompt is the error if a password is needed, but the user cannot be asked.
var ErrNoPrompt = errors.New("no password is configured, and there is no terminal to ask for one")

// Terminal is the terminal for commands and questions. All accounts share it, and use it one at a
// time. The fields must not be changed after the first use. The zero value runs commands on the
// standard streams and cannot ask questions.
type Terminal struct {
	// Prompt asks a question and returns the answer without the line end. echo: the input is
	// shown. nil: the user cannot be asked.
	Prompt func(ctx context.Context, question string, echo bool) (string, error)
	// Suspend stops other output to the terminal; the returned function resumes it. Both may be
	// nil.
	Suspend func() (resume func())
	// Stdin and Stderr are the streams of commands; nil: those of the process.
	Stdin, Stderr *os.File

	once sync.Once
	turn chan struct{} // holds a token while the terminal is in use
}

// acquire waits for the terminal and suspends other output. The caller must call release.
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
