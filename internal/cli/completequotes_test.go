package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Names of mailboxes come from servers. Whatever they hold, bash completes them to what
// the program takes for the same name, within quotes as well, and runs nothing that is in
// them. Options of the shell that concern patterns do not matter.
func TestBashCompletionOfOddNames(t *testing.T) {
	w := newShellWorld(t)
	s := w.start(t, "bash", "--norc", "--noprofile", "-i")
	for _, box := range []string{"[Gmail]/All Mail", "$(echo x)", "`echo y`", `q"u`, "k'l", `v\w`, "x*"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.dir, "home/mail", box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.send("bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source '" + completionFile(t, "mbsync.bash") + "'; echo read''y\r")
	s.expect("ready")
	for _, option := range []string{"-u failglob", "-s nullglob", "-s failglob"} {
		s.send("shopt -u nullglob failglob; shopt " + option + "; echo read''y\r")
		s.expect("ready")
		for _, c := range []struct{ keys, want string }{
			{`m:\[\t`, "m:[Gmail]/All Mail"},
			{`"m:[\t`, "m:[Gmail]/All Mail"},
			{`'m:[\t`, "m:[Gmail]/All Mail"},
			{`m:"[\t`, "m:[Gmail]/All Mail"},
			{`"m:Tw\t`, "m:Two Words"},
			{`m:\$\t`, "m:$(echo x)"},
			{`"m:\$\t`, "m:$(echo x)"},
			{`'m:$\t`, "m:$(echo x)"},
			{"\"m:\\`\\t", "m:`echo y`"},
			{`"m:q\t`, `m:q"u`},
			{`'m:q\t`, `m:q"u`},
			{`"m:k\t`, "m:k'l"},
			{`'m:k\t`, "m:k'l"},
			{`"m:v\t`, `m:v\w`},
			{`"m:x\t`, "m:x*"},
		} {
			keys := c.keys[:len(c.keys)-len(`\t`)] + "\t"
			s.typed("mbsync -c ~/boxes.rc "+keys, "<-c><"+filepath.Join(w.dir, "home/boxes.rc")+"><"+c.want+">")
		}
	}
}
