package cli

import (
	"io/fs"

	"isync/internal/event"
	"isync/internal/ui"
)

// warnExposed warns of configuration files that contain a password and that users other than the
// owner can read. With --check, the report contains this.
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

// isExposed reports whether the group or all users can read a file. A pipe, such as that of a
// decrypting command, is never exposed.
func isExposed(fi fs.FileInfo) bool { return fi.Mode().IsRegular() && fi.Mode().Perm()&0o044 != 0 }
