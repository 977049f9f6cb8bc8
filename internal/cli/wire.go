package cli

import (
	"context"
	"fmt"
	"sync"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// unsupportedError says that the program cannot do what a keyword asks for.
type unsupportedError struct {
	pos  config.Pos
	what string
}

func (e *unsupportedError) Error() string { return e.what + " is not supported yet" }

// workshop makes stores of sections of the configuration.
type workshop struct {
	env      Env
	fs       vfs.FS
	cfg      *config.Config
	controls controls
	printer  *ui.Printer
	terminal *auth.Terminal

	mu sync.Mutex
	// credentials are shared by the stores of an account.
	credentials map[*config.Account]*auth.Credentials
}

// open makes the store of a section. It does not connect yet.
func (w *workshop) open(s *config.Store) (store.Store, error) {
	build := w.imap
	if s.Maildir != nil {
		build = w.maildir
	}
	st, err := build(s)
	if err != nil {
		return nil, err
	}
	return traceStore(st, w.printer), nil
}

// maildir makes a Maildir store.
func (w *workshop) maildir(s *config.Store) (store.Store, error) {
	m := s.Maildir
	if m.AltMap {
		return nil, &unsupportedError{s.Pos("AltMap"), "AltMap"}
	}
	o := maildir.Options{
		Name: s.Name, Path: s.Path, Inbox: m.Inbox,
		InfoDelimiter: m.InfoDelimiter,
		FSync:         w.cfg.Global.FSync,
		FS:            w.fs, Clock: w.env.Now,
		Notice:  func(text string) { w.printer.Notice("", text) },
		Warn:    func(text string) { w.printer.Warn("", text) },
		NoDelay: w.controls.noDelay, NoUIDs: w.controls.noUIDs,
	}
	switch m.SubFolders {
	case config.SubFoldersUnset:
		o.SubFolders = maildir.SubFoldersNone
	case config.SubFoldersVerbatim:
		o.SubFolders = maildir.SubFoldersVerbatim
	case config.SubFoldersMaildirPP:
		o.SubFolders = maildir.SubFoldersMaildirPP
	case config.SubFoldersLegacy:
		o.SubFolders = maildir.SubFoldersLegacy
	}
	st, err := maildir.New(o)
	if err != nil {
		return nil, err
	}
	return st, nil
}

// imap makes an IMAP store.
func (w *workshop) imap(s *config.Store) (store.Store, error) {
	client, err := w.client(s)
	if err != nil {
		return nil, err
	}
	o := imap.Options{
		Name: s.Name, Client: client,
		Login: w.login(s),
		Path:  s.Path, HasPath: s.HasPath,
		UseNamespace:   s.IMAP.UseNamespace,
		SubscribedOnly: s.IMAP.SubscribedOnly,
		Warn:           func(text string) { w.printer.Warn("", "store '"+s.Name+"': "+text) },
	}
	if d := s.IMAP.PathDelimiter; d != 0 {
		o.Delimiter = string(rune(d))
	}
	return imap.New(o), nil
}

// client tells how to connect to the server of a store.
func (w *workshop) client(s *config.Store) (imapclient.Options, error) {
	a := s.IMAP.Account
	switch {
	case a.Tunnel != "":
		return imapclient.Options{}, &unsupportedError{a.Pos("Tunnel"), "Tunnel"}
	case a.UseKeychain:
		return imapclient.Options{}, &unsupportedError{a.Pos("UseKeychain"), "UseKeychain"}
	}
	o := imapclient.Options{
		Host: a.Host, Port: a.Port,
		Timeout:           a.Timeout,
		PipelineDepth:     a.PipelineDepth,
		DisableExtensions: a.DisableExtensions,
		Hooks: imapclient.Hooks{
			Alert: func(text string) {
				w.printer.Warn("", fmt.Sprintf("store '%s': the server wants you to know: %s", s.Name, text))
			},
			Notice: func(_ imapwire.Status, _ imapwire.Code, text string) {
				w.printer.Warn("", fmt.Sprintf("store '%s': the server warns: %s", s.Name, text))
			},
			Unknown: func(what string, err error) {
				w.printer.Debugf(ui.DebugNet, "%s: skipped response %s: %v", s.Name, what, err)
			},
		},
	}
	w.traceNet(s.Name, &o.Hooks)
	switch a.TLS {
	case config.TLSNone:
		o.Security = imapclient.PlainText
		return o, nil
	case config.TLSStartTLS:
		o.Security = imapclient.StartTLS
	case config.TLSIMAPS:
		o.Security = imapclient.ImplicitTLS
	}
	var err error
	o.TLS, err = w.tlsConfig(a)
	return o, err
}

// credentialsOf returns the credentials of an account.
func (w *workshop) credentialsOf(a *config.Account) *auth.Credentials {
	w.mu.Lock()
	defer w.mu.Unlock()
	creds := w.credentials[a]
	if creds == nil {
		src := auth.Source{
			Account: a.Label(),
			User:    a.User, UserCmd: a.UserCmd,
			PassCmd:  a.PassCmd,
			Terminal: w.terminal,
		}
		if a.Pass.IsSet() {
			src.Pass = a.Pass.Reveal
		}
		creds = auth.NewCredentials(src)
		w.credentials[a] = creds
	}
	return creds
}

// login returns what logs in to the server of a store.
func (w *workshop) login(s *config.Store) func(context.Context, *imapclient.Client) error {
	a := s.IMAP.Account
	creds := w.credentialsOf(a)
	warned := false // the first login is made alone
	return func(ctx context.Context, c *imapclient.Client) error {
		if len(c.Caps()) == 0 {
			if err := c.Capability(ctx); err != nil {
				return err
			}
		}
		choice, err := auth.Select(auth.Request{
			Offered:       c.Caps().AuthMechs(),
			LoginDisabled: c.Caps().Has("LOGINDISABLED"),
			Allowed:       a.AuthMechs,
			Encrypted:     c.Secure(),
		})
		if err != nil {
			return err
		}
		user, err := creds.User(ctx)
		if err != nil {
			return err
		}
		password, err := creds.Password(ctx)
		if err != nil {
			return err
		}
		if choice.Warning != "" && !warned {
			warned = true
			w.printer.Warn(a.Pos("AuthMechs").String(), a.Label()+": "+choice.Warning)
		}
		if choice.NewClient == nil {
			return c.Login(ctx, user, password)
		}
		return c.Authenticate(ctx, choice.NewClient(user, password))
	}
}

// listRequest asks for all mailboxes of a store.
func listRequest(s *config.Store) store.ListRequest {
	m := s.Maildir
	return store.ListRequest{
		Inbox: true,
		// There is nothing else in a Maildir store without a Path.
		Others: m == nil || s.HasPath || m.SubFolders == config.SubFoldersMaildirPP,
	}
}
