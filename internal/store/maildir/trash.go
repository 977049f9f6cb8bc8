package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"isync/internal/mail"
	"isync/internal/store"
)

// Trash implements store.Trasher. It moves messages that are marked as deleted, and removes their UIDs and
// the marks. If the trash is on another file system, it copies them, and they must still be removed.
// It leaves other messages alone, and completes them with ErrGone.
func (m *mailbox) Trash(ctx context.Context, uids []mail.UID, trash string, done func(int, error)) error {
	if err := m.begin(ctx, true); err != nil {
		return err
	}
	if trash == m.name {
		return m.error(errors.New("the mailbox is its own trash"))
	}
	dir, err := m.store.BoxPath(trash)
	if err != nil {
		return err
	}
	if err := m.store.Create(ctx, trash); err != nil {
		return err
	}
	bin := &mailbox{store: m.store, name: trash, dir: dir}

	results := make([]error, len(uids))
	var from, to [2]bool
	var moved []mail.UID
	n := 0
	var fatal error
	for ; n < len(uids); n++ {
		if fatal = ctx.Err(); fatal != nil {
			break
		}
		isMoved, err := m.trashOne(ctx, uids[n], bin, &from, &to)
		if isMoved {
			moved = append(moved, uids[n])
		}
		if errors.Is(err, errListing) || ofTheDisk(err) {
			fatal = err
			break
		}
		results[n] = err
	}
	fatal = cmp.Or(fatal, m.noteGone(ctx, moved))
	// The trash is flushed first, so that the message is always in one of the mailboxes.
	err = bin.syncDirs(to)
	if serr := m.syncDirs(from); err == nil {
		err = serr
	}
	if err != nil {
		// Nothing that was done is certain now.
		return m.error(cmp.Or(fatal, err))
	}
	for i := range n {
		done(i, results[i])
	}
	return m.error(fatal)
}

// trashOne moves a message to the trash, and notes which directories were changed. If it was copied,
// moved is false.
func (m *mailbox) trashOne(ctx context.Context, u mail.UID, bin *mailbox, from, to *[2]bool) (moved bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.withMessage(ctx, u, func(e entry) error {
		if !e.flags.Has(mail.FlagDeleted) {
			// It is not marked any more. The mark is a part of the name, so a file with the
			// listed name is still marked.
			return store.ErrGone
		}
		target := e
		flags := e.flags &^ mail.FlagDeleted
		target.name = m.trashName(e, flags)
		err := m.store.fs.Rename(m.pathOf(e), bin.pathOf(target))
		if errors.Is(err, errCrossDevice) {
			to[target.dir] = true
			return m.copyTo(ctx, e, bin, target)
		}
		if err != nil {
			return err
		}
		from[e.dir], to[target.dir] = true, true
		m.forget(e.uid)
		moved = true
		return nil
	})
	return moved, err
}

// trashName returns a new name for a message with the given flags, and the letters of other programs.
func (m *mailbox) trashName(e entry, flags mail.Flags) string {
	delim := m.store.opts.InfoDelimiter
	_, info := splitInfo(e.name, delim)
	return m.store.newName(0, flags) + foreignLetters(info)
}

// copyTo copies a message to another mailbox.
func (m *mailbox) copyTo(ctx context.Context, e entry, bin *mailbox, target entry) (err error) {
	src, err := m.store.fs.OpenFile(m.pathOf(e), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	p, dst, err := bin.createTmp(target.flags)
	if err != nil {
		return fmt.Errorf("cannot copy message to trash: %w", err)
	}
	_, err = io.Copy(&fileWriter{ctx: ctx, w: dst}, src)
	if err == nil {
		err = m.store.fs.Chtimes(p.tmp, fi.ModTime(), fi.ModTime())
	}
	if err == nil && m.store.opts.FSync {
		err = dst.Sync()
	}
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = m.store.fs.Rename(p.tmp, bin.pathOf(target))
	}
	if err != nil {
		bin.discard(p)
		return fmt.Errorf("cannot copy message to trash: %w", err)
	}
	return nil
}
