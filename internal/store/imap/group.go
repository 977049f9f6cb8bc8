package imap

import (
	"bytes"
	"context"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// The limits of a group. A server flushes all messages of a command together, so larger groups are faster.
// But groups are kept in memory until they are answered, and fail as a whole.
const (
	maxGroup      = 100
	maxGroupBytes = 2 << 20
	maxGroupAge   = time.Second
	// groupsAhead is the number of groups without an answer while the next one is collected. It
	// suffices to keep the server busy while an answer and the next group are in transit.
	groupsAhead = 4
	// smallGroup is the size up to which the memory of a group grows gradually.
	smallGroup = 256 << 10
	// maxGroupRefusals is the number of refused groups after which messages are sent one by one.
	maxGroupRefusals = 3
	// repeatsAhead is the number of messages of a refused group that are sent without waiting for
	// answers.
	repeatsAhead = 8
)

// group are messages that one command stores (MULTIAPPEND, RFC 3502): all of them or, if it is refused,
// none.
type group struct {
	data  bytes.Buffer
	items []groupItem
	since time.Time // when the first one came
}

// groupItem is a message of a group.
type groupItem struct {
	key        int
	flags      mail.Flags
	date       time.Time
	begin, end int // in data
}

// message returns a message of the group for the client.
func (g *group) message(i int) imapclient.AppendMessage {
	it := g.items[i]
	body := g.data.Bytes()[it.begin:it.end]
	return imapclient.AppendMessage{Flags: it.flags, Date: it.date, Size: int64(len(body)), Body: bytes.NewReader(body)}
}

// messages returns all of them.
func (g *group) messages() []imapclient.AppendMessage {
	out := make([]imapclient.AppendMessage, len(g.items))
	for i := range out {
		out[i] = g.message(i)
	}
	return out
}

// add adds a message. If the message cannot be read, the group does not change.
func (g *group) add(o *store.Outgoing, flags mail.Flags) error {
	begin := g.data.Len()
	if begin+int(o.Size) > smallGroup {
		g.data.Grow(maxGroupBytes - begin)
	}
	_, err := o.Body.WriteTo(&g.data)
	if err == nil && int64(g.data.Len()-begin) != o.Size {
		err = errWrongSize
	}
	if err != nil {
		g.data.Truncate(begin)
		return bodyError(err)
	}
	if len(g.items) == 0 {
		g.since = time.Now()
	}
	g.items = append(g.items, groupItem{key: o.Key, flags: flags, date: o.Date, begin: begin, end: g.data.Len()})
	return nil
}

// full reports whether a message of that size should be in the next group.
func (g *group) full(size int64) bool {
	return len(g.items) == maxGroup || len(g.items) > 0 && int64(g.data.Len())+size > maxGroupBytes
}

// gathering reports whether messages are stored in groups.
func (a *appender) gathering() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gathers
}

// gather adds a message to the next group.
func (a *appender) gather(ctx context.Context, c *imapclient.Client, o *store.Outgoing) error {
	if g := a.group; g != nil && (g.full(o.Size) || len(g.items) > 0 && time.Since(g.since) > maxGroupAge) {
		if err := a.sendGroup(ctx, c); err != nil {
			return err
		}
	}
	if a.group == nil {
		a.group = a.newGroup()
	}
	return a.group.add(o, o.Flags&a.box.Info().Flags)
}

// newGroup returns an empty group.
func (a *appender) newGroup() *group {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.spare)
	if n == 0 {
		return new(group)
	}
	g := a.spare[n-1]
	a.spare = a.spare[:n-1]
	g.data.Reset()
	g.items = g.items[:0]
	return g
}

// sendGroup sends the current group.
func (a *appender) sendGroup(ctx context.Context, c *imapclient.Client) error {
	g := a.group
	if g == nil || len(g.items) == 0 {
		return nil
	}
	// Limit the number of groups without an answer: they must be kept in memory until it is known
	// that they need not be sent again.
	if err := a.await(ctx, groupsAhead-1); err != nil {
		return err
	}
	a.group = nil
	if len(g.items) > 1 && a.gathering() {
		p, err := c.StartAppend(ctx, a.box.name, g.messages()...)
		if err != nil {
			return a.box.fail("storing messages", err)
		}
		a.enqueue(&sent{group: g, pending: p, client: c})
		return nil
	}
	for i, it := range g.items {
		p, err := c.StartAppend(ctx, a.box.name, g.message(i))
		if err != nil {
			return a.box.fail("storing messages", err)
		}
		a.enqueue(&sent{key: it.key, pending: p, client: c})
	}
	return nil
}

// sendRest sends the last group.
func (a *appender) sendRest(ctx context.Context) error {
	if err := a.failure(); err != nil || a.group == nil {
		return err
	}
	sess, err := a.box.use(ctx)
	if err != nil {
		return err
	}
	return a.sendGroup(ctx, sess.Client)
}

// groupAnswered handles the server's answer to a group. An error means that no more messages can be
// stored.
func (a *appender) groupAnswered(ctx context.Context, s *sent, got *imapclient.Appended, err error) error {
	m := a.box
	if err != nil {
		m.noteUnknown()
	}
	switch {
	case err == nil:
		var uids []mail.UID
		if a.told(got) {
			if got.UIDValidity != m.Info().UIDValidity {
				return m.fail("storing messages", errNewValidity)
			}
			uids = got.Each()
		}
		if uids == nil {
			m.noteUnknown()
		}
		m.noteStored(uids...)
		for i, it := range s.group.items {
			uid := mail.UID(0)
			if uids != nil {
				uid = uids[i]
			}
			a.stored(it.key, uid, i+1 < len(s.group.items))
		}
		return nil
	case !refused(err),
		imapclient.HasCode(err, imapwire.CodeTryCreate), imapclient.HasCode(err, imapwire.CodeNonexistent):
		return a.answered(s.group.items[0].key, got, err)
	}
	return a.repeat(ctx, s)
}

// repeat stores the messages of a refused group one by one, so that each gets its own result. None of them
// has been stored: the extension guarantees that.
func (a *appender) repeat(ctx context.Context, s *sent) error {
	var under []sent
	stored := 0
	wait := func() error {
		got, err := under[0].pending.Wait(ctx)
		key := under[0].key
		under = under[1:]
		if err == nil {
			stored++
		}
		return a.answered(key, &got, err)
	}
	var failed error
	for i, it := range s.group.items {
		if len(under) == repeatsAhead {
			if failed = wait(); failed != nil {
				break
			}
		}
		p, err := s.client.StartAppend(ctx, a.box.name, s.group.message(i))
		if err != nil {
			failed = a.box.fail("storing messages", err)
			break
		}
		under = append(under, sent{key: it.key, pending: p})
	}
	for len(under) > 0 {
		if failed == nil {
			failed = wait()
			continue
		}
		// As in complete: what is known to be stored is told in any case.
		got, err := under[0].pending.Wait(ctx)
		if err == nil {
			_ = a.answered(under[0].key, &got, nil)
		}
		under = under[1:]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals++
	if stored == len(s.group.items) || a.refusals == maxGroupRefusals {
		a.gathers = false // it was about the group
	}
	return failed
}
