package cli

import (
	"sync"

	"isync/internal/auth"
	"isync/internal/check"
	"isync/internal/config"
	"isync/internal/listcache"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// workshop makes stores of sections of the configuration.
type workshop struct {
	env      Env
	fs       vfs.FS
	cfg      *config.Config
	controls controls
	printer  *ui.Printer
	terminal *auth.Terminal
	readOnly bool // nothing is remembered of servers
	checks   bool // for --check, which tells itself what is to be warned of

	mu sync.Mutex
	// logins are shared by the stores of an account.
	logins map[*config.Account]*accountLogin
	// ledger keeps refused passwords from being sent again.
	ledger auth.Ledger
	// warned has the places that a warning was about.
	warned map[config.Pos]bool
	// listings are shared by all stores.
	listings *listcache.Dir

	// accountsMu is held while one of the accounts is being made.
	accountsMu sync.Mutex
	// accounts have the sessions of accounts, for all their stores.
	accounts map[*config.Account]*imap.Sessions
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
	if text, hint := check.PathPrefix(w.fs, s.Path); text != "" && !w.checks {
		w.printer.Caution(ui.Problem{Place: s.Pos("Path").String(), Text: text, Hint: hint})
	}
	o := maildir.Options{
		Name: s.Name, Path: s.Path, Inbox: m.Inbox,
		InfoDelimiter: m.InfoDelimiter, AltMap: m.AltMap,
		FSync: w.cfg.Global.FSync,
		FS:    w.fs, Clock: w.env.Now,
		Notice:  func(text string) { w.printer.Notice("", text) },
		Warn:    func(text, hint string) { w.printer.Caution(ui.Problem{Text: text, Hint: hint}) },
		NoDelay: w.controls.noDelay, NoUIDs: w.controls.noUIDs,
	}
	switch m.SubFolders {
	case config.SubFoldersUnset:
		o.SubFolders = maildir.SubFoldersUnset
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
	account, err := w.account(s)
	if err != nil {
		return nil, err
	}
	o := imap.Options{
		Name: s.Name, Sessions: account,
		Path: s.Path, HasPath: s.HasPath,
		UseNamespace:   s.IMAP.UseNamespace,
		SubscribedOnly: s.IMAP.SubscribedOnly,
		Warn:           w.warnAbout(s),
		Explain:        func(text string) { w.printer.Debugf(ui.DebugMain, "store '%s': %s", s.Name, text) },
	}
	if d := s.IMAP.PathDelimiter; d != 0 {
		o.Delimiter = string(rune(d))
	}
	w.remember(s, &o)
	return imap.New(o), nil
}

// account returns the sessions of a store's account, which all its stores share.
func (w *workshop) account(s *config.Store) (*imap.Sessions, error) {
	w.accountsMu.Lock()
	defer w.accountsMu.Unlock()
	if known := w.accounts[s.IMAP.Account]; known != nil {
		return known, nil
	}
	client, err := w.client(s)
	if err != nil {
		return nil, err
	}
	o := imap.Options{
		Client: client, Login: w.login(s),
		MaxSessions: s.IMAP.Account.Connections,
		Warn:        w.warnAbout(s),
		Server:      serverKey(s.IMAP.Account),
		ReadOnly:    w.readOnly,
	}
	w.remember(s, &o)
	a := imap.NewSessions(o)
	w.accounts[s.IMAP.Account] = a
	return a, nil
}

// warnAbout returns what warns about a store.
func (w *workshop) warnAbout(s *config.Store) func(text, hint string) {
	return func(text, hint string) {
		w.printer.Caution(ui.Problem{Text: "store '" + s.Name + "': " + text, Hint: hint})
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
