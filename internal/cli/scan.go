package cli

import (
	"fmt"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/event"
)

// commandLine is a parsed command line.
type commandLine struct {
	config    string
	hasConfig bool
	// getCert is the server of --get-cert.
	getCert    string
	hasGetCert bool

	// auth is the account of --auth, and authForget that of --auth-forget.
	auth, authForget       string
	hasAuth, hasAuthForget bool
	authList               bool
	device, noBrowser      bool

	all, list, listStores  bool
	check, online          bool
	fixConfig, write       bool
	dryRun, extExit        bool
	listFailed             bool
	watch, status          bool
	setup, offline         bool
	answers                []string // answers to questions of --setup
	edits                  []failedEdit
	adopt                  string
	hasAdopt               bool
	quiet                  int
	verbose, help, version bool
	debug                  event.Topics
	// json: the output is JSON. jsonDetail is its argument, "" or "messages".
	json       bool
	jsonDetail string
	controls   controls

	// complete is the argument of --complete, if completes is set; see complete.go.
	complete  string
	completes bool

	// allow and restore are the arguments of --allow-deletions and --restore-deleted.
	allow, restore pairScope

	// ops are the words that override operations. Their references are indices into spelled,
	// which has all options as written.
	ops     config.OpsBuilder
	spelled []string

	names   []string                 // of channels, groups or stores
	notices []event.OptionDeprecated // one for each deprecated option
}

// failedEdit is a request to skip a message that could not be copied, or to try it again.
type failedEdit struct {
	word string // name of the message
	skip bool   // false: try again
}

// usageError is an error in the command line.
type usageError struct {
	text   string
	joined string // a word joined with -c
	// lacks is the option whose argument is missing; nil: this is another error.
	lacks *option
}

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// lacksArgument returns the error of an option without its argument.
func lacksArgument(o *option, spelling string) error {
	arg := o.arg
	if arg == "" {
		arg = o.optional
	}
	return &usageError{text: fmt.Sprintf("option '%s' needs an argument: %s", spelling, arg), lacks: o}
}

// scan parses the words after the name of the program. Options and names may be in any order;
// "--" ends the options. After the option for help or the version, everything is ignored.
func scan(words []string) (*commandLine, error) {
	c := &commandLine{}
	// The words after --complete are the unfinished command line of the user.
	for len(words) > 0 && !c.help && !c.version && !c.completes {
		word := words[0]
		words = words[1:]
		var err error
		switch {
		case word == "--":
			c.names = append(c.names, words...)
			words = nil
		case strings.HasPrefix(word, "--"):
			words, err = c.scanLong(word, words)
		case len(word) > 1 && word[0] == '-':
			words, err = c.scanShort(word, words)
		default:
			c.names = append(c.names, word)
		}
		if err != nil {
			return nil, err
		}
	}
	if c.completes {
		c.names = words
		return c, nil
	}
	if c.help || c.version {
		return c, nil
	}
	if err := c.authConflict(); err != nil {
		return nil, err
	}
	if err := c.conflict(); err != nil {
		return nil, err
	}
	return c, nil
}

// conflict returns an error if options cannot be combined.
func (c *commandLine) conflict() error {
	switch {
	case c.write && !c.fixConfig:
		return usagef("option '--write' needs --fix-config")
	case c.fixConfig && (c.online || c.list || c.listStores || c.hasGetCert):
		return usagef("option '--fix-config' cannot be combined with --online, --list, --list-stores or --get-cert")
	case c.fixConfig && len(c.names) > 0:
		return usagef("option '--fix-config' fixes the whole configuration file; leave out '%s'", c.names[0])
	case c.listFailed && len(c.edits) > 0:
		return usagef("option '--list-failed' cannot be combined with --skip-failed or --retry-failed")
	case (c.listFailed || len(c.edits) > 0) && (c.check || c.fixConfig || c.list || c.listStores || c.hasGetCert):
		return usagef("options '--list-failed', '--skip-failed' and '--retry-failed' cannot be combined with --check, --fix-config, --list, --list-stores or --get-cert")
	case len(c.edits) > 0 && (len(c.names) > 0 || c.all):
		return usagef("options '--skip-failed' and '--retry-failed' synchronize nothing; leave out the names of channels and -a")
	case len(c.edits) > 0 && c.dryRun:
		return usagef("options '--skip-failed' and '--retry-failed' contradict '--dry-run'; --list-failed shows the messages")
	case c.write && c.dryRun:
		return usagef("options '--write' and '--dry-run' contradict each other; --fix-config alone prints the new file")
	case c.allow.given() && c.restore.given():
		return usagef("options '--allow-deletions' and '--restore-deleted' contradict each other; use them in two runs")
	case c.hasAdopt && c.adopt != "copy":
		return usagef("option '--adopt' has one value, copy: write --adopt=copy")
	case c.watch && (c.check || c.fixConfig || c.list || c.listStores || c.hasGetCert || c.listFailed || len(c.edits) > 0 || c.status):
		return usagef("option '--watch' cannot be combined with options that synchronize nothing")
	case c.watch && (c.dryRun || c.extExit || c.controls.given):
		return usagef("option '--watch' cannot be combined with --dry-run, --ext-exit or -T")
	case c.status && (c.check || c.fixConfig || c.list || c.listStores || c.hasGetCert || c.listFailed || len(c.edits) > 0):
		return usagef("option '--status' cannot be combined with other options that synchronize nothing")
	case (len(c.answers) > 0 || c.offline) && !c.setup:
		return usagef("options '--answer' and '--offline' need --setup")
	case c.setup && (c.watch || c.status || c.check || c.fixConfig || c.list || c.listStores || c.hasGetCert || c.listFailed || len(c.edits) > 0 || c.all || c.dryRun || c.json):
		return usagef("option '--setup' cannot be combined with --all, --dry-run, --json, or other options that say what to do")
	case c.setup && len(c.names) > 1:
		return usagef("option '--setup' sets up one account: write mbsync --setup ADDRESS")
	case c.status && len(c.names) > 0:
		return usagef("option '--status' shows the state of all channels; leave out '%s'", c.names[0])
	case c.json && c.jsonDetail != "" && c.jsonDetail != "messages":
		return usagef("option '--json' has one value, messages: write --json or --json=messages")
	case c.json && (c.fixConfig || c.hasGetCert):
		return usagef("option '--json' cannot be combined with --fix-config or --get-cert")
	case c.online && !c.check:
		return usagef("option '--online' needs --check")
	}
	return nil
}

// authorizes reports whether the command is about tokens of OAuth 2.0.
func (c *commandLine) authorizes() bool { return c.hasAuth || c.authList || c.hasAuthForget }

// authConflict returns an error if the options of a token command cannot be combined.
func (c *commandLine) authConflict() error {
	commands := 0
	for _, given := range []bool{
		c.hasAuth, c.authList, c.hasAuthForget, c.setup,
		c.check, c.fixConfig, c.list, c.listStores, c.hasGetCert, c.listFailed, len(c.edits) > 0, c.watch, c.status,
	} {
		if given {
			commands++
		}
	}
	switch {
	case (c.device || c.noBrowser) && !c.hasAuth && !c.setup:
		return usagef("options '--device' and '--no-browser' need --auth or --setup")
	case c.device && c.noBrowser:
		return usagef("options '--device' and '--no-browser' contradict each other")
	case !c.authorizes():
		return nil
	case commands > 1 || c.all || c.json || c.dryRun || c.extExit || c.controls.given:
		return usagef("options '--auth', '--auth-list' and '--auth-forget' can be combined only with -c, -q, -V and -D")
	case len(c.names) > 0:
		return usagef("options '--auth', '--auth-list' and '--auth-forget' synchronize nothing; leave out '%s'", c.names[0])
	}
	return nil
}

// ref returns a reference to a spelling.
func (c *commandLine) ref(spelling string) int {
	c.spelled = append(c.spelled, spelling)
	return len(c.spelled) - 1
}

// deprecated records a notice about a deprecated spelling.
func (c *commandLine) deprecated(spelling, use string) {
	n := event.OptionDeprecated{Option: spelling, Use: use}
	if !slices.Contains(c.notices, n) {
		c.notices = append(c.notices, n)
	}
}

// scanLong parses a long option and its argument. It returns the remaining words.
func (c *commandLine) scanLong(word string, words []string) ([]string, error) {
	spelling, arg, hasArg := strings.Cut(word, "=")
	o, v, ok := findLong(spelling[2:])
	if !ok {
		return nil, unknownLong(spelling)
	}
	if o.arg != "" {
		switch {
		case hasArg:
		case len(words) > 0:
			arg, words = words[0], words[1:]
		default:
			return nil, lacksArgument(o, spelling)
		}
		c.ref(spelling)
		o.setArg(c, arg)
		return words, nil
	}
	if hasArg && o.optional != "" {
		if arg == "" {
			return nil, lacksArgument(o, spelling+"=")
		}
		c.ref(spelling)
		o.setArg(c, arg)
		return words, nil
	}
	if hasArg {
		return nil, usagef("option '%s' takes no argument", spelling)
	}
	value := o.value
	if o.useName != "" {
		c.deprecated(spelling, "--"+o.useName)
	}
	if v != nil {
		value = v.value
		if v.useName != "" {
			c.deprecated(spelling, "--"+o.name+"-"+v.useName)
		}
	}
	o.set(c, value, c.ref(spelling))
	return words, nil
}

// findLong returns the option and variant of a long name without dashes.
func findLong(name string) (*option, *variant, bool) {
	for i := range options {
		o := &options[i]
		if o.name == "" {
			continue
		}
		if o.name == name {
			return o, nil, true
		}
		for j := range o.variants {
			if v := &o.variants[j]; o.variantName(v) == name {
				return o, v, true
			}
		}
	}
	return nil, nil, false
}

// variantName returns the long name of an option with a variant, without dashes; "": there is
// none.
func (o *option) variantName(v *variant) string {
	switch {
	case v.negates:
		return "no-" + o.name
	case v.name == "":
		return ""
	}
	return o.name + "-" + v.name
}

// maxTypingErrors is the maximum number of typing errors in a suggestion for an option, a channel
// or a group.
const maxTypingErrors = 2

// unknownLong returns the error of an unknown long option, with a suggestion.
func unknownLong(spelling string) error {
	var known []string
	for _, s := range Spellings() {
		if s.Long != "" && !s.Deprecated {
			known = append(known, s.Long)
		}
	}
	if best := config.Nearest(spelling, known, maxTypingErrors); best != "" {
		return usagef("unknown option '%s'; did you mean '%s'?", spelling, best)
	}
	return usagef("unknown option '%s'", spelling)
}

// scanShort parses a word of short options. Their arguments are the following words. It returns
// the remaining words.
func (c *commandLine) scanShort(word string, words []string) ([]string, error) {
	for i := 1; i < len(word) && !c.help && !c.version; {
		o := findShort(word[i])
		if o == nil {
			return nil, unknownShort(word, i)
		}
		spelling := "-" + word[i:i+1]
		i++
		switch {
		case o.rest != nil:
			if err := o.rest(c, word[i:]); err != nil {
				return nil, err
			}
			return words, nil
		case o.arg != "":
			if len(words) == 0 {
				return nil, lacksArgument(o, spelling)
			}
			c.ref(spelling)
			o.setArg(c, words[0])
			words = words[1:]
			continue
		}
		if o.useLetter != 0 {
			c.deprecated(spelling, "-"+string(o.useLetter))
		}
		n := 0
		for ; i < len(word) && (n == 0 || o.many); n++ {
			v := o.bound(word[i])
			if v == nil {
				break
			}
			bound := spelling + word[i:i+1]
			if v.useLetter != 0 {
				c.deprecated(bound, spelling+string(v.useLetter))
			}
			o.set(c, v.value, c.ref(bound))
			i++
		}
		if o.strict && i < len(word) {
			return nil, usagef("unknown letter in '%s': '%s' takes %s", word, spelling, o.letters())
		}
		if n == 0 {
			o.set(c, o.value, c.ref(spelling))
		}
	}
	return words, nil
}

// findShort returns the option of a letter; nil: none.
func findShort(letter byte) *option {
	for i := range options {
		if letter != 0 && options[i].letter == letter {
			return &options[i]
		}
	}
	return nil
}

// letters returns the letters that may follow the letter of an option.
func (o *option) letters() string {
	var b strings.Builder
	for i := range o.variants {
		if v := &o.variants[i]; v.letter != 0 && v.useName == "" {
			b.WriteByte(v.letter)
		}
	}
	return b.String()
}

// bound returns the variant of a letter; nil: none.
func (o *option) bound(letter byte) *variant {
	for i := range o.variants {
		if v := &o.variants[i]; v.letter == letter && letter != 0 {
			return v
		}
	}
	return nil
}

// unknownShort returns the error for the letter at index i, which may be a part of a multi-byte
// character.
func unknownShort(word string, i int) error {
	letter := word[i:]
	for j := range letter {
		if j > 0 {
			letter = letter[:j]
			break
		}
	}
	if "-"+letter == word {
		return usagef("unknown option '%s'", word)
	}
	e := &usageError{text: fmt.Sprintf("unknown option '-%s' in '%s'", letter, word)}
	if strings.HasPrefix(word, "-c") {
		e.joined = word[2:]
	}
	return e
}
