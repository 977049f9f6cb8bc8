package maildir

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, req store.ListRequest) ([]store.Box, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if req.InboxAmong {
		var err error
		if req.InboxAmong, err = s.InboxAmongOthers(ctx); err != nil {
			return nil, err
		}
	}
	w := walker{s: s, style: s.opts.SubFolders, visits: make(map[string]int)}
	err := w.list(ctx, req)
	if errors.Is(err, errNested) {
		w = walker{s: s, visits: make(map[string]int)}
		if w.style, err = s.style(); err == nil {
			err = w.list(ctx, req)
		}
	}
	switch {
	case err == nil:
		return w.boxes, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, s.storeError(err)
}

// walker collects mailboxes.
type walker struct {
	s     *Store
	style SubFolders // if unset, mailboxes within others make it fail with errNested
	boxes []store.Box
	// visits counts how often a directory was listed, by its identity.
	visits map[string]int
	// found are directories that are still to be listed. Directories at a lower
	// depth come first, so that a mailbox is found under its own name before it is
	// found through symbolic links.
	found []*visit
	// loops is how many warnings there were of directories that are left out.
	loops int
}

// errNested says that there is a mailbox within another, and the layout is not
// known.
var errNested = errors.New("found a sub-folder")

func (w *walker) list(ctx context.Context, req store.ListRequest) error {
	o := &w.s.opts
	inbox := req.Inbox || req.InboxAmong
	if inbox {
		isBox, err := w.isBox(o.Inbox)
		switch {
		case err != nil && !ofTheEntry(err):
			return err
		case err != nil || isBox:
			// Opening it reports the error.
			w.add(mail.Inbox)
		}
	}
	if w.style == SubFoldersMaildirPP {
		return w.listPlusPlus(req)
	}
	if inbox {
		if err := w.below(&visit{path: o.Inbox, name: mail.Inbox, depth: 1}); err != nil {
			return err
		}
		if err := w.visitFound(ctx); err != nil {
			return err
		}
	}
	switch {
	case o.Path != "" && (req.Others || req.OthersIfAny):
		if err := w.listPath(); err != nil {
			return err
		}
	case req.Others:
		return nameError(store.NameNoPath, "", "the store has no Path")
	}
	return w.visitFound(ctx)
}

// visitFound lists the directories that are still to be listed.
func (w *walker) visitFound(ctx context.Context) error {
	for ; len(w.found) > 0; w.found = w.found[1:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.visit(w.found[0]); err != nil {
			return err
		}
	}
	return nil
}

// add adds an existing mailbox.
func (w *walker) add(name string) {
	if strings.HasSuffix(name, ".lock") {
		w.s.warn(event.BoxNameReserved{Box: name})
		return
	}
	w.boxes = append(w.boxes, store.Box{Name: name})
}

// isBox reports whether dir is a mailbox.
func (w *walker) isBox(dir string) (bool, error) {
	fi, err := w.s.fs.Stat(filepath.Join(dir, "cur"))
	if isMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot list mailboxes: %w", err)
	}
	return fi.IsDir(), nil
}

// InboxAmongOthers implements store.InboxHolder.
func (s *Store) InboxAmongOthers(context.Context) (bool, error) {
	if s.opts.SubFolders == SubFoldersMaildirPP {
		return true, nil // which all are in it
	}
	if s.opts.Path == "" {
		return false, nil
	}
	dir, prefix := filepath.Split(s.opts.Path)
	rel, err := filepath.Rel(dir, s.opts.Inbox)
	if err != nil {
		return false, nil // on another drive
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	last := len(parts) - 1
	style := s.opts.SubFolders
	if last > 0 && parts[0] != ".." {
		if style, err = s.style(); err != nil {
			return false, s.storeError(err)
		}
	}
	for i, p := range parts {
		switch {
		case p == ".", p == "..", i == 0 && !strings.HasPrefix(p, prefix):
			return false, nil
		case i == last:
		case style != SubFoldersLegacy && isPart(p) && i > 0:
			return false, nil
		case style == SubFoldersLegacy && strings.HasPrefix(p, ".") != (i > 0):
			return false, nil
		}
	}
	return true, nil
}

// listPath lists the mailboxes below Path.
func (w *walker) listPath() error {
	dir, prefix := filepath.Split(w.s.opts.Path)
	if dir == "" {
		dir = "."
	}
	root := &visit{path: dir}
	names, err := w.s.fs.ReadNames(dir)
	if isMissing(err) {
		return fmt.Errorf("cannot open Path: %w; create it (mkdir -p '%s'), correct Path, or mount the file system", err, filepath.Clean(dir))
	}
	if err != nil {
		return fmt.Errorf("cannot list Path: %w", err)
	}
	for _, n := range names {
		box, ok := strings.CutPrefix(n, prefix)
		if !ok || box == "" || n == "lost+found" {
			continue
		}
		path := filepath.Join(dir, n)
		switch {
		case path == w.s.opts.Inbox:
			continue
		case box == mail.Inbox:
			if isBox, err := w.isBox(path); err != nil || isBox {
				w.s.warn(event.InboxElsewhere{Path: path, Inbox: w.s.opts.Inbox})
			}
			continue
		case w.style == SubFoldersLegacy && box[0] == '.':
			continue
		}
		// Path may be a Maildir itself.
		if isPart(box) {
			if isBox, err := w.isBox(path); err == nil && !isBox {
				continue
			}
		}
		w.found = append(w.found, &visit{path: path, name: box, up: root, depth: 1})
	}
	return nil
}

// visit lists the directory p, which may be a mailbox, and its contents.
func (w *walker) visit(p *visit) error {
	if !utf8.ValidString(p.name) {
		w.s.warn(event.BoxNameNotUTF8{Path: p.path})
		return nil
	}
	isDir, err := w.enter(p)
	if err != nil || !isDir {
		return err
	}
	isBox, err := w.isBox(p.path)
	switch {
	case err != nil && ofTheEntry(err):
		w.unreadable(p.path, err)
		return nil
	case err != nil:
		return err
	case isBox && p.depth > 1 && w.style == SubFoldersUnset:
		return errNested
	case isBox:
		w.add(p.name)
	}
	if w.isVisited(p) {
		return nil
	}
	return w.below(p)
}

// below finds the directories in the directory of a mailbox or container.
func (w *walker) below(p *visit) error {
	dir := p.path
	entries, err := w.s.fs.ReadNames(dir)
	switch {
	case isMissing(err):
		return nil
	case err != nil && ofTheEntry(err):
		w.unreadable(dir, err)
		return nil
	case err != nil:
		return fmt.Errorf("cannot list mailboxes: %w", err)
	}
	if slices.Contains(entries, "new") && slices.Contains(entries, "tmp") && !slices.Contains(entries, "cur") {
		w.s.warn(event.BoxIncomplete{Path: dir})
	}
	for _, n := range entries {
		path := filepath.Join(dir, n)
		sub := n
		if w.style == SubFoldersLegacy {
			var dot bool
			if sub, dot = strings.CutPrefix(n, "."); !dot || sub == "" {
				continue
			}
		} else if isPart(n) || isOurs(n) {
			continue
		}
		if path == w.s.opts.Inbox {
			continue
		}
		w.found = append(w.found, &visit{path: path, name: p.name + "/" + sub, up: p, depth: p.depth + 1})
	}
	return nil
}

// listPlusPlus lists the folders of the Maildir++ layout.
func (w *walker) listPlusPlus(req store.ListRequest) error {
	dir := w.s.opts.Inbox
	entries, err := w.s.fs.ReadNames(dir)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot list mailboxes: %w", err)
	}
	for _, n := range entries {
		name, dot := strings.CutPrefix(n, ".")
		if !dot || name == "" {
			continue
		}
		isBox, err := w.isBox(filepath.Join(dir, n))
		switch {
		case err != nil && ofTheEntry(err):
			w.unreadable(filepath.Join(dir, n), err)
			continue
		case err != nil:
			return err
		case !isBox:
			continue
		}
		name, inbox := strings.CutPrefix(name, ".")
		parts := strings.Split(name, ".")
		switch {
		case slices.Contains(parts, ""):
			w.s.warn(event.BoxNamePartEmpty{Path: filepath.Join(dir, n)})
			continue
		case !inbox && parts[0] == mail.Inbox:
			w.s.warn(event.InboxFolderName{Path: filepath.Join(dir, n)})
			continue
		case !utf8.ValidString(name):
			w.s.warn(event.BoxNameNotUTF8{Path: filepath.Join(dir, n)})
			continue
		case strings.Contains(name, "/"):
			continue
		}
		name = strings.Join(parts, "/")
		if inbox {
			name = mail.Inbox + "/" + name
		}
		if req.Wants(name) {
			w.add(name)
		}
	}
	return nil
}
