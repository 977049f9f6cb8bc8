package imapclient

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"isync/internal/imapwire"
)

// maxListBytes is the maximum size of the answer to a LIST in memory. While a list grows, it takes up to three times
// that, until garbage is collected.
const maxListBytes = 16 << 20

// The memory in addition to the text.
const (
	entryBytes = 100 // for a mailbox
	attrBytes  = 24  // for an attribute
)

// ListRequest says which mailboxes to list.
type ListRequest struct {
	// Ref is the reference name, usually "".
	Ref string
	// Patterns are mailbox names with "*" and "%". More than one requires LIST-EXTENDED.
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

// HasAttr reports whether the mailbox has an attribute, in any case.
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
	text, kind, err := c.listCommand(req)
	if err != nil {
		return nil, err
	}
	l := &listing{c: c, kind: kind, status: req.Status != 0}
	return begin(ctx, c, &command{data: l.data, completed: l.completed, answers: []imapwire.Kind{kind}}, text, &l.entries)
}

// ListText returns the command that StartList would send now, without its tag; "" if it
// cannot be sent in one line.
func (c *Client) ListText(req ListRequest) string {
	text, _, err := c.listCommand(req)
	if err != nil {
		return ""
	}
	return text.Line()
}

// listCommand returns the command and the kind of its responses.
func (c *Client) listCommand(req ListRequest) (*imapwire.Command, imapwire.Kind, error) {
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
	c.names.add(text, req.Ref)
	if err := c.patterns(text, req.Patterns); err != nil {
		return nil, kind, fmt.Errorf("%s: %w", verb, err)
	}
	ret := req.Return
	if req.Status != 0 {
		ret = append(ret[:len(ret):len(ret)], "STATUS ("+boxItems(req.Status)+")")
	}
	if len(ret) > 0 {
		text.Raw("RETURN (" + strings.Join(ret, " ") + ")")
	}
	return text, kind, nil
}

// patterns adds the patterns of a LIST.
func (c *Client) patterns(text *imapwire.Command, patterns []string) error {
	if len(patterns) == 1 {
		c.names.add(text, patterns[0])
		return nil
	}
	list := []byte{'('}
	for i, p := range patterns {
		if i > 0 {
			list = append(list, ' ')
		}
		p, err := c.names.encode(p)
		if err != nil {
			return err
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
		if l.c.names.utf8.Load() {
			l.c.names.ampersands.learn(e.raw)
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

// completed decodes the listed names, since it is known now how the server encodes them.
func (l *listing) completed(*imapwire.Response) error {
	var raw []*ListEntry
	plain := !l.c.names.utf8.Load()
	for i := range l.entries {
		e := &l.entries[i]
		e.Name, e.Err = l.c.names.decode(e.raw)
		switch {
		case e.Err != nil:
			e.Name = e.raw
			if plain && !strings.ContainsFunc(e.raw, unicode.IsControl) {
				raw = append(raw, e)
			}
		case plain:
			l.c.names.ampersands.noteName(e.Name, false)
		}
	}
	for _, e := range raw {
		if l.c.names.ampersands.noteName(e.raw, true) {
			e.Err = nil
		}
	}
	return l.err
}
