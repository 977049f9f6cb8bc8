package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/ui"
	"isync/internal/vfs"
)

// fixCommand returns the command line that prints the configuration file without deprecated
// words.
func (r *run) fixCommand() string {
	command := "mbsync --check --fix-config"
	if r.c.hasConfig {
		command += " -c " + shellQuote(r.c.config)
	}
	return command
}

// fixConfig replaces the deprecated words of the configuration file, in the file or in the
// printed copy.
func (r *run) fixConfig() int {
	f, notices, err := config.LoadFixed(config.Options{File: r.c.config, Env: r.env.Config})
	r.notices(notices, false)
	if err != nil {
		r.fail(err)
		if _, ok := errors.AsType[config.ErrorList](err); ok {
			r.tell(event.Error, config.Pos{}, event.FileNotFixed{})
		}
		return exitFailure
	}
	if r.c.write {
		return r.writeFixed(f)
	}
	return r.printFixed(f)
}

// printFixed prints the new file. It includes passwords, because the user stores the output as a
// file.
func (r *run) printFixed(f *config.Fixed) int {
	for _, a := range f.Config.Accounts {
		if pos := a.SecretInFile(); pos.IsSet() && pos.File == f.Config.File {
			r.tell(event.Warning, pos, event.OutputHasPassword{Command: r.fixCommand()})
			break
		}
	}
	main := f.Files[0]
	var fact event.Fact = event.NothingToReplace{Printed: true}
	if main.Words > 0 {
		fact = event.WordsReplaced{Count: main.Words, Command: r.fixCommand()}
	}
	r.tellOfFile(event.Notice, main.Name, fact)
	for _, file := range f.Files[1:] {
		if file.Words > 0 {
			r.tellOfFile(event.Notice, file.Name, event.IncludedOutdated{Count: file.Words, Command: r.fixCommand()})
		}
	}
	if _, err := r.env.Stdout.Write(main.New); err != nil {
		r.tell(event.Error, config.Pos{}, event.NewFileNotPrinted{Err: err})
		return exitFailure
	}
	return exitOK
}

// writeFixed replaces the configuration files. After a failure it leaves the remaining files
// unchanged, because each file may have deprecated words or not.
func (r *run) writeFixed(f *config.Fixed) int {
	changed := false
	for _, file := range f.Files {
		if file.Words == 0 {
			continue
		}
		if changed = true; !r.writeFile(file) {
			return exitFailure
		}
	}
	if !changed {
		r.tellOfFile(event.Notice, f.Config.File, event.NothingToReplace{})
	}
	return exitOK
}

// writeFile replaces one of the files. It reports an error, and returns whether it succeeded.
func (r *run) writeFile(f config.FixedFile) bool {
	file := f.Name
	real, err := filepath.EvalSymlinks(f.Path)
	if err == nil && real != f.Path {
		file = real // messages show the real path
	}
	var backup string
	if err == nil {
		backup, err = replaceFile(r.env.FS, real, f.Old, f.New)
	}
	if err != nil {
		r.tellOfFile(event.Error, file, event.FileNotReplaced{
			Err: err, Command: r.fixCommand(), Again: errors.Is(err, errChanged), Kept: backup == "",
		})
		return false
	}
	if r.c.quiet == 0 {
		r.println(fmt.Sprintf("%s: %s replaced; the old file is %s", file, ui.WordsText(f.Words),
			filepath.Join(filepath.Dir(file), filepath.Base(backup))))
	}
	return true
}

var errChanged = errors.New("another program has changed the file in the meantime")

// replaceFile replaces the contents of a file, if they are still the old ones. It first makes a
// backup, whose name is the name of the file with .bak, and a number if that exists. On return
// everything is durable. A power cut before that leaves the old or the new contents. If it
// returns an error and no backup, the file is unchanged and there is no backup.
func replaceFile(fsys vfs.FS, name string, old, contents []byte) (backup string, err error) {
	fi, err := fsys.Stat(name)
	if err != nil {
		return "", err
	}
	if !fi.Mode().IsRegular() {
		return "", errors.New("this is not a regular file")
	}
	backup, err = makeBackup(fsys, name, old, fi)
	if err != nil {
		return "", err
	}
	temp := name + "." + rand.Text() + ".new"
	err = writeLike(fsys, temp, contents, name, fi)
	if err == nil {
		var now []byte
		if now, err = vfs.ReadFile(fsys, name); err == nil && !bytes.Equal(now, old) {
			err = errChanged
		}
	}
	if err == nil {
		err = fsys.Rename(temp, name)
	}
	if err != nil {
		_ = fsys.Remove(temp)
		_ = fsys.Remove(backup)
		return "", err
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return backup, fmt.Errorf("the file was replaced (the old one is %s), but a power cut may undo that: %w", backup, err)
	}
	return backup, nil
}

// makeBackup writes a new file, durably, and returns its name.
func makeBackup(fsys vfs.FS, name string, old []byte, like fs.FileInfo) (string, error) {
	const most = 1000
	for n := range most {
		backup := name + ".bak"
		if n > 0 {
			backup += fmt.Sprint(".", n)
		}
		err := writeLike(fsys, backup, old, name, like)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			// The backup gets the modification time of the old file.
			_ = fsys.Chtimes(backup, like.ModTime(), like.ModTime())
			if err = fsys.SyncDir(filepath.Dir(name)); err != nil {
				_ = fsys.Remove(backup)
			}
		}
		return backup, err
	}
	return "", fmt.Errorf("there are %d backups of the file already", most)
}

// writeLike writes a new file with the mode and owner of another one, as far as possible, and
// flushes it. It does not flush the directory.
func writeLike(fsys vfs.FS, name string, data []byte, other string, like fs.FileInfo) error {
	f, err := vfs.CreateLike(fsys, name, other, os.O_WRONLY|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	vfs.TakeOwner(f, like)
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
