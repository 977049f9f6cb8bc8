package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap/listing"
)

// A command requests as many messages as arrive in fetchTime, so that the round trips between commands do
// not matter. A caller that stops early does not have to wait much longer than that for the rest of the
// answer.
//
// The next command is sent after the answer to the last one. A server may process several commands at the
// same time, as Dovecot does if it is faster than the line. Then messages would arrive in another order
// than requested.
const (
	firstFetch = 500
	maxFetch   = 10_000
	fetchTime  = 10 * time.Second
)

// nextFetch returns the number of messages for the next command, if the last one took that time for n
// messages.
func nextFetch(n uint64, took time.Duration) uint64 {
	perMessage := took / time.Duration(max(n, 1))
	if perMessage <= fetchTime/maxFetch {
		return maxFetch
	}
	return max(uint64(fetchTime/perMessage), firstFetch)
}

// From these numbers on, measuring the line for compression is worth a round trip: the number of messages
// to list, of messages to fetch, and of bytes to store.
const (
	bulkMessages = 1000
	bulkBodies   = 20
	bulkBytes    = 64 << 10
)

// Fetch implements store.Mailbox. If the server fails because of a message, the other messages of the
// command may come after later ones.
func (m *mailbox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	m.fetchPipelined(ctx, items)
	for {
		var next *prefetched
		n := 0
		for ; n < len(items) && next == nil; n++ {
			next = m.takePrefetched(items[n])
		}
		asked := items[:n]
		if next != nil {
			asked = asked[:n-1]
		}
		if next == nil || len(asked) > 0 {
			if err := m.fetch(ctx, asked, sink); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		if err := m.isOpen(ctx); err != nil {
			return err
		}
		if err := sink(next.incoming()); err != nil {
			return err
		}
		if items = items[n:]; len(items) == 0 {
			return nil
		}
	}
}

// fetch is Fetch for messages that must be requested.
func (m *mailbox) fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	sess, err := m.use(ctx)
	if err != nil {
		return err
	}
	if err := sess.ShowAppended(ctx); err != nil {
		return m.fail("fetching messages", err)
	}
	if len(items) >= bulkBodies {
		if err := sess.Client.CompressIfSlow(ctx); err != nil {
			return m.fail("fetching messages", err)
		}
	}
	f := &fetcher{box: m, client: sess.Client, sink: sink, listed: make(map[mail.UID]mail.Flags)}
	for _, it := range items {
		if it.Flags != 0 {
			f.listed[it.UID] = it.Flags
		}
	}
	limit := uint64(firstFetch)
	for _, b := range batches(items) {
		for !b.set.Empty() {
			next := batch{header: b.header}
			next.set, b.set = b.set.SplitOff(m.store.sets.maxSet(), f.sample(limit))
			begin := m.store.opts.now()
			if err := f.run(ctx, []batch{next}, 1); err != nil {
				return err
			}
			limit = nextFetch(next.set.Len(), m.store.opts.now().Sub(begin))
			if !b.set.Empty() {
				// Between two commands.
				if err := sess.Client.CompressIfSlow(ctx); err != nil {
					return m.fail("fetching messages", err)
				}
			}
			if err := f.shorten(ctx); err != nil {
				return err
			}
			if err := f.settle(ctx); err != nil {
				return err
			}
		}
	}
	return f.tellRefused()
}

// firstSample is the number of messages of the first command while it is not known whether the line is
// slow.
const firstSample = 32

// sample returns the number of messages for the next command, at most limit. While it is not known whether
// the line is slow, it returns only as many as the measurement needs, so that compression can be turned on
// before the rest is read.
func (f *fetcher) sample(limit uint64) uint64 {
	missing := f.client.Unmeasured()
	if missing == 0 {
		return limit
	}
	n := uint64(firstSample)
	f.mu.Lock()
	defer f.mu.Unlock()
	if count := f.seen.Len(); count > 0 && f.bytes > 0 {
		n = max(n, uint64(missing+missing/4)*count/uint64(f.bytes))
	}
	return min(n, limit)
}

// shorten uses shorter commands to fetch the messages of commands that the server may
// have refused because of their length.
func (f *fetcher) shorten(ctx context.Context) error {
	sets := f.box.store.sets
	for again := false; ; again = true {
		var todo []batch
		var left []unanswered
		for _, l := range f.left {
			if !sets.tooLong(l.err, l.asked) {
				left = append(left, l)
				continue
			}
			for _, set := range l.set.Split(sets.maxSet(), maxFetch) {
				todo = append(todo, batch{set: set, header: l.header, sized: l.sized})
			}
		}
		if len(todo) == 0 {
			if again && len(left) == 0 {
				sets.shortWorked()
			}
			return nil
		}
		f.left = left
		if err := f.run(ctx, todo, 1); err != nil {
			return err
		}
	}
}

// batch are the messages of a command.
type batch struct {
	set    mail.UIDSet
	header bool // only
	sized  bool // the size is wanted, as the body may be empty by mistake
}

// batches divides the items into sets that a command can request in the given order.
func batches(items []store.FetchItem) []batch {
	var out []batch
	var cur batch
	last := mail.UID(0)
	flush := func() {
		if !cur.set.Empty() {
			out = append(out, cur)
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
		r.Body = imapclient.HeaderBody
	}
	if b.header || b.sized {
		r.Items |= imapwire.ItemSize
	}
	return r
}

// fetcher is a Fetch in progress.
type fetcher struct {
	box    *mailbox
	client *imapclient.Client
	sink   func(*store.Incoming) error
	// listed are flags of messages, for servers that do not send them along.
	listed map[mail.UID]mail.Flags
	// row are messages that were not sent since the last sent one.
	row []unanswered

	in store.Incoming // reused, by the reader goroutine while commands are under way

	mu      sync.Mutex
	stopped error       // of the sink
	seen    mail.UIDSet // what the sink was given
	bytes   int64       // of that

	// left are batches with the messages that were not sent, and why.
	left []unanswered
}

// unanswered are messages that were not sent.
type unanswered struct {
	batch
	asked mail.UIDSet // what the command was for
	err   error       // of the command; nil if the server answered OK
}

// errNoText is the reason why a message cannot be read, if the server gives none.
var errNoText = errors.New("server does not send the body of the message")

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

// answered handles the result of a command.
func (f *fetcher) answered(b batch, err error) error {
	// Meanwhile, messages of the next command may arrive.
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil && err == f.stopped: //nolint:errorlint // is it the very same?
		return err // though it may be that of another connection
	case isLost(err):
		if !slices.ContainsFunc(b.set, func(r mail.UIDRange) bool { return f.seen.Contains(r.First) }) {
			f.box.store.sets.tooLong(err, b.set)
		}
		return f.box.fail("reading messages", err)
	case f.stopped != nil:
		return f.stopped
	case err != nil && !refused(err):
		return f.box.fail("reading messages", err)
	}
	rest := unanswered{batch{header: b.header, sized: b.sized}, b.set, err}
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

// deliver passes a message to the sink, on the reader goroutine.
func (f *fetcher) deliver(msg *imapclient.Message) error {
	if msg.Body == nil {
		return nil // see settle
	}
	if msg.BodySize == 0 && (msg.Has&imapwire.ItemSize == 0 || msg.Size > 0) {
		return nil // it is asked for again, with its size
	}
	if msg.Has&imapwire.ItemFlags == 0 {
		msg.Flags = f.listed[msg.UID]
	}
	f.mu.Lock()
	stopped := f.stopped
	f.seen.Add(msg.UID)
	f.bytes += msg.BodySize
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

// settle handles messages that were not sent. Messages that no longer exist are
// skipped. The others are fetched again in two halves, and so on, until the messages
// that the server does not send are found. These are given to the sink with an error.
// A refusal that concerns the mailbox or the account ends this.
func (f *fetcher) settle(ctx context.Context) error {
	todo := f.left
	f.left = nil
	if len(todo) == 0 {
		return nil
	}
	for _, l := range todo {
		if r := unreadable(l.err); r != ofMessage {
			return f.box.failAs(r, "reading messages", l.err)
		}
	}
	there, err := f.stillThere(ctx, todo)
	if err != nil {
		return f.box.failAs(unreadable(err), "reading messages", err)
	}
	for i := range todo {
		todo[i].set = keepUIDs(todo[i].set, there)
	}
	for len(todo) > 0 {
		l := todo[0]
		todo = todo[1:]
		if l.set.Empty() {
			continue
		}
		parts := halves(l.set)
		var more []unanswered
		for _, part := range parts {
			rest, err := f.ask(ctx, batch{set: part, header: l.header, sized: true}, l.err)
			if err != nil {
				return err
			}
			switch {
			case rest == nil:
			case len(parts) == 1 || rest.set.Len() == 1 && part.Len() == 1:
				if err := f.notSent(ctx, *rest, todo); err != nil {
					return err
				}
			default:
				more = append(more, *rest)
			}
		}
		todo = append(more, todo...)
	}
	return nil
}

// halves divides a set into two of the same size; a single message is not divided.
func halves(set mail.UIDSet) []mail.UIDSet {
	n := set.Len()
	if n == 1 {
		return []mail.UIDSet{set}
	}
	var first, second mail.UIDSet
	left := n / 2
	for _, r := range set {
		switch k := r.Len(); {
		case left == 0:
			second = append(second, r)
		case k <= left:
			first = append(first, r)
			left -= k
		default:
			mid := r.First + mail.UID(left)
			first.AddRange(r.First, mid-1)
			second.AddRange(mid, r.Last)
			left = 0
		}
	}
	return []mail.UIDSet{first, second}
}

// keepUIDs returns the UIDs that are in both sets.
func keepUIDs(set, in mail.UIDSet) mail.UIDSet {
	return set.Without(set.Without(in))
}

// ask fetches messages again. It returns those that were not sent, nil if all were
// sent. why is the earlier reason.
func (f *fetcher) ask(ctx context.Context, b batch, why error) (*unanswered, error) {
	f.mu.Lock()
	before := f.seen.Len()
	f.mu.Unlock()
	if err := f.run(ctx, []batch{b}, 1); err != nil {
		return nil, err
	}
	left := f.left
	f.left = nil
	f.mu.Lock()
	worked := f.seen.Len() > before
	f.mu.Unlock()
	if worked {
		if err := f.tellRefused(); err != nil {
			return nil, err
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	rest := left[0]
	if rest.err == nil {
		rest.err = why
	}
	if r := unreadable(rest.err); r != ofMessage {
		return nil, f.box.failAs(r, "reading messages", rest.err)
	}
	return &rest, nil
}

// notSent notes a message that the server does not send in a command for it alone. If
// this happens several times in a row, the cause is not the single message, unless the
// last of the remaining messages is sent.
func (f *fetcher) notSent(ctx context.Context, l unanswered, todo []unanswered) error {
	f.row = append(f.row, l)
	if certain(l.err) || len(f.row) < maxRefused {
		return nil
	}
	for i := len(todo) - 1; i >= 0; i-- {
		set := todo[i].set
		if set.Empty() {
			continue
		}
		last := mail.NewUIDSet(set[len(set)-1].Last)
		rest, err := f.ask(ctx, batch{set: last, header: todo[i].header, sized: true}, todo[i].err)
		if err != nil || rest == nil {
			if err == nil {
				todo[i].set = set.Without(last)
			}
			return err
		}
		return f.inARow(l.err)
	}
	return nil // there are no more, so that nothing depends on it
}

// inARow fails, as too many messages were not sent.
func (f *fetcher) inARow(why error) error {
	if why == nil {
		why = errNoText
	}
	n := len(f.row)
	f.row = nil
	return f.box.fail("reading messages", fmt.Errorf("%d messages in a row failed: %w", n, why))
}

// tellRefused passes the messages that were not sent to the sink, with an error.
func (f *fetcher) tellRefused() error {
	row := f.row
	f.row = nil
	for _, l := range row {
		if l.err == nil {
			l.err = errNoText
		}
		f.in = store.Incoming{UID: l.set[0].First, Err: judged(l.err)}
		if err := f.sink(&f.in); err != nil {
			return err
		}
	}
	return nil
}

// stillThere asks which of the messages exist.
func (f *fetcher) stillThere(ctx context.Context, left []unanswered) (mail.UIDSet, error) {
	// Let the server report expunged messages. Before that, it may treat them as existing.
	if err := f.client.Noop(ctx); err != nil {
		return nil, err
	}
	var all, there mail.UIDSet
	for _, l := range left {
		all.AddSet(l.set)
	}
	f.box.scanning.Lock()
	defer f.box.scanning.Unlock()
	err := f.box.fetchAll(ctx, f.client, listing.Want{}, all, func(msg *imapclient.Message) error {
		there.Add(msg.UID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for messages that were not sent: %w", err)
	}
	return there, nil
}
