package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/config"
	"isync/internal/event"
)

// show sums up a command line in a few words.
func (c *commandLine) show() string {
	var out []string
	add := func(on bool, text string) {
		if on {
			out = append(out, text)
		}
	}
	add(c.hasConfig, "config="+c.config)
	add(c.all, "all")
	add(c.list, "list")
	add(c.listStores, "stores")
	add(c.hasGetCert, "get-cert="+c.getCert)
	add(c.listFailed, "list-failed")
	add(c.watch, "watch")
	add(c.status, "status")
	for _, e := range c.edits {
		add(true, fmt.Sprintf("skip=%v:%s", e.skip, e.word))
	}
	add(c.hasAdopt, "adopt="+c.adopt)
	add(c.dryRun, "dry")
	add(c.allow.given(), fmt.Sprintf("allow=%v%v", c.allow.all, c.allow.words))
	add(c.restore.given(), fmt.Sprintf("restore=%v%v", c.restore.all, c.restore.words))
	add(c.extExit, "ext")
	add(c.quiet > 0, fmt.Sprint("quiet=", c.quiet))
	add(c.verbose, "verbose")
	add(c.json, "json"+c.jsonDetail)
	add(c.check, "check")
	add(c.online, "online")
	add(c.setup, "setup")
	add(c.offline, "offline")
	add(len(c.answers) > 0, fmt.Sprintf("answers=%q", c.answers))
	add(c.hasAuth, "auth="+c.auth)
	add(c.device, "device")
	add(c.noBrowser, "nobrowser")
	add(c.authList, "authlist")
	add(c.hasAuthForget, "authforget="+c.authForget)
	add(c.fixConfig, "fix-config")
	add(c.write, "write")
	add(c.completes, "complete="+c.complete)
	add(c.help, "help")
	add(c.version, "version")
	add(c.debug != 0, fmt.Sprintf("debug=%b", c.debug))
	add(c.controls != controls{}, fmt.Sprintf("controls=%+v", c.controls))
	ops, errs := c.ops.Build()
	for _, e := range errs {
		add(true, e.Error())
	}
	add(ops.On[config.Pull] != 0, "pull="+ops.On[config.Pull].String())
	add(ops.On[config.Push] != 0, "push="+ops.On[config.Push].String())
	add(ops.Given != 0, "given="+ops.Given.String())
	add(len(c.names) > 0, fmt.Sprintf("names=%q", c.names))
	add(len(c.notices) > 0, fmt.Sprintf("notices=%d", len(c.notices)))
	return strings.Join(out, "; ")
}

// scanCases are command lines and what they mean. Every spelling of every option
// is among them: see TestScanCases.
var scanCases = func() []struct{ line, want string } {
	const sync = "New Old Upgrade Gone Flags"
	return []struct{ line, want string }{
		{"", ""},
		{"-a", "all"},
		{"--json -l", "list; json"},
		{"--json=messages", "jsonmessages"},
		{"--all", "all"},
		{"-ac f", "config=f; all"},
		{"-ca f", "config=f; all"},
		{"--config f x", `config=f; names=["x"]`},
		{"--config=f=g", "config=f=g"},
		{"--config=", "config="},
		{"x -a y", `all; names=["x" "y"]`},
		{"-a -- -b --all", `all; names=["-b" "--all"]`},
		{"-", `names=["-"]`},
		{"-l", "list"},
		{"-la", "all; list"},
		{"-ls a", `stores; names=["a"]`},
		{"-lsa", "all; stores"},
		{"--list-stores", "stores"},
		{"-yeVqq", "dry; ext; quiet=2; verbose"},
		{"--dry-run --ext-exit --verbose --quiet", "dry; ext; quiet=1; verbose"},
		{"--adopt=copy x", `adopt=copy; names=["x"]`},
		{"--check x", `check; names=["x"]`},
		{"--online --check", "check; online"},
		{"--setup me@x --offline --answer run=no --answer=user=me", `setup; offline; answers=["run=no" "user=me"]; names=["me@x"]`},
		{"--auth x --device", "auth=x; device"},
		{"--no-browser --auth=x -c f", "config=f; auth=x; nobrowser"},
		{"--auth-list -q", "quiet=1; authlist"},
		{"--auth-forget x", "authforget=x"},
		{"--check --fix-config", "check; fix-config"},
		{"--write --fix-config", "fix-config; write"},
		{"-c f --complete=word -c -Q", `config=f; complete=word; names=["-c" "-Q"]`},
		{"-h", "help"},
		{"-vz", "version"},

		// Directions and types.
		{"-n", "pull=New; push=New; given=" + sync},
		{"-nf", "pull=New Flags; push=New Flags; given=" + sync},
		{"-L", "pull=New Upgrade Gone Flags; given=" + sync},
		{"-HL", "pull=New Upgrade Gone Flags; push=New Upgrade Gone Flags; given=" + sync},
		{"-Ln", "pull=New; given=" + sync},
		{"-Lnf", "pull=New Flags; given=" + sync},
		{"-Lnfa", "all; pull=New Flags; given=" + sync},
		{"-nL", "pull=New; given=" + sync},
		{"-LnougfHn", "pull=New Old Upgrade Gone Flags; push=New; given=" + sync},
		{"-0", "given=" + sync},
		{"-F", "pull=New Upgrade Gone Flags; push=New Upgrade Gone Flags; given=" + sync},
		{"-LF", "pull=New Upgrade Gone Flags; given=" + sync},
		{"--pull-new --push-flags", "pull=New; push=Flags; given=" + sync},
		{"--pull --new", "pull=New; given=" + sync},
		{"--pull-full --push-old", "pull=New Upgrade Gone Flags; push=Old; given=" + sync},
		{"--noop", "given=" + sync},
		{"--old --upgrade --gone --full", "pull=New Old Upgrade Gone Flags; push=New Old Upgrade Gone Flags; given=" + sync},
		{"-0n", "Conflicting Sync options"},
		{"-LnLn", "Redundant Sync options"},

		// Options about mailboxes; near is what is pulled to.
		{"-C", "pull=Create; push=Create; given=Create"},
		{"-Cn", "pull=Create; given=Create"},
		{"-Cf", "push=Create; given=Create"},
		{"-C-", "given=Create"},
		{"-CfCn", "pull=Create; push=Create; given=Create"},
		{"-Cnn", "pull=New Create; push=New; given=" + sync + " Create"},
		{"-RXx", "pull=Remove Expunge ExpungeSolo; push=Remove Expunge ExpungeSolo; given=Remove Expunge ExpungeSolo"},
		{"-X-x", "pull=ExpungeSolo; push=ExpungeSolo; given=Expunge ExpungeSolo"},
		{"-x-X", "pull=Expunge; push=Expunge; given=Expunge ExpungeSolo"},
		{"-xf", "push=ExpungeSolo; given=ExpungeSolo"},
		{"-ca -C f", "config=-C; all; names=[\"f\"]"},
		{"--create-far --remove-near --no-expunge --expunge-solo", "pull=Remove ExpungeSolo; push=Create ExpungeSolo; given=Create Remove Expunge ExpungeSolo"},
		{"--no-create -C-", "given=Create"},
		{"--no-create --create", "Conflicting Create options"},

		// Old spellings.
		{"-d", "pull=Gone; push=Gone; given=" + sync + "; notices=1"},
		{"-NN --renew", "pull=Upgrade; push=Upgrade; given=" + sync + "; notices=2"},
		{"-LdN", "pull=Upgrade Gone; given=" + sync + "; notices=2"},
		{"-Cm", "push=Create; given=Create; notices=1"},
		{"-Cs --expunge-slave", "pull=Create Expunge; given=Create Expunge; notices=2"},
		{"--pull-renew --push-delete", "pull=Upgrade; push=Gone; given=" + sync + "; notices=2"},

		// Debug output and controls.
		{"-D", fmt.Sprintf("debug=%b", event.DebugDefault)},
		{"-aDns", fmt.Sprintf("all; debug=%b", event.DebugNet|event.DebugSync)},
		{"-DN -Dd", fmt.Sprintf("debug=%b", event.DebugNet|event.DebugNetAll|event.DebugDriver)},
		{"--debug-sync --debug-net-all", fmt.Sprintf("debug=%b", event.DebugSync|event.DebugNet|event.DebugNetAll)},
		{"-aTs12jz", fmt.Sprintf("all; controls=%+v", controls{given: true, exitAfter: 12, keep: true, noDelay: true})},
		{"-TaAuxJ", fmt.Sprintf("controls=%+v", controls{given: true, asyncFar: true, asyncBoth: true, noUIDs: true, noExpunge: true, logImplied: true})},

		// Each on its own.
		{"--list", "list"},
		{"--get-cert host", "get-cert=host"},
		{"--list-failed c", `list-failed; names=["c"]`},
		{"--watch", `watch`},
		{"--watch c", `watch; names=["c"]`},
		{"--status", `status`},
		{"--skip-failed c:b:7 --retry-failed=c:8", "skip=true:c:b:7; skip=false:c:8"},
		{"--allow-deletions c:b", `allow=true[]; names=["c:b"]`},
		{"--allow-deletions=c:b --allow-deletions=d e", `allow=false[c:b d]; names=["e"]`},
		{"--restore-deleted -a", "all; restore=true[]"},
		{"--restore-deleted=c:b,d", "restore=false[c:b,d]"},
		{"--pull-old", "pull=Old; given=" + sync},
		{"--pull-upgrade", "pull=Upgrade; given=" + sync},
		{"--pull-gone", "pull=Gone; given=" + sync},
		{"--pull-flags", "pull=Flags; given=" + sync},
		{"--pull-delete", "pull=Gone; given=" + sync + "; notices=1"},
		{"--push", "push=New Upgrade Gone Flags; given=" + sync},
		{"--push-new", "push=New; given=" + sync},
		{"-Ho", "push=Old; given=" + sync},
		{"-Hu", "push=Upgrade; given=" + sync},
		{"--push-upgrade", "push=Upgrade; given=" + sync},
		{"-Hg", "push=Gone; given=" + sync},
		{"--push-gone", "push=Gone; given=" + sync},
		{"-Hf", "push=Flags; given=" + sync},
		{"--push-full", "push=New Upgrade Gone Flags; given=" + sync},
		{"-HN", "push=Upgrade; given=" + sync + "; notices=1"},
		{"--push-renew", "push=Upgrade; given=" + sync + "; notices=1"},
		{"-Hd", "push=Gone; given=" + sync + "; notices=1"},
		{"-o", "pull=Old; push=Old; given=" + sync},
		{"-u", "pull=Upgrade; push=Upgrade; given=" + sync},
		{"-g", "pull=Gone; push=Gone; given=" + sync},
		{"--flags", "pull=Flags; push=Flags; given=" + sync},
		{"--delete", "pull=Gone; push=Gone; given=" + sync + "; notices=1"},
		{"--create-near", "pull=Create; given=Create"},
		{"--create-master", "push=Create; given=Create; notices=1"},
		{"--create-slave", "pull=Create; given=Create; notices=1"},
		{"--help", "help"},
		{"--version", "version"},
		{"--debug", fmt.Sprintf("debug=%b", event.DebugDefault)},
		{"--remove", "pull=Remove; push=Remove; given=Remove"},
		{"-Rf", "push=Remove; given=Remove"},
		{"--remove-far", "push=Remove; given=Remove"},
		{"-Rn", "pull=Remove; given=Remove"},
		{"--remove-near", "pull=Remove; given=Remove"},
		{"-R-", "given=Remove"},
		{"--no-remove", "given=Remove"},
		{"-Rm", "push=Remove; given=Remove; notices=1"},
		{"--remove-master", "push=Remove; given=Remove; notices=1"},
		{"-Rs", "pull=Remove; given=Remove; notices=1"},
		{"--remove-slave", "pull=Remove; given=Remove; notices=1"},
		{"--expunge", "pull=Expunge; push=Expunge; given=Expunge"},
		{"-Xf", "push=Expunge; given=Expunge"},
		{"--expunge-far", "push=Expunge; given=Expunge"},
		{"-Xn", "pull=Expunge; given=Expunge"},
		{"--expunge-near", "pull=Expunge; given=Expunge"},
		{"-X-", "given=Expunge"},
		{"--no-expunge", "given=Expunge"},
		{"-Xm", "push=Expunge; given=Expunge; notices=1"},
		{"--expunge-master", "push=Expunge; given=Expunge; notices=1"},
		{"-Xs", "pull=Expunge; given=Expunge; notices=1"},
		{"--expunge-slave", "pull=Expunge; given=Expunge; notices=1"},
		{"--expunge-solo", "pull=ExpungeSolo; push=ExpungeSolo; given=ExpungeSolo"},
		{"-xf", "push=ExpungeSolo; given=ExpungeSolo"},
		{"--expunge-solo-far", "push=ExpungeSolo; given=ExpungeSolo"},
		{"-xn", "pull=ExpungeSolo; given=ExpungeSolo"},
		{"--expunge-solo-near", "pull=ExpungeSolo; given=ExpungeSolo"},
		{"-x-", "given=ExpungeSolo"},
		{"--no-expunge-solo", "given=ExpungeSolo"},
		{"-xm", "push=ExpungeSolo; given=ExpungeSolo; notices=1"},
		{"--expunge-solo-master", "push=ExpungeSolo; given=ExpungeSolo; notices=1"},
		{"-xs", "pull=ExpungeSolo; given=ExpungeSolo; notices=1"},
		{"--expunge-solo-slave", "pull=ExpungeSolo; given=ExpungeSolo; notices=1"},
		{"-DC --debug-crash", fmt.Sprintf("debug=%b", event.DebugCrash)},
		{"-Dd --debug-driver", fmt.Sprintf("debug=%b", event.DebugDriver)},
		{"-DD --debug-driver-all", fmt.Sprintf("debug=%b", event.DebugDriver|event.DebugDriverAll)},
		{"-Dm --debug-maildir", fmt.Sprintf("debug=%b", event.DebugMaildir)},
		{"-DM --debug-main", fmt.Sprintf("debug=%b", event.DebugMain)},
		{"-Dn --debug-net", fmt.Sprintf("debug=%b", event.DebugNet)},
		{"-DN --debug-net-all", fmt.Sprintf("debug=%b", event.DebugNet|event.DebugNetAll)},
		{"-Ds --debug-sync", fmt.Sprintf("debug=%b", event.DebugSync)},
	}
}()

// TestScanCases: no option is without a case that says what it means.
func TestScanCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range scanCases {
		if got, err := scan(strings.Split(c.line, " ")); err == nil {
			for _, s := range got.spelled {
				seen[s] = true
			}
		}
	}
	for _, s := range Spellings() {
		for _, form := range []string{s.Short, s.Long} {
			if form != "" && !s.Internal && !seen[form] {
				t.Errorf("%s is in no case of scanCases", form)
			}
		}
	}
}

func TestScan(t *testing.T) {
	for _, c := range scanCases {
		var words []string
		if c.line != "" {
			words = strings.Split(c.line, " ")
		}
		got, err := scan(words)
		if err != nil {
			t.Errorf("%q: %v", c.line, err)
			continue
		}
		if s := got.show(); s != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.line, s, c.want)
		}
	}
}

func TestScanErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"-Q", "unknown option '-Q'"},
		{"-aQ", "unknown option '-Q' in '-aQ'"},
		{"-a-", "unknown option '--' in '-a-'"},
		{"-a\xffb", "unknown option '-\xff' in '-a\xffb'"},
		{"--pul", "unknown option '--pul'; did you mean '--pull'?"},
		{"--", ""},
		{"---", "unknown option '---'"},
		{"--pull-", "unknown option '--pull-'; did you mean '--pull'?"},
		{"--stores", "unknown option '--stores'"},
		{"--no-all", "unknown option '--no-all'"},
		{"-crc", "option '-c' needs an argument: FILE"},
		{"--online", "option '--online' needs --check"},
		{"--offline", "options '--answer' and '--offline' need --setup"},
		{"--device", "options '--device' and '--no-browser' need --auth or --setup"},
		{"--write", "option '--write' needs --fix-config"},
		{"--json=box", "option '--json' has one value, messages: write --json or --json=messages"},
		{"-c", "option '-c' needs an argument: FILE"},
		{"--config", "option '--config' needs an argument: FILE"},
		{"--pull=new", "option '--pull' takes no argument"},
		{"-Dz", "unknown letter in '-Dz': '-D' takes CdDmMnNs"},
		{"-Ts", "test control 's' needs a positive number of steps, as in -Ts12"},
		{"-Ts99999999999", "test control 's' needs a positive number of steps, as in -Ts12"},
	} {
		got := ""
		if _, err := scan([]string{c.line}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestSetupAlone(t *testing.T) {
	for line, want := range map[string]string{
		"--answer x=y":        "options '--answer' and '--offline' need --setup",
		"--setup a@b c@d":     "option '--setup' sets up one account: write mbsync --setup ADDRESS",
		"--setup -a":          "option '--setup' cannot be combined with --all, --dry-run, --json, or other options that say what to do",
		"--setup --json":      "option '--setup' cannot be combined with --all, --dry-run, --json, or other options that say what to do",
		"--setup -y":          "option '--setup' cannot be combined with --all, --dry-run, --json, or other options that say what to do",
		"--setup -V -c f a@b": "",
	} {
		got := ""
		if _, err := scan(strings.Fields(line)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// Every spelling in the table is understood, and what it means does not depend
// on which form is used.
func TestSpellings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Spellings() {
		var shows []string
		for _, form := range []string{s.Short, s.Long} {
			if form == "" || s.Internal {
				continue
			}
			if seen[form] {
				t.Errorf("%s is there twice", form)
			}
			seen[form] = true
			words := []string{form}
			switch {
			case form == "--adopt":
				words = append(words, "copy")
			case s.Arg != "":
				words = append(words, "x")
			}
			if form == "--device" || form == "--no-browser" {
				words = append(words, "--auth", "x")
			}
			if form == "--online" {
				words = append(words, "--check")
			}
			if form == "--answer" || form == "--offline" {
				words = append(words, "--setup")
			}
			if form == "--write" {
				words = append(words, "--fix-config")
			}
			c, err := scan(words)
			if err != nil {
				t.Errorf("%s: %v", form, err)
				continue
			}
			if got := len(c.notices) > 0; got != s.Deprecated {
				t.Errorf("%s: deprecated %v, but notices %v", form, s.Deprecated, c.notices)
			}
			shows = append(shows, c.show())
		}
		if len(shows) == 2 && shows[0] != shows[1] {
			t.Error(cmp.Diff(shows[0], shows[1]))
		}
	}
	if len(seen) < 80 {
		t.Errorf("only %d spellings", len(seen))
	}
}

// Whatever is not a test control or deprecated is in --help, and nothing else.
func TestHelp(t *testing.T) {
	text := help()
	for i := range options {
		o := &options[i]
		shown := strings.Contains(text, "--"+o.name) && (o.letter == 0 || strings.Contains(text, "  -"+string(rune(o.letter))))
		if shown == o.hidden {
			t.Errorf("-%c, --%s: shown %v, hidden %v", o.letter, o.name, shown, o.hidden)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 101 || strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
			t.Errorf("unsightly line %q", line)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"-a", "-Lnf -Cn\n-C-", "--pull-new\n--create-far\nx:y,z", "-c\nf\n-DN", "-Ts12j", "--config=x\n--\n-a", "-X-x", "-ls",
		"--no-expunge-solo", "-Cm", "-LdN", "-\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words := strings.Split(s, "\n")
		c, err := scan(words)
		if err != nil {
			if err.Error() == "" || c != nil {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		over, errs := c.ops.Build()
		for _, e := range errs {
			_ = c.spelled[e.Ref]
		}
		for side := range over.On {
			if over.On[side]&^over.Given != 0 {
				t.Errorf("%q: %v is on but was not decided about", s, over.On[side]&^over.Given)
			}
		}
		// There is a notice for each old spelling, once, and for nothing else.
		old := map[string]bool{}
		for _, s := range Spellings() {
			if s.Deprecated {
				old[s.Short], old[s.Long] = true, true
			}
		}
		noticed := map[string]bool{}
		for _, s := range c.spelled {
			if old[s] {
				noticed[s] = true
			}
		}
		if len(noticed) != len(c.notices) {
			t.Errorf("%q: notices %q for %v", s, c.notices, noticed)
		}
		// Nothing is lost: a name is a word as it was given.
		for _, n := range c.names {
			found := false
			for _, w := range words {
				found = found || w == n
			}
			if !found {
				t.Errorf("%q: name %q", s, n)
			}
		}
		// Scanning does not depend on a mark that ends the options, if there is
		// nothing behind it.
		if !c.help && !c.version {
			again, err := scan(append(words[:len(words):len(words)], "--"))
			if err != nil || again.show() != c.show() {
				// "--" may have become the argument of an option, or a name.
				if !strings.Contains(s, "--") && !strings.Contains(s, "c") {
					t.Errorf("%q: %v", s, err)
				}
			}
		}
	})
}

// TestJSONConflicts: the output for programs has no files in it.
func TestJSONConflicts(t *testing.T) {
	for _, words := range [][]string{{"--json", "--fix-config"}, {"--json=messages", "--get-cert", "host"}} {
		if _, err := scan(words); err == nil || err.Error() != "option '--json' cannot be combined with --fix-config or --get-cert" {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// TestAuthConflicts: --auth, --auth-list and --auth-forget cannot be combined with other
// commands.
func TestAuthConflicts(t *testing.T) {
	for line, want := range map[string]string{
		"--auth x --device --no-browser": "options '--device' and '--no-browser' contradict each other",
		"--auth x --auth-list":           "options '--auth', '--auth-list' and '--auth-forget' can be combined only with -c, -q, -V and -D",
		"--auth x -y":                    "options '--auth', '--auth-list' and '--auth-forget' can be combined only with -c, -q, -V and -D",
		"--auth-forget x y":              "options '--auth', '--auth-list' and '--auth-forget' synchronize nothing; leave out 'y'",
	} {
		if _, err := scan(strings.Split(line, " ")); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", line, err, want)
		}
	}
}
