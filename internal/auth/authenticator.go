package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"

	"github.com/emersion/go-sasl"

	"isync/internal/event"
)

// Conn is a connection to a server that requires a login. imapclient.Client is one.
type Conn interface {
	// LoginOffer returns the login methods that the server offers. It asks the server if they are
	// unknown.
	LoginOffer(ctx context.Context) (Offer, error)
	// Login logs in with the LOGIN command, Authenticate with a SASL mechanism. An
	// error that wraps an AnswerError contains the answer of the server.
	Login(ctx context.Context, user, password string) error
	Authenticate(ctx context.Context, mech sasl.Client) error
	// Secure reports whether the connection is encrypted by TLS. TLSState returns its
	// state, or nil.
	Secure() bool
	TLSState() *tls.ConnectionState
	// Err returns why the connection is lost, nil if it is not.
	Err() error
}

// Offer is the set of login methods that a server offers.
type Offer struct {
	// Mechs holds the SASL mechanisms (in IMAP the AUTH= capabilities).
	Mechs []string
	// LoginDisabled: the server refuses the LOGIN command (LOGINDISABLED).
	LoginDisabled bool
}

// Account describes how to log in to an account.
type Account struct {
	// Server names the server for the Ledger. Host and Port are those that the user
	// configured.
	Server, Host string
	Port         int
	// Mechs holds the mechanisms that the user allows (Request.Allowed).
	Mechs []string
	// Tokens: the secret is an access token (Request.Tokens).
	Tokens bool
	// ClientCertificate is the name of the client certificate of the connections; "":
	// none.
	ClientCertificate string
	Credentials       *Credentials
	// Ledger is shared by all accounts of a run.
	Ledger *Ledger
	// Warn, if not nil, is called with each warning, once.
	Warn func(event.Fact)
}

// Authenticator logs in to an account, on any number of connections. It remembers which
// mechanisms the server could not use, and which warnings were shown. Both end with the
// Authenticator: each run makes its own, with its own Credentials and Ledger. It is
// safe for concurrent use.
type Authenticator struct {
	account Account
	keys    Keys

	mu       sync.Mutex
	unusable []string // IDs of choices that the server cannot use
	warned   map[event.Fact]bool
}

// NewAuthenticator returns the Authenticator of an account. It does not ask for
// anything yet.
func NewAuthenticator(a Account) *Authenticator {
	return &Authenticator{account: a, warned: make(map[event.Fact]bool)}
}

// LateError reports that the login may succeed on another connection. The server closed this one
// before the login was sent, usually because the user took a long time to enter the password, or
// the server is to be tried at another address.
type LateError struct{ Err error } // of the connection

func (e *LateError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the connection.
func (e *LateError) Unwrap() error { return e.Err }

// RefusedError reports that the server refused the user name and password, or the token or
// certificate that replaces them. They must not be sent again.
type RefusedError struct {
	Mechanism Mechanism
	Err       error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the server's refusal.
func (e *RefusedError) Unwrap() error { return e.Err }

// detailError adds details to an error.
type detailError struct{ err, detail error }

func (e *detailError) Error() string { return e.err.Error() + " (" + e.detail.Error() + ")" }

// Unwrap returns both errors.
func (e *detailError) Unwrap() []error { return []error{e.err, e.detail} }

// LogIn logs in with the strongest mechanism that is both offered and allowed. It tries
// another one only if the server cannot use the mechanism, never if it refuses the
// password. A refused secret is not sent again. If the TokenSource has another secret,
// that is tried once.
//
// Besides errors of the connection, it returns *SelectError, *RefusedError,
// *RepeatError, *LateError, and errors of the Credentials.
func (a *Authenticator) LogIn(ctx context.Context, c Conn) error {
	offer, err := c.LoginOffer(ctx)
	if err != nil {
		return err
	}
	choices, err := Select(Request{
		Offered:           offer.Mechs,
		LoginDisabled:     offer.LoginDisabled,
		Allowed:           a.account.Mechs,
		Tokens:            a.account.Tokens,
		Encrypted:         c.Secure(),
		ClientCertificate: a.account.ClientCertificate != "",
		Bindings:          Bindings(c.TLSState()),
		Unusable:          a.refusedChoices(),
	})
	if err != nil {
		return err
	}
	renewed := false
	for i := 0; i < len(choices); {
		choice := &choices[i]
		var r refusal
		var secret string
		r, secret, err = a.try(ctx, c, choice)
		if r == ofSecret && !choice.Certificate {
			if renewed || !a.account.Credentials.Refused(secret) {
				return err
			}
			renewed = true
			continue
		}
		if r != ofMechanism && !(r == ofSecret && choice.Certificate && a.account.Credentials.HasPassword()) {
			return err
		}
		a.refuse(choice.ID())
		i++
	}
	return err
}

// try logs in with a mechanism. It returns the secret that was used.
func (a *Authenticator) try(ctx context.Context, c Conn, choice *Choice) (r refusal, secret string, err error) {
	login, secret, err := a.secrets(ctx, choice)
	if err != nil {
		return ofNothing, "", err
	}
	end, err := a.account.Ledger.Begin(ctx, a.account.Server, login.User, secret)
	if err != nil {
		if _, repeat := errors.AsType[*RepeatError](err); repeat {
			return ofSecret, secret, err
		}
		return ofNothing, secret, err
	}
	// What happens when this panics is of no interest to the ledger.
	outcome := Undecided
	defer func() { end(outcome, err) }()
	if lost := c.Err(); lost != nil {
		// Servers close the connection while the user is asked for the password.
		return ofNothing, secret, &LateError{Err: lost}
	}
	if choice.Warning != nil {
		a.warnOnce(choice.Warning)
	}
	if choice.Command {
		err = c.Login(ctx, login.User, login.Password)
	} else {
		client := choice.NewClient(login)
		err = c.Authenticate(ctx, client)
		if f, ok := client.(Failer); ok && err != nil && f.Failure() != nil {
			err = &detailError{err, f.Failure()}
		}
	}
	r, outcome = judgeLogin(err)
	if _, told := errors.AsType[*TokenError](err); told && r == ofMechanism {
		// After the server explained the refusal, it took the command that followed the login for
		// the client's response.
		r, outcome = ofSecret, Rejected
	}
	if r == ofSecret {
		err = &RefusedError{Mechanism: choice.Mechanism, Err: err}
	}
	return r, secret, err
}

// secrets returns the arguments of a mechanism, and the secret among them.
func (a *Authenticator) secrets(ctx context.Context, choice *Choice) (login Login, secret string, err error) {
	login = Login{Host: a.account.Host, Port: a.account.Port, Keys: &a.keys}
	creds, certificate := a.account.Credentials, choice.Name+" "+a.account.ClientCertificate
	if choice.Certificate && !creds.HasUser() {
		return login, certificate, nil
	}
	if login.User, err = creds.User(ctx); err != nil {
		return login, "", err
	}
	if choice.Certificate {
		return login, certificate, nil
	}
	login.Password, err = creds.Password(ctx)
	return login, login.Password, err
}

// warnOnce reports a warning, unless it was reported before.
func (a *Authenticator) warnOnce(f event.Fact) {
	a.mu.Lock()
	before := a.warned[f]
	a.warned[f] = true
	a.mu.Unlock()
	if !before && a.account.Warn != nil {
		a.account.Warn(f)
	}
}

func (a *Authenticator) refusedChoices() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.unusable)
}

func (a *Authenticator) refuse(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unusable = append(a.unusable, id)
}
