package imap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// maxFetch is how many messages one command reads: enough that the round trip
// between two commands does not matter, while a reader that has had enough does
// not have to wait for everything.
//
// They cannot be sent ahead. A server may work on several commands at once, as
// Dovecot does when it is faster than the line, and messages would come in
// another order than they were asked for. Only those that are asked for one by
// one, which is the exception, are singlesAhead of their answers.
const (
	maxFetch     = 2500
	singlesAhead = 2
)

// From this on it is worth a round trip to ask for compression, where that depends
// on how slow the line is: that many messages to be listed, that many to be
// fetched, that many bytes to be stored.
const (
	bulkMessages = 1000
	bulkBodies   = 20
	bulkBytes    = 64 << 10
)

// Fetch implements store.Mailbox. Where the server fails over a message, the
// others of its command may come after later ones.
func (m *mailbox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	sess, err := m.use(ctx)
	if err != nil {
		return err
	}
	if err := sess.collect(ctx); err != nil {
		return m.fail("fetching messages", err)
	}
	if len(items) >= bulkBodies {
		if err := sess.client.CompressIfSlow(ctx); err != nil {
			return m.fail("fetching messages", err)
		}
	}
	f := &fetcher{box: m, client: sess.client, sink: sink}
	if err := f.run(ctx, m.batches(items), 1); err != nil {
		return err
	}
	if err := f.shorten(ctx); err != nil {
		return err
	}
	return f.settle(ctx)
}

// shorten asks again, by shorter commands, for what the server has not sent upon
// commands that it may have refused for their length.
func (f *fetcher) shorten(ctx context.Context) error {
	lines := &f.box.store.pool.past
	for again := false; ; again = true {
		var todo []batch
		var left []unanswered
		for _, l := range f.left {
			if !lines.tooLong(l.err, l.asked) {
				left = append(left, l)
				continue
			}
			for _, set := range l.set.Split(lines.maxSet(), maxFetch) {
				todo = append(todo, batch{set, l.header})
			}
		}
		if len(todo) == 0 {
			if again && len(left) == 0 {
				lines.shortWorked()
			}
			return nil
		}
		f.left = left
		if err := f.run(ctx, todo, 1); err != nil {
			return err
		}
	}
}

// batch is what one command reads.
type batch struct {
	set    mail.UIDSet
	header bool // only
}

// batches divides the items into commands that keep their order.
func (m *mailbox) batches(items []store.FetchItem) []batch {
	var out []batch
	var cur batch
	last := mail.UID(0)
	flush := func() {
		for _, set := range cur.set.Split(m.store.pool.past.maxSet(), maxFetch) {
			out = append(out, batch{set, cur.header})
		}
		cur = batch{}
	}
	for _, it := range items {
		if it.UID <= last || it.HeaderOnly != cur.header {
			flush()
			cur.header = it.HeaderOnly
		}
		cur.set.Add(it.UID)
		last = it.UID
	}
	flush()
	return out
}

func (b batch) request() imapclient.FetchRequest {
	r := imapclient.FetchRequest{UIDs: b.set, Items: imapwire.ItemFlags | imapwire.ItemDate, Body: imapclient.FullBody}
	if b.header {
		r.Items |= imapwire.ItemSize
		r.Body = imapclient.HeaderBody
	}
	return r
}

// fetcher is a Fetch under way.
type fetcher struct {
	box    *mailbox
	client *imapclient.Client
	sink   func(*store.Incoming) error

	in store.Incoming // reused, by the reader goroutine while commands are under way

	mu      sync.Mutex
	stopped error       // of the sink
	seen    mail.UIDSet // what the sink was given

	// left are batches with what was not sent of them, and why.
	left []unanswered
}

// unanswered are messages that were not sent.
type unanswered struct {
	batch
	asked mail.UIDSet // what the command was for
	err   error       // of the command; nil if the server thinks that all is well
}

// errNoText is why a message cannot be read if the server does not say.
var errNoText = errors.New("server does not send the message")

// run reads the batches, with that many commands at a time.
func (f *fetcher) run(ctx context.Context, todo []batch, atOnce int) error {
	type running struct {
		batch
		pending *imapclient.Pending[struct{}]
	}
	var under []running
	var failed error
	wait := func() {
		r := under[0]
		under = under[1:]
		_, err := r.pending.Wait(ctx)
		if failed == nil {
			failed = f.answered(r.batch, err)
		}
	}
	for _, b := range todo {
		if len(under) == atOnce {
			wait()
		}
		if failed != nil {
			break
		}
		p, err := f.client.StartFetch(ctx, b.request(), f.deliver)
		if err != nil {
			failed = f.box.fail("reading messages", err)
			break
		}
		under = append(under, running{b, p})
	}
	for len(under) > 0 {
		wait()
	}
	return failed
}

// answered looks at the outcome of a command.
func (f *fetcher) answered(b batch, err error) error {
	// Meanwhile the next command may be bringing messages.
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil && err == f.stopped: //nolint:errorlint // is it the very same?
		return err // though it may be that of another connection
	case isLost(err):
		if !slices.ContainsFunc(b.set, func(r mail.UIDRange) bool { return f.seen.Contains(r.First) }) {
			f.box.store.pool.past.tooLong(err, b.set)
		}
		return f.box.fail("reading messages", err)
	case f.stopped != nil:
		return f.stopped
	case err != nil && !refused(err):
		return f.box.fail("reading messages", err)
	}
	rest := unanswered{batch{nil, b.header}, b.set, err}
	for u := range b.set.All() {
		if !f.seen.Contains(u) {
			rest.set.Add(u)
		}
	}
	if !rest.set.Empty() {
		f.left = append(f.left, rest)
	}
	return nil
}

// deliver hands a message to the sink, on the reader goroutine.
func (f *fetcher) deliver(msg *imapclient.Message) error {
	if msg.Body == nil || msg.Has&imapwire.ItemFlags == 0 {
		return nil // see settle
	}
	f.mu.Lock()
	stopped := f.stopped
	f.seen.Add(msg.UID)
	f.mu.Unlock()
	if stopped != nil {
		return stopped
	}
	f.in = store.Incoming{UID: msg.UID, Flags: msg.Flags, Date: msg.Date, Size: msg.Size, Body: msg.Body}
	if msg.Has&imapwire.ItemSize == 0 {
		f.in.Size = msg.BodySize
	}
	err := f.sink(&f.in)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stopped = err
	}
	return err
}

// settle deals with messages that were not sent. Those that are not there any
// more are nobody's fault; the others are asked for one by one, and those that
// do not come even then are given to the sink with an error, unless the server
// says that it cannot read them at the moment: then the call fails in the end.
func (f *fetcher) settle(ctx context.Context) error {
	left := f.left
	f.left = nil
	if len(left) == 0 {
		return nil
	}
	there, err := f.stillThere(ctx, left)
	if err != nil {
		return f.box.fail("reading messages", err)
	}
	var single []batch
	reasons := make(map[mail.UID]error)
	for _, l := range left {
		for u := range l.set.All() {
			if there.Contains(u) {
				single = append(single, batch{mail.NewUIDSet(u), l.header})
				reasons[u] = l.err
			}
		}
	}
	if err := f.run(ctx, single, singlesAhead); err != nil {
		return err
	}
	var failed error
	for _, l := range f.left {
		u := l.set[0].First
		if l.err == nil {
			l.err = reasons[u]
		}
		if l.err == nil {
			l.err = errNoText
		}
		if r := unreadable(l.err); r != ofMessage {
			failed = cmp.Or(failed, f.box.failAs(r, "reading messages", l.err))
			continue
		}
		f.in = store.Incoming{UID: u, Err: l.err}
		if err := f.sink(&f.in); err != nil {
			return err
		}
	}
	return failed
}

// stillThere asks which of the messages exist.
func (f *fetcher) stillThere(ctx context.Context, left []unanswered) (mail.UIDSet, error) {
	// Lets the server tell us what has vanished; before that it may pretend
	// otherwise.
	if err := f.client.Noop(ctx); err != nil {
		return nil, err
	}
	var all, there mail.UIDSet
	for _, l := range left {
		all.AddSet(l.set)
	}
	f.box.listing.Lock()
	defer f.box.listing.Unlock()
	err := f.box.fetchAll(ctx, f.client, want{}, all, func(msg *imapclient.Message) error {
		there.Add(msg.UID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for messages that were not sent: %w", err)
	}
	return there, nil
}
