package differential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programWorld is a directory with two mailboxes, a state and trashes, on which one
// program works. Its far side may live on a server instead.
type programWorld struct {
	dir     string
	arrived int      // messages so far
	server  *account // the far side; nil: a Maildir
}

var sides = []string{"far", "near"}

func (w *programWorld) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// boxName is the name of the mailboxes on both sides.
const boxName = "box"

// box is the Maildir of a side.
func (w *programWorld) box(side int) string { return w.path(sides[side]+"boxes", boxName) }

// newWorld makes empty mailboxes. dir must not exist.
func newWorld(dir string) (*programWorld, error) {
	w := &programWorld{dir: dir}
	for i := range sides {
		if err := w.makeBox(i); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *programWorld) makeBox(side int) error {
	box := w.box(side)
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(filepath.Join(box, sub), 0o700); err != nil {
			return err
		}
	}
	uids := filepath.Join(box, ".uidvalidity")
	if _, err := os.Stat(uids); err == nil {
		return nil
	}
	return os.WriteFile(uids, fmt.Appendf(nil, "%d\n0\n", 1000*(side+1)), 0o600)
}

// file is a message file of a Maildir.
type file struct {
	path  string
	sub   string
	base  string
	uid   uint32
	flags string
}

var fileForm = regexp.MustCompile(`^(.*?)(?:,U=(\d+))?(?::2,(.*))?$`)

// files lists a Maildir, by UID; ok is false if there is none.
func files(box string) (list []file, ok bool, err error) {
	if _, err := os.Stat(filepath.Join(box, "cur")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, false, nil
		}
		return nil, false, err
	}
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(box, sub))
		if err != nil {
			return nil, false, err
		}
		for _, e := range entries {
			m := fileForm.FindStringSubmatch(e.Name())
			uid, _ := strconv.ParseUint(m[2], 10, 32)
			list = append(list, file{filepath.Join(box, sub, e.Name()), sub, m[1], uint32(uid), m[3]})
		}
	}
	slices.SortStableFunc(list, func(a, b file) int { return int(int64(a.uid) - int64(b.uid)) })
	return list, true, nil
}

// apply lets a user do something. What concerns a message that is not there has
// no effect.
func (w *programWorld) apply(c change) error {
	if c.side == 0 && w.server != nil {
		return w.server.apply(c)
	}
	box := w.box(c.side)
	list, ok, err := files(box)
	if err != nil || !ok && c.kind != '=' {
		return err
	}
	switch c.kind {
	case '=':
		if ok {
			return nil
		}
		return w.makeBox(c.side)
	case '!':
		return os.RemoveAll(box)
	case '%':
		return changeValidity(filepath.Join(box, ".uidvalidity"))
	case '+':
		w.arrived++
		name := fmt.Sprintf("%d.%d_1.user", 1700000000+w.arrived, w.arrived)
		sub := "new"
		if c.flags != "" {
			sub, name = "cur", name+":2,"+c.flags
		}
		return os.WriteFile(filepath.Join(box, sub, name), []byte(body(c.name)), 0o600)
	}
	for _, f := range list {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if strings.TrimSuffix(nameOf(string(text)), "?") != c.name {
			continue
		}
		if c.kind == '-' {
			return os.Remove(f.path)
		}
		flags := withFlag(f.flags, c.flags, c.unset)
		name := f.base
		if f.uid != 0 {
			name += fmt.Sprintf(",U=%d", f.uid)
		}
		return os.Rename(f.path, filepath.Join(box, "cur", name+":2,"+flags))
	}
	return nil
}

// withFlag returns the letters with one more or one less.
func withFlag(flags, flag string, unset bool) string {
	flags = strings.ReplaceAll(flags, flag, "")
	if unset {
		return flags
	}
	letters := strings.Split(flags+flag, "")
	slices.Sort(letters)
	return strings.Join(letters, "")
}

func changeValidity(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	n, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(strconv.Itoa(n+1)+"\n"+rest), 0o600)
}

// mbsync is one of the two programs.
type mbsync struct{ name, path string }

// outcome is that of a run.
type outcome struct {
	code    int
	crashed bool
	text    string // all it has written
}

// run synchronizes the world.
func (w *programWorld) run(p mbsync, r round) (outcome, error) { return w.runWith(p, r) }

// runWith synchronizes the world with more arguments.
func (w *programWorld) runWith(p mbsync, r round, args ...string) (outcome, error) {
	channel, stores := r.config()
	rc := "FSync no\nSyncState " + w.path("state") + "/\n\n"
	for i, side := range sides {
		if i == 0 && w.server != nil {
			rc += w.server.config(p) + stores[i] + "\n"
			continue
		}
		rc += fmt.Sprintf("MaildirStore %s\nInbox %s\nPath %s/\nSubFolders Verbatim\n%s\n", side, w.path(side+"inbox"), w.path(side+"boxes"), stores[i])
	}
	if p == ours { // the other one copies what both sides have without a state
		rc = "Adopt no\n" + rc
	}
	rc += "Channel c\nFar :far:" + boxName + "\nNear :near:" + boxName + "\n" + channel
	name := w.path("rc")
	if err := os.WriteFile(name, []byte(rc), 0o600); err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// -Tz: the world is left alone while it is being synchronized, so that
	// there is no need to wait for the clock.
	cmd := exec.CommandContext(ctx, p.path, slices.Concat([]string{"-c", name, "-Tz"}, args, []string{"c"})...)
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil || !exit.Exited() && p != theirs) {
		return outcome{}, fmt.Errorf("%s: %w\n%s", p.name, errors.Join(err, ctx.Err()), &out)
	}
	return outcome{cmd.ProcessState.ExitCode(), !cmd.ProcessState.Exited(), out.String()}, nil
}

// copyTo makes another world that is the same. dir must not exist.
func (w *programWorld) copyTo(dir string) (*programWorld, error) {
	if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
		return nil, err
	}
	c := &programWorld{dir: dir, arrived: w.arrived}
	if w.server == nil {
		return c, nil
	}
	var err error
	c.server, err = w.server.another()
	return c, err
}

// settle waits until an interrupted program has no effect any more.
func (w *programWorld) settle() error {
	if w.server == nil {
		return nil
	}
	return w.server.settle()
}

// remove ends what a world has open and deletes it.
func (w *programWorld) remove() error {
	w.close()
	return os.RemoveAll(w.dir)
}

// removeJournal removes the files of an incomplete run.
func (w *programWorld) removeJournal() error {
	for _, suffix := range []string{".journal", ".new"} {
		if err := os.Remove(w.path("state", stateName+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// stateName is the name of the state file.
const stateName = ":far:" + boxName + "_:near:" + boxName
