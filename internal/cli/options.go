package cli

import (
	"isync/internal/config"
	"isync/internal/event"
)

// option is a row of the table of options. Everything that is known about the
// command line is in the table: what is scanned, what --help shows, and what
// the manual page is checked against.
type option struct {
	// letter and name are the short and the long form; 0 and "" if there is
	// none.
	letter byte
	name   string
	// arg names the argument in texts; "": there is none.
	arg string
	// optional names an argument that may follow "=", and need not; "": there is none.
	optional string
	// help is what --help says.
	help string
	// section is the heading in --help that begins before this row.
	section string

	// variants bind to the option: as a letter right behind its own, or behind
	// a dash at the end of its name.
	variants []variant
	// many: several letters of variants may follow.
	many bool
	// strict: nothing else may follow in the same word.
	strict bool
	// value is what set gets if no variant follows.
	value int
	set   func(c *commandLine, value, ref int)
	// setArg is called instead of set if there is an argument.
	setArg func(c *commandLine, arg string)
	// rest takes everything that follows the letter, up to the end of the word.
	rest func(c *commandLine, rest string) error
	// hidden: not in --help.
	hidden bool
	// internal: for other programs, not for users; in no documentation for them.
	internal bool
	// wantsFile: the argument is the name of a file.
	wantsFile bool
	// complete, if not nil, lists what the argument can become.
	complete func(env Env, u *unfinished, word string) []completion
	// use is the current spelling of a deprecated option, without dashes; for
	// variants as well.
	useLetter byte
	useName   string
}

// variant is something that binds to an option.
type variant struct {
	letter byte
	name   string
	// negates: the long form is "no-" and the name of the option.
	negates bool
	// help tells what it is: behind the help of the option, or alone where the
	// option takes many.
	help      string
	value     int
	useLetter byte
	useName   string
}

// sideVariants are what may follow Create and the like.
var sideVariants = []variant{
	{letter: 'f', name: "far", help: "on the far side", value: int(config.FarSide)},
	{letter: 'n', name: "near", help: "on the near side", value: int(config.NearSide)},
	{letter: '-', negates: true, help: "nowhere", value: int(config.NoSide)},
	{letter: 'm', name: "master", value: int(config.FarSide), useLetter: 'f', useName: "far"},
	{letter: 's', name: "slave", value: int(config.NearSide), useLetter: 'n', useName: "near"},
}

// typeVariants are what may follow a direction.
var typeVariants = []variant{
	{letter: 'n', name: "new", help: "new messages", value: int(config.OpNew)},
	{letter: 'o', name: "old", help: "messages that were passed over earlier", value: int(config.OpOld)},
	{letter: 'u', name: "upgrade", help: "placeholders, by the messages they stand for", value: int(config.OpUpgrade)},
	{letter: 'g', name: "gone", help: "disappearances", value: int(config.OpGone)},
	{letter: 'f', name: "flags", help: "flag changes", value: int(config.OpFlags)},
	{name: "full", help: "all of these but old", value: int(config.OpFull)},
	{letter: 'N', name: "renew", value: int(config.OpUpgrade), useLetter: 'u', useName: "upgrade"},
	{letter: 'd', name: "delete", value: int(config.OpGone), useLetter: 'g', useName: "gone"},
}

// debugVariants are the categories of debug output.
var debugVariants = []variant{
	{letter: 'C', name: "crash", help: "all goroutines if the program crashes", value: int(event.DebugCrash)},
	{letter: 'd', name: "driver", help: "what stores are asked for", value: int(event.DebugDriver)},
	{letter: 'D', name: "driver-all", help: "the same, with each message", value: int(event.DebugDriver | event.DebugDriverAll)},
	{letter: 'm', name: "maildir", help: "operations on files", value: int(event.DebugMaildir)},
	{letter: 'M', name: "main", help: "what was selected", value: int(event.DebugMain)},
	{letter: 'n', name: "net", help: "commands and responses, cut if long", value: int(event.DebugNet)},
	{letter: 'N', name: "net-all", help: "the same in full, without payloads", value: int(event.DebugNet | event.DebugNetAll)},
	{letter: 's', name: "sync", help: "decisions and their reasons", value: int(event.DebugSync)},
}

// setOp adds a word of Sync that is a lone type.
func setOp(c *commandLine, value, ref int) { c.ops.Sync(config.NoSide, config.OpSet(value), ref) }

// setDirection returns what adds a direction, alone or with a type.
func setDirection(dir config.Side) func(*commandLine, int, int) {
	return func(c *commandLine, value, ref int) { c.ops.Sync(1<<dir, config.OpSet(value), ref) }
}

// setBox returns what adds a word of Create and the like.
func setBox(op config.OpSet) func(*commandLine, int, int) {
	return func(c *commandLine, value, ref int) { c.ops.Box(op, config.Sides(value), ref) }
}

// options is the table.
var options = []option{
	{
		section: "What to do it with",
		letter:  'c', name: "config", arg: "FILE", help: "read FILE instead of the usual configuration file",
		setArg: func(c *commandLine, arg string) { c.config, c.hasConfig = arg, true }, wantsFile: true,
	},
	{
		letter: 'a', name: "all", help: "all channels",
		set: func(c *commandLine, _, _ int) { c.all = true },
	},
	{
		letter: 'l', name: "list", help: "list the mailboxes of the channels instead of synchronizing;\n-ls: those of stores, as they are",
		variants: []variant{{letter: 's', name: "stores", value: 1}},
		set: func(c *commandLine, value, _ int) {
			if value == 1 {
				c.listStores = true
			} else {
				c.list = true
			}
		},
	},
	{
		name: "watch", help: "keep running: synchronize, then wait for changes and synchronize\nthe changed mailboxes; without names: all channels",
		set: func(c *commandLine, _, _ int) { c.watch = true },
	},
	{
		name: "status", help: "show the state of the running 'mbsync --watch'",
		set: func(c *commandLine, _, _ int) { c.status = true },
	},
	{
		name: "setup", help: "set up an account: ask some questions, try the login, and write\nthe configuration; the mail address may follow",
		set: func(c *commandLine, _, _ int) { c.setup = true },
	},
	{
		name: "answer", arg: "QUESTION=ANSWER", help: "with --setup: answer one of the questions",
		setArg:   func(c *commandLine, arg string) { c.answers = append(c.answers, arg) },
		complete: completeAnswers,
	},
	{
		name: "offline", help: "with --setup: contact no server, and do not try the login",
		set: func(c *commandLine, _, _ int) { c.offline = true },
	},
	{
		name: "check", help: "look for problems of all channels, or of those that are named,\nwithout changing anything; with -V: show all details",
		set: func(c *commandLine, _, _ int) { c.check = true },
	},
	{
		name: "online", help: "with --check: connect to the servers, and open the mailboxes",
		set: func(c *commandLine, _, _ int) { c.online = true },
	},
	{
		name: "fix-config", help: "print the configuration file with its deprecated words replaced",
		set: func(c *commandLine, _, _ int) { c.fixConfig = true },
	},
	{
		name: "write", help: "with --fix-config: replace the files, and keep backups",
		set: func(c *commandLine, _, _ int) { c.write = true },
	},
	{
		name: "get-cert", arg: "HOST[:PORT]", help: "print the certificates of a server, for CertificateFile",
		setArg: func(c *commandLine, arg string) { c.getCert, c.hasGetCert = arg, true },
	},
	{
		name: "auth", arg: "ACCOUNT", help: "log in at the provider of an account with OAuth, in a browser",
		setArg: func(c *commandLine, arg string) { c.auth, c.hasAuth = arg, true }, complete: completeAccounts,
	},
	{
		name: "no-browser", help: "with --auth or --setup: only show the address of the page",
		set: func(c *commandLine, _, _ int) { c.noBrowser = true },
	},
	{
		name: "device", help: "with --auth or --setup: print a code for another device",
		set: func(c *commandLine, _, _ int) { c.device = true },
	},
	{
		name: "auth-list", help: "list the accounts with OAuth, and their tokens",
		set: func(c *commandLine, _, _ int) { c.authList = true },
	},
	{
		name: "auth-forget", arg: "ACCOUNT", help: "remove the token of an account",
		setArg: func(c *commandLine, arg string) { c.authForget, c.hasAuthForget = arg, true }, complete: completeAccounts,
	},
	{
		name: "list-failed", help: "list the messages that could not be copied, of all channels or\nof the given ones",
		set: func(c *commandLine, _, _ int) { c.listFailed = true },
	},
	{
		name: "skip-failed", arg: "CHANNEL:MAILBOX:UID", help: "give up a message of this list: do not try to copy it again",
		setArg:   func(c *commandLine, arg string) { c.edits = append(c.edits, failedEdit{arg, true}) },
		complete: func(env Env, u *unfinished, word string) []completion { return completeMessages(env, u, word, true) },
	},
	{
		name: "retry-failed", arg: "CHANNEL:MAILBOX:UID", help: "try again to copy a message that was given up",
		setArg:   func(c *commandLine, arg string) { c.edits = append(c.edits, failedEdit{arg, false}) },
		complete: func(env Env, u *unfinished, word string) []completion { return completeMessages(env, u, word, false) },
	},
	{
		section: "What to do (instead of what the configuration file says)",
		letter:  'L', name: "pull", help: "propagate from far to near; with letters: only that",
		variants: typeVariants, many: true, set: setDirection(config.Pull),
	},
	{
		letter: 'H', name: "push", help: "propagate from near to far; with letters: only that",
		variants: typeVariants, many: true, set: setDirection(config.Push),
	},
	{letter: 'n', name: "new", help: "new messages", value: int(config.OpNew), set: setOp},
	{letter: 'o', name: "old", help: "messages that were passed over earlier", value: int(config.OpOld), set: setOp},
	{letter: 'u', name: "upgrade", help: "placeholders, by the messages they stand for", value: int(config.OpUpgrade), set: setOp},
	{letter: 'g', name: "gone", help: "disappearances, by marking the other copy as deleted", value: int(config.OpGone), set: setOp},
	{letter: 'f', name: "flags", help: "flag changes", value: int(config.OpFlags), set: setOp},
	{letter: 'F', name: "full", help: "all of these but old", value: int(config.OpFull), set: setOp},
	{letter: '0', name: "noop", help: "no messages at all", value: 0, set: setOp},
	{letter: 'N', name: "renew", value: int(config.OpUpgrade), set: setOp, hidden: true, useLetter: 'u', useName: "upgrade"},
	{letter: 'd', name: "delete", value: int(config.OpGone), set: setOp, hidden: true, useLetter: 'g', useName: "gone"},
	{
		letter: 'C', name: "create", help: "create missing mailboxes",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpCreate),
	},
	{
		letter: 'R', name: "remove", help: "remove mailboxes that were removed on the other side",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpRemove),
	},
	{
		letter: 'X', name: "expunge", help: "expunge messages marked as deleted",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpExpunge),
	},
	{
		letter: 'x', name: "expunge-solo", help: "expunge those of them that have no counterpart",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpExpungeSolo),
	},
	{
		name: "allow-deletions", optional: "CHANNEL[:BOX]", help: "propagate deletions even if there are more than MaxDelete\nallows, in these mailboxes or in all selected ones",
		set:      func(c *commandLine, _, _ int) { c.allow.all = true },
		setArg:   func(c *commandLine, arg string) { c.allow.words = append(c.allow.words, arg) },
		complete: completePairs,
	},
	{
		name: "restore-deleted", optional: "CHANNEL[:BOX]", help: "undo deletions that were made on one side only: copy the\nmessages again from the other side, remove marks of deletion",
		set:      func(c *commandLine, _, _ int) { c.restore.all = true },
		setArg:   func(c *commandLine, arg string) { c.restore.words = append(c.restore.words, arg) },
		complete: completePairs,
	},
	{
		section: "How",
		letter:  'y', name: "dry-run", help: "show what would be done, change nothing",
		set: func(c *commandLine, _, _ int) { c.dryRun = true },
	},
	{
		name: "adopt", arg: "copy", help: "copy ambiguous messages, too: same Message-ID, other contents\n(see MISSING SYNC STATE in the manual page)",
		setArg:   func(c *commandLine, arg string) { c.adopt, c.hasAdopt = arg, true },
		complete: func(Env, *unfinished, string) []completion { return []completion{{word: "copy"}} },
	},
	{
		letter: 'e', name: "ext-exit", help: "add to the exit code 32 if the far side changed, 64 if the\nnear side did",
		set: func(c *commandLine, _, _ int) { c.extExit = true },
	},
	{
		letter: 'q', name: "quiet", help: "say less; twice: no warnings either",
		set: func(c *commandLine, _, _ int) { c.quiet++ },
	},
	{
		letter: 'V', name: "verbose", help: "tell about each mailbox",
		set: func(c *commandLine, _, _ int) { c.verbose = true },
	},
	{
		name: "json", optional: "messages", help: "print JSON objects for other programs, one per line, and nothing\nelse; =messages: also one for each message that changes",
		set:      func(c *commandLine, _, _ int) { c.json = true },
		setArg:   func(c *commandLine, arg string) { c.json, c.jsonDetail = true, arg },
		complete: func(Env, *unfinished, string) []completion { return []completion{{word: "messages"}} },
	},
	{
		letter: 'D', name: "debug", help: "trace: all but payloads, or by letters",
		variants: debugVariants, many: true, strict: true, value: int(event.DebugDefault),
		set: func(c *commandLine, value, _ int) { c.debug |= event.Topics(value) },
	},
	{
		letter: 'h', name: "help", help: "show this",
		set: func(c *commandLine, _, _ int) { c.help = true },
	},
	{
		letter: 'v', name: "version", help: "show the version",
		set: func(c *commandLine, _, _ int) { c.version = true },
	},
	{
		name: "complete", arg: "WHAT", hidden: true, internal: true,
		setArg: func(c *commandLine, arg string) { c.complete, c.completes = arg, true },
	},
	{letter: 'T', hidden: true, internal: true, rest: (*commandLine).scanControls},
}
