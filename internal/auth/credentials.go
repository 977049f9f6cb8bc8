package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrNoUser is returned if an account has neither a user name nor a command
// that prints one, and there is nobody to ask.
var ErrNoUser = errors.New("no user name is configured")

// Source tells where user name and password of an account come from. Of User
// and UserCmd at most one is set, and likewise of Pass, PassCmd and Keychain;
// what there is none of is asked for on the terminal.
type Source struct {
	// Account names the account in errors.
	Account string
	// Question names it in questions; "" is the same as Account.
	Question string
	User     string
	// UserCmd and PassCmd are commands that print the value; a leading '+' says
	// that they talk on the terminal.
	UserCmd string
	// Pass returns the password; nil: none is configured.
	Pass    func() string
	PassCmd string
	// Keychain, if not nil, finds the password of a user.
	Keychain func(ctx context.Context, user string) (string, error)
	// Terminal is shared by all accounts; nil: an idle one.
	Terminal *Terminal
}

// Credentials yields the user name and the password of an account. Commands are
// run, and questions asked, at most once, when the value is first needed, and
// failures are remembered just like successes, so that several connections to
// one account neither ask twice nor hammer a broken command. Only if the caller
// gave up is the next one free to try again. It is safe for concurrent use.
type Credentials struct {
	src        Source
	user, pass once
}

// NewCredentials returns the credentials of a source without touching it.
func NewCredentials(src Source) *Credentials {
	if src.Terminal == nil {
		src.Terminal = &Terminal{}
	}
	if src.Question == "" {
		src.Question = src.Account
	}
	return &Credentials{src: src, user: newOnce(), pass: newOnce()}
}

// HasUser tells whether there is a user name without asking for one.
func (c *Credentials) HasUser() bool { return c.src.User != "" || c.src.UserCmd != "" }

// HasPassword tells whether there is a password without asking for one.
func (c *Credentials) HasPassword() bool {
	return c.src.Pass != nil || c.src.PassCmd != "" || c.src.Keychain != nil
}

// Format writes the account only, whatever the verb.
func (c *Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "credentials of "+c.src.Account)
}

// User returns the user name.
func (c *Credentials) User(ctx context.Context) (string, error) {
	return c.user.get(ctx, func() (string, error) {
		switch {
		case c.src.UserCmd != "":
			user, err := c.src.Terminal.run(ctx, c.src.UserCmd)
			return user, c.wrap("user name", err)
		case c.src.User != "":
			return c.src.User, nil
		}
		user, err := c.src.Terminal.ask(ctx, "User name ("+c.src.Question+"): ", true)
		if errors.Is(err, ErrNoPrompt) {
			err = ErrNoUser
		}
		if err == nil && user == "" {
			err = errors.New("none was entered")
		}
		return user, c.wrap("user name", err)
	})
}

// Password returns the password. The result must not find its way into any
// output.
func (c *Credentials) Password(ctx context.Context) (string, error) {
	return c.pass.get(ctx, func() (string, error) {
		switch {
		case c.src.PassCmd != "":
			pass, err := c.src.Terminal.run(ctx, c.src.PassCmd)
			return pass, c.wrap("password", err)
		case c.src.Pass != nil:
			return c.src.Pass(), nil
		case c.src.Keychain != nil:
			user, err := c.User(ctx)
			if err != nil {
				return "", err
			}
			pass, err := c.src.Keychain(ctx, user)
			return pass, c.wrap("password", err)
		}
		pass, err := c.src.Terminal.ask(ctx, "Password ("+c.src.Question+"): ", false)
		if err == nil && pass == "" {
			err = errors.New("none was entered")
		}
		return pass, c.wrap("password", err)
	})
}

func (c *Credentials) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("cannot get the %s of %s: %w", what, c.src.Account, err)
}

// once holds the result of something that is done once.
type once struct {
	turn chan struct{} // holds one token while somebody is at it
	done *outcome      // guarded by turn
}

type outcome struct {
	value string
	err   error
}

func newOnce() once { return once{turn: make(chan struct{}, 1)} }

// get returns the result, doing what is to be done if nobody has, or waiting for
// whoever is at it. A failure after ctx has ended is not kept.
func (o *once) get(ctx context.Context, do func() (string, error)) (string, error) {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-o.turn }()
	if o.done != nil {
		return o.done.value, o.done.err
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	value, err := do()
	if err != nil {
		value = ""
		if ctx.Err() != nil {
			return "", err
		}
	}
	o.done = &outcome{value, err}
	return value, err
}
