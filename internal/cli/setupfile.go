package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/setup"
	"isync/internal/vfs"
)

// setupTarget is the configuration file to which an account is added.
type setupTarget struct {
	// name is the path in messages; path is the real path.
	name, path string
	exists     bool
	old        []byte
	// cfg is the current configuration; it is empty if there is no file.
	cfg *config.Config
}

// setupWriteError reports that the configuration could not be written.
type setupWriteError struct{ Err error }

func (e *setupWriteError) Error() string {
	return "the configuration was not written: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *setupWriteError) Unwrap() error { return e.Err }

// lookAtFile finds and parses the configuration file. It rejects a file with errors.
func (w *setupWorld) lookAtFile() bool {
	name, old, err := config.Find(config.Options{File: w.c.config, Env: w.env.Config})
	none, missing := errors.AsType[*config.NotFoundError](err)
	switch {
	case missing:
		name = none.Places[0]
	case errors.Is(err, fs.ErrNotExist):
		name = w.c.config
	case err != nil:
		w.fail(err)
		return false
	default:
		w.target.exists = true
	}
	cfg, _, err := config.Parse(name, old, w.env.Config)
	if err != nil {
		w.fail(err)
		w.tellOfFile(event.Error, name, event.SetupFileInvalid{Command: strings.TrimSpace(w.Command("--setup " + strings.Join(w.c.names, " ")))})
		return false
	}
	w.target.name, w.target.old, w.target.cfg = name, old, cfg
	w.target.path = filepath.Join(cfg.Dir, filepath.Base(name))
	if real, err := filepath.EvalSymlinks(w.target.path); err == nil {
		w.target.path = real
	}
	return true
}

// File implements setup.World.
func (w *setupWorld) File() (name string, exists bool) {
	return w.shorten(w.target.name), w.target.exists
}

// shorten returns a path for messages, with a tilde for the home directory.
func (w *setupWorld) shorten(path string) string {
	if home, err := w.resolve("~"); err == nil {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			return "~/" + rest
		}
	}
	return path
}

// Name implements setup.World.
func (w *setupWorld) Name(wanted string) string {
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return -1
	}, strings.ToLower(wanted))
	if base == "" {
		base = "mail"
	}
	name := base
	for n := 2; w.CheckName(name) != nil; n++ {
		name = fmt.Sprint(base, n)
	}
	return name
}

// CheckName implements setup.World.
func (w *setupWorld) CheckName(name string) error {
	if name == "" || strings.ContainsAny(name, ":,/\\\"'*%!#") || strings.HasPrefix(name, "-") ||
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return errors.New("this name cannot be used; letters, digits, dots and hyphens can")
	}
	p := setup.Plan{Name: name}
	cfg := w.target.cfg
	if cfg.Account(name) != nil || cfg.Store(p.Remote()) != nil || cfg.Store(p.Local()) != nil || cfg.Channel(name) != nil || cfg.Group(name) != nil {
		return fmt.Errorf("%s has this name already", w.shorten(w.target.name))
	}
	if w.hasToken(name) {
		return errors.New("there is an OAuth token of an earlier account with this name; to remove it, see mbsync --auth-forget")
	}
	if w.hasState(p.Remote()) {
		return errors.New("there is a sync state of an earlier account with this name")
	}
	return nil
}

// hasState reports whether the directory of sync states of the configuration has a state of a
// store with this name.
func (w *setupWorld) hasState(store string) bool {
	const probe = "IMAPStore far\nHost h\n\nMaildirStore near\nPath ~/near/\nInbox ~/near\n\nChannel far-near\nFar :far:\nNear :near:\n"
	cfg, _, err := config.Parse(w.target.name, w.withText(strings.NewReplacer("far", store, "near", store+"-probe").Replace(probe)), w.env.Config)
	if err != nil {
		return false
	}
	state := cfg.Channels[len(cfg.Channels)-1].SyncState
	if state.Kind != config.StateGlobal {
		return false
	}
	dir, part := filepath.Split(state.Prefix)
	names, err := w.env.FS.ReadNames(dir)
	if err != nil {
		return false
	}
	mark := part + string(cfg.Global.FieldDelimiter) + store + string(cfg.Global.FieldDelimiter)
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, mark) })
}

// newContents returns the file with the account appended.
func (w *setupWorld) newContents(p *setup.Plan) []byte { return w.withText(p.Text()) }

// withText returns the file with a text appended.
func (w *setupWorld) withText(text string) []byte {
	out := bytes.Clone(w.target.old)
	if bytes.Contains(out, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	eol := "\n"
	if strings.Contains(text, "\r\n") {
		eol = "\r\n"
	}
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, eol...)
	}
	if len(out) > 0 {
		out = append(out, eol...)
	}
	return append(out, text...)
}

// Complete implements setup.World.
func (w *setupWorld) Complete(p *setup.Plan) error {
	p.Explicit = false
	alone, _, err := config.Parse(w.target.name, []byte(p.Text()), w.env.Config)
	if err != nil {
		return err
	}
	added, _, err := config.Parse(w.target.name, w.newContents(p), w.env.Config)
	if err != nil {
		return err
	}
	want, got := alone.Channel(p.Name), added.Channel(p.Name)
	// Global defaults in the file may change the channel.
	if got.Ops != want.Ops || got.MaxMessages != want.MaxMessages || got.MaxMessages > 0 && got.ExpireSide != want.ExpireSide {
		p.Explicit = true
		if added, _, err = config.Parse(w.target.name, w.newContents(p), w.env.Config); err != nil {
			return err
		}
		if got = added.Channel(p.Name); got.Ops != want.Ops || got.MaxMessages != want.MaxMessages {
			return errors.New("internal error: the account would not mean the same in this file; please report this")
		}
	}
	return nil
}

// Write implements setup.World.
func (w *setupWorld) Write(p *setup.Plan) (backup string, err error) {
	dir, err := w.env.Config.Resolve(w.target.cfg.Dir, p.Directory)
	if err == nil {
		err = vfs.MkdirAll(w.env.FS, dir, 0o700, true)
	}
	switch {
	case err != nil:
	case w.target.exists:
		backup, err = replaceFile(w.env.FS, w.target.path, w.target.old, w.newContents(p))
		if err != nil && backup != "" { // the backup exists, but may not survive a power cut
			w.written = true
		}
	default:
		err = createConfig(w.env.FS, w.target.path, w.newContents(p))
	}
	if err != nil {
		return "", &setupWriteError{err}
	}
	w.written = true
	if backup != "" {
		backup = w.shorten(backup)
	}
	return backup, nil
}

// createConfig writes a configuration file that must not exist, with mode 600 independently of
// the umask. After a power cut the file is missing, empty or complete.
func createConfig(fsys vfs.FS, name string, data []byte) error {
	if err := vfs.MkdirAll(fsys, filepath.Dir(name), 0o700, true); err != nil {
		return err
	}
	claim, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errChanged
	}
	if err != nil {
		return err
	}
	claim.Close()
	temp := name + "." + rand.Text() + ".new"
	if err = writePrivate(fsys, temp, data); err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		_ = fsys.Remove(temp)
		_ = fsys.Remove(name)
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// writePrivate writes a new file with mode 600 and flushes it. The directory is not flushed.
func writePrivate(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if c, ok := f.(interface{ Chmod(mode fs.FileMode) error }); ok {
		err = c.Chmod(0o600)
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = fsys.Remove(name)
	}
	return err
}
