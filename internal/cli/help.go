package cli

import (
	"fmt"
	"strings"
)

// Spelling is a form of an option, with or without a variant.
type Spelling struct {
	// Short and Long include the dashes; "": there is no such form.
	Short, Long string
	// Arg is the name of the argument; "": none.
	Arg string
	// Deprecated: the form is accepted with a notice.
	Deprecated bool
	// Internal: the form is for tests and shells, not for users.
	Internal bool
}

// Spellings returns all forms of all options, for the manual page, for completions, and for
// tests.
func Spellings() []Spelling {
	var out []Spelling
	for i := range options {
		o := &options[i]
		s := Spelling{Arg: o.arg, Deprecated: o.useName != "", Internal: o.internal}
		if o.letter != 0 {
			s.Short = "-" + string(rune(o.letter))
		}
		if o.name != "" {
			s.Long = "--" + o.name
		}
		out = append(out, s)
		for j := range o.variants {
			v := &o.variants[j]
			w := Spelling{Deprecated: v.useName != ""}
			if v.letter != 0 {
				w.Short = s.Short + string(rune(v.letter))
			}
			if name := o.variantName(v); name != "" {
				w.Long = "--" + name
			}
			out = append(out, w)
		}
	}
	return out
}

// forms returns the short and the long form of an option in --help.
func (o *option) forms() (short, long string) {
	letters := o.letters()
	var names string
	negates := false
	for i := range o.variants {
		v := &o.variants[i]
		if v.useName != "" {
			continue
		}
		switch {
		case v.negates:
			negates = true
		case v.name != "" && names == "":
			names = v.name
		case v.name != "":
			names += "|" + v.name
		}
	}
	if o.letter != 0 {
		short = "-" + string(rune(o.letter))
	}
	long = "--" + o.name
	if letters != "" {
		short += "[" + letters + "]"
		if o.many {
			short += "..."
		}
	}
	if names != "" {
		long += "[-" + names + "]"
	}
	if negates {
		long += ", --no-" + o.name
	}
	if o.arg != "" {
		long += " " + o.arg
	}
	if o.optional != "" {
		long += "[=" + o.optional + "]"
	}
	return short, long
}

const (
	// helpShort and helpLong are the columns of long forms and texts.
	helpShort = 15
	helpLong  = 36
)

// help returns the text of --help.
func help() string {
	var b strings.Builder
	b.WriteString(`Usage:
  mbsync [options] -a
  mbsync [options] {channel[:mailbox[,mailbox...]] | group} ...
  mbsync --watch [options] [channel[:mailbox...] | group] ...
  mbsync -ls [options] [store ...]
  mbsync --check [--online] [-V] [options] [channel | group | store] ...
  mbsync --setup [--offline] [--answer QUESTION=ANSWER] ... [-c FILE] [ADDRESS]
  mbsync --auth ACCOUNT [--no-browser | --device] [-c FILE]
  mbsync --check --fix-config [--write] [-c FILE]
  mbsync --list-failed [channel[:mailbox...] | group] ...
  mbsync --get-cert HOST[:PORT]

Synchronizes mailboxes on IMAP servers and in Maildirs.
The configuration file is $XDG_CONFIG_HOME/isyncrc (~/.config/isyncrc),
or ~/.mbsyncrc if that file does not exist.
To begin: mbsync --setup you@example.org
`)
	for i := range options {
		o := &options[i]
		if o.hidden {
			continue
		}
		if o.section != "" {
			fmt.Fprintf(&b, "\n%s:\n", o.section)
		}
		short, long := o.forms()
		line := "  " + short
		pad := func(column int) {
			if n := column - len(line); n > 0 {
				line += strings.Repeat(" ", n)
				return
			}
			line += "  "
		}
		pad(helpShort)
		line += long
		for j, text := range strings.Split(o.help, "\n") {
			if j == 0 && len(line) >= helpLong {
				b.WriteString(line + "\n")
				line = ""
			}
			pad(helpLong)
			b.WriteString(line + text + "\n")
			line = ""
		}
	}
	b.WriteString(`
Short options without arguments can be combined: -aV. Letters in brackets
follow the option directly: -Cn, -Lnf.
Letters of -C, -R, -X and -x: f far side, n near side, - neither; without a
letter: both sides.
Letters of -L and -H: n new, o old, u upgrade, g gone, f flags.
"--" ends the options.

Exit code: 0 success, 1 error, 128 + n after signal n.
See mbsync(1) for details, and for the configuration file.
`)
	return b.String()
}
