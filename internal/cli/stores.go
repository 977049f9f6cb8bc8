package cli

import (
	"fmt"
	"strings"
	"sync"

	"isync/internal/auth"
	"isync/internal/check"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/memo"
	"isync/internal/provider"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
)

// workshop makes the stores of sections of the configuration.
type workshop struct {
	env      Env
	fs       vfs.FS
	cfg      *config.Config
	controls controls
	reporter
	terminal *auth.Terminal
	readOnly bool // the cache is not written
	// configFile is the argument of -c; "": none.
	configFile string
	checks     bool // for --check, which reports warnings itself

	// refusals is the ledger shared by all runs of a watcher and by the connections that watch;
	// nil: each run has its own ledger.
	refusals *auth.Ledger

	mu sync.Mutex
	// current is the state of the current run.
	current *runNotes
	// prompts keep the user's answers for each account.
	prompts map[*config.Account]*prompts
	// tokens obtain the access tokens of the accounts with OAuth.
	tokens *tokenSources
	// ipv4 has the accounts that use only IPv4.
	ipv4 map[*config.Account]bool
	// warned has the places of reported warnings.
	warned map[config.Pos]bool
	// listings is the cache, shared by all stores.
	listings *memo.Dir

	// accountsMu is held while the sessions of an account are being made.
	accountsMu sync.Mutex
	// accounts has the sessions of each account, shared by its stores.
	accounts map[*config.Account]*imap.Sessions
}

// runNotes is the state of one run. It must not be used after the run.
type runNotes struct {
	// logins are shared by the stores of an account.
	logins map[*config.Account]*accountLogin
	// ledger prevents refused passwords from being sent again.
	ledger *auth.Ledger
}

// notes returns the state of the current run.
func (w *workshop) notes() *runNotes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// runCounter counts within one run.
type runCounter struct {
	mu  sync.Mutex
	run *runNotes
	n   int
}

// add adds 1 and returns the count of this run.
func (c *runCounter) add(run *runNotes) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run != run {
		c.run, c.n = run, 0
	}
	c.n++
	return c.n
}

// beginRun begins the next run: failed logins are tried again, and passwords are obtained again.
func (w *workshop) beginRun() {
	w.mu.Lock()
	defer w.mu.Unlock()
	ledger := w.refusals
	if ledger == nil {
		ledger = new(auth.Ledger)
	}
	ledger.BeginRun()
	w.current = &runNotes{logins: make(map[*config.Account]*accountLogin), ledger: ledger}
}

// open makes the store of a section. It does not connect to a server.
func (w *workshop) open(s *config.Store) (store.Store, error) {
	build := w.imap
	if s.Maildir != nil {
		build = w.maildir
	}
	st, err := build(s)
	if err != nil {
		return nil, err
	}
	return traceStore(st, &w.reporter), nil
}

// maildir makes a Maildir store.
func (w *workshop) maildir(s *config.Store) (store.Store, error) {
	m := s.Maildir
	if f, ok := check.PathPrefix(w.fs, s.Path); ok && !w.checks {
		w.tell(event.Warning, s.Pos("Path"), f)
	}
	o := maildir.Options{
		Name: s.Name, Path: s.Path, Inbox: m.Inbox,
		InfoDelimiter: m.InfoDelimiter, AltMap: m.AltMap,
		FSync: w.cfg.Global.FSync,
		FS:    w.fs, Clock: w.env.Now,
		Notice:    w.tellOf(s, event.Notice),
		Warn:      w.tellOf(s, event.Warning),
		LocalPoll: m.LocalPoll,
		NoDelay:   w.controls.noDelay, NoUIDs: w.controls.noUIDs,
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
		Name: s.Name, Sessions: account, Place: accountPlace(s.IMAP.Account),
		Path: s.Path, HasPath: s.HasPath,
		UseNamespace:   s.IMAP.UseNamespace,
		SubscribedOnly: s.IMAP.SubscribedOnly,
		Warn:           w.tellOf(s, event.Warning),
		Explain:        func(text string) { w.debugf(event.DebugMain, "store '%s': %s", s.Name, text) },
	}
	if p, ok := provider.ByName(s.IMAP.Account.Provider); ok {
		o.KnownFolders = make(map[string]string)
		for _, f := range p.Folders {
			o.KnownFolders[strings.ToLower(f.Use)] = f.Name
		}
	}
	if d := s.IMAP.PathDelimiter; d != 0 {
		o.Delimiter = string(rune(d))
	}
	w.remember(s, &o)
	return imap.New(o), nil
}

// accountPlace identifies the server and user that a section configures.
func accountPlace(a *config.Account) string {
	return strings.Join([]string{"imap", a.Tunnel, strings.ToLower(a.Host), fmt.Sprint(a.Port), a.User, a.UserCmd}, "\x00")
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
		Client: client, Login: w.login(s), WatchLogin: w.watchLogin(s),
		IdleRefresh: s.IMAP.Account.IdleRefresh,
		MaxSessions: s.IMAP.Account.Connections,
		Warn:        w.tellOf(s, event.Warning),
		Notice:      w.tellOf(s, event.Notice),
		Server:      serverKey(s.IMAP.Account),
		ReadOnly:    w.readOnly,
	}
	w.remember(s, &o)
	a := imap.NewSessions(o)
	w.accounts[s.IMAP.Account] = a
	return a, nil
}

// tellOf returns a function that reports facts about a store.
func (w *workshop) tellOf(s *config.Store, severity event.Severity) func(event.Fact) {
	return func(f event.Fact) {
		w.events.Take(event.Message{Severity: severity, Store: s.Name, Fact: f})
	}
}

// listRequest returns the request for all mailboxes of a store.
func listRequest(s *config.Store) store.ListRequest {
	m := s.Maildir
	return store.ListRequest{
		Inbox: true,
		// A Maildir store without a Path has no other mailboxes.
		Others: m == nil || s.HasPath || m.SubFolders == config.SubFoldersMaildirPP,
	}
}
