package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Token is a secret to log in with: a password, or an access token of OAuth 2.0.
type Token struct {
	Secret string
	// Expires is the time when the server stops accepting it; zero: never.
	Expires time.Time
}

// Format writes no secret, for all verbs.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "a secret") }

// A TokenSource returns the secret of an account. The simplest one is a password that
// never changes. A TokenSource may live longer than a run, and is safe for concurrent
// use.
type TokenSource interface {
	// Token returns a secret that can be sent now. It may run a command, ask the user,
	// or make a request to another server.
	Token(ctx context.Context) (Token, error)
	// Invalidate is called after the server has refused a secret: Token must not return
	// it from memory again. renewable reports whether Token can be expected to return
	// another secret without asking the user.
	Invalidate(secret string) (renewable bool)
}

// UnavailableError reports that a TokenSource has no secret. The mail server was not contacted.
type UnavailableError struct {
	// Passing: the failure is temporary.
	Passing bool
	Err     error
}

func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *UnavailableError) Unwrap() error { return e.Err }

// tokenFunc is a TokenSource that keeps nothing. Only the user can change its secret.
type tokenFunc func(ctx context.Context) (string, error)

func (f tokenFunc) Token(ctx context.Context) (Token, error) {
	secret, err := f(ctx)
	return Token{Secret: secret}, err
}

func (tokenFunc) Invalidate(string) bool { return false }

// Prompt asks the user for a value, and keeps the answer until it is invalidated.
// As a TokenSource it asks for a password.
type Prompt struct {
	terminal *Terminal
	question string
	echo     bool

	mu    sync.Mutex
	known bool
	value string
}

var _ TokenSource = (*Prompt)(nil)

// UserPrompt returns a prompt for a user name on a terminal. The question contains
// account.
func UserPrompt(t *Terminal, account string) *Prompt {
	return &Prompt{terminal: t, question: "User name (" + account + "): ", echo: true}
}

// PasswordPrompt is like UserPrompt, but for a password: it does not show the input.
func PasswordPrompt(t *Terminal, account string) *Prompt {
	return &Prompt{terminal: t, question: "Password (" + account + "): "}
}

// Token returns the answer.
func (p *Prompt) Token(ctx context.Context) (Token, error) {
	answer, err := p.ask(ctx)
	return Token{Secret: answer}, err
}

// ask returns the previous answer, or asks. It serializes calls, so that the user is asked only
// once.
func (p *Prompt) ask(ctx context.Context) (string, error) {
	p.mu.Lock()
	known, value := p.known, p.value
	p.mu.Unlock()
	if known {
		return value, nil
	}
	answer, err := p.terminal.ask(ctx, p.question, p.echo)
	if err == nil && answer == "" {
		err = errors.New("none was entered")
	}
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.value = true, answer
	return answer, nil
}

// Invalidate makes the next call ask again. It returns false, because another secret requires
// asking the user.
func (p *Prompt) Invalidate(string) bool {
	p.forget()
	return false
}

func (p *Prompt) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.value = false, ""
}

// Format writes only the question, for all verbs.
func (p *Prompt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.question) }
