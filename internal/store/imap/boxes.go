package imap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// layoutCache has the layout of the names once it is known, and the names that
// were listed.
type layoutCache struct {
	mu     sync.Mutex
	known  *layout
	listed map[string]string // canonical name → name on the server
	// next are the UIDNEXTs from the listing, by names on the server. They may be outdated, and
	// are only used to guess what will be needed.
	next map[string]mail.UID
}

// get returns the layout, nil if it is not known yet.
func (l *layoutCache) get() *layout {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known
}

// keep keeps the layout for the rest of the run. It must not depend on an answer that
// was not confirmed.
func (l *layoutCache) keep(known *layout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = known
}

// name returns the name on the server of a mailbox that was listed.
func (l *layoutCache) name(box string) (name string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, ok = l.listed[box]
	return name, ok
}

// nextOf returns the UIDNEXT that came with the listing, by the name on the server; 0: none.
func (l *layoutCache) nextOf(name string) mail.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next[name]
}

// getLayout returns the layout of names on the server.
func (s *Store) getLayout(ctx context.Context) (*layout, error) {
	if l := s.run().layout.get(); l != nil {
		return l, nil
	}
	return s.askWithLayout(ctx, func(*session.Session, *layout) error { return nil })
}

// askWithLayout is ask for an f that needs the layout, which is requested in the same session. It returns
// the layout.
func (s *Store) askWithLayout(ctx context.Context, f func(*session.Session, *layout) error) (l *layout, err error) {
	s.wantLayout()
	err = s.ask(ctx, func(sess *session.Session) error {
		var err error
		if l, err = s.layoutBy(ctx, sess); err != nil {
			return err
		}
		return f(sess, l)
	})
	if err != nil {
		return nil, err
	}
	s.run().layout.keep(l)
	return l, nil
}

// wantLayout makes the next new connection request what layoutBy needs, together with
// its other commands.
func (s *Store) wantLayout() {
	if s.run().layout.get() == nil && s.asksNamespace() {
		s.pool.WantNamespace(true)
	}
}

// layoutBy returns the layout. If necessary, it requests the layout in the session. If the session is not
// confirmed, the layout is not confirmed either.
func (s *Store) layoutBy(ctx context.Context, sess *session.Session) (*layout, error) {
	if l := s.run().layout.get(); l != nil {
		return l, nil
	}
	s.pool.WantNamespace(false)
	return s.askLayout(ctx, sess)
}

// wantsPrefix reports whether the prefix of the personal namespace is used.
func (s *Store) wantsPrefix() bool { return s.opts.UseNamespace && !s.opts.HasPath }

// asksNamespace reports whether the layout depends on the server's namespaces.
func (s *Store) asksNamespace() bool { return s.wantsPrefix() || s.opts.Delimiter == "" }

// layoutOf returns the layout if the server has told it on this connection, perhaps in an
// earlier run; otherwise nil.
func (s *Store) layoutOf(c *imapclient.Client) *layout {
	if l := s.run().layout.get(); l != nil {
		return l
	}
	ns := c.KnownNamespace()
	if ns == nil {
		return nil
	}
	if l := s.layoutFrom(ns); l.delim != "" {
		return l
	}
	return nil
}

// layoutFrom returns the layout, without the delimiter if neither the options nor the
// namespaces contain it. ns is nil if they are not known.
func (s *Store) layoutFrom(ns *imapwire.Namespace) *layout {
	l := &layout{delim: s.opts.Delimiter}
	if s.opts.HasPath {
		l.prefix = s.opts.Path
	}
	if ns == nil || len(ns.Personal) == 0 {
		return l
	}
	if s.wantsPrefix() {
		l.prefix = ns.Personal[0].Prefix
	}
	if l.delim == "" {
		l.delim = ns.Personal[0].Delim
	}
	return l
}

func (s *Store) askLayout(ctx context.Context, sess *session.Session) (*layout, error) {
	var ns *imapwire.Namespace
	if s.asksNamespace() && sess.Client.Caps().Has("NAMESPACE") {
		s.pool.Remember(session.Question{Namespace: true})
		var err error
		if ns, err = sess.Client.Namespace(ctx); err != nil && isLost(err) {
			return nil, err
		}
	}
	l := s.layoutFrom(ns)
	if l.delim != "" {
		return l, nil
	}
	// An empty pattern asks for the delimiter (RFC 9051 §6.3.9).
	p, err := sess.AskList(ctx, imapclient.ListRequest{Patterns: []string{""}})
	if err != nil {
		return nil, err
	}
	entries, err := p.Wait(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if l.delim == "" {
			l.delim = e.Delim
		}
	}
	return l, nil
}

// serverName returns the name of a mailbox on the server.
func (s *Store) serverName(ctx context.Context, box string) (string, error) {
	if name, ok := s.knownName(box); ok {
		return name, nil
	}
	l, err := s.getLayout(ctx)
	if err != nil {
		return "", s.storeError(err)
	}
	name, err := l.server(box)
	return name, s.boxError(box, err)
}

// knownName returns the name of a mailbox on the server, if it does not depend on the layout.
func (s *Store) knownName(box string) (name string, ok bool) {
	if box == mail.Inbox {
		return mail.Inbox, true
	}
	return s.run().layout.name(box)
}

// selectable reports whether a listed name is a mailbox.
func selectable(e *imapclient.ListEntry) bool {
	return !e.HasAttr(`\NoSelect`) && !e.HasAttr(`\NonExistent`)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, req store.ListRequest) ([]store.Box, error) {
	var entries []imapclient.ListEntry
	var wanted store.ListRequest
	l, err := s.askWithLayout(ctx, func(sess *session.Session, l *layout) error {
		entries = nil
		wanted = req
		wanted.InboxAmong = req.InboxAmong && l.holdsInbox()
		var pending []*session.Answer[[]imapclient.ListEntry]
		var first error
		for _, p := range l.patterns(wanted.Inbox || wanted.InboxAmong, req.Others || req.OthersIfAny) {
			ask := imapclient.ListRequest{Patterns: []string{p}, Subscribed: s.opts.SubscribedOnly}
			if req.Marks && s.marks(sess.Client) && sess.Client.Caps().Has("LIST-STATUS") {
				ask.Status = markItems
			}
			cmd, err := sess.AskList(ctx, ask)
			if err != nil {
				first = err
				break
			}
			pending = append(pending, cmd)
		}
		for _, cmd := range pending {
			part, err := cmd.Wait(ctx)
			if first == nil {
				first = err
			}
			entries = append(entries, part...)
		}
		if first != nil {
			return fmt.Errorf("listing mailboxes: %w", first)
		}
		return nil
	})
	if err != nil {
		return nil, s.storeError(err)
	}
	return s.boxes(l, wanted, entries)
}

// InboxAmongOthers implements store.InboxHolder.
func (s *Store) InboxAmongOthers(ctx context.Context) (bool, error) {
	l, err := s.getLayout(ctx)
	if err != nil {
		return false, s.storeError(err)
	}
	return l.holdsInbox(), nil
}

// boxes converts listed names to canonical names.
func (s *Store) boxes(l *layout, req store.ListRequest, entries []imapclient.ListEntry) ([]store.Box, error) {
	var out []store.Box
	listed := make(map[string]string)
	next := make(map[string]mail.UID)
	for i := range entries {
		e := &entries[i]
		if !selectable(e) {
			if s.opts.Explain != nil {
				s.opts.Explain(fmt.Sprintf("%q is no mailbox, though others may be below it (\\NoSelect)", shorten(e.Name)))
			}
			continue
		}
		name, err := e.Name, e.Err
		if err == nil {
			name, err = l.canonical(e.Name, e.Delim)
		}
		switch {
		case errors.Is(err, errSkip):
			continue
		case errors.Is(err, errAttack):
			s.leaveOut(e.Name, event.BoxRefused{Name: shorten(e.Name), Err: err})
			continue
		case err != nil:
			s.leaveOut(e.Name, event.BoxIgnored{Name: shorten(e.Name), Err: err})
			continue
		}
		if old, dup := listed[name]; dup {
			if old != e.Name {
				s.leaveOut(e.Name, event.BoxNameTwice{Name: shorten(e.Name), Other: shorten(old)})
			}
			continue
		}
		listed[name] = e.Name
		if e.Status != nil && e.Status.Has&imapwire.BoxUIDNext != 0 {
			next[e.Name] = e.Status.UIDNext
		}
		if req.Wants(name) {
			out = append(out, store.Box{Name: name, Mark: markOf(e.Status)})
		}
	}
	if _, ok := listed[mail.Inbox]; req.Inbox && !ok {
		// There always is one (RFC 9051 §5.1), subscribed or not.
		out = append(out, store.Box{Name: mail.Inbox})
	}
	cache := &s.run().layout
	cache.mu.Lock()
	defer cache.mu.Unlock()
	if cache.listed == nil {
		cache.listed = listed
	}
	maps.Copy(cache.listed, listed)
	if cache.next == nil {
		cache.next = next
	}
	maps.Copy(cache.next, next)
	return out, nil
}

// maxLeftOut is the maximum number of warnings about left-out names of a store.
const maxLeftOut = 20

// leaveOut warns that a name is left out, once for each name, up to a limit.
func (s *Store) leaveOut(name string, f event.Fact) {
	r := s.run()
	r.mu.Lock()
	told := r.leftOut[name]
	n := len(r.leftOut)
	if !told && n <= maxLeftOut {
		if r.leftOut == nil {
			r.leftOut = make(map[string]bool)
		}
		r.leftOut[name] = true
	}
	r.mu.Unlock()
	switch {
	case told || n > maxLeftOut:
	case n == maxLeftOut:
		s.warn(event.MoreBoxesIgnored{Most: maxLeftOut})
	default:
		s.warn(f)
	}
}

// shorten shortens a name for messages to the user.
func shorten(name string) string {
	if len(name) > 200 {
		return strings.ToValidUTF8(name[:200], "") + "…"
	}
	return name
}

// exists asks the server whether a mailbox with that name exists.
func exists(ctx context.Context, c *imapclient.Client, name string) (bool, error) {
	entries, err := c.List(ctx, imapclient.ListRequest{Patterns: []string{name}})
	if err != nil {
		return false, err
	}
	for i := range entries {
		e := &entries[i]
		// The name may contain wildcards.
		same := e.Name == name || strings.EqualFold(e.Name, mail.Inbox) && strings.EqualFold(name, mail.Inbox)
		if same && selectable(e) {
			return true, nil
		}
	}
	return false, nil
}

// notThere matches refusals of servers without response codes. Some of these servers list a mailbox that
// does not exist if it has children.
var notThere = regexp.MustCompile(`(?i)(does ?n[o']t exist|nonexistent|non-existent|not found|unknown mailbox|no such mailbox|invalid mailbox)`)

// missing reports whether err, from a command about a mailbox, means that the mailbox does not exist. If
// err does not say that, it asks the server.
func missing(ctx context.Context, c *imapclient.Client, name string, err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok || r.Status != imapwire.StatusNo {
		return false
	}
	if saysMissing(err) {
		return true
	}
	there, err := exists(ctx, c, name)
	return err == nil && !there
}

// saysMissing reports whether err, from a command about a mailbox, says that the mailbox does not exist.
func saysMissing(err error) bool {
	r, ok := errors.AsType[*imapclient.ResponseError](err)
	if !ok || r.Status != imapwire.StatusNo {
		return false
	}
	switch r.Code.Name {
	case imapwire.CodeNonexistent, imapwire.CodeTryCreate:
		return true
	case "":
		return notThere.MatchString(r.Text)
	}
	return false
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, box string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if box == mail.Inbox {
		return nil // there always is one (RFC 9051 §5.1)
	}
	name, err := s.serverName(ctx, box)
	if err != nil {
		return err
	}
	err = s.share(ctx, func(c *imapclient.Client) error { return s.create(ctx, c, name) })
	if err != nil {
		return s.boxError(box, fmt.Errorf("creating it: %w", err))
	}
	return nil
}

// create creates a mailbox by its name on the server.
func (s *Store) create(ctx context.Context, c *imapclient.Client, name string) error {
	err := c.Create(ctx, name)
	if _, ok := errors.AsType[*imapclient.ResponseError](err); ok {
		if imapclient.HasCode(err, imapwire.CodeAlreadyExists) {
			err = nil
		} else if there, lerr := exists(ctx, c, name); lerr == nil && there {
			err = nil
		}
	}
	if err == nil && s.opts.SubscribedOnly {
		// Otherwise it would not be listed the next time.
		err = c.Subscribe(ctx, name)
	}
	return err
}

var errNotEmpty = errors.New("mailbox is not empty")

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, box string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, err := s.serverName(ctx, box)
	if err != nil {
		return err
	}
	s.unselect(ctx, name)
	err = s.share(ctx, func(c *imapclient.Client) error {
		st, err := c.Status(ctx, name, imapwire.BoxMessages)
		switch {
		case err != nil && missing(ctx, c, name, err):
			return store.ErrNoBox
		case err != nil:
			return err
		case st.Has&imapwire.BoxMessages == 0:
			return errors.New("server does not report whether the mailbox is empty")
		case st.Messages > 0:
			return errNotEmpty
		}
		err = c.Delete(ctx, name)
		if err == nil {
			s.forgetBox(ctx, name)
		}
		return err
	})
	if err != nil {
		return s.boxError(box, fmt.Errorf("deleting it: %w", err))
	}
	return nil
}

// unselect makes sure that a mailbox is not selected in idle sessions: servers do not update the status of
// selected mailboxes, and some refuse to delete them.
func (s *Store) unselect(ctx context.Context, name string) {
	s.opts.Sessions.pipeline.unselect(ctx, name)
	for _, sess := range s.pool.TakeIdle(name) {
		err := errors.ErrUnsupported
		if sess.Client.Caps().Has("UNSELECT") {
			err = sess.Client.Unselect(ctx)
		}
		if err != nil {
			_ = sess.Client.Logout(ctx)
		}
		sess.Selected = ""
		s.pool.Put(sess, session.Want{Exclusive: true})
	}
}
