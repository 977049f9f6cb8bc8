package cli

import (
	"context"
	"fmt"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/ui"
)

// traceStore traces the calls of a store if debug output is enabled.
func traceStore(st store.Store, p *reporter) store.Store {
	if !p.debugs(event.DebugDriver) {
		return st
	}
	return tracedStore{st, p}
}

// tracedStore traces the calls of a store.
type tracedStore struct {
	store.Store
	p *reporter
}

// Unwrap implements store.Wrapper.
func (t tracedStore) Unwrap() any { return t.Store }

// trace prints a call and its result.
func (t tracedStore) trace(err error, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if err != nil {
		text += ": " + ui.OneLine(err.Error())
	}
	t.p.debugf(event.DebugDriver, "%s: %s", t.Name(), text)
}

// item prints a line about a single message.
func (t tracedStore) item(err error, format string, args ...any) {
	if err != nil {
		format += ": %v"
		args = append(args, err)
	}
	t.p.debugf(event.DebugDriverAll, "%s: "+format, append([]any{t.Name()}, args...)...)
}

func (t tracedStore) Caps(ctx context.Context) (store.Caps, error) {
	c, err := t.Store.Caps(ctx)
	t.trace(err, "caps: %+v", c)
	return c, err
}

func (t tracedStore) List(ctx context.Context, req store.ListRequest) ([]store.Box, error) {
	boxes, err := t.Store.List(ctx, req)
	t.trace(err, "list (inbox %v, others %v): %d mailbox(es)", req.Inbox, req.Others, len(boxes))
	for _, b := range boxes {
		t.item(nil, "listed '%s'", b.Name)
	}
	return boxes, err
}

func (t tracedStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	b, err := t.Store.Open(ctx, box, req)
	if err != nil {
		t.trace(err, "open '%s'", box)
		return nil, err
	}
	info := b.Info()
	t.trace(nil, "open '%s': UIDVALIDITY %d, UIDNEXT %d, flags %s", box, info.UIDValidity, info.UIDNext, info.Flags)
	tb := tracedBox{b, t, box}
	if tr, ok := store.As[store.Trasher](b); ok {
		return tracedTrasher{tb, tr}, nil
	}
	return tb, nil
}

func (t tracedStore) Create(ctx context.Context, box string) error {
	err := t.Store.Create(ctx, box)
	t.trace(err, "create '%s'", box)
	return err
}

func (t tracedStore) Delete(ctx context.Context, box string) error {
	err := t.Store.Delete(ctx, box)
	t.trace(err, "delete '%s'", box)
	return err
}

func (t tracedStore) Close() error {
	err := t.Store.Close()
	t.trace(err, "close")
	return err
}

// tracedBox traces the calls of a mailbox.
type tracedBox struct {
	store.Mailbox
	tracedStore tracedStore
	name        string
}

// Unwrap implements store.Wrapper.
func (b tracedBox) Unwrap() any { return b.Mailbox }

func (b tracedBox) trace(err error, format string, args ...any) {
	b.tracedStore.trace(err, "'%s': "+format, append([]any{b.name}, args...)...)
}

func (b tracedBox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	l, err := b.Mailbox.Scan(ctx, need)
	n := 0
	if l != nil {
		n = len(l.Messages)
	}
	b.trace(err, "scan %v (flags %v, sizes from %d, TUIDs %v, Message-IDs %v): %d message(s)",
		need.UIDs, need.Flags, need.SizesFrom, need.TUIDs, need.MessageIDs, n)
	if l != nil && b.tracedStore.p.debugs(event.DebugDriverAll) {
		for _, m := range l.Messages {
			b.tracedStore.item(nil, "'%s': UID %d, flags %s, size %d", b.name, m.UID, m.Flags, m.Size)
		}
	}
	return l, err
}

func (b tracedBox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	b.trace(nil, "fetch %d message(s)", len(items))
	err := b.Mailbox.Fetch(ctx, items, func(m *store.Incoming) error {
		b.tracedStore.item(m.Err, "'%s': fetched UID %d, flags %s, size %d", b.name, m.UID, m.Flags, m.Size)
		return sink(m)
	})
	b.trace(err, "fetch done")
	return err
}

func (b tracedBox) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	a, err := b.Mailbox.Append(ctx, func(r store.AppendResult) {
		b.tracedStore.item(r.Err, "'%s': stored message %d as UID %d", b.name, r.Key, r.UID)
		done(r)
	})
	b.trace(err, "append")
	return a, err
}

func (b tracedBox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(int, error)) error {
	err := b.Mailbox.SetFlags(ctx, changes, func(i int, err error) {
		c := changes[i]
		b.tracedStore.item(err, "'%s': flags of UID %d: +%s -%s", b.name, c.UID, c.Add, c.Remove)
		done(i, err)
	})
	b.trace(err, "set flags of %d message(s)", len(changes))
	return err
}

func (b tracedBox) Remove(ctx context.Context, req store.RemoveRequest) error {
	err := b.Mailbox.Remove(ctx, req)
	if req.All {
		b.trace(err, "expunge all that are marked")
	} else {
		b.trace(err, "expunge %v", req.UIDs)
	}
	return err
}

func (b tracedBox) Close(ctx context.Context) error {
	err := b.Mailbox.Close(ctx)
	b.trace(err, "close")
	return err
}

// tracedTrasher is a tracedBox that implements trashing.
type tracedTrasher struct {
	tracedBox
	trasher store.Trasher
}

func (b tracedTrasher) Trash(ctx context.Context, uids []mail.UID, trash string, done func(int, error)) error {
	err := b.trasher.Trash(ctx, uids, trash, func(i int, err error) {
		b.tracedStore.item(err, "'%s': trashed UID %d", b.name, uids[i])
		done(i, err)
	})
	b.trace(err, "trash %d message(s) into '%s'", len(uids), trash)
	return err
}
