package imapclient

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// maxListBytes bounds what is kept of the answer to one LIST. While a list grows, and
// until the garbage is collected, it takes up to three times that.
const maxListBytes = 20 << 20

// What is kept takes, besides the text.
const (
	entryBytes = 100 // for a mailbox
	attrBytes  = 24  // for an attribute
)

// Mailbox names are UTF-8 with the server's own hierarchy delimiter everywhere
// in this package; they are encoded as modified UTF-7 (or not, after ENABLE
// UTF8=ACCEPT) on the way.

// name turns a mailbox name as it came into UTF-8.
func (c *Client) name(raw string) (string, error) {
	if c.utf8On.Load() {
		if !utf8.ValidString(raw) {
			return "", imapwire.ErrNameUTF8
		}
		if c.ampersands.escaped() {
			return unescapeUTF8(raw), nil
		}
		return raw, nil
	}
	return imapwire.DecodeUTF7(raw)
}

// Ampersands is what is known of a server's way to write names after ENABLE
// UTF8=ACCEPT, which RFC 6855 leaves open: some servers still write "&-" for an
// ampersand, as in modified UTF-7, or all of a name in that; others write all
// names as they are. Connections to one server share it.
//
// It also keeps raw names, which are not in modified UTF-7 although they should be,
// such as "A&B" or names with 8-bit characters. They are sent back unchanged.
type Ampersands struct {
	style atomic.Int32 // 0: unknown, 1: escaped, -1: as they are

	mu sync.Mutex
	// names are those that were listed with anything but plain ASCII: whether
	// they are raw.
	names map[string]bool
}

// maxSpecialNames bounds the number of these names.
const maxSpecialNames = 1 << 18

// noteName notes a name that was listed. It reports whether the mailbox can be reached
// by it. If two mailboxes have the same name, one in modified UTF-7 and one raw, the raw
// one cannot be reached.
func (a *Ampersands) noteName(name string, raw bool) bool {
	if !raw && !special(name) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was, known := a.names[name]
	if raw && (known && !was || !known && len(a.names) >= maxSpecialNames) {
		return false
	}
	if a.names == nil {
		a.names = make(map[string]bool)
	}
	if known || len(a.names) < maxSpecialNames {
		a.names[name] = raw
	}
	return true
}

// isRaw reports whether a name is to be sent as it is.
func (a *Ampersands) isRaw(name string) bool {
	if !special(name) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names[name]
}

// special reports whether modified UTF-7 has another form for the name.
func special(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c > 0x7e || c == '&' {
			return true
		}
	}
	return false
}

// encode returns a name, or a pattern, as it is sent without UTF8=ACCEPT.
func (c *Client) encode(name string) (string, error) {
	if c.ampersands.isRaw(name) {
		return name, nil
	}
	return imapwire.EncodeUTF7(name)
}

func (a *Ampersands) escaped() bool { return a.style.Load() > 0 }

// learn looks at names as they came. One ampersand that is not escaped shows that
// none is; as long as there is none, what looks escaped is taken to be, for no
// reasonable name looks like that by itself.
func (a *Ampersands) learn(raw string) {
	switch {
	case !strings.Contains(raw, "&"):
	case unescapeUTF8(raw) == raw:
		a.style.Store(-1)
	default:
		a.style.CompareAndSwap(0, 1)
	}
}

// unescapeUTF8 returns the name behind one that is escaped, or the name itself
// if it is not.
func unescapeUTF8(raw string) string {
	if !strings.Contains(raw, "&") {
		return raw
	}
	if name, err := imapwire.DecodeUTF7(raw); err == nil {
		return name
	}
	// With letters that are no ASCII there can be "&-" only.
	if strings.Count(raw, "&") == strings.Count(raw, "&-") {
		return strings.ReplaceAll(raw, "&-", "&")
	}
	return raw
}

// mailbox adds a mailbox name, or a pattern, to a command.
func (c *Client) mailbox(text *imapwire.Command, name string) *imapwire.Command {
	if !c.utf8On.Load() && c.ampersands.isRaw(name) {
		return text.String(name)
	}
	return text.Mailbox(c.escape(name), c.utf8On.Load())
}

// escape writes ampersands as the server does, after ENABLE UTF8=ACCEPT.
func (c *Client) escape(name string) string {
	if c.utf8On.Load() && c.ampersands.escaped() {
		return strings.ReplaceAll(name, "&", "&-")
	}
	return name
}

// Namespace asks for the namespaces (RFC 2342), unless Settle has done so and
// the answer was not taken yet. Prefixes have been decoded. While Ahead it is the
// answer that is expected. It must not be changed.
func (c *Client) Namespace(ctx context.Context) (*imapwire.Namespace, error) {
	if a := c.ahead.Load(); a != nil && a.past.Namespace != nil {
		if c.namespace.Load() == nil {
			// Nobody has asked, and so nobody would notice if it were another.
			p, err := c.startNamespace(ctx)
			if err != nil {
				return nil, err
			}
			c.namespace.Store(p)
		}
		return a.past.Namespace, nil
	}
	p := c.namespace.Swap(nil)
	if p == nil {
		var err error
		if p, err = c.startNamespace(ctx); err != nil {
			return nil, err
		}
	}
	ns, err := p.Wait(ctx)
	if err == nil && ns == nil {
		ns = new(imapwire.Namespace)
	}
	return ns, err
}

// startNamespace starts a NAMESPACE.
func (c *Client) startNamespace(ctx context.Context) (*Pending[*imapwire.Namespace], error) {
	ns := new(*imapwire.Namespace)
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindNamespace {
			return false
		}
		*ns = r.Namespace
		for _, list := range [][]imapwire.NamespaceEntry{r.Namespace.Personal, r.Namespace.Other, r.Namespace.Shared} {
			for i, e := range list {
				if name, err := c.name(e.Prefix); err == nil {
					list[i].Prefix = name
				}
			}
		}
		return true
	}, completed: func(*imapwire.Response) error {
		c.noteNamespace(*ns)
		return nil
	}}
	if a := c.ahead.Load(); a != nil && a.past.Namespace != nil {
		cmd = c.checked(cmd, func() string { return a.sameNamespace(*ns) })
	}
	return begin(ctx, c, cmd, imapwire.NewCommand("NAMESPACE"), ns)
}

// ListRequest says which mailboxes to list.
type ListRequest struct {
	// Ref is the reference name, usually "".
	Ref string
	// Patterns are mailbox names with "*" and "%". More than one need
	// LIST-EXTENDED.
	Patterns []string
	// Subscribed limits the list to subscribed mailboxes: LIST (SUBSCRIBED)
	// where the server has LIST-EXTENDED, else LSUB.
	Subscribed bool
	// Select are further selection options, and Return the return options of
	// LIST-EXTENDED (RFC 9051 §6.3.9): "SPECIAL-USE".
	Select, Return []string
	// Status, if not 0, asks for the status of each mailbox (LIST-STATUS).
	Status imapwire.BoxItems
}

// ListEntry is a mailbox that the server lists.
type ListEntry struct {
	// Name is the decoded name, or the raw one if it cannot be decoded. Err is
	// set if the mailbox cannot be used by that name.
	Name string
	Err  error
	// Attrs are the attributes as they came.
	Attrs []string
	// Delim is the hierarchy delimiter, "" for NIL; more than one character
	// with some servers.
	Delim string
	// Status is not nil if it was asked for and given.
	Status *imapwire.BoxStatus

	raw string
}

// HasAttr tells whether the mailbox has an attribute, in any case.
func (e *ListEntry) HasAttr(attr string) bool {
	for _, a := range e.Attrs {
		if strings.EqualFold(a, attr) {
			return true
		}
	}
	return false
}

// List is StartList and Wait.
func (c *Client) List(ctx context.Context, req ListRequest) ([]ListEntry, error) {
	p, err := c.StartList(ctx, req)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// StartList starts a LIST or LSUB.
func (c *Client) StartList(ctx context.Context, req ListRequest) (*Pending[[]ListEntry], error) {
	verb, kind := "LIST", imapwire.KindList
	sel := req.Select
	if req.Subscribed {
		if c.Caps().Has("LIST-EXTENDED") {
			sel = append([]string{"SUBSCRIBED"}, sel...)
		} else {
			verb, kind = "LSUB", imapwire.KindLsub
		}
	}
	text := imapwire.NewCommand(verb)
	if len(sel) > 0 {
		text.Raw("(" + strings.Join(sel, " ") + ")")
	}
	c.mailbox(text, req.Ref)
	if err := c.patterns(text, req.Patterns); err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	ret := req.Return
	if req.Status != 0 {
		ret = append(ret[:len(ret):len(ret)], "STATUS ("+boxItems(req.Status)+")")
	}
	if len(ret) > 0 {
		text.Raw("RETURN (" + strings.Join(ret, " ") + ")")
	}
	l := &listing{c: c, kind: kind, status: req.Status != 0}
	return begin(ctx, c, &command{data: l.data, completed: l.completed, answers: []imapwire.Kind{kind}}, text, &l.entries)
}

// patterns adds the patterns of a LIST.
func (c *Client) patterns(text *imapwire.Command, patterns []string) error {
	if len(patterns) == 1 {
		c.mailbox(text, patterns[0])
		return nil
	}
	list := []byte{'('}
	for i, p := range patterns {
		if i > 0 {
			list = append(list, ' ')
		}
		if p = c.escape(p); !c.utf8On.Load() {
			var err error
			if p, err = c.encode(p); err != nil {
				return err
			}
		}
		list = imapwire.AppendQuoted(list, p)
	}
	text.Raw(string(append(list, ')')))
	return nil
}

// A listing gathers the answers to a LIST.
type listing struct {
	c       *Client
	kind    imapwire.Kind
	status  bool
	entries []ListEntry
	index   map[string]int // of entries by boxKey, made when needed
	indexed int            // how many entries it covers
	bytes   int
	err     error
}

func (l *listing) data(r *imapwire.Response, head bool) bool {
	switch {
	case r.Kind == l.kind, r.Kind == imapwire.KindList && head:
		l.bytes += len(r.List.Name) + len(r.List.Delim) + entryBytes
		for _, a := range r.List.Attrs {
			l.bytes += len(a) + attrBytes
		}
		if l.err == nil && l.bytes > maxListBytes {
			l.err = fmt.Errorf("the list of mailboxes is too long: more than %d mailboxes", len(l.entries))
			l.entries, l.index, l.indexed = nil, nil, 0
		}
		if l.err != nil {
			return true
		}
		e := ListEntry{Attrs: r.List.Attrs, Delim: r.List.Delim, raw: r.List.Name}
		if l.c.utf8On.Load() {
			l.c.ampersands.learn(e.raw)
		}
		l.entries = append(l.entries, e)
		return true
	case r.Kind == imapwire.KindBoxStatus && l.status:
		return l.addStatus(&r.Box)
	}
	return false
}

// addStatus notes the status of a mailbox, which comes after its LIST.
func (l *listing) addStatus(box *imapwire.BoxStatus) bool {
	if l.index == nil {
		l.index = make(map[string]int)
	}
	for ; l.indexed < len(l.entries); l.indexed++ {
		l.index[boxKey(l.entries[l.indexed].raw)] = l.indexed
	}
	i, ok := l.index[boxKey(box.Name)]
	if !ok {
		return false
	}
	l.entries[i].Status = new(*box)
	return true
}

// completed makes names of what was listed, now that it is known how the server
// writes them.
func (l *listing) completed(*imapwire.Response) error {
	var raw []*ListEntry
	plain := !l.c.utf8On.Load()
	for i := range l.entries {
		e := &l.entries[i]
		e.Name, e.Err = l.c.name(e.raw)
		switch {
		case e.Err != nil:
			e.Name = e.raw
			if plain && !strings.ContainsFunc(e.raw, unicode.IsControl) {
				raw = append(raw, e)
			}
		case plain:
			l.c.ampersands.noteName(e.Name, false)
		}
	}
	for _, e := range raw {
		if l.c.ampersands.noteName(e.raw, true) {
			e.Err = nil
		}
	}
	return l.err
}

// boxItems are STATUS items in IMAP's words.
func boxItems(items imapwire.BoxItems) string {
	var names []string
	for _, it := range []struct {
		item imapwire.BoxItems
		name string
	}{
		{imapwire.BoxMessages, "MESSAGES"},
		{imapwire.BoxUIDNext, "UIDNEXT"},
		{imapwire.BoxUIDValidity, "UIDVALIDITY"},
		{imapwire.BoxUnseen, "UNSEEN"},
		{imapwire.BoxHighestModSeq, "HIGHESTMODSEQ"},
		{imapwire.BoxSize, "SIZE"},
	} {
		if items&it.item != 0 {
			names = append(names, it.name)
		}
	}
	return strings.Join(names, " ")
}

// Status is StartStatus and Wait.
func (c *Client) Status(ctx context.Context, box string, items imapwire.BoxItems) (imapwire.BoxStatus, error) {
	p, err := c.StartStatus(ctx, box, items)
	if err != nil {
		return imapwire.BoxStatus{}, err
	}
	return p.Wait(ctx)
}

// StartStatus asks for the status of a mailbox. What the server does not tell
// is missing in Has, all of it if it sent nothing.
func (c *Client) StartStatus(ctx context.Context, box string, items imapwire.BoxItems) (*Pending[imapwire.BoxStatus], error) {
	raw := c.escape(box)
	if !c.utf8On.Load() {
		var err error
		if raw, err = c.encode(box); err != nil {
			return nil, fmt.Errorf("STATUS: %w", err)
		}
	}
	var st imapwire.BoxStatus
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindBoxStatus || boxKey(r.Box.Name) != boxKey(raw) {
			return false
		}
		st = r.Box
		return true
	}}
	text := c.mailbox(imapwire.NewCommand("STATUS"), box).Raw("(" + boxItems(items) + ")")
	return begin(ctx, c, cmd, text, &st)
}

// boxKey returns what is the same for all raw names of one mailbox: that of the
// inbox is case-insensitive.
func boxKey(raw string) string {
	if strings.EqualFold(raw, mail.Inbox) {
		return mail.Inbox
	}
	return raw
}

// Create creates a mailbox. If it exists already, servers say NO, perhaps with
// imapwire.CodeAlreadyExists.
func (c *Client) Create(ctx context.Context, box string) error {
	return c.simple(ctx, c.mailbox(imapwire.NewCommand("CREATE"), box))
}

// Delete deletes a mailbox with all its messages.
func (c *Client) Delete(ctx context.Context, box string) error {
	return c.simple(ctx, c.mailbox(imapwire.NewCommand("DELETE"), box))
}

// Subscribe adds a mailbox to the subscribed ones.
func (c *Client) Subscribe(ctx context.Context, box string) error {
	return c.simple(ctx, c.mailbox(imapwire.NewCommand("SUBSCRIBE"), box))
}
