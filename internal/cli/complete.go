package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"isync/internal/config"
	"isync/internal/setup"
)

// The lists of --complete, one item per line. Shell completions depend on these words and on the
// output format, so they must not change.
const (
	completeChannels = "channels" // names of channels
	completeGroups   = "groups"   // names of groups
	completeStores   = "stores"   // names of stores
	// completeWord is followed by the words of a command line, without the name of the program.
	// It lists the completions of the last word, which may be empty; each may be followed by a
	// tab and an explanation. If a file name is wanted, the only line is completeFiles, a tab,
	// and the part of the word before the name.
	completeWord  = "word"
	completeFiles = ":files"
)

// completion is a word that a shell can offer.
type completion struct{ word, help string }

// complete lists completions. It reports no errors in the command line or in the configuration
// file, because it runs while the user is typing.
func complete(env Env, c *commandLine) int {
	kinds := []string{completeChannels, completeGroups, completeStores, completeWord}
	if !slices.Contains(kinds, c.complete) {
		fmt.Fprintf(env.Stderr, "mbsync: error: --complete lists %s\n", strings.Join(kinds, ", "))
		return exitFailure
	}
	if c.complete == completeWord {
		for _, w := range completeLine(env, c.names) {
			printCompletion(env.Stdout, w)
		}
		return exitOK
	}
	rest := scanLeniently(c.names)
	if !rest.hasConfig {
		rest.config, rest.hasConfig = c.config, c.hasConfig
	}
	cfg := rest.quietly(env)
	if cfg == nil {
		return exitFailure
	}
	for _, name := range namesOf(cfg, c.complete) {
		printCompletion(env.Stdout, completion{word: name})
	}
	return exitOK
}

func printCompletion(out io.Writer, w completion) {
	if !utf8.ValidString(w.word) || strings.ContainsFunc(w.word, func(r rune) bool { return !unicode.IsPrint(r) && r != ' ' }) {
		return // it has no such form, or may be a command for the terminal
	}
	line := w.word
	if w.help != "" {
		line += "\t" + printable(w.help)
	}
	fmt.Fprintln(out, line)
}

// quietly loads the configuration without messages; nil: that failed.
func (c *commandLine) quietly(env Env) *config.Config {
	if c.hasConfig && c.config == "" {
		return nil
	}
	cfg, _, err := config.Load(config.Options{File: c.config, Env: env.Config})
	if err != nil {
		return nil
	}
	return cfg
}

// namesOf lists the distinct names of one kind of object.
func namesOf(cfg *config.Config, kind string) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	switch kind {
	case completeChannels:
		for _, c := range cfg.Channels {
			add(c.Name)
		}
	case completeGroups:
		for _, g := range cfg.Groups {
			add(g.Name)
		}
	case completeStores:
		for _, s := range cfg.Stores {
			add(s.Name)
		}
	}
	return names
}

// unfinished is an incomplete command line.
type unfinished struct {
	commandLine
	// ended: it contains "--".
	ended bool
	// lacks is the option whose argument follows; nil: none.
	lacks *option
}

// scanLeniently parses words and ignores errors.
func scanLeniently(words []string) *unfinished {
	u := &unfinished{}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		var err error
		rest := words
		switch {
		case word == "--":
			u.ended = true
			return u
		case strings.HasPrefix(word, "--"):
			rest, err = u.scanLong(word, words)
		case len(word) > 1 && word[0] == '-':
			rest, err = u.scanShort(word, words)
		default:
			u.names = append(u.names, word)
		}
		if err != nil {
			if e, ok := errors.AsType[*usageError](err); ok && e.lacks != nil {
				u.lacks = e.lacks
			}
			continue
		}
		words = rest
	}
	return u
}

// completeLine lists the completions of the last word.
func completeLine(env Env, words []string) []completion {
	if len(words) == 0 {
		words = []string{""}
	}
	word := words[len(words)-1]
	u := scanLeniently(words[:len(words)-1])
	if u.lacks != nil {
		if u.lacks.wantsFile {
			return []completion{{word: completeFiles}}
		}
		if u.lacks.complete != nil {
			return u.lacks.complete(env, u, word)
		}
		return nil
	}
	if strings.HasPrefix(word, "-") && !u.ended {
		return completeOption(env, u, word)
	}
	return completeName(env, u, word)
}

// completePairs lists the completions of an argument that names a channel, a group or a mailbox.
func completePairs(env Env, u *unfinished, word string) []completion {
	var selected unfinished // words that are already selected may be named again
	selected.config, selected.hasConfig = u.config, u.hasConfig
	return completeName(env, &selected, word)
}

// completeAnswers lists the questions of --setup, and their answers if there are few.
func completeAnswers(_ Env, _ *unfinished, word string) (out []completion) {
	for _, q := range setup.Questions() {
		words := []string{q.Name + "="}
		if strings.HasPrefix(word, words[0]) {
			words = nil
			for v := range strings.SplitSeq(q.Values, "|") {
				if v == strings.ToLower(v) && !strings.Contains(v, "[") {
					words = append(words, q.Name+"="+v)
				}
			}
		}
		for _, w := range words {
			if strings.HasPrefix(w, word) {
				out = append(out, completion{w, q.Help})
			}
		}
	}
	return out
}

// completeName lists the names that complete a word.
func completeName(env Env, u *unfinished, word string) (out []completion) {
	cfg := u.quietly(env)
	if cfg == nil {
		return nil
	}
	add := func(kind, help string) {
		for _, name := range namesOf(cfg, kind) {
			if strings.HasPrefix(name, word) && !slices.Contains(u.names, name) &&
				!slices.ContainsFunc(out, func(c completion) bool { return c.word == name }) {
				out = append(out, completion{name, help})
			}
		}
	}
	switch {
	case u.listStores:
		add(completeStores, "store")
	case u.all, u.fixConfig, u.setup:
	case u.check:
		add(completeGroups, "group")
		add(completeChannels, "channel")
		add(completeStores, "store")
	case strings.Contains(word, ":"):
		return completeBoxes(env, cfg, word)
	default: // a group hides a channel of the same name
		add(completeGroups, "group")
		add(completeChannels, "channel")
	}
	return out
}

// completeOption lists the options that complete a word that begins with a dash.
func completeOption(env Env, u *unfinished, word string) (out []completion) {
	if spelling, arg, ok := strings.Cut(word, "="); ok && strings.HasPrefix(word, "--") {
		head := word[:len(word)-len(arg)]
		o, _, ok := findLong(spelling[2:])
		switch {
		case !ok:
		case o.wantsFile:
			return []completion{{completeFiles, head}}
		case o.complete != nil:
			for _, c := range o.complete(env, u, arg) {
				out = append(out, completion{head + c.word, c.help})
			}
		}
		return out
	}
	add := func(spelling, help string) {
		if strings.HasPrefix(spelling, word) {
			out = append(out, completion{spelling, help})
		}
	}
	if word != "-" && !strings.HasPrefix(word, "--") {
		return completeBundle(word)
	}
	for i := range options {
		o := &options[i]
		if o.hidden {
			continue
		}
		if o.letter != 0 {
			add("-"+string(rune(o.letter)), o.explain(nil))
		}
		add("--"+o.name, o.explain(nil))
		for j := range o.variants {
			if v := &o.variants[j]; v.useName == "" && word != "-" {
				add("--"+o.variantName(v), o.explain(v))
			}
		}
	}
	return out
}

// explain describes an option with a variant in one line; v may be nil.
func (o *option) explain(v *variant) string {
	help := strings.ReplaceAll(o.help, "\n", " ")
	switch {
	case v == nil || v.help == "":
		return help
	case o.many:
		return v.help
	}
	return help + ", " + v.help
}

// completeBundle lists the completions of a word of short options: the word itself if it is
// valid, and the word with one more letter.
func completeBundle(word string) (out []completion) {
	var o *option // the last option
	var v *variant
	n, at := 0, 0 // number of its variants, and their start
	for i := 1; i < len(word); i++ {
		if o != nil && (n == 0 || o.many) {
			if w := o.bound(word[i]); w != nil {
				v = w
				n++
				continue
			}
		}
		if o != nil && o.strict {
			return nil
		}
		if o = findShort(word[i]); o == nil || o.rest != nil {
			return nil
		}
		v, n, at = nil, 0, i+1
	}
	out = append(out, completion{word, o.explain(v)})
	if o.arg != "" {
		return out
	}
	taken := func(letter byte) bool { return strings.IndexByte(word, letter) > 0 }
	bound := ""
	if n == 0 || o.many {
		for i := range o.variants {
			w := &o.variants[i]
			if w.letter == 0 || w.useName != "" || strings.IndexByte(word[at:], w.letter) >= 0 {
				continue
			}
			bound += string(rune(w.letter))
			out = append(out, completion{word + string(rune(w.letter)), o.explain(w)})
		}
	}
	if o.strict {
		return out
	}
	for i := range options {
		next := &options[i]
		if next.letter == 0 || next.hidden || taken(next.letter) || strings.IndexByte(bound, next.letter) >= 0 || o.bound(next.letter) != nil && (n == 0 || o.many) {
			continue
		}
		out = append(out, completion{word + string(rune(next.letter)), next.explain(nil)})
	}
	return out
}
