package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// convertCompletions makes the completions of mdconvert from the table of its
// options, by file. It has so few of them, and nothing to look up, that the
// shells need not ask it.
func convertCompletions() map[string]string {
	var words, fish, zsh strings.Builder
	for _, o := range convertOptions {
		fmt.Fprintf(&words, " -%c --%s", o.letter, o.name)
		fmt.Fprintf(&fish, "complete -c mdconvert -s %c -l %s -d '%s'\n", o.letter, o.name, o.help)
		fmt.Fprintf(&zsh, " \\\n  '(-%c --%s)'{-%c,--%s}'[%s]'", o.letter, o.name, o.letter, o.name, o.help)
	}
	const made = "# Made from the table of options by \"make generate\".\n"
	return map[string]string{
		"mdconvert.bash": `# Completion of mdconvert's options and of directories, for bash.
` + made + `
_mdconvert() {
    local IFS=$'\n' cur=${COMP_WORDS[COMP_CWORD]}
    if [[ $cur == -* ]]; then
        IFS=' '
        COMPREPLY=($(compgen -W '` + strings.TrimSpace(words.String()) + `' -- "$cur"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$cur"))
    fi
}

complete -F _mdconvert mdconvert
`,
		"_mdconvert": `#compdef mdconvert
# Completion of mdconvert's options and of directories, for zsh.
` + made + `
_arguments` + zsh.String() + ` \
  '*:mailbox:_directories'
`,
		"mdconvert.fish": `# Completion of mdconvert's options and of directories, for fish.
` + made + `
` + fish.String() + `complete -c mdconvert -f -a '(__fish_complete_directories)'
`,
	}
}

// TestConvertCompletions: the files are those that the table makes.
func TestConvertCompletions(t *testing.T) {
	for name, want := range convertCompletions() {
		path := filepath.Join("../../completions", name)
		if *updateManual {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("%s (-want +got; run make generate):\n%s", name, d)
		}
	}
}

// Real shells complete an option and a directory.
func TestConvertCompletionInShells(t *testing.T) {
	w := newShellWorld(t)
	for _, dir := range []string{"Mail/one", "Mail/two"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stub := "#!/bin/sh\nprintf RAN; printf '<%s>' \"$@\"; echo\n"
	if err := os.WriteFile(filepath.Join(w.bin, "mdconvert"), []byte(stub), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []struct {
		name  string
		args  []string
		begin string
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, "bind 'set enable-bracketed-paste off'; source '" + completionFile(t, "mdconvert.bash") + "'; echo read''y\r"},
		{"zsh", []string{"-f", "-i"}, "fpath=('" + filepath.Dir(completionFile(t, "_mdconvert")) + "' $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; PS1='$ '; echo read''y\r"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			s := w.start(t, shell.name, shell.args...)
			s.send(shell.begin)
			s.expect("ready")
			s.typed("mdconvert --nat\t Mail/o\t", "<--native><Mail/one") // zsh takes the slash away again
		})
	}
	t.Run("fish", func(t *testing.T) {
		fish := testkit.FindProgram(t, "fish", "fish")
		for line, want := range map[string]string{
			"mdconvert --nat": "--native\tmove the UIDs into the file names (default)\n", "mdconvert Mail/o": "Mail/one/\tDirectory\n",
		} {
			cmd := exec.Command(fish, "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", completionFile(t, "mdconvert.fish"), line)
			cmd.Dir, cmd.Env = w.dir, w.environ()
			out, err := cmd.Output()
			if err != nil || string(out) != want {
				t.Errorf("%s: %q, %v", line, out, err)
			}
		}
	})
}
