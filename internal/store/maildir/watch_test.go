package maildir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
)

// watched is a store with a watch, and what that has reported.
type watched struct {
	t     *testing.T
	store *Store
	watch store.Watch
	dir   string

	mu       sync.Mutex
	reports  []store.WatchReport
	warnings []event.Fact
}

// startWatch begins to watch a store with the mailboxes INBOX and a.
func startWatch(t *testing.T, change func(*Options)) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir()}
	for _, box := range []string{"INBOX", "a"} {
		w.mkbox(box)
	}
	o := Options{
		Name: "local", Inbox: filepath.Join(w.dir, "INBOX"), Path: w.dir + "/", SubFolders: SubFoldersVerbatim, FSync: false,
		Warn: func(f event.Fact) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.warnings = append(w.warnings, f)
		},
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	w.must(err)
	w.store = s
	return w
}

// begin begins the watch.
func (w *watched) begin() *watched {
	w.t.Helper()
	var err error
	w.watch, err = w.store.Watch(context.Background(), store.WatchOptions{}, w.take)
	w.must(err)
	w.t.Cleanup(w.watch.Close)
	return w
}

func (w *watched) take(r store.WatchReport) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = append(w.reports, r)
}

func (w *watched) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) mkbox(box string) {
	w.t.Helper()
	for _, sub := range []string{"tmp", "new", "cur"} {
		w.must(os.MkdirAll(filepath.Join(w.dir, box, sub), 0o700))
	}
}

// write writes a file as another program.
func (w *watched) write(name string) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte("Subject: x\n\nx\n"), 0o600))
}

// forget drops the reports.
func (w *watched) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = nil
}

// anything waits for a report.
func (w *watched) anything() {
	w.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		n := len(w.reports)
		w.mu.Unlock()
		if n > 0 {
			return
		}
	}
	w.t.Error("nothing was reported")
}

// told waits until this was reported: mailboxes, and "*" if mailboxes may have changed.
// With nothing expected it waits for a moment.
func (w *watched) told(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	deadline := time.Now().Add(5 * time.Second)
	if len(want) == 0 {
		deadline = time.Now().Add(150 * time.Millisecond)
	}
	for {
		w.mu.Lock()
		var got []string
		for _, r := range w.reports {
			if r.Box != "" {
				got = append(got, r.Box)
			}
			if r.Boxes {
				got = append(got, "*")
			}
			if r.All {
				got = append(got, "all")
			}
		}
		slices.Sort(got)
		got = slices.Compact(got)
		done := slices.Equal(got, want) && len(want) > 0
		if done {
			w.reports = nil
		}
		w.mu.Unlock()
		switch {
		case done:
			time.Sleep(20 * time.Millisecond) // further reports of the same change
			w.forget()
			return
		case time.Now().After(deadline):
			if !slices.Equal(got, want) {
				w.t.Errorf("reported %v, want %v", got, want)
			}
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestWatchReports: each change of another program is reported for its mailbox, whether the
// system reports it or the directories are polled.
func TestWatchReports(t *testing.T) {
	for _, polls := range []bool{false, true} {
		t.Run(fmt.Sprintf("polls=%v", polls), func(t *testing.T) {
			if !polls && !systemWatches {
				t.Skip("this system has no watches")
			}
			t.Parallel()
			w := startWatch(t, func(o *Options) {
				o.LocalPoll = 20 * time.Millisecond
				// Each time is old enough to be relied on, so each change is reported once.
				o.Clock = func() time.Time { return time.Now().Add(time.Second) }
			})
			w.write("a/cur/1:2,")
			if polls {
				p := newWatch(w.store, w.take)
				var ctx context.Context
				ctx, p.cancel = context.WithCancel(context.Background())
				p.choose([]string{"INBOX", "a"})
				go p.run(ctx)
				w.watch = p
				t.Cleanup(p.Close)
			} else {
				w.begin()
			}
			path := func(name string) string { return filepath.Join(w.dir, name) }
			w.write("a/tmp/x")
			w.told()
			w.must(os.Rename(path("a/tmp/x"), path("a/new/x")))
			w.told("a")
			w.must(os.Rename(path("a/new/x"), path("INBOX/cur/x:2,S")))
			w.told("INBOX", "a")
			w.must(os.Rename(path("a/cur/1:2,"), path("a/cur/1:2,S")))
			w.told("a")
			w.must(os.Remove(path("a/cur/1:2,S")))
			w.told("a")
			w.mkbox("b")
			w.told("*")
			w.watch.Select([]string{"INBOX", "a", "b"})
			w.told("b") // it may have changed meanwhile
			w.write("b/new/1")
			w.told("b")
			w.mkbox("b/c")
			w.told("*")
			w.must(os.RemoveAll(path("b/c")))
			w.must(os.Rename(path("a"), path("d")))
			w.anything()
			w.watch.Select([]string{"INBOX", "b", "d"})
			time.Sleep(200 * time.Millisecond)
			w.forget()
			w.write("d/new/2")
			w.told("d")
			if polls != (len(w.warnings) > 0) {
				t.Errorf("warnings %v", w.warnings)
			}
		})
	}
}

// TestWatchIgnoresOwnChanges: what the store itself does is not reported, but what other
// programs do at the same time is.
func TestWatchIgnoresOwnChanges(t *testing.T) {
	if !systemWatches {
		t.Skip("this system has no watches")
	}
	w := startWatch(t, nil).begin()
	ctx := context.Background()
	open := func() store.Mailbox {
		m, err := w.store.Open(ctx, "a", store.OpenRequest{})
		w.must(err)
		return m
	}
	m := open()
	listing, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
	w.must(err)
	if len(listing.Messages) != 0 {
		t.Fatal(listing.Messages)
	}
	var uids []mail.UID
	a, err := m.Append(ctx, func(r store.AppendResult) { uids = append(uids, r.UID) })
	w.must(err)
	for range 20 {
		w.must(a.Put(ctx, &store.Outgoing{Size: -1, Body: strings.NewReader("Subject: x\n\nx\n")}))
	}
	w.must(a.Finish(ctx))
	var changes []store.FlagChange
	for i, u := range uids {
		f := mail.FlagSeen
		if i%2 == 0 {
			f |= mail.FlagDeleted
		}
		changes = append(changes, store.FlagChange{UID: u, Add: f})
	}
	w.must(m.SetFlags(ctx, changes, func(_ int, err error) { w.must(err) }))
	w.must(m.Remove(ctx, store.RemoveRequest{All: true}))
	w.must(m.Close(ctx))
	w.told()
	w.store.own.mu.Lock()
	left := len(w.store.own.notes)
	w.store.own.mu.Unlock()
	if left != 0 {
		t.Errorf("%d own changes were not reported by the system", left)
	}

	w.write("a/new/foreign")
	w.told("a")
	m = open()
	_, err = m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true}) // gives it a UID
	w.must(err)
	w.must(m.Close(ctx))
	w.told()

	// A failed change leaves no note.
	if err := w.store.own.Rename(filepath.Join(w.dir, "a/cur/missing"), filepath.Join(w.dir, "a/cur/x")); err == nil {
		t.Error("no error")
	}
	w.write("a/cur/x")
	w.told("a")
}

// TestWatchLimits: if the system refuses a watch, the directory is polled, and there is one
// warning, with the setting that helps.
func TestWatchLimits(t *testing.T) {
	for _, tt := range []struct {
		err    error
		remote bool
		sysctl string
	}{
		{err: syscall.ENOSPC, sysctl: "fs.inotify.max_user_watches"},
		{err: syscall.EMFILE, sysctl: "fs.inotify.max_user_instances"},
		{remote: true},
		{err: errors.ErrUnsupported},
	} {
		t.Run(fmt.Sprint(tt.err), func(t *testing.T) {
			w := startWatch(t, func(o *Options) { o.LocalPoll = 20 * time.Millisecond })
			p := newWatch(w.store, w.take)
			if tt.err != nil {
				p.unsupported(tt.err)
			}
			p.remote = func(string) bool { return tt.remote }
			var ctx context.Context
			ctx, p.cancel = context.WithCancel(context.Background())
			p.choose([]string{"INBOX", "a"})
			go p.run(ctx)
			time.Sleep(600 * time.Millisecond)
			p.Close()
			if len(w.warnings) != 1 {
				t.Fatal(w.warnings)
			}
			f, ok := w.warnings[0].(event.LocalPolling)
			if !ok || f.Interval != 20*time.Millisecond {
				t.Errorf("%#v", f)
			}
			if systemWatches && f.Sysctl != tt.sysctl {
				t.Errorf("the setting %q, want %q", f.Sysctl, tt.sysctl)
			}
			st := w.reports[0].State
			if st == nil || st.Mode != store.WatchFiles || !st.Connected || st.Err == nil {
				t.Errorf("state %+v", st)
			}
			if len(w.store.own.watched) != 0 {
				t.Error("own changes of polled directories are noted")
			}
		})
	}
}

// TestWatchManyAdded: many mailboxes that are new to the watch are reported together.
func TestWatchManyAdded(t *testing.T) {
	w := startWatch(t, nil).begin()
	boxes := []string{"INBOX", "a"}
	for i := range 30 {
		box := fmt.Sprint("box", i)
		w.mkbox(box)
		boxes = append(boxes, box)
	}
	w.watch.Select(boxes)
	w.told("*", "all")
	w.watch.Select(boxes)
	w.told()
	w.write("box7/new/1")
	w.told("box7")
}

// TestWatchOverflow: if reports were lost, everything may have changed.
func TestWatchOverflow(t *testing.T) {
	w := startWatch(t, nil)
	p := newWatch(w.store, w.take)
	w.store.own.watch(filepath.Join(w.dir, "a/cur"))
	w.store.own.note(ownChange{path: filepath.Join(w.dir, "a/cur/1")})
	p.lost(errors.New("queue overflow"))
	if len(w.store.own.notes) != 0 {
		t.Error("notes are left whose reports were lost")
	}
	if !slices.ContainsFunc(w.reports, func(r store.WatchReport) bool { return r.All && r.Boxes }) {
		t.Errorf("%+v", w.reports)
	}
}

// TestWatchEnds: Close leaves no goroutine and no descriptor.
func TestWatchEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	w := startWatch(t, nil)
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		x, err := w.store.Watch(ctx, store.WatchOptions{}, func(store.WatchReport) {})
		w.must(err)
		cancel()
		x.Select([]string{"a"})
		x.Close()
	}
	if w.store.own.watching.Load() {
		t.Error("own changes are noted without a watch")
	}
}

// mv renames a directory.
func (w *watched) mv(from, to string) {
	w.t.Helper()
	w.must(os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)))
}

// TestWatchRenamed: if a mailbox, or a directory above it, is renamed, and there is another one
// of its name later, that one is watched. The renamed one is not.
func TestWatchRenamed(t *testing.T) {
	for _, tt := range []struct {
		path, dir, box string // the directory that is renamed, and a mailbox in it
		late           bool   // it is noticed at the next interval
	}{
		{"", "a", "a", false},
		{"", "up", "up/b", false},
		{"", "up/b", "up/b", false},
		{"Mail", "Mail", "a", true},
		{"home/Mail", "home", "a", true},
	} {
		for _, how := range []string{"replaced", "back", "missing for a while"} {
			t.Run(tt.dir+" "+how, func(t *testing.T) {
				w := &watched{t: t, dir: t.TempDir()}
				box := filepath.Join(tt.path, tt.box)
				w.mkbox(box)
				w.mkbox("INBOX")
				s, err := New(Options{
					Name: "local", Inbox: filepath.Join(w.dir, "INBOX"), Path: filepath.Join(w.dir, tt.path) + "/", SubFolders: SubFoldersVerbatim,
					LocalPoll: 100 * time.Millisecond,
				})
				w.must(err)
				w.store = s
				w.watch, err = w.store.Watch(context.Background(), store.WatchOptions{Boxes: []string{"INBOX", tt.box}}, w.take)
				w.must(err)
				defer w.watch.Close()
				reported := func() {
					w.t.Helper()
					time.Sleep(50 * time.Millisecond)
					w.forget()
					w.write(box + "/new/" + fmt.Sprint(time.Now().UnixNano()))
					w.told(tt.box)
				}
				reported()
				w.mv(tt.dir, "elsewhere")
				switch how {
				case "replaced":
					w.mkbox(box)
				case "back":
					w.mv("elsewhere", tt.dir)
				default:
					time.Sleep(250 * time.Millisecond)
					w.mkbox(box)
				}
				if tt.late {
					time.Sleep(300 * time.Millisecond)
				}
				reported()
				if how != "back" {
					w.forget()
					rest, err := filepath.Rel(tt.dir, box)
					w.must(err)
					w.write(filepath.Join("elsewhere", rest, "new/x"))
					time.Sleep(50 * time.Millisecond)
					w.mu.Lock()
					defer w.mu.Unlock()
					for _, r := range w.reports {
						if r.Box != "" {
							t.Errorf("a change elsewhere is reported as one of %s", r.Box)
						}
					}
				}
			})
		}
	}
}
