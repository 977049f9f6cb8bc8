package maildir_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/mail"
	"isync/internal/store/maildir"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// marked is a mailbox that changes while its marks are taken.
type marked struct {
	t     *testing.T
	fs    vfs.FS
	store *maildir.Store
	dir   string
	rng   *rand.Rand
	count int
	// seen is what the mailbox held when listed after it had a mark.
	seen map[string]string
	// changed and again count the changes, and how often a mark was met again.
	changed, again int
}

func newMarked(t *testing.T, fsys vfs.FS, dir string, seed uint64, clock func() time.Time) *marked {
	s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir, FS: fsys, Clock: clock})
	check(t, err)
	for _, sub := range []string{"cur", "new", "tmp"} {
		check(t, vfs.MkdirAll(fsys, filepath.Join(dir, sub), 0o700, false))
	}
	m := &marked{t: t, fs: fsys, store: s, dir: dir, rng: rand.New(rand.NewPCG(seed, 0)), seen: map[string]string{}}
	m.write(".uidvalidity", "1\n1000\n")
	return m
}

func (m *marked) write(name, text string) {
	f, err := m.fs.OpenFile(filepath.Join(m.dir, name), os.O_WRONLY|os.O_CREATE, 0o600)
	check(m.t, err)
	_, err = f.Write([]byte(text))
	check(m.t, err)
	check(m.t, f.Close())
}

func (m *marked) names(sub string) []string {
	names, err := m.fs.ReadNames(filepath.Join(m.dir, sub))
	check(m.t, err)
	slices.Sort(names)
	return names
}

func (m *marked) contents() string {
	return strings.Join(m.names("new"), " ") + " | " + strings.Join(m.names("cur"), " ")
}

func (m *marked) rename(from, to string) {
	check(m.t, m.fs.Rename(filepath.Join(m.dir, from), filepath.Join(m.dir, to)))
}

// change is what another program may do at any moment: a delivery, a message that
// is read, one that gets another flag, one that goes.
func (m *marked) change() {
	m.changed++
	news, curs := m.names("new"), m.names("cur")
	switch n := m.rng.IntN(4); {
	case len(curs) > 4:
		check(m.t, m.fs.Remove(filepath.Join(m.dir, "cur", curs[0])))
	case n == 1 && len(news) > 0, len(news) > 4:
		m.rename("new/"+news[0], "cur/"+news[0]+":2,S")
	case n == 2 && len(curs) > 0:
		name := curs[m.rng.IntN(len(curs))]
		if bare, ok := strings.CutSuffix(name, "FS"); ok {
			m.rename("cur/"+name, "cur/"+bare+"S")
		} else {
			m.rename("cur/"+name, "cur/"+strings.TrimSuffix(name, "S")+"FS")
		}
	case n == 3 && len(news) > 0:
		check(m.t, m.fs.Remove(filepath.Join(m.dir, "new", news[0])))
	default:
		m.count++
		name := fmt.Sprintf("%d.1_1.host,U=%d", m.count, m.count)
		m.write("tmp/"+name, "")
		m.rename("tmp/"+name, "new/"+name)
	}
}

// look is a run: it takes the mark of the mailbox, and would do nothing if it
// knew that, else list it. Now and then there is a change in between.
func (m *marked) look() {
	marks, err := m.store.Marks(m.t.Context(), []string{mail.Inbox})
	check(m.t, err)
	mark := marks[0]
	if mark == "" {
		return
	}
	old, ok := m.seen[mark]
	if now := m.contents(); ok && old != now {
		m.t.Errorf("with the mark %q it held\n%s, and now\n%s", mark, old, now)
	}
	if ok {
		m.again++
	}
	if m.rng.IntN(8) == 0 {
		m.change()
	}
	if !ok {
		m.seen[mark] = m.contents()
	}
}

// TestMarks hammers real directories: whoever listed a mailbox after it had a
// mark, and meets the same mark again, would find what was listed.
func TestMarks(t *testing.T) {
	dirs := map[string]string{"disk": t.TempDir()}
	if runtime.GOOS == "linux" {
		if dir, err := os.MkdirTemp("/dev/shm", "marks-*"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			dirs["memory"] = dir
		}
	}
	for name, dir := range dirs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			end := time.Now().Add(3 * time.Second)
			boxes := make([]*marked, 24)
			for i := range boxes {
				m := newMarked(t, vfs.OS{}, filepath.Join(dir, fmt.Sprint(i)), uint64(i), nil)
				boxes[i] = m
				all.Go(func() {
					for time.Now().Before(end) && !t.Failed() {
						// Changes and looks as close as can be, then as far apart
						// as the marks want it.
						for range m.rng.IntN(6) {
							m.change()
							m.look()
						}
						pause := time.Duration(m.rng.Int64N(int64(600 * time.Millisecond)))
						for wake := time.Now().Add(pause); time.Now().Before(wake); time.Sleep(time.Duration(m.rng.IntN(20)) * time.Millisecond) {
							m.look()
						}
					}
				})
			}
			all.Wait()
			changed, again := 0, 0
			for _, m := range boxes {
				changed += m.changed
				again += m.again
			}
			t.Logf("%d changes, marks met again %d times", changed, again)
			if changed < 100 {
				t.Errorf("only %d changes", changed)
			}
			if again == 0 && runtime.GOOS == "linux" {
				t.Error("no mark was ever met again")
			}
		})
	}
}

// TestMarksLate does the same with file systems whose times come in steps, and
// late, because the host of a virtual machine lets it wait or a file server has
// a clock of its own.
func TestMarksLate(t *testing.T) {
	for _, step := range []time.Duration{time.Nanosecond, 4 * time.Millisecond, 50 * time.Millisecond, 240 * time.Millisecond} {
		t.Run(step.String(), func(t *testing.T) {
			now := time.Unix(1700000000, 0)
			fsys := vfstest.NewMem(func() time.Time { return now.Truncate(step).Add(1234567) })
			// The file system never is ahead.
			m := newMarked(t, fsys, "/box", 1, func() time.Time { return now.Add(1234567) })
			for range 3000 {
				if m.rng.IntN(20) == 0 {
					m.change()
				}
				now = now.Add(time.Duration(m.rng.Int64N(int64(step) + int64(60*time.Millisecond))))
				m.look()
			}
			if m.again < 10 {
				t.Errorf("marks were met again only %d times", m.again)
			}
		})
	}
}

// TestMarksCoarse: times that are whole seconds tell nothing, however old they
// are: they are those of file systems where they can be set back.
func TestMarksCoarse(t *testing.T) {
	now := time.Unix(1700000000, 0)
	fsys := vfstest.NewMem(func() time.Time { return now.Truncate(2 * time.Second) })
	m := newMarked(t, fsys, "/box", 1, func() time.Time { return now })
	m.change()
	now = now.Add(time.Hour)
	m.look()
	if len(m.seen) != 0 {
		t.Errorf("%q", m.seen)
	}
}

// TestMarksDelimiter: with another delimiter of flags the same names are
// messages with other flags.
func TestMarksDelimiter(t *testing.T) {
	dir := t.TempDir()
	newMarked(t, vfs.OS{}, dir, 1, nil)
	later := func() time.Time { return time.Now().Add(time.Hour) }
	seen := map[string]byte{}
	for _, delim := range []byte{':', ';'} {
		s, err := maildir.New(maildir.Options{Name: "local", Inbox: dir, InfoDelimiter: delim, Clock: later})
		check(t, err)
		marks, err := s.Marks(t.Context(), []string{mail.Inbox})
		check(t, err)
		if marks[0] == "" && runtime.GOOS == "linux" {
			t.Error("no mark")
		}
		if other, ok := seen[marks[0]]; ok && marks[0] != "" {
			t.Errorf("the mark with %c is that with %c", delim, other)
		}
		seen[marks[0]] = delim
	}
}
