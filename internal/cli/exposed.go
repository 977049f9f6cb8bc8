package cli

import (
	"io/fs"

	"isync/internal/event"
	"isync/internal/ui"
)

// warnExposed warns of files of the configuration that hold a password and that somebody
// but their owner can read. With --check the report says so.
func (r *run) warnExposed() {
	if r.c.check || r.c.level() < ui.Normal || r.env.Config.Windows {
		return
	}
	for _, pos := range r.cfg.Passwords() {
		path := r.cfg.FileOf(pos).Path
		fi, err := r.env.FS.Stat(path)
		if err == nil && isExposed(fi) {
			r.tell(event.Warning, pos, event.PasswordExposed{Mode: fi.Mode().Perm(), Command: "chmod 600 " + shellQuote(path)})
		}
	}
}

// isExposed reports whether the group, or anybody, can read a file. A pipe, such as
// that of a command that decrypts the file, is not a file.
func isExposed(fi fs.FileInfo) bool { return fi.Mode().IsRegular() && fi.Mode().Perm()&0o044 != 0 }
