package imapclient

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// Limits of the data that is kept for messages that arrive in several responses.
const (
	maxHeldBodies = 16
	maxHeld       = 10_000
)

// BodyKind is the part of messages to fetch.
type BodyKind uint8

// The parts of a message. All leave \Seen alone.
const (
	NoBody     BodyKind = iota
	FullBody            // BODY.PEEK[]
	HeaderBody          // BODY.PEEK[HEADER]
	FieldsBody          // BODY.PEEK[HEADER.FIELDS (…)]
)

// FetchRequest describes a FETCH.
type FetchRequest struct {
	UIDs mail.UIDSet
	// Last requests only the last message of the mailbox, "*", if it is in UIDs.
	Last bool
	// Items to fetch besides the UID: ItemFlags, ItemDate, ItemSize,
	// ItemModSeq.
	Items imapwire.Items
	Body  BodyKind
	// Upto, with FullBody and unless 0, limits the body to this number of bytes. A server may send more
	// nevertheless.
	Upto uint32
	// Fields are the names of the header fields for FieldsBody.
	Fields []string
	// ChangedSince, unless 0, leaves out messages that have not changed since
	// (CONDSTORE).
	ChangedSince mail.ModSeq
	// Vanished, with ChangedSince, also requests the UIDs that were expunged since. QRESYNC must be
	// enabled. Vanished is called with them on the reader goroutine.
	Vanished func(mail.UIDSet)
	// Done, if not nil, is called on the reader goroutine when the command has ended,
	// before any later response is handled. err is the error that Wait returns.
	Done func(err error)
}

// Message is a message that is being fetched. It is valid only until the sink returns.
type Message struct {
	imapwire.Fetch
	// Body contains the requested part, which has BodySize bytes; nil: the server has sent none.
	// Usually it is also an io.WriterTo, so that io.Copy needs no buffer.
	Body     io.Reader
	BodySize int64
}

// Fetch is StartFetch and Wait.
func (c *Client) Fetch(ctx context.Context, req FetchRequest, sink func(*Message) error) error {
	p, err := c.StartFetch(ctx, req, sink)
	if err != nil {
		return err
	}
	_, err = p.Wait(ctx)
	return err
}

// StartFetch starts a UID FETCH. The sink is called on the reader goroutine for
// each message, while its body arrives.
//
// Only messages of req.UIDs are delivered, in the order of the server. Message.Has are the items that the server
// has sent, usually all requested ones. If the items of a message arrive in several responses, or the body arrives
// first, they are collected (a large body in a spool file). Incomplete messages are delivered at the end. So the
// sink must check Has and Body: if Body is nil, the message exists, but the server has sent no body.
//
// If the flags of a message change meanwhile, a request without a body may deliver the message again. The later data
// is newer. A body is delivered once.
//
// Wait returns an error of the sink. Later messages are skipped then.
func (c *Client) StartFetch(ctx context.Context, req FetchRequest, sink func(*Message) error) (*Pending[struct{}], error) {
	f := &fetch{req: req, sink: sink, want: req.Items&^imapwire.ItemNilBody | imapwire.ItemUID}
	f.want &^= imapwire.ItemBody
	if req.ChangedSince > 0 {
		f.want |= imapwire.ItemModSeq
	}
	cmd := &command{fetch: f}
	if req.Done != nil {
		cmd.ended = func() { req.Done(cmd.err) }
	}
	if req.ChangedSince > 0 {
		// Messages that are missing in the answer count as unchanged.
		cmd.answers = []imapwire.Kind{imapwire.KindFetch, imapwire.KindVanished}
	}
	if req.Vanished != nil {
		cmd.data = func(r *imapwire.Response, _ bool) bool {
			if r.Kind != imapwire.KindVanished || !r.Earlier {
				return false
			}
			req.Vanished(r.UIDs)
			return true
		}
	}
	return begin(ctx, c, cmd, f.command(), new(struct{}))
}

// command returns the IMAP command for the request.
func (f *fetch) command() *imapwire.Command {
	items := []string{"UID"}
	for _, it := range []struct {
		item imapwire.Items
		name string
	}{
		{imapwire.ItemFlags, "FLAGS"},
		{imapwire.ItemModSeq, "MODSEQ"},
		{imapwire.ItemDate, "INTERNALDATE"},
		{imapwire.ItemSize, "RFC822.SIZE"},
	} {
		// CHANGEDSINCE implies MODSEQ (RFC 7162 §3.1.4.1).
		if f.req.Items&it.item != 0 {
			items = append(items, it.name)
		}
	}
	switch f.req.Body {
	case FullBody:
		item := "BODY.PEEK[]"
		if f.req.Upto > 0 {
			item += "<0." + strconv.FormatUint(uint64(f.req.Upto), 10) + ">"
		}
		items = append(items, item)
	case HeaderBody:
		items = append(items, "BODY.PEEK[HEADER]")
	case FieldsBody:
		items = append(items, "BODY.PEEK[HEADER.FIELDS ("+strings.Join(f.req.Fields, " ")+")]")
	}
	text := imapwire.NewCommand("UID FETCH")
	if f.req.Last {
		text.Raw("*")
	} else {
		text.Set(f.req.UIDs)
	}
	text.Raw("(" + strings.Join(items, " ") + ")")
	if f.req.ChangedSince > 0 {
		mod := "(CHANGEDSINCE " + strconv.FormatUint(uint64(f.req.ChangedSince), 10)
		if f.req.Vanished != nil {
			mod += " VANISHED"
		}
		text.Raw(mod + ")")
	}
	return text
}

// A fetch is a FETCH in progress. Only the reader goroutine uses it.
type fetch struct {
	req  FetchRequest
	sink func(*Message) error
	want imapwire.Items // what each message should have, but for the body
	err  error          // of the sink
	msg  Message        // reused

	// bodies are the messages whose body was delivered.
	bodies mail.UIDSet
	taken  tally // responses
	begun  bool  // something has been delivered
	// held are incomplete messages. order has them in the order of their first responses, and some that
	// are released already.
	held       map[mail.UID]*partial
	order      []*partial
	heldBodies int
}

// A partial is a message of which some items have arrived.
type partial struct {
	imapwire.Fetch
	body     *spool
	released bool
}

// incoming is the FETCH response that is being read.
type incoming struct {
	delivered bool     // it is dealt with
	body      *spool   // set aside
	kind      BodyKind // what that is
	sink      *fetch   // whose sink was called with the body
}

// drop drops the body.
func (in *incoming) drop() {
	in.body.close()
	*in = incoming{}
}

// wants reports whether a section is the requested one.
func (f *fetch) wants(s imapwire.Section) bool {
	if s.Partial && (f.req.Upto == 0 || s.Origin != 0) {
		return false
	}
	switch f.req.Body {
	case FullBody:
		return s.Kind == imapwire.SectionAll
	case HeaderBody:
		return s.Kind == imapwire.SectionHeader
	case FieldsBody:
		return s.Kind == imapwire.SectionFields
	}
	return false
}

// body is called when a body begins to arrive.
func (c *Client) body(m *imapwire.Fetch, s imapwire.Section, lit *imapwire.Literal) {
	if c.cur.delivered || c.cur.body != nil {
		return // a second one: nobody asked for that
	}
	for _, cmd := range c.aboutSelected() {
		f := cmd.fetch
		if f == nil || !f.wants(s) {
			continue
		}
		known := m.Has&imapwire.ItemUID != 0
		if known && (!f.req.UIDs.Contains(m.UID) || f.bodies.Contains(m.UID)) {
			continue
		}
		if f.err != nil {
			c.cur.delivered = known
			return
		}
		whole := *m
		held := f.held[m.UID]
		if known && held != nil {
			whole = merged(held.Fetch, *m)
		}
		if known && whole.Has&f.want == f.want {
			if held != nil {
				held.body.close() // superseded
				f.remove(held)
			}
			c.cur.delivered, c.cur.sink = true, f
			c.link.Use(func() { f.deliver(&whole, lit, lit.Size()) })
			c.link.Progress()
			return
		}
		c.cur.kind = f.req.Body
		c.cur.body = newSpool(c.opts.Spool)
		c.link.Use(func() { c.cur.body.fill(lit) })
		return
	}
}

// fetched is called with each FETCH response when it is complete.
func (c *Client) fetched(r *imapwire.Response) {
	if c.cur.delivered {
		return
	}
	m := &r.Fetch
	body := c.cur.body
	c.cur.body = nil
	queue := c.aboutSelected()
	if len(queue) > 0 && queue[0].fetch == nil && queue[0].data != nil && queue[0].data(r, true) {
		// A SELECT with QRESYNC.
		c.took(&queue[0].taken, maxFetched)
		body.close()
		return
	}
	if m.Has&imapwire.ItemUID != 0 && m.UID != 0 {
		if f := c.recipient(queue, m, body); f != nil {
			c.took(&f.taken, maxFetched)
			c.link.Use(func() { f.take(m, body) })
			return
		}
	}
	body.close()
	if m.Has&imapwire.ItemUID != 0 && m.UID == 0 {
		c.unknown("FETCH", errZeroUID)
	}
	c.reported(imapwire.KindFetch)
	if c.opts.Hooks.Fetch != nil {
		c.opts.Hooks.Fetch(m)
	}
}

// recipient returns the command that a response belongs to: the oldest command for which the response completes the
// message, otherwise the oldest command that requested it.
func (c *Client) recipient(queue []*command, m *imapwire.Fetch, body *spool) *fetch {
	var first *fetch
	for _, cmd := range queue {
		f := cmd.fetch
		if f == nil || body != nil && f.req.Body != c.cur.kind || !f.req.UIDs.Contains(m.UID) {
			continue
		}
		if m.Has&f.want == f.want && (body != nil || f.req.Body == NoBody) {
			return f
		}
		if first == nil {
			first = f
		}
	}
	return first
}

// take handles a response about a requested message.
func (f *fetch) take(m *imapwire.Fetch, body *spool) {
	if f.err != nil {
		body.close()
		return
	}
	if f.bodies.Contains(m.UID) {
		body.close()
		return // perhaps its flags have changed meanwhile
	}
	held := f.held[m.UID]
	if held == nil {
		if m.Has&f.want == f.want && (body != nil || f.req.Body == NoBody) {
			f.deliverSpool(m, body)
			return
		}
		held = f.hold(m.UID)
	}
	held.Fetch = merged(held.Fetch, *m)
	if body != nil {
		if held.body == nil {
			f.heldBodies++
		}
		held.body.close()
		held.body = body
	}
	if held.Has&f.want == f.want && (held.body != nil || f.req.Body == NoBody) {
		f.release(held)
	}
	for f.heldBodies > maxHeldBodies || len(f.held) > maxHeld {
		f.releaseOldest()
	}
}

// hold begins to collect the items of a message.
func (f *fetch) hold(uid mail.UID) *partial {
	if f.held == nil {
		f.held = make(map[mail.UID]*partial)
	}
	if len(f.order) >= 2*len(f.held)+100 {
		f.order = slices.DeleteFunc(f.order, func(p *partial) bool { return p.released })
	}
	p := new(partial)
	f.held[uid] = p
	f.order = append(f.order, p)
	return p
}

// merged adds the items of m to those of old.
func merged(old, m imapwire.Fetch) imapwire.Fetch {
	if m.Has&imapwire.ItemFlags == 0 {
		m.Flags = old.Flags
	}
	if m.Has&imapwire.ItemModSeq == 0 {
		m.ModSeq = old.ModSeq
	}
	if m.Has&imapwire.ItemDate == 0 {
		m.Date = old.Date
	}
	if m.Has&imapwire.ItemSize == 0 {
		m.Size = old.Size
	}
	m.Has |= old.Has
	return m
}

// deliver passes a message to the sink.
func (f *fetch) deliver(m *imapwire.Fetch, body io.Reader, size int64) {
	f.begun = true
	f.msg = Message{Fetch: *m, Body: body, BodySize: size}
	if body != nil {
		f.bodies.Add(m.UID)
	} else {
		f.msg.Has &^= imapwire.ItemBody
	}
	f.err = f.sink(&f.msg)
	f.msg = Message{}
}

func (f *fetch) deliverSpool(m *imapwire.Fetch, body *spool) {
	defer body.close()
	if body == nil {
		f.deliver(m, nil, 0)
		return
	}
	r, err := body.reader()
	if err != nil {
		f.err = err
		return
	}
	f.deliver(m, r, body.size)
}

// remove removes a held message, but keeps its body.
func (f *fetch) remove(p *partial) {
	delete(f.held, p.UID)
	p.released = true
	if p.body != nil {
		f.heldBodies--
	}
}

// release delivers a held message with its current items.
func (f *fetch) release(p *partial) {
	f.remove(p)
	if f.err != nil {
		p.body.close()
		return
	}
	f.deliverSpool(&p.Fetch, p.body)
}

func (f *fetch) releaseOldest() {
	p := f.order[0]
	f.order = f.order[1:]
	if !p.released {
		f.release(p)
	}
}

// complete delivers all held messages, when the server has completed the command.
func (f *fetch) complete() {
	for len(f.order) > 0 {
		f.releaseOldest()
	}
}

// drop drops all held messages.
func (f *fetch) drop() {
	for _, p := range f.held {
		p.body.close()
	}
	f.held, f.order, f.heldBodies = nil, nil, 0
}

var errZeroUID = errors.New("a message has the UID 0")
