package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrNoUser is the error of an account without a user name and without a command for it, if the
// user cannot be asked.
var ErrNoUser = errors.New("no user name is configured")

// Source configures the user name and password of an account. At most one of User and UserCmd is
// set, and at most one of Pass, PassCmd, Keychain and Tokens. If none is set, the user is asked
// on the terminal.
type Source struct {
	// Account is the name of the account in errors.
	Account string
	// Question is the name in questions; "": Account.
	Question string
	User     string
	// UserCmd and PassCmd are commands that print the value. A leading '+' means that they use
	// the terminal.
	UserCmd string
	// Pass returns the password; nil: none is configured.
	Pass    func() string
	PassCmd string
	// Keychain, if not nil, finds the password of a user.
	Keychain func(ctx context.Context, user string) (string, error)
	// Tokens, if not nil, returns the secret.
	Tokens TokenSource
	// AskUser and AskPass ask the user for missing values. Credentials of the same account may
	// share them to share the answers. nil: new ones.
	AskUser, AskPass *Prompt
	// Terminal is shared by all accounts; nil: a new one.
	Terminal *Terminal
	// Now returns the time, to detect expired tokens; nil: time.Now.
	Now func() time.Time
}

// Credentials returns the user name and the password of an account in one run. It runs each
// command and asks each question at most once, when the value is first needed. It also keeps
// failures, so that several connections to one account do not ask twice or repeat a failing
// command. It does not keep canceled calls and temporary failures (UnavailableError). A secret
// that expires is replaced. Credentials is safe for concurrent use.
//
// Values are kept until the end of the Credentials: each run makes its own. Only a TokenSource
// and a Prompt may be used longer.
type Credentials struct {
	src        Source
	tokens     TokenSource
	user, pass once
}

// NewCredentials returns the credentials of a source. It does not use the source.
func NewCredentials(src Source) *Credentials {
	if src.Terminal == nil {
		src.Terminal = &Terminal{}
	}
	if src.Question == "" {
		src.Question = src.Account
	}
	if src.AskUser == nil {
		src.AskUser = UserPrompt(src.Terminal, src.Question)
	}
	if src.AskPass == nil {
		src.AskPass = PasswordPrompt(src.Terminal, src.Question)
	}
	if src.Now == nil {
		src.Now = time.Now
	}
	c := &Credentials{src: src, user: newOnce(), pass: newOnce()}
	c.tokens = c.tokenSource()
	return c
}

// tokenSource returns the source of the password.
func (c *Credentials) tokenSource() TokenSource {
	wrap := func(s string, err error) (string, error) { return s, c.wrap("password", err) }
	switch {
	case c.src.Tokens != nil:
		return c.src.Tokens
	case c.src.PassCmd != "":
		return tokenFunc(func(ctx context.Context) (string, error) { return wrap(c.src.Terminal.FirstLine(ctx, c.src.PassCmd)) })
	case c.src.Pass != nil:
		return tokenFunc(func(context.Context) (string, error) { return c.src.Pass(), nil })
	case c.src.Keychain != nil:
		return tokenFunc(func(ctx context.Context) (string, error) {
			user, err := c.User(ctx)
			if err != nil {
				return "", err
			}
			return wrap(c.src.Keychain(ctx, user))
		})
	}
	return c.src.AskPass
}

// HasUser reports whether a user name is configured.
func (c *Credentials) HasUser() bool { return c.src.User != "" || c.src.UserCmd != "" }

// HasPassword reports whether a password is configured.
func (c *Credentials) HasPassword() bool {
	_, asks := c.tokens.(*Prompt)
	return !asks
}

// Format writes only the account, for all verbs.
func (c *Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "credentials of "+c.src.Account)
}

// User returns the user name.
func (c *Credentials) User(ctx context.Context) (string, error) {
	t, err := c.user.get(ctx, c.src.Now, func() (Token, error) {
		switch {
		case c.src.UserCmd != "":
			user, err := c.src.Terminal.FirstLine(ctx, c.src.UserCmd)
			return Token{Secret: user}, c.wrap("user name", err)
		case c.src.User != "":
			return Token{Secret: c.src.User}, nil
		}
		user, err := c.src.AskUser.Token(ctx)
		if errors.Is(err, ErrNoPrompt) {
			err = ErrNoUser
		}
		return user, c.wrap("user name", err)
	})
	return t.Secret, err
}

// Password returns the password. The result must not be printed.
func (c *Credentials) Password(ctx context.Context) (string, error) {
	t, err := c.pass.get(ctx, c.src.Now, func() (Token, error) {
		t, err := c.tokens.Token(ctx)
		if _, asks := c.tokens.(*Prompt); asks {
			err = c.wrap("password", err)
		}
		return t, err
	})
	return t.Secret, err
}

// Refused records that the server has refused a password. It reports whether Password can return
// another one without asking the user.
func (c *Credentials) Refused(password string) (renewed bool) {
	// The user name may be wrong, too.
	c.src.AskUser.forget()
	if !c.tokens.Invalidate(password) {
		return false
	}
	return c.pass.drop(password)
}

func (c *Credentials) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot get the %s of %s: %w", what, c.src.Account, err)
}

// once holds the result of an operation. The operation is repeated after the result has expired.
type once struct {
	turn chan struct{} // holds a token while the operation is running
	done *outcome      // guarded by turn
}

type outcome struct {
	value Token
	err   error
}

func newOnce() once { return once{turn: make(chan struct{}, 1)} }

// get returns the result. It runs the operation, or waits until another goroutine has done so. It
// does not keep a failure after the end of ctx, nor a temporary one.
func (o *once) get(ctx context.Context, now func() time.Time, do func() (Token, error)) (Token, error) {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
	defer func() { <-o.turn }()
	if o.done != nil && (o.done.value.Expires.IsZero() || now().Before(o.done.value.Expires)) {
		return o.done.value, o.done.err
	}
	if ctx.Err() != nil {
		return Token{}, context.Cause(ctx)
	}
	value, err := do()
	if err != nil {
		value = Token{}
		e, unavailable := errors.AsType[*UnavailableError](err)
		if ctx.Err() != nil || unavailable && e.Passing {
			return value, err
		}
	}
	o.done = &outcome{value, err}
	return value, err
}

// drop discards a result, unless it has been replaced meanwhile. It reports whether another
// attempt may return a different result.
func (o *once) drop(secret string) bool {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if o.done != nil && o.done.err == nil && o.done.value.Secret == secret {
		o.done = nil
	}
	return o.done == nil || o.done.err == nil
}
