package maildir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/uidmap"
	"isync/internal/vfs/vfstest"
)

// TestKinds: the kinds of the errors that the store returns.
func TestKinds(t *testing.T) {
	ctx := context.Background()
	in := func(part string) func(vfstest.Op, string) bool {
		return func(_ vfstest.Op, name string) bool { return strings.Contains(name, part) }
	}
	for _, errno := range []struct {
		err                syscall.Errno
		box, message, room store.Kind
	}{
		{syscall.EIO, store.Passing, store.Passing, store.Passing},
		{syscall.EMFILE, store.Passing, store.Passing, store.Passing},
		{syscall.EACCES, store.LastingBox, store.LastingMessage, store.LastingBox},
		{syscall.EROFS, store.LastingBox, store.LastingMessage, store.LastingBox},
		{syscall.ENOSPC, store.LastingBox, store.LastingMessage, store.LastingBox},
	} {
		want := func(what string, err error, kind store.Kind) {
			t.Helper()
			if got, _ := store.KindOf(err); got != kind || !errors.Is(err, errno.err) {
				t.Errorf("%s, %v: %s; want %s", what, err, got, kind)
			}
		}
		fails := vfstest.Rule{Ops: vfstest.OpAll, Nth: 1, Every: true, Err: errno.err}
		x := newFixture(t, ".uidvalidity|123\n9\n", "cur/1.x.h,U=1:2,")
		fails.Match = in("/cur")
		x.fault.Inject(fails)
		m, err := x.open(store.OpenRequest{})
		if err == nil {
			_, err = m.Scan(ctx, store.Need{})
		}
		want("listing", err, errno.box)

		x = newFixture(t, ".uidvalidity|123\n9\n", "cur/1.x.h,U=1:2,")
		m = x.mustOpen()
		wantScan(t, m, map[mail.UID]string{1: ""})
		x.fault.Inject(vfstest.Rule{Ops: vfstest.OpOpen, Match: in("U=1"), Nth: 1, Every: true, Err: errno.err})
		var one error
		check(t, m.Fetch(ctx, []store.FetchItem{{UID: 1}}, func(in *store.Incoming) error {
			one = in.Err
			return nil
		}))
		want("reading", one, errno.message)

		a, err := m.Append(ctx, func(store.AppendResult) {})
		check(t, err)
		x.fault.Inject(vfstest.Rule{Ops: vfstest.OpWrite, Match: in("/tmp/"), Nth: 1, Every: true, Err: errno.err})
		err = a.Put(ctx, &store.Outgoing{Size: -1, Body: text(strings.Repeat("x", 100))})
		if err == nil {
			err = a.Finish(ctx)
		}
		want("storing", err, errno.room)
	}

	x := newFixture(t)
	s, err := maildir.New(x.opts)
	check(t, err)
	_, err = s.Open(ctx, "none", store.OpenRequest{})
	if k, _ := store.KindOf(err); k != store.LastingBox || !errors.Is(err, store.ErrNoBox) {
		t.Errorf("%v: %s", err, k)
	}
	_, err = maildir.New(maildir.Options{Name: "local"})
	if k, _ := store.KindOf(err); k != store.LastingAccount {
		t.Errorf("%v: %s", err, k)
	}
}

// TestMapKinds: a damaged database of UIDs is a lasting error; one that vanished was
// replaced, which is a passing error.
func TestMapKinds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, uidmap.FileName)
	for _, d := range []string{"cur", "new", "tmp"} {
		check(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	check(t, os.WriteFile(path, []byte("not a map"), 0o600))
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir})
	check(t, err)
	_, err = s.Open(context.Background(), mail.Inbox, store.OpenRequest{})
	if k, _ := store.KindOf(err); k != store.LastingBox {
		t.Errorf("%v: %s", err, k)
	}

	check(t, os.Remove(path))
	s, err = maildir.New(maildir.Options{Name: "local", Inbox: dir, AltMap: true})
	check(t, err)
	m, err := s.Open(context.Background(), mail.Inbox, store.OpenRequest{})
	check(t, err)
	_, err = m.Scan(context.Background(), store.Need{})
	check(t, err)
	check(t, os.Remove(path))
	_, err = m.Scan(context.Background(), store.Need{})
	if k, _ := store.KindOf(err); k != store.Passing || !errors.Is(err, maildir.ErrMapLost) {
		t.Errorf("%v: %s", err, k)
	}
}
