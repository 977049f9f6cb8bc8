package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// localMail is the Maildir tree of the demo. It is accessed like a mail reader does, only through
// files.
type localMail struct{ root string }

const inboxDir = "Inbox"

// dir returns the directory of a mailbox.
func (l localMail) dir(box string) string {
	if box == "INBOX" {
		box = inboxDir
	}
	return filepath.Join(l.root, filepath.FromSlash(box))
}

// look returns all mailboxes: each directory with a "cur" is a mailbox.
func (l localMail) look() (snapshot, error) {
	snap := make(snapshot)
	err := filepath.WalkDir(l.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() || d.Name() != "cur" {
			return nil
		}
		box, err := filepath.Rel(l.root, filepath.Dir(name))
		if err != nil {
			return err
		}
		if box = filepath.ToSlash(box); box == inboxDir {
			box = "INBOX"
		}
		snap[box], err = l.lookInto(box)
		if err != nil {
			return err
		}
		return fs.SkipDir
	})
	return snap, err
}

func (l localMail) lookInto(box string) ([]message, error) {
	var msgs []message
	for _, sub := range []string{"cur", "new"} {
		dir := filepath.Join(l.dir(box), sub)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			path := filepath.Join(dir, e.Name())
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			_, flags, _ := strings.Cut(e.Name(), ":2,")
			m := newMessage(raw, flags)
			m.path = path
			msgs = append(msgs, m)
		}
	}
	if tmp, err := os.ReadDir(filepath.Join(l.dir(box), "tmp")); err != nil {
		return nil, err
	} else if len(tmp) > 0 {
		return nil, fmt.Errorf("%s was left behind in the tmp of %s", tmp[0].Name(), box)
	}
	slices.SortFunc(msgs, func(a, b message) int { return cmp.Compare(arrival(a), arrival(b)) })
	return msgs, nil
}

// arrival orders messages by their arrival, which is the UID in the file name. Messages without a
// UID are the latest.
func arrival(m message) uint64 {
	_, rest, _ := strings.Cut(filepath.Base(m.path), ",U=")
	uid, _, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

// deliver adds a new message to a mailbox: it writes the message to tmp and moves it to new.
func (l localMail) deliver(box, name, text string) error {
	tmp := filepath.Join(l.dir(box), "tmp", name)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(l.dir(box), "new", name))
}

// setFlag sets a flag of a message by renaming its file.
func (l localMail) setFlag(box, subject string, flag byte) error {
	msgs, err := l.lookInto(box)
	if err != nil {
		return err
	}
	m, err := only(msgs, box, subject)
	if err != nil {
		return err
	}
	base, _, _ := strings.Cut(filepath.Base(m.path), ":2,")
	var flags strings.Builder
	for _, k := range letters {
		if k.letter == flag || strings.IndexByte(m.flags, k.letter) >= 0 {
			flags.WriteByte(k.letter)
		}
	}
	return os.Rename(m.path, filepath.Join(l.dir(box), "cur", base+":2,"+flags.String()))
}
