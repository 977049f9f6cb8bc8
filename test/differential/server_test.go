package differential

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"isync/internal/testkit"
)

// account is the far side of a world on an IMAP server: its user's mailboxes and
// the mailbox "trash".
type account struct {
	servers *servers
	ours    *variant
	user    string
	client  *imapclient.Client
}

// servers are Dovecots, and a line to one of them for each variant of our
// program.
type servers struct {
	tb       testing.TB
	users    atomic.Int64
	variants []variant
}

// variant is how our program gets to a server.
type variant struct {
	testkit.Variant
	server *testkit.Dovecot
	tap    *testkit.Wiretap
	port   int
}

func newServers(t *testing.T, variants []testkit.Variant) *servers {
	t.Helper()
	s := &servers{tb: t}
	type kind struct {
		compress   bool
		capability string
	}
	known := map[kind]*testkit.Dovecot{}
	for _, v := range variants {
		k := kind{v.Server.Compress, v.Server.Capability}
		if known[k] == nil {
			cfg := v.Server
			cfg.Users = []string{}
			known[k] = testkit.StartDovecot(t, cfg)
		}
		tap := new(testkit.Wiretap)
		relay := testkit.StartTappedRelay(t, known[k].Addr(), v.RTT, tap)
		s.variants = append(s.variants, variant{v, known[k], tap, relay.Port()})
	}
	return s
}

// occasions are the signs that the histories can show.
var occasions = []testkit.Sign{
	testkit.Unasked, testkit.Asked, testkit.Moved, testkit.UIDExpunge, testkit.Resync, testkit.ChangedSince, testkit.Pipelined, testkit.Optimistic,
}

// check checks that all variants have shown on the wire that they are what they
// are called, as far as there were enough histories for that.
func (s *servers) check(t *testing.T, histories int) {
	t.Helper()
	if histories < 5*len(s.variants) {
		return
	}
	for _, v := range s.variants {
		if v.Compresses() && !v.Compress {
			continue // histories have too few messages to compress for a slow line
		}
		v.Check(t, v.tap, occasions...)
	}
}

// worlds makes worlds whose far sides are new users of a server. Which variant of
// our program works on them depends on the seed of the history.
func (s *servers) worlds(seed uint64) pairOfWorlds {
	v := &s.variants[seed%uint64(len(s.variants))]
	return func(dir string) (worlds [2]*programWorld, err error) {
		if worlds, err = maildirs(dir); err != nil {
			return worlds, err
		}
		for _, w := range worlds {
			w.server = &account{servers: s, ours: v, user: s.newUser()}
			v.server.AddUser(s.tb, w.server.user)
			if err := w.server.enter(); err != nil {
				return worlds, err
			}
			if err := w.server.client.Create(boxName, nil).Wait(); err != nil {
				return worlds, err
			}
			if v.NoCache {
				if err := os.WriteFile(w.path(".cache"), nil, 0o600); err != nil {
					return worlds, err
				}
			}
		}
		return worlds, nil
	}
}

// newUser returns the name of a user that does not exist yet.
func (s *servers) newUser() string { return fmt.Sprintf("user%d", s.users.Add(1)) }

// enter logs in.
func (a *account) enter() error {
	c, err := imapclient.DialInsecure(a.ours.server.Addr(), nil)
	if err != nil {
		return err
	}
	a.client = c
	if err := c.Login(a.user, testkit.Password).Wait(); err != nil {
		return fmt.Errorf("login of %s: %w", a.user, err)
	}
	return nil
}

// settle waits until the server has done what an interrupted program has asked for.
func (a *account) settle() error { return a.ours.server.WaitSessions(a.user, 1) }

// another makes a user with the same mailboxes.
func (a *account) another() (*account, error) {
	if err := a.settle(); err != nil {
		return nil, err
	}
	b := &account{servers: a.servers, ours: a.ours, user: a.servers.newUser()}
	if err := a.ours.server.CopyUser(a.user, b.user); err != nil {
		return nil, err
	}
	return b, b.enter()
}

// possible returns the rules with Expunge for ExpungeSolo if the server cannot
// expunge single messages: ours is an error then, theirs only if there is
// something to expunge.
func (a *account) possible(rules []string) []string {
	if a == nil || !slices.Contains(a.ours.DisableExtensions, "UIDPLUS") {
		return rules
	}
	rules = slices.Clone(rules)
	if i := slices.Index(rules, "solo-far"); i >= 0 {
		rules[i] = "expunge-far"
	}
	return rules
}

// close ends what a world has open.
func (w *programWorld) close() {
	if w != nil && w.server != nil && w.server.client != nil {
		_ = w.server.client.Logout().Wait()
		w.server.client.Close()
	}
}

// config is the store's section for a program, to which more can be added.
func (a *account) config(p mbsync) string {
	pass := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(testkit.Password)
	port, lines := a.ours.server.Port, ""
	if p == ours {
		port, lines = a.ours.port, a.ours.Account()
	}
	return fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser %s\nPass \"%s\"\nSSLType None\nAuthMechs LOGIN\n%s", a.ours.server.Host, port, a.user, pass, lines)
}

var imapFlags = map[string]imap.Flag{
	"D": imap.FlagDraft, "F": imap.FlagFlagged, "P": imap.FlagForwarded,
	"R": imap.FlagAnswered, "S": imap.FlagSeen, "T": imap.FlagDeleted,
}

// apply lets a user do something.
func (a *account) apply(c change) error {
	defer a.leave()
	switch c.kind {
	case '!':
		a.leave()
		_ = a.client.Delete(boxName).Wait() // it may be gone already
		return nil
	case '=':
		_ = a.client.Create(boxName, nil).Wait() // it may be there already
		return nil
	case '%':
		return nil // there is no way to
	case '+':
		opts := &imap.AppendOptions{}
		for l := range strings.SplitSeq(c.flags, "") {
			opts.Flags = append(opts.Flags, imapFlags[l])
		}
		text := strings.ReplaceAll(body(c.name), "\n", "\r\n")
		text = strings.ReplaceAll(text, "\x00", "") // which APPEND cannot send
		if b, err := a.lookAt(boxName); err != nil || b.missing {
			return err
		}
		cmd := a.client.Append(boxName, int64(len(text)), opts)
		if _, err := io.WriteString(cmd, text); err != nil {
			return err
		}
		if err := cmd.Close(); err != nil {
			return err
		}
		_, err := cmd.Wait()
		return err
	}
	b, err := a.lookAt(boxName)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(b.msgs, func(m message) bool { return strings.TrimSuffix(m.name, "?") == c.name })
	if i < 0 {
		return nil
	}
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imapFlags[c.flags]}}
	switch {
	case c.kind == '-':
		store.Flags = []imap.Flag{imap.FlagDeleted}
	case c.unset:
		store.Op = imap.StoreFlagsDel
	}
	uids := imap.UIDSetNum(imap.UID(b.msgs[i].uid))
	if err := a.client.Store(uids, store, nil).Close(); err != nil || c.kind != '-' {
		return err
	}
	return a.client.UIDExpunge(uids).Close()
}

// leave leaves the mailbox that was looked at: somebody may want to delete it.
func (a *account) leave() {
	if a.client.State() == imap.ConnStateSelected {
		_ = a.client.Unselect().Wait()
	}
}

// look takes the picture of what is on the server.
func (a *account) look() (b, trash box, err error) {
	defer a.leave()
	if trash, err = a.lookAt("trash"); err == nil {
		b, err = a.lookAt(boxName)
	}
	return b, trash, err
}

func (a *account) lookAt(name string) (box, error) {
	a.leave()
	found, err := a.client.List("", name, nil).Collect()
	if err != nil || len(found) == 0 {
		return box{missing: true}, err
	}
	sel, err := a.client.Select(name, nil).Wait()
	if err != nil {
		return box{}, fmt.Errorf("select %s: %w", name, err)
	}
	b := box{validity: fmt.Sprint(sel.UIDValidity), highest: fmt.Sprint(sel.UIDNext - 1)}
	if sel.NumMessages == 0 {
		return b, nil
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	all, err := a.client.Fetch(imap.UIDSet{{Start: 1}}, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{whole},
	}).Collect()
	if err != nil {
		return b, fmt.Errorf("fetch from %s: %w", name, err)
	}
	for _, m := range all {
		text := string(m.FindBodySection(whole))
		b.msgs = append(b.msgs, message{uint32(m.UID), nameOf(text), letters(m.Flags), "", text})
	}
	slices.SortFunc(b.msgs, func(a, b message) int { return int(int64(a.uid) - int64(b.uid)) })
	return b, nil
}

// letters are the flags as a Maildir has them.
func letters(flags []imap.Flag) string {
	var b bytes.Buffer
	for _, l := range "DFPRST" {
		if slices.ContainsFunc(flags, func(f imap.Flag) bool { return strings.EqualFold(string(f), string(imapFlags[string(l)])) }) {
			b.WriteRune(l)
		}
	}
	return b.String()
}
