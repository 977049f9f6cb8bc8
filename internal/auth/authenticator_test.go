package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"isync/internal/event"
)

// fakeConn is a connection to a server whose answer to a login depends on the mechanism
// and the secret.
type fakeConn struct {
	offer Offer
	judge func(mech, secret string) error
	err   error // why it is lost

	tried []string
}

func (c *fakeConn) LoginOffer(context.Context) (Offer, error) { return c.offer, nil }
func (c *fakeConn) Secure() bool                              { return false }
func (c *fakeConn) TLSState() *tls.ConnectionState            { return nil }
func (c *fakeConn) Err() error                                { return c.err }

func (c *fakeConn) Login(_ context.Context, _, password string) error {
	return c.answer("LOGIN", password)
}

func (c *fakeConn) Authenticate(_ context.Context, mech sasl.Client) error {
	name, ir, err := mech.Start()
	if err != nil {
		return err
	}
	return c.answer(name, string(ir[strings.LastIndexByte(string(ir), 0)+1:]))
}

func (c *fakeConn) answer(mech, secret string) error {
	c.tried = append(c.tried, mech+":"+secret)
	return c.judge(mech, secret)
}

// took returns what was tried since the last call.
func (c *fakeConn) took() string {
	s := strings.Join(c.tried, " ")
	c.tried = nil
	return s
}

var (
	wrongSecret = answer{Answer{Code: codeAuthFailed}}
	wrongMech   = answer{Answer{Code: codeCannot}}
	busy        = answer{Answer{Code: codeUnavailable}}
)

// newRun makes the values that each run makes for itself.
func newRun(src Source, a Account) *Authenticator {
	src.User = "me"
	a.Server, a.Mechs, a.Ledger = "server", []string{"PLAIN", "LOGIN"}, new(Ledger)
	a.Credentials = NewCredentials(src)
	return NewAuthenticator(a)
}

func fixed(secret string) Source { return Source{Pass: func() string { return secret }} }

// A refused secret is not sent again in the same run, but in the next one.
func TestRefusedSecret(t *testing.T) {
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, judge: func(string, string) error { return wrongSecret }}
	for range 2 {
		a := newRun(fixed("x"), Account{})
		for i, want := range []string{"PLAIN:x", "", ""} {
			err := a.LogIn(t.Context(), c)
			if got := c.took(); got != want {
				t.Errorf("login %d: tried %s, want %s", i+1, got, want)
			}
			_, refused := errors.AsType[*RefusedError](err)
			if _, repeated := errors.AsType[*RepeatError](err); !refused || repeated != (i > 0) {
				t.Errorf("login %d: %v", i+1, err)
			}
		}
	}
}

// A server that is busy is asked again, by the same mechanism.
func TestBusyServer(t *testing.T) {
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, judge: func(string, string) error { return busy }}
	a := newRun(fixed("x"), Account{})
	for range 2 {
		if err := a.LogIn(t.Context(), c); !errors.Is(err, busy) || c.took() != "PLAIN:x" {
			t.Error(err)
		}
	}
}

// A mechanism that the server cannot use is not tried again in the same run, but in the
// next one. A warning is shown once in a run.
func TestUnusableMechanism(t *testing.T) {
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, judge: func(mech, _ string) error {
		if mech == "PLAIN" {
			return wrongMech
		}
		return nil
	}}
	for run := range 2 {
		warnings := 0
		a := newRun(fixed("x"), Account{Warn: func(event.Fact) { warnings++ }})
		for i, want := range []string{"PLAIN:x LOGIN:x", "LOGIN:x", "LOGIN:x"} {
			if err := a.LogIn(t.Context(), c); err != nil {
				t.Error(err)
			}
			if got := c.took(); got != want {
				t.Errorf("run %d, login %d: tried %s, want %s", run, i+1, got, want)
			}
		}
		if warnings != 1 {
			t.Errorf("%d warnings", warnings)
		}
	}
}

// A refused token is replaced by another one, once for each login.
func TestRenewedToken(t *testing.T) {
	source := &issuer{}
	good := "token 2"
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, judge: func(_, secret string) error {
		if secret == good {
			return nil
		}
		return wrongSecret
	}}
	a := newRun(Source{Tokens: source}, Account{})
	if err := a.LogIn(t.Context(), c); err != nil || c.took() != "PLAIN:token 1 PLAIN:token 2" {
		t.Error(err)
	}
	if err := a.LogIn(t.Context(), c); err != nil || c.took() != "PLAIN:token 2" {
		t.Error(err)
	}
	good = "none"
	err := a.LogIn(t.Context(), c)
	if _, refused := errors.AsType[*RefusedError](err); !refused {
		t.Error(err)
	}
	if got := c.took(); got != "PLAIN:token 2 PLAIN:token 3" {
		t.Errorf("tried %s", got)
	}
}

// Nothing is sent on a connection that is lost.
func TestLateSecret(t *testing.T) {
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, err: errors.New("idle for too long"), judge: func(string, string) error { return nil }}
	err := newRun(fixed("x"), Account{}).LogIn(t.Context(), c)
	if _, late := errors.AsType[*LateError](err); !late || !errors.Is(err, c.err) || c.took() != "" {
		t.Error(err)
	}
}

// A secret that was refused to another account at the same server is not kept either: the
// next run asks the user, and does not send it again.
func TestRefusedToAnotherAccount(t *testing.T) {
	asked := 0
	term := &Terminal{Prompt: func(context.Context, string, bool) (string, error) {
		asked++
		if asked <= 2 {
			return "wrong", nil
		}
		return "right", nil
	}}
	sources := []Source{{AskPass: PasswordPrompt(term, "one")}, {AskPass: PasswordPrompt(term, "two")}}
	c := &fakeConn{offer: Offer{Mechs: []string{"PLAIN"}}, judge: func(_, secret string) error {
		if secret == "right" {
			return nil
		}
		return wrongSecret
	}}
	for run, want := range []string{"PLAIN:wrong", "PLAIN:right PLAIN:right"} {
		ledger := new(Ledger)
		for _, src := range sources {
			a := newRun(src, Account{})
			a.account.Ledger = ledger
			if err := a.LogIn(t.Context(), c); (err == nil) != (run == 1) {
				t.Error(err)
			}
		}
		if got := c.took(); got != want {
			t.Errorf("run %d: tried %s, want %s", run+1, got, want)
		}
	}
}
