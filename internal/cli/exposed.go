package cli

import (
	"io/fs"
	"path/filepath"

	"isync/internal/event"
	"isync/internal/ui"
)

// warnExposed warns of a configuration file that holds a password and that somebody
// but its owner can read. With --check the report says so.
func (r *run) warnExposed() {
	if r.c.check || r.c.level() < ui.Normal || r.env.Config.Windows {
		return
	}
	for _, a := range r.cfg.Accounts {
		if !a.Pass.IsSet() {
			continue
		}
		path := filepath.Join(r.cfg.Dir, filepath.Base(r.cfg.File))
		fi, err := r.env.FS.Stat(path)
		if err == nil && isExposed(fi) {
			r.tell(event.Warning, a.Pos("Pass"), event.PasswordExposed{Mode: fi.Mode().Perm(), Command: "chmod 600 " + shellQuote(path)})
		}
		return
	}
}

// isExposed reports whether the group, or anybody, can read a file. A pipe, such as
// that of a command that decrypts the file, is not a file.
func isExposed(fi fs.FileInfo) bool { return fi.Mode().IsRegular() && fi.Mode().Perm()&0o044 != 0 }
