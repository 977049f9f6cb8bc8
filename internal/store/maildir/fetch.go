package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// openMessage opens the message e, even if it was renamed, and returns its current entry. The file is
// nil if the message does not exist any more. An error that wraps errListing concerns the mailbox,
// any other error only the message.
func (m *mailbox) openMessage(ctx context.Context, e entry) (entry, vfs.File, error) {
	for range maxListings {
		f, err := m.store.fs.OpenFile(m.pathOf(e), os.O_RDONLY|openNow, 0)
		if !isMissing(err) {
			return e, f, err
		}
		var ok bool
		if e, ok, err = m.follow(ctx, e); err != nil || !ok {
			return e, nil, err
		}
	}
	return e, nil, fmt.Errorf("cannot open '%s': another program keeps renaming it", m.pathOf(e))
}

// errListing marks errors of listing the mailbox again.
var errListing = errors.New("cannot list mailbox again")

// follow is findAgain for callers that do not hold m.mu.
func (m *mailbox) follow(ctx context.Context, old entry) (entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok, err := m.findAgain(ctx, old)
	if err != nil {
		err = fmt.Errorf("%w: %w", errListing, err)
	}
	return e, ok, err
}

// Fetch implements store.Mailbox.
func (m *mailbox) Fetch(ctx context.Context, items []store.FetchItem, sink func(*store.Incoming) error) error {
	if err := m.begin(ctx, false); err != nil {
		return err
	}
	for _, it := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.mu.Lock()
		e, ok, err := m.find(ctx, it.UID)
		m.mu.Unlock()
		if err != nil {
			return m.error(err)
		}
		if !ok {
			continue
		}
		e, f, err := m.openMessage(ctx, e)
		switch {
		case errors.Is(err, errListing):
			return m.error(err)
		case err != nil:
			err = sink(&store.Incoming{UID: it.UID, Flags: e.flags, Err: err})
		case f == nil:
			continue
		default:
			err = m.deliver(e, f, it, sink)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deliver passes an open message to the sink, and closes it.
func (m *mailbox) deliver(e entry, f vfs.File, it store.FetchItem, sink func(*store.Incoming) error) error {
	defer f.Close()
	in := store.Incoming{UID: e.uid, Flags: e.flags}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: errors.New("not a file")}
	}
	if err != nil {
		in.Err = err
		return sink(&in)
	}
	in.Date, in.Size = fi.ModTime(), fi.Size()
	body := &body{file: f, limit: -1}
	if it.HeaderOnly {
		body.limit, err = mail.HeaderLines(f, func([]byte, bool) {})
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			in.Err = err
			return sink(&in)
		}
	}
	in.Body = body
	return sink(&in)
}

// body is a message, or its header, being read.
type body struct {
	file  vfs.File
	pos   int64
	limit int64 // negative: none
}

func (b *body) Read(p []byte) (int, error) {
	if b.limit >= 0 {
		if b.pos >= b.limit {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), b.limit-b.pos)]
	}
	n, err := b.file.Read(p)
	b.pos += int64(n)
	return n, err
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd && b.limit >= 0 {
		offset, whence = offset+b.limit, io.SeekStart
	}
	pos, err := b.file.Seek(offset, whence)
	if err == nil {
		b.pos = pos
	}
	return pos, err
}

// addDetails adds data from the files to a listing. It removes messages that do not exist any more.
func (m *mailbox) addDetails(ctx context.Context, l *store.Listing, need store.Need, found []entry) error {
	headers := need.TUIDs || need.MessageIDs
	if need.TUIDs {
		l.TUIDs = make(map[mail.UID]string)
	}
	if need.MessageIDs {
		l.MessageIDs = make(map[mail.UID]string)
	}
	kept := l.Messages[:0]
	for _, meta := range l.Messages {
		if len(found) == 0 || found[0].uid != meta.UID {
			kept = append(kept, meta)
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		e := found[0]
		found = found[1:]
		var there bool
		var err error
		if headers {
			there, err = m.readDetails(ctx, l, need, e, &meta)
		} else {
			meta.Size, there, err = m.size(ctx, e)
		}
		if err != nil {
			return err
		}
		if there {
			kept = append(kept, meta)
		}
	}
	l.Messages = kept
	return nil
}

// size returns the size of a message; ok is false if it is gone.
func (m *mailbox) size(ctx context.Context, e entry) (size int64, ok bool, err error) {
	for range maxListings {
		fi, err := m.store.fs.Stat(m.pathOf(e))
		if err == nil {
			return fi.Size(), true, nil
		}
		if ofTheEntry(err) {
			// Fetching it fails with an error; it must not look deleted.
			m.store.warn(event.MessageInaccessible{Path: m.pathOf(e), Err: bareError(err)})
			return 0, true, nil
		}
		if !isMissing(err) {
			return 0, false, err
		}
		if e, ok, err = m.follow(ctx, e); err != nil || !ok {
			return 0, false, err
		}
	}
	return 0, false, fmt.Errorf("cannot access '%s': another program keeps renaming it", m.pathOf(e))
}

// readDetails reads the header of a message into the listing. ok is false if the message is gone. A
// message that cannot be read has no Message-ID: fetching it reports the error. But if a copy is not
// found by its temporary id, it is made again. So a listing of temporary ids fails if a header
// cannot be read.
func (m *mailbox) readDetails(ctx context.Context, l *store.Listing, need store.Need, e entry, meta *mail.Meta) (ok bool, err error) {
	e, f, err := m.openMessage(ctx, e)
	switch {
	case errors.Is(err, errListing):
		return false, err
	case err != nil:
		return true, m.unreadable(need, e, err)
	case f == nil:
		return false, nil
	}
	defer f.Close()
	meta.Flags = e.flags
	fi, err := f.Stat()
	switch {
	case err != nil:
		return false, err
	case !fi.Mode().IsRegular():
		m.store.warn(event.HeaderUnreadable{Box: m.name, UID: e.uid, Path: m.pathOf(e)})
		return true, nil
	}
	if need.SizesFrom != 0 && e.uid >= need.SizesFrom {
		meta.Size = fi.Size()
	}
	h, err := readFields(f)
	if err != nil {
		return true, m.unreadable(need, e, err)
	}
	if need.TUIDs && h.tuid != "" {
		l.TUIDs[e.uid] = h.tuid
	}
	if need.MessageIDs && h.messageID != "" {
		l.MessageIDs[e.uid] = h.messageID
	}
	return true, nil
}

// unreadable decides what an unreadable header means.
func (m *mailbox) unreadable(need store.Need, e entry, err error) error {
	// An entry that is not a file, such as a link to itself, is not a copy.
	if need.TUIDs && (!ofTheEntry(err) || errors.Is(err, fs.ErrPermission)) {
		return fmt.Errorf("cannot read the header of message %d: %w", e.uid, err)
	}
	m.store.warn(event.HeaderUnreadable{Box: m.name, UID: e.uid, Err: err})
	return nil
}
