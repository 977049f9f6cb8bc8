package mem

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"isync/internal/mail"
	"isync/internal/store"
)

// mailbox is an open mailbox. Its view is always the current state of the disk,
// but for Info, and for the first Scan with Options.Snapshot.
type mailbox struct {
	store    *Store
	name     string
	readOnly bool
	mark     string // as of the opening, as is count
	count    int

	mu     sync.Mutex
	info   store.Info
	closed bool
	// asOpened is the result of the next Scan; nil: it reads the disk.
	asOpened *BoxState
}

// trashMailbox adds store.Trasher.
type trashMailbox struct{ *mailbox }

var (
	_ store.Store   = (*Store)(nil)
	_ store.Mailbox = (*mailbox)(nil)
	_ store.Trasher = (*trashMailbox)(nil)
	_ store.Marker  = (*Store)(nil)
	_ store.Marked  = (*mailbox)(nil)
	_ store.Counter = (*mailbox)(nil)
)

// setInfo takes over what is known of the mailbox; the disk is locked.
func (m *mailbox) setInfo(b *BoxState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.info = store.Info{UIDValidity: b.UIDValidity, UIDNext: b.UIDNext, Flags: b.Permanent}
}

// Count implements store.Counter.
func (m *mailbox) Count() int { return m.count }

// Mark implements store.Marked.
func (m *mailbox) Mark() string { return m.mark }

// Info implements store.Mailbox.
func (m *mailbox) Info() store.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.info
}

// begin starts a call.
func (m *mailbox) begin(ctx context.Context, op Op, writes bool) error {
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return m.store.boxError(m.name, errors.New("mailbox is closed"))
	}
	if writes && m.readOnly {
		return m.store.boxError(m.name, errReadOnly)
	}
	if writes {
		m.takeSnapshot()
	}
	return m.store.begin(ctx, op)
}

// with runs f on the mailbox with the disk locked. It fails if the mailbox was removed, or
// replaced by another one, since it was opened.
func (m *mailbox) with(f func(*BoxState)) error {
	d := m.store.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxes[m.name]
	if b == nil {
		return m.store.boxError(m.name, store.ErrNoBox)
	}
	if b.UIDValidity != m.Info().UIDValidity {
		return m.store.boxError(m.name, errors.New("UIDVALIDITY changed while the mailbox was open"))
	}
	f(b)
	return nil
}

// takeSnapshot returns what the mailbox was when it was opened, once, and only
// if nothing was changed since by way of m; else nil.
func (m *mailbox) takeSnapshot() *BoxState {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.asOpened
	m.asOpened = nil
	return old
}

// Renew implements store.Renewer.
func (m *mailbox) Renew(ctx context.Context) error {
	if err := m.begin(ctx, Op{Kind: OpRenew, Box: m.name}, false); err != nil {
		return err
	}
	m.takeSnapshot()
	return m.with(m.setInfo)
}

// Scan implements store.Mailbox.
func (m *mailbox) Scan(ctx context.Context, need store.Need) (*store.Listing, error) {
	op := Op{Kind: OpScan, Box: m.name, Need: need}
	op.Need.Recorded = nil // the log of the calls must not keep the sync state in memory
	if err := m.begin(ctx, op, false); err != nil {
		return nil, err
	}
	l := &store.Listing{}
	if need.TUIDs {
		l.TUIDs = make(map[mail.UID]string)
	}
	if need.MessageIDs {
		l.MessageIDs = make(map[mail.UID]string)
	}
	err := m.with(func(b *BoxState) {
		if old := m.takeSnapshot(); old != nil {
			b = old
		}
		m.setInfo(b)
		for _, msg := range b.Messages {
			if !need.UIDs.Contains(msg.UID) {
				continue
			}
			meta := mail.Meta{UID: msg.UID}
			if need.Flags {
				meta.Flags = msg.Flags
			}
			if need.SizesFrom != 0 && msg.UID >= need.SizesFrom {
				meta.Size = int64(len(msg.Body))
			}
			l.Messages = append(l.Messages, meta)
			if need.TUIDs {
				if v, ok := headerField(msg.Body, "X-TUID"); ok {
					l.TUIDs[msg.UID] = v
				}
			}
			if need.MessageIDs {
				if v, ok := headerField(msg.Body, "Message-ID"); ok {
					l.MessageIDs[msg.UID] = v
				}
			}
		}
	})
	if err == nil {
		err = m.store.after(op)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// headerField returns the value of the first header field of that name,
// without folds and surrounding space.
func headerField(msg, name string) (string, bool) {
	lines := strings.Split(msg[:headerLen(msg)], "\n")
	for i, line := range lines {
		n, v, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(n, name) {
			continue
		}
		for _, more := range lines[i+1:] {
			if more == "" || more[0] != ' ' && more[0] != '\t' {
				break
			}
			v = strings.TrimRight(v, "\r") + more
		}
		return strings.TrimSpace(v), true
	}
	return "", false
}

// Fetch implements store.Mailbox.
func (m *mailbox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	op := Op{Kind: OpFetch, Box: m.name}
	for _, it := range items {
		op.UIDs.Add(it.UID)
	}
	if err := m.begin(ctx, op, false); err != nil {
		return err
	}
	for _, it := range items {
		if err := m.fetchOne(ctx, it, sink); err != nil {
			return err
		}
	}
	return m.store.after(op)
}

func (m *mailbox) fetchOne(ctx context.Context, it store.FetchItem, sink func(*store.Incoming) error) error {
	op := Op{Kind: OpFetchItem, Box: m.name, UID: it.UID}
	if err := m.store.sleep(ctx, op); err != nil {
		return err
	}
	var msg Message
	found := false
	err := m.with(func(b *BoxState) {
		if i, ok := b.find(it.UID); ok {
			msg, found = b.Messages[i], true
		}
	})
	if err != nil || !found {
		return err
	}
	in := &store.Incoming{UID: it.UID}
	body := &poisonable{}
	switch err := m.store.hook(op); {
	case fatal(err):
		return err
	case err != nil:
		in.Err = err
	default:
		in.Flags, in.Date, in.Size = msg.Flags, msg.Date, int64(len(msg.Body))
		text := msg.Body
		if it.HeaderOnly {
			text = text[:headerLen(text)]
		}
		body.r = strings.NewReader(text)
		if m.store.opts.Caps.CRLF {
			in.Body = readOnly{body}
		} else {
			in.Body = body
		}
	}
	err = sink(in)
	body.r = nil
	*in = store.Incoming{Err: errors.New("mem: the message was kept beyond the sink")}
	if err != nil {
		return err
	}
	return m.store.after(op)
}

// readOnly hides everything but Read.
type readOnly struct{ io.Reader }

// poisonable is a body that becomes unusable when its sink has returned.
type poisonable struct{ r *strings.Reader }

var errKept = errors.New("mem: the body was kept beyond the sink")

func (p *poisonable) Read(b []byte) (int, error) {
	if p.r == nil {
		return 0, errKept
	}
	return p.r.Read(b)
}

func (p *poisonable) Seek(off int64, whence int) (int64, error) {
	if p.r == nil {
		return 0, errKept
	}
	return p.r.Seek(off, whence)
}

// SetFlags implements store.Mailbox.
func (m *mailbox) SetFlags(ctx context.Context, changes []store.FlagChange, done func(int, error)) error {
	op := Op{Kind: OpSetFlags, Box: m.name}
	for _, c := range changes {
		op.UIDs.Add(c.UID)
	}
	if err := m.begin(ctx, op, true); err != nil {
		return err
	}
	err := m.each(ctx, len(changes), func(i int) (Op, func(Op) error) {
		c := changes[i]
		return Op{Kind: OpFlagItem, Box: m.name, UID: c.UID, Change: c}, func(op Op) error { return m.setFlags(ctx, op, c) }
	}, done)
	if err != nil {
		return err
	}
	return m.store.after(op)
}

// each runs n items of a call through a queue. item returns what each of them does; done
// is called with its result.
func (m *mailbox) each(ctx context.Context, n int, item func(i int) (Op, func(Op) error), done func(int, error)) error {
	q := newQueue(m.store.opts)
	for i := range n {
		op, do := item(i)
		var result error
		err := q.push(func() error {
			result = do(op)
			return fatalOnly(result)
		}, func() error {
			if err := m.store.sleep(ctx, op); err != nil {
				return err
			}
			done(i, result)
			return nil
		})
		if err != nil {
			break // finish returns it
		}
	}
	return q.finish()
}

func (m *mailbox) setFlags(ctx context.Context, op Op, c store.FlagChange) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.store.hook(op); err != nil {
		return err
	}
	found := false
	err := m.with(func(b *BoxState) {
		i, ok := b.find(c.UID)
		if !ok {
			return
		}
		found = true
		b.Messages[i].Flags = b.Messages[i].Flags&^c.Remove | c.Add&b.Permanent
	})
	switch {
	case err != nil:
		return err
	case !found:
		return store.ErrGone
	}
	return m.store.after(op)
}

func fatalOnly(err error) error {
	if fatal(err) {
		return err
	}
	return nil
}

// Remove implements store.Mailbox.
func (m *mailbox) Remove(ctx context.Context, req store.RemoveRequest) error {
	op := Op{Kind: OpRemove, Box: m.name, UIDs: req.UIDs}
	switch {
	case req.All:
		op.UIDs = nil
	case req.UIDs == nil:
		op.UIDs = mail.UIDSet{}
	}
	if err := m.begin(ctx, op, true); err != nil {
		return err
	}
	if !req.All && !m.store.opts.Caps.SelectiveExpunge {
		return m.store.boxError(m.name, errors.New("cannot expunge selectively"))
	}
	err := m.with(func(b *BoxState) {
		b.Messages = slices.DeleteFunc(b.Messages, func(msg Message) bool {
			return msg.Flags.Has(mail.FlagDeleted) && (req.All || req.UIDs.Contains(msg.UID))
		})
	})
	if err != nil {
		return err
	}
	return m.store.after(op)
}

// Trash implements store.Trasher. The messages stay in the mailbox.
func (m *trashMailbox) Trash(ctx context.Context, uids []mail.UID, trash string, done func(int, error)) error {
	op := Op{Kind: OpTrash, Box: m.name, UIDs: mail.NewUIDSet(uids...), Trash: trash}
	if err := m.begin(ctx, op, true); err != nil {
		return err
	}
	err := m.each(ctx, len(uids), func(i int) (Op, func(Op) error) {
		return Op{Kind: OpTrashItem, Box: m.name, UID: uids[i], Trash: trash}, func(op Op) error { return m.trash(ctx, op) }
	}, done)
	if err != nil {
		return err
	}
	return m.store.after(op)
}

func (m *trashMailbox) trash(ctx context.Context, op Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.store.hook(op); err != nil {
		return err
	}
	d := m.store.disk
	found := false
	err := m.with(func(b *BoxState) {
		i, ok := b.find(op.UID)
		if !ok {
			return
		}
		found = true
		t := d.boxes[op.Trash]
		if t == nil {
			t = d.create(op.Trash)
		}
		msg := b.Messages[i]
		msg.Flags &^= mail.FlagDeleted
		d.store(t, msg)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return store.ErrGone
	}
	return m.store.after(op)
}

// Close implements store.Mailbox.
func (m *mailbox) Close(ctx context.Context) error {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return m.store.boxError(m.name, errors.New("mailbox is closed already"))
	}
	m.store.mu.Lock()
	m.store.open[m.name]--
	m.store.mu.Unlock()
	op := Op{Kind: OpClose, Box: m.name}
	if err := m.store.begin(ctx, op); err != nil {
		return err
	}
	return m.store.after(op)
}

// Append implements store.Mailbox.
func (m *mailbox) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	op := Op{Kind: OpAppend, Box: m.name}
	if err := m.begin(ctx, op, true); err != nil {
		return nil, err
	}
	return &appender{box: m, op: op, done: done, q: newQueue(m.store.opts)}, nil
}

// appender implements store.Appender.
type appender struct {
	box      *mailbox
	op       Op
	done     func(store.AppendResult)
	q        *queue
	finished bool
}

// Put implements store.Appender.
func (a *appender) Put(ctx context.Context, o *store.Outgoing) error {
	if a.finished {
		return errors.New("mem: put after finish")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := a.q.failed(); err != nil {
		return err
	}
	caps := a.box.store.opts.Caps
	if caps.NeedsSize && o.Size < 0 {
		return errors.New("mem: the size of the message must be known")
	}
	var buf bytes.Buffer
	n, err := o.Body.WriteTo(&buf)
	switch {
	case err != nil:
		return &store.BodyError{Err: err}
	case n != int64(buf.Len()):
		return errors.New("mem: the body miscounted the bytes it wrote")
	case o.Size >= 0 && n != o.Size:
		return errors.New("mem: the body wrote more or less than it announced")
	}
	msg := Message{Flags: o.Flags, Date: o.Date, Body: buf.String()}
	op := Op{Kind: OpPutItem, Box: a.box.name, Key: o.Key}
	res := store.AppendResult{Key: o.Key}
	return a.q.push(func() error {
		res.UID, res.Err = a.box.put(ctx, op, msg)
		return fatalOnly(res.Err)
	}, func() error {
		if err := a.box.store.sleep(ctx, op); err != nil {
			return err
		}
		if res.Err != nil || !caps.ReportsUIDs {
			res.UID = 0
		}
		a.done(res)
		return nil
	})
}

func (m *mailbox) put(ctx context.Context, op Op, msg Message) (mail.UID, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := m.store.hook(op); err != nil {
		return 0, err
	}
	err := m.with(func(b *BoxState) { op.UID = m.store.disk.store(b, msg) })
	if err != nil {
		return 0, err
	}
	return op.UID, m.store.after(op)
}

// Finish implements store.Appender.
func (a *appender) Finish(ctx context.Context) error {
	if a.finished {
		return errors.New("mem: finished twice")
	}
	a.finished = true
	if err := a.q.finish(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.box.store.after(a.op)
}
