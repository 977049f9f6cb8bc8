package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/setup"
	"isync/internal/vfs"
)

// keepError reports that the password cannot be stored in the chosen place.
type keepError struct {
	place setup.Keeper
	err   error
}

func (e *keepError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *keepError) Unwrap() error { return e.err }

// keepFact returns the fact for an error of a password store or of systemd.
func (w *setupWorld) keepFact(err error) event.Fact {
	if e, ok := errors.AsType[*keepError](err); ok {
		return event.SecretNotKept{Place: string(e.place), Err: e.err}
	}
	if e, ok := errors.AsType[*unitError](err); ok {
		return event.UnitNotEnabled{Command: e.command, Err: e.err}
	}
	return nil
}

// Keepers implements setup.World.
func (w *setupWorld) Keepers() (list []setup.Keeper) {
	if auth.HasKeychain() {
		list = append(list, setup.InKeyring)
	}
	if w.passStore() != "" {
		list = append(list, setup.InPass)
	}
	if !w.env.Config.Windows {
		list = append(list, setup.InFile)
	}
	return append(list, setup.ByCommand, setup.Nowhere)
}

// passStore returns the directory of the password manager pass; "": it is not in use.
func (w *setupWorld) passStore() string {
	if _, err := exec.LookPath("pass"); err != nil {
		return ""
	}
	dir := ""
	if w.env.Config.Getenv != nil {
		dir = w.env.Config.Getenv("PASSWORD_STORE_DIR")
	}
	if dir == "" {
		home, err := w.resolve("~")
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".password-store")
	}
	if _, err := w.env.FS.Stat(filepath.Join(dir, ".gpg-id")); err != nil {
		return ""
	}
	return dir
}

// CheckKeeper implements setup.World.
func (w *setupWorld) CheckKeeper(ctx context.Context, p *setup.Plan) (has bool, err error) {
	fail := func(err error) (bool, error) { return false, &keepError{p.Keeper, err} }
	switch p.Keeper {
	case setup.InKeyring:
		_, err := auth.InKeychain(ctx, p.Server.Host, p.User)
		switch {
		case errors.Is(err, auth.ErrNotInKeychain):
			return false, nil
		case err != nil:
			return fail(err)
		}
		return true, nil
	case setup.InPass:
		entry := w.freeName("mail/"+p.User, func(entry string) string { return filepath.Join(w.passStore(), entry+".gpg") })
		p.PassCmd = "pass show " + shellQuote(entry)
	case setup.InFile:
		if p.PassCmd, err = w.reserveFile(p.User); err != nil {
			return fail(err)
		}
	case setup.ByCommand, setup.Nowhere:
	}
	return false, nil
}

// reserveFile chooses the file for a password, and returns the command that prints it.
func (w *setupWorld) reserveFile(name string) (command string, err error) {
	dir, err := w.env.Config.StateDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "passwords")
	w.password = w.freeName(filepath.Join(dir, strings.ReplaceAll(name, "/", "_")), func(path string) string { return path })
	return "cat " + w.shellPath(w.password), nil
}

// shellPath returns a path for a shell, with a tilde for the home directory.
func (w *setupWorld) shellPath(path string) string {
	if rest, ok := strings.CutPrefix(w.shorten(path), "~/"); ok {
		return "~/" + shellQuote(rest)
	}
	return shellQuote(path)
}

// freeName returns a name whose file does not exist.
func (w *setupWorld) freeName(base string, file func(string) string) string {
	name := base
	for n := 2; ; n++ {
		if _, err := w.env.FS.Stat(file(name)); err != nil {
			return name
		}
		name = fmt.Sprint(base, "-", n)
	}
}

// Keep implements setup.World.
func (w *setupWorld) Keep(ctx context.Context, p *setup.Plan, password string) (undo func(), err error) {
	undo = func() {}
	if password == "" {
		return undo, nil
	}
	place := p.Keeper
	if p.OAuth != "" {
		place = setup.InFile
	}
	switch place {
	case setup.InKeyring:
		if err = auth.KeepInKeychain(ctx, p.Server.Host, p.User, password); err == nil {
			undo = func() { _ = auth.ForgetInKeychain(context.WithoutCancel(ctx), p.Server.Host, p.User) }
		}
	case setup.InPass:
		entry, _ := strings.CutPrefix(p.PassCmd, "pass show ")
		if err = shell(ctx, "pass insert --multiline "+entry, password+"\n"); err == nil {
			undo = func() { _ = shell(context.WithoutCancel(ctx), "pass rm --force "+entry, "") }
		}
	case setup.InFile:
		if err = writeSecret(w.env.FS, w.password, password); err == nil {
			undo = func() { _ = w.env.FS.Remove(w.password) }
		}
	case setup.ByCommand, setup.Nowhere:
	}
	if err != nil {
		return nil, &keepError{place, err}
	}
	return undo, nil
}

// writeSecret writes a password to a new file that only the user can read.
func writeSecret(fsys vfs.FS, name, password string) error {
	dir := filepath.Dir(name)
	if err := vfs.MkdirAll(fsys, dir, 0o700, true); err != nil {
		return err
	}
	if err := writePrivate(fsys, name, []byte(password+"\n")); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// shell runs a command with an input. If it fails, the error contains its output.
func shell(ctx context.Context, command, input string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if err == nil || ctx.Err() != nil {
		return err
	}
	text := out.String()
	if secret := strings.TrimSpace(input); secret != "" {
		text = strings.ReplaceAll(text, secret, "****")
	}
	return fmt.Errorf("%s: %w: %s", command, err, strings.TrimSpace(text))
}

// CheckCertificate implements setup.World.
func (w *setupWorld) CheckCertificate(file string) error {
	_, _, err := config.Parse(w.target.name, []byte("IMAPAccount a\nHost h\nSystemCertificates no\nCertificateFile "+config.QuoteArg(file)+"\n"), w.env.Config)
	if list, ok := errors.AsType[config.ErrorList](err); ok {
		return errors.New(list[0].Msg)
	}
	return err
}

// unitError reports that a unit could not be enabled.
type unitError struct {
	command string
	err     error
}

func (e *unitError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *unitError) Unwrap() error { return e.err }

// unitLimit is the timeout of systemctl.
const unitLimit = 20 * time.Second

// watchUnit is the unit of mbsync --watch.
const watchUnit = "mbsync-watch.service"

// Reload implements setup.World.
func (w *setupWorld) Reload() string {
	if w.c.hasConfig || !systemctl("is-active", "--quiet", watchUnit) {
		return ""
	}
	return "systemctl --user reload " + watchUnit
}

// systemctl runs systemctl --user and reports whether it succeeded.
func systemctl(args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), unitLimit)
	defer cancel()
	return exec.CommandContext(ctx, "systemctl", append([]string{"--user"}, args...)...).Run() == nil
}

// Services implements setup.World. The units use the default configuration file.
func (w *setupWorld) Services() (units []string) {
	if w.c.hasConfig {
		return nil
	}
	for _, unit := range []string{"mbsync.timer", watchUnit} {
		if systemctl("cat", unit) {
			units = append(units, unit)
		}
	}
	return units
}

// Enable implements setup.World.
func (w *setupWorld) Enable(ctx context.Context, unit string) error {
	command := "systemctl --user enable --now --no-block " + unit
	limited, cancel := context.WithTimeout(ctx, unitLimit)
	defer cancel()
	if err := shell(limited, command, ""); err != nil {
		return &unitError{command, err}
	}
	return nil
}
