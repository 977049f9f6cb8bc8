package maildir_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
)

// BenchmarkScan lists a mailbox of 100,000 messages.
func BenchmarkScan(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	for _, sub := range []string{"cur", "new", "tmp"} {
		check(b, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	for i := range n {
		name := fmt.Sprintf("cur/1700000000.4711_%d.hostname,U=%d:2,%s", i+1, i+1, mail.Flags(i%16))
		f, err := os.Create(filepath.Join(dir, name))
		check(b, err)
		check(b, f.Close())
	}
	check(b, os.WriteFile(filepath.Join(dir, ".uidvalidity"), fmt.Appendf(nil, "1700000000\n%d\n", n), 0o600))
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir})
	check(b, err)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
		check(b, err)
		l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
		check(b, err)
		if len(l.Messages) != n {
			b.Fatal(len(l.Messages))
		}
		check(b, m.Close(ctx))
	}
}

// BenchmarkAppend stores messages of 10 KiB.
func BenchmarkAppend(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("fsync=%v", sync), func(b *testing.B) {
			s, err := maildir.New(maildir.Options{Name: "local", Inbox: b.TempDir(), FSync: sync})
			check(b, err)
			ctx := context.Background()
			check(b, s.Create(ctx, mail.Inbox))
			m, err := s.Open(ctx, mail.Inbox, store.OpenRequest{})
			check(b, err)
			body := text(make([]byte, 10<<10))
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			a, err := m.Append(ctx, func(r store.AppendResult) { check(b, r.Err) })
			check(b, err)
			for b.Loop() {
				check(b, a.Put(ctx, &store.Outgoing{Size: int64(len(body)), Body: body}))
			}
			check(b, a.Finish(ctx))
			check(b, m.Close(ctx))
		})
	}
}

// text is the body of an Outgoing.
type text []byte

func (t text) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(t)
	return int64(n), err
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
