package maildir

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

func TestParseUIDs(t *testing.T) {
	for _, c := range []struct {
		text string
		want uidState
		err  error
	}{
		{"123\n5\n", uidState{123, 5}, nil},
		{"123\n5", uidState{123, 5}, nil},
		{"123 5", uidState{123, 5}, nil},
		{" 123\r\n5\r\n", uidState{123, 5}, nil},
		{"123\n5\nfoo", uidState{123, 5}, nil},
		{"123\n5\n\x00\x00", uidState{123, 5}, nil},
		{"4294967295\n4294967295\n", uidState{1<<32 - 1, mail.MaxUID}, nil},
		{"", uidState{}, errNoUIDs},
		{"123\n", uidState{}, errNoUIDs},
		{"123", uidState{}, errNoUIDs},
		{"\x00\x00\x00", uidState{}, errNoUIDs},
		{"123\n\x00\x00", uidState{}, errNoUIDs},
	} {
		if got, err := parseUIDs([]byte(c.text)); got != c.want || err != c.err {
			t.Errorf("%q: %v, %v; want %v, %v", c.text, got, err, c.want, c.err)
		}
	}
	for _, text := range []string{"abc", "abc\n5\n", "123\nx\n", "0\n0\n", "-5\n5\n", "123\n-1\n", "4294967296\n5\n", "123\n4294967296\n", "123\n5x\n", "\n\n5"} {
		got, err := parseUIDs([]byte(text))
		if err == nil || err == errNoUIDs {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseUIDs(f *testing.F) {
	f.Add([]byte("1700000000\n25\n"))
	f.Add([]byte("1\r\n4294967295"))
	f.Add([]byte("123\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseUIDs(b)
		if err != nil {
			return
		}
		if s.validity == 0 {
			t.Errorf("%q has UIDVALIDITY 0", b)
		}
		again, err := parseUIDs(s.format())
		if err != nil || again != s {
			t.Errorf("%q: %v, but %q: %v, %v", b, s, s.format(), again, err)
		}
	})
}

// TestRaiseIsNeverTorn: whatever prefix of the bytes a power cut leaves, the
// file does not name a lower UID than before.
func TestRaiseIsNeverTorn(t *testing.T) {
	for _, c := range [][2]mail.UID{{0, 1}, {8, 9}, {9, 10}, {9, 11}, {19, 20}, {95, 100}, {99, 100}, {7, 1234}, {99999, 100000}, {1999, 2000}} {
		m := vfstest.NewMem(nil)
		f := vfstest.NewFault(m)
		s, err := New(Options{Name: "local", Inbox: "/box", FSync: true, FS: f})
		if err != nil {
			t.Fatal(err)
		}
		file, err := m.OpenFile("/"+uidFileName, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			_, err = file.Write(uidState{1700000000, c[0]}.format())
		}
		if err != nil {
			t.Fatal(err)
		}
		m.SyncAll()
		before := read(t, m)
		crash := func() {
			after := read(t, m)
			for n := range len(after) + 1 {
				torn := after[:n]
				if n < len(before) {
					torn += before[n:]
				}
				for _, text := range []string{torn, torn + strings.Repeat("\x00", max(0, len(after)-len(torn)))} {
					got, err := parseUIDs([]byte(text))
					if err != nil || got.highest < c[0] || got.validity != 1700000000 {
						t.Errorf("from %d to %d: %q (%v, %v)", c[0], c[1], text, got, err)
					}
				}
			}
			before = after
		}
		f.Before(func(op vfstest.Op, _ string) {
			if op == vfstest.OpSync {
				crash()
			}
		})
		u, err := s.lockUIDs(context.Background(), "/", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := u.raise(c[1]); err != nil {
			t.Fatal(err)
		}
		u.close()
		if got := read(t, m.CrashClone(0, nil)); got != string(uidState{1700000000, c[1]}.format()) {
			t.Errorf("from %d to %d: %q", c[0], c[1], got)
		}
	}
}

func read(t *testing.T, fsys vfs.FS) string {
	b, err := vfs.ReadFile(fsys, "/"+uidFileName)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWaitingForTheLockEnds(t *testing.T) {
	m := vfstest.NewMem(nil)
	s, err := New(Options{Name: "local", Inbox: "/box", FS: m})
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.lockUIDs(context.Background(), "/", true)
	if err != errNoUIDs {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.lockUIDs(ctx, "/", true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while locked: %v", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		held.close()
	}()
	u, err := s.lockUIDs(context.Background(), "/", true)
	if err != errNoUIDs {
		t.Fatal(err)
	}
	u.close()
}

func TestReadFields(t *testing.T) {
	long := strings.Repeat("x", 20000)
	for _, c := range []struct {
		text string
		want fields
		size int
	}{
		{"", fields{}, 0},
		{"\n", fields{}, 1},
		{"\r\nMessage-ID: <a>\n", fields{}, 2},
		{"Message-ID: <a@b>\nX-TUID: 0123456789ab\n\nbody", fields{"0123456789ab", "<a@b>"}, 40},
		{"MESSAGE-id:\r\n\t<a@b>\r\nx-tuid:0123456789ab\r\n\r\nbody", fields{"0123456789ab", "<a@b>"}, 44},
		{"X-TUID: too short\nMessage-ID: <a\n b>\nMessage-ID: <second>\n", fields{"", "<a b>"}, 58},
		{"X-Long: " + long + "\n Message-ID: <no>\nY: " + long + "\nMessage-ID: <a>", fields{"", "<a>"}, 40046},
		{" Message-ID: <no>\nno colon\nMessage-ID <no>\n\n", fields{}, 44},
	} {
		got, err := readFields(strings.NewReader(c.text))
		if err != nil || got != c.want {
			t.Errorf("%.80q: %v, %v; want %v", c.text, got, err, c.want)
		}
		n, err := mail.HeaderLines(strings.NewReader(c.text), func([]byte, bool) {})
		if err != nil || n != int64(c.size) {
			t.Errorf("%.80q: header of %d bytes, %v; want %d", c.text, n, err, c.size)
		}
	}
	boom := errors.New("boom")
	if _, err := readFields(io.MultiReader(strings.NewReader("A: b\n"), errReader{boom})); err != boom {
		t.Errorf("got %v", err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
