//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/google/go-cmp/cmp"
)

// delivered numbers the files that tests put into Maildirs.
var delivered counter

type counter struct{ n atomic.Int64 }

func (c *counter) next() int64 { return c.n.Add(1) }

// agree checks that both sides of a mailbox hold these letters and no others,
// and that the state pairs those that are the same.
func (w *homeWorld) agree(box string, letters []letter) {
	w.tb.Helper()
	far, near := w.far(box), w.near(box)
	w.compare(box, letters, far, near)
	w.checkLimits(box, far, near)
}

// compare checks contents and records, of sides that were read before.
func (w *homeWorld) compare(box string, letters []letter, far, near []found) {
	w.tb.Helper()
	want := lettersAsContents(letters)
	if d := cmp.Diff(want, contentsOf(far)); d != "" {
		w.tb.Errorf("%s on the server (-want +got):\n%s", box, d)
	}
	if d := cmp.Diff(want, contentsOf(near)); d != "" {
		w.tb.Errorf("%s in the Maildir store (-want +got):\n%s", box, d)
	}
	w.checkState(box, far, near)
}

// state is a state file as the documentation of the format has it.
type state struct {
	numbers map[string]uint32
	records []record
}

type record struct {
	far, near uint32
	flags     string
}

func (w *homeWorld) stateFile(box string) string {
	flat := strings.ReplaceAll(box, "/", "!")
	return w.path("state", fmt.Sprintf(":far:%s_:near:%s", flat, flat))
}

func (w *homeWorld) readState(box string) state {
	w.tb.Helper()
	data, err := os.ReadFile(w.stateFile(box))
	if err != nil {
		w.tb.Fatal(err)
	}
	header, rest, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		w.tb.Fatalf("state without an empty line:\n%s", data)
	}
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			w.tb.Fatalf("in the state: %v", err)
		}
		return uint32(n)
	}
	s := state{numbers: map[string]uint32{}}
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		s.numbers[name] = number(value)
	}
	for line := range strings.Lines(rest) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(f) != 3 {
			w.tb.Fatalf("record %q", line)
		}
		s.records = append(s.records, record{number(f[0]), number(f[1]), f[2]})
	}
	return s
}

// checkState checks the state of a mailbox that is completely synchronized:
// every message is in one record, with its copy and its flags.
func (w *homeWorld) checkState(box string, far, near []found) {
	w.tb.Helper()
	s := w.readState(box)
	byUID := func(list []found) map[uint32]letter {
		m := make(map[uint32]letter, len(list))
		for _, f := range list {
			if _, twice := m[f.uid]; twice || f.uid == 0 {
				w.tb.Errorf("UID %d of %s", f.uid, f.key())
			}
			m[f.uid] = f.letter
		}
		return m
	}
	farBy, nearBy := byUID(far), byUID(near)
	for _, r := range s.records {
		f, n := farBy[r.far], nearBy[r.near]
		if f.text == "" || f.text != n.text || f.flags != n.flags || f.flags != r.flags {
			w.tb.Errorf("record %v pairs %s [%s] with %s [%s]", r, f.key(), f.flags, n.key(), n.flags)
		}
		delete(farBy, r.far)
		delete(nearBy, r.near)
	}
	for uid, f := range farBy {
		w.tb.Errorf("far message %d, %s, is in no record", uid, f.key())
	}
	for uid, n := range nearBy {
		w.tb.Errorf("near message %d, %s, is in no record", uid, n.key())
	}
	for _, end := range []string{".new", ".journal", ".lock"} {
		if _, err := os.Lstat(w.stateFile(box) + end); err == nil {
			w.tb.Errorf("there still is %s", w.stateFile(box)+end)
		}
	}
}

// checkLimits checks that nothing counts as new.
func (w *homeWorld) checkLimits(box string, far, near []found) {
	w.tb.Helper()
	s := w.readState(box)
	for _, c := range []struct {
		name string
		list []found
	}{{"MaxPulledUid", far}, {"MaxPushedUid", near}} {
		if len(c.list) > 0 && s.numbers[c.name] < c.list[len(c.list)-1].uid {
			w.tb.Errorf("%s is %d, but there is message %d", c.name, s.numbers[c.name], c.list[len(c.list)-1].uid)
		}
	}
}

// tracks returns what would show that a file was touched, for every file and
// directory under the world's Maildirs and states.
func (w *homeWorld) tracks() map[string]string {
	w.tb.Helper()
	out := map[string]string{}
	for _, top := range []string{"state", "near", "inbox", "far", "farinbox"} {
		err := filepath.WalkDir(w.path(top), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil {
				return err
			}
			st, ok := info.Sys().(*syscall.Stat_t)
			if !ok {
				return fmt.Errorf("%s: %T", path, info.Sys())
			}
			rel, err := filepath.Rel(w.dir, path)
			if err != nil {
				return err
			}
			switch _, err := os.Stat(filepath.Join(path, "cur")); {
			case rel == "state" || strings.HasSuffix(rel, ".lock"):
				return nil // the lock comes and goes
			case filepath.Base(rel) == ".isyncuidmap.names":
				return nil // the first run after one of the other program writes it
			case err == nil: // a mailbox
				out[rel] = fmt.Sprintf("%v, inode %d", info.Mode(), st.Ino)
				return nil
			}
			out[rel] = fmt.Sprintf("%v, inode %d, %d bytes, modified %v, changed %v", info.Mode(), st.Ino, st.Size, st.Mtim, st.Ctim)
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			w.tb.Fatal(err)
		}
	}
	return out
}

// modifying are commands that may change something on a server. Fetching a
// body without PEEK marks it as seen.
var modifying = regexp.MustCompile(`(?i)^(UID )?(STORE|EXPUNGE|COPY|MOVE|APPEND|CREATE|DELETE|RENAME|SUBSCRIBE|UNSUBSCRIBE|CLOSE|SETACL|SETMETADATA|REPLACE)\b` +
	`|(?i)^(UID )?FETCH .*(BODY\[|RFC822(\.TEXT)?[ )])`)

// fetching are commands that transfer messages.
var fetching = regexp.MustCompile(`(?i)^(UID )?FETCH .*(BODY(\.PEEK)?\[\]|RFC822(\.PEEK)?[ )])`)

// idle runs a program, which must find that nothing is to be done: it touches
// no file and sends no command that modifies.
func (w *homeWorld) idle(p program, boxes ...string) {
	w.tb.Helper()
	files := w.tracks()
	before := w.farAll(boxes...)
	var commands []string
	if w.server != nil {
		w.server.ForgetCommands(w.tb)
	}
	w.sync(p)
	if w.server != nil {
		commands = w.server.Commands(w.tb, w.user)
	}
	for _, c := range commands {
		// The other program closes every mailbox, as there is nothing to expunge.
		if modifying.MatchString(c) && (p.path == binary || c != "CLOSE") {
			w.tb.Errorf("%s has nothing to do, but sends %s", p.name, c)
		}
		if fetching.MatchString(c) {
			w.tb.Errorf("%s has nothing to do, but fetches messages: %s", p.name, c)
		}
	}
	if d := cmp.Diff(files, w.tracks()); d != "" {
		w.tb.Errorf("%s has nothing to do, but touches files:\n%s", p.name, d)
	}
	if d := cmp.Diff(before, w.farAll(boxes...), cmp.AllowUnexported(found{}, letter{})); d != "" {
		w.tb.Errorf("%s has nothing to do, but changes the server:\n%s", p.name, d)
	}
}

// rename gives a message of a Maildir other flags, as a mail reader does.
func (w *homeWorld) mark(f found, flags string) {
	w.tb.Helper()
	base, _, _ := strings.Cut(filepath.Base(f.file), ":2,")
	to := filepath.Join(filepath.Dir(filepath.Dir(f.file)), "cur", base+":2,"+flags)
	if err := os.Rename(f.file, to); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *homeWorld) remove(f found) {
	w.tb.Helper()
	if err := os.Remove(f.file); err != nil {
		w.tb.Fatal(err)
	}
}

// pick returns the one message of a mailbox that has the text.
func (w *homeWorld) pick(list []found, l letter) found {
	w.tb.Helper()
	text := normal(l.text)
	i := slices.IndexFunc(list, func(f found) bool { return f.text == text })
	if i < 0 {
		w.tb.Fatalf("there is no %s", l.key())
	}
	return list[i]
}
