package maildir

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// The limits of a group of messages that are flushed together. smallGroup is the size of a group
// without FSync.
const (
	maxGroup      = 64
	maxGroupBytes = 8 << 20
	maxGroupAge   = time.Second
	smallGroup    = 16
	// flushers is the number of files that are flushed at the same time.
	flushers = 8
)

// sequence numbers the files that this process creates. It begins at a random number. A message must
// never get the name of another one, and an earlier process may have had the same time, process id
// and host: in containers, or on machines whose clock is reset at each boot.
var sequence atomic.Uint64

func init() { sequence.Store(rand.Uint64N(1e9)) }

// newDir returns the directory of a new message.
func newDir(flags mail.Flags) uint8 {
	if flags.Has(mail.FlagSeen) {
		return inCur
	}
	return inNew
}

// appender stores messages in groups.
//
// With FSync, messages are written to tmp, and flushed by a few goroutines. commit waits for these,
// gives UIDs to the group, moves it to its directories, makes that durable, and completes the
// messages. Without FSync, groups are small. They save taking the lock and storing the UID for each
// message, which is about a third of the system calls.
type appender struct {
	m    *mailbox
	done func(store.AppendResult)

	limit int // of messages in a group
	group []*pending
	bytes int64
	since time.Time // of the oldest in the group
	// broken is set when nothing more can be stored.
	broken error

	flushing sync.WaitGroup
	slots    chan struct{} // one per flusher at work
}

// pending is a message that has been written to tmp.
type pending struct {
	key   int
	tmp   string // path
	name  string // without UID
	flags mail.Flags
	entry entry // in its place, once it is there
	err   error
}

// Append implements store.Mailbox.
func (m *mailbox) Append(ctx context.Context, done func(store.AppendResult)) (store.Appender, error) {
	if err := m.begin(ctx, true); err != nil {
		return nil, err
	}
	limit := smallGroup
	if m.store.opts.FSync || m.isMapped() {
		limit = maxGroup
	}
	return &appender{m: m, done: done, limit: limit, slots: make(chan struct{}, flushers)}, nil
}

// Put implements store.Appender.
func (a *appender) Put(ctx context.Context, msg *store.Outgoing) error {
	s := a.m.store
	if len(a.group) > 0 && s.opts.Clock().Sub(a.since) > maxGroupAge {
		a.commit(ctx)
	}
	if a.broken != nil {
		return a.broken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, size, err := a.write(ctx, msg)
	if err != nil {
		if be, ok := errors.AsType[*store.BodyError](err); ok {
			return be
		}
		return a.m.error(err)
	}
	if len(a.group) == 0 {
		a.since = s.opts.Clock()
	}
	a.group = append(a.group, p)
	a.bytes += size
	if len(a.group) >= a.limit || a.bytes >= maxGroupBytes {
		a.commit(ctx)
	}
	return nil
}

// Finish implements store.Appender. It commits the accepted messages even if the context has ended.
// The context only limits the wait for other programs.
func (a *appender) Finish(ctx context.Context) error {
	a.commit(ctx)
	return a.broken
}

// write writes a message to tmp.
func (a *appender) write(ctx context.Context, msg *store.Outgoing) (*pending, int64, error) {
	p, f, err := a.m.createTmp(msg.Flags)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot store message: %w", err)
	}
	p.key = msg.Key
	size, err := writeBody(ctx, f, msg)
	if err == nil && !msg.Date.IsZero() {
		if err = a.m.store.fs.Chtimes(p.tmp, msg.Date, msg.Date); err != nil {
			err = fmt.Errorf("cannot store message: %w", err)
		}
	}
	if err == nil && a.m.store.opts.FSync {
		a.flush(p, f)
		return p, size, nil
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("cannot store message: %w", cerr)
	}
	if err != nil {
		a.m.discard(p)
		return nil, 0, err
	}
	return p, size, nil
}

// createTmp creates a file for a message.
func (m *mailbox) createTmp(flags mail.Flags) (*pending, vfs.File, error) {
	for {
		name := m.store.newName(0, flags)
		p := &pending{name: name, flags: flags, tmp: filepath.Join(m.dir, "tmp", name)}
		f, err := vfs.Create(m.store.fs, p.tmp, os.O_WRONLY|os.O_EXCL)
		if err == nil || !errors.Is(err, os.ErrExist) {
			return p, f, err
		}
	}
}

// discard removes the file of a message that will not be stored. If that fails,
// it is removed from tmp a day later.
func (m *mailbox) discard(p *pending) { _ = m.store.fs.Remove(p.tmp) }

// flush makes the contents of a message durable, and closes it, in the
// background.
func (a *appender) flush(p *pending, f vfs.File) {
	a.slots <- struct{}{}
	a.flushing.Go(func() {
		defer func() { <-a.slots }()
		err := f.Sync()
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			p.err = fmt.Errorf("cannot store message: %w", err)
		}
	})
}

// writers collect small writes at the beginning of a message.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

// writeBody writes the message to the file. If reading the message fails, the error is a
// *store.BodyError.
func writeBody(ctx context.Context, f io.Writer, msg *store.Outgoing) (int64, error) {
	out := &fileWriter{ctx: ctx, w: f}
	bw := writers.Get().(*bufio.Writer)
	defer func() {
		bw.Reset(nil)
		writers.Put(bw)
	}()
	bw.Reset(out)
	_, err := msg.Body.WriteTo(bw)
	if err == nil {
		err = bw.Flush()
	}
	switch {
	case out.err != nil:
		return out.n, out.err
	case err != nil:
		return out.n, &store.BodyError{Err: err}
	case msg.Size >= 0 && out.n != msg.Size:
		return out.n, &store.BodyError{Err: fmt.Errorf("message has %d bytes instead of %d", out.n, msg.Size)}
	}
	return out.n, nil
}

// fileWriter stores the error of the file, to distinguish it from an error of the message.
type fileWriter struct {
	ctx context.Context //nolint:containedctx // lives as long as one call
	w   io.Writer
	n   int64
	err error
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		w.err = err
		return 0, err
	}
	n, err := w.w.Write(p)
	w.n += int64(n)
	if err != nil {
		w.err = fmt.Errorf("cannot store message: %w", err)
	}
	return n, err
}

// commit stores the group and completes its messages. All errors are errors of the file system, not
// of a message. Messages that are not durably stored are not completed, and no more messages can be
// stored.
func (a *appender) commit(ctx context.Context) {
	a.flushing.Wait()
	group := a.group
	a.group, a.bytes = nil, 0
	var good []*pending
	for _, p := range group {
		if p.err == nil {
			good = append(good, p)
		}
	}
	if len(good) > 0 {
		if err := a.m.place(ctx, good); err != nil {
			for _, p := range good {
				p.err = cmp.Or(p.err, fmt.Errorf("cannot store messages: %w", err))
			}
		}
	}
	left := 0 // to be completed
	for _, p := range group {
		if p.err == nil {
			left++
		}
	}
	for _, p := range group {
		if p.err != nil {
			a.m.discard(p)
			if a.broken == nil {
				a.broken = a.m.error(p.err)
			}
			continue
		}
		left--
		r := store.AppendResult{Key: p.key, Path: a.m.pathOf(p.entry), More: left > 0}
		if !a.m.store.opts.NoUIDs {
			r.UID = p.entry.uid
		}
		a.done(r)
	}
}

// place gives UIDs to messages in tmp, in order, and moves them durably to their directories. If a
// message could not be moved, its err is set. If place itself fails, no message was moved.
func (m *mailbox) place(ctx context.Context, group []*pending) error {
	u, err := m.lockUIDs(ctx)
	if err != nil {
		return err
	}
	defer u.close()
	next, err := reserve(u.state().highest, len(group))
	if err != nil {
		return err
	}
	names := make([]string, len(group))
	for i, p := range group {
		names[i] = p.name
	}
	note, err := u.bind(ctx, next, names)
	if err != nil {
		return err
	}
	if !m.isMapped() {
		m.noteNew(u.state().validity, next, names)
	}
	touched := m.move(group, next, note)
	err = m.syncDirs(touched)
	if err == nil {
		return nil
	}
	// They may not survive a power cut. Remove them, if possible.
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range group {
		if p.err == nil {
			_ = m.store.fs.Remove(m.pathOf(p.entry))
			m.forget(p.entry.uid)
		}
	}
	return err
}

// move moves messages from tmp to their directories, with UIDs from next on.
func (m *mailbox) move(group []*pending, next mail.UID, note func(*mailbox)) (touched [2]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	note(m)
	for _, p := range group {
		name := p.name
		if !m.isMapped() {
			name = withUID(name, m.store.opts.InfoDelimiter, next)
		}
		p.entry = entry{name: name, uid: next, flags: p.flags, dir: newDir(p.flags)}
		next++
		if err := m.store.fs.Rename(p.tmp, m.pathOf(p.entry)); err != nil {
			p.err = fmt.Errorf("cannot store message: %w", err)
			continue
		}
		touched[p.entry.dir] = true
		m.update(p.entry)
	}
	return touched
}
