package cli

import (
	"isync/internal/config"
	"isync/internal/event"
)

// option is a row of the table of options. The table is the only source for scanning, for --help,
// and for the test of the manual page.
type option struct {
	// letter and name are the short and the long form; 0 and "": there is none.
	letter byte
	name   string
	// arg is the name of the argument in texts; "": none.
	arg string
	// optional is the name of an optional argument after "="; "": none.
	optional string
	// help is the text in --help.
	help string
	// section is the heading in --help before this row; "": none.
	section string

	// variants are suffixes of the option: a letter after its letter, or a word after its name
	// and a dash.
	variants []variant
	// many: several letters of variants may follow.
	many bool
	// strict: the rest of the word must be empty.
	strict bool
	// value is the argument of set if no variant follows.
	value int
	set   func(c *commandLine, value, ref int)
	// setArg is called instead of set if there is an argument.
	setArg func(c *commandLine, arg string)
	// rest parses everything after the letter, up to the end of the word.
	rest func(c *commandLine, rest string) error
	// hidden: the option is not in --help.
	hidden bool
	// internal: the option is for other programs, and is not documented for users.
	internal bool
	// wantsFile: the argument is the name of a file.
	wantsFile bool
	// complete, if not nil, lists completions of the argument.
	complete func(env Env, u *unfinished, word string) []completion
	// useLetter and use are the current spelling of a deprecated option, without dashes. They
	// apply to its variants, too.
	useLetter byte
	useName   string
}

// variant is a suffix of an option.
type variant struct {
	letter byte
	name   string
	// negates: the long form is "no-" and the name of the option.
	negates bool
	// help describes the variant: after the help of the option, or alone if the option has many.
	help      string
	value     int
	useLetter byte
	useName   string
}

// sideVariants are the variants of Create and similar options.
var sideVariants = []variant{
	{letter: 'f', name: "far", help: "on the far side only", value: int(config.FarSide)},
	{letter: 'n', name: "near", help: "on the near side only", value: int(config.NearSide)},
	{letter: '-', negates: true, help: "on neither side", value: int(config.NoSide)},
	{letter: 'm', name: "master", value: int(config.FarSide), useLetter: 'f', useName: "far"},
	{letter: 's', name: "slave", value: int(config.NearSide), useLetter: 'n', useName: "near"},
}

// typeVariants are the variants of a direction.
var typeVariants = []variant{
	{letter: 'n', name: "new", help: "new messages", value: int(config.OpNew)},
	{letter: 'o', name: "old", help: "older messages that earlier runs did not copy", value: int(config.OpOld)},
	{letter: 'u', name: "upgrade", help: "replace flagged placeholders by the messages", value: int(config.OpUpgrade)},
	{letter: 'g', name: "gone", help: "deletions", value: int(config.OpGone)},
	{letter: 'f', name: "flags", help: "flag changes", value: int(config.OpFlags)},
	{name: "full", help: "all of these except old", value: int(config.OpFull)},
	{letter: 'N', name: "renew", value: int(config.OpUpgrade), useLetter: 'u', useName: "upgrade"},
	{letter: 'd', name: "delete", value: int(config.OpGone), useLetter: 'g', useName: "gone"},
}

// debugVariants are the categories of debug output.
var debugVariants = []variant{
	{letter: 'C', name: "crash", help: "stacks of all goroutines after a crash", value: int(event.DebugCrash)},
	{letter: 'd', name: "driver", help: "calls to the stores", value: int(event.DebugDriver)},
	{letter: 'D', name: "driver-all", help: "calls to the stores, with each message", value: int(event.DebugDriver | event.DebugDriverAll)},
	{letter: 'm', name: "maildir", help: "file operations in Maildirs", value: int(event.DebugMaildir)},
	{letter: 'M', name: "main", help: "selected channels, mailboxes and sync states", value: int(event.DebugMain)},
	{letter: 'n', name: "net", help: "IMAP commands and responses, long lines cut", value: int(event.DebugNet)},
	{letter: 'N', name: "net-all", help: "IMAP commands and responses in full, without literals", value: int(event.DebugNet | event.DebugNetAll)},
	{letter: 's', name: "sync", help: "the decision about each message, and its reason", value: int(event.DebugSync)},
}

// setOp adds a type of Sync without a direction.
func setOp(c *commandLine, value, ref int) { c.ops.Sync(config.NoSide, config.OpSet(value), ref) }

// setDirection returns a function that adds a direction, alone or with a type.
func setDirection(dir config.Side) func(*commandLine, int, int) {
	return func(c *commandLine, value, ref int) { c.ops.Sync(1<<dir, config.OpSet(value), ref) }
}

// setBox returns a function that adds a word of Create or a similar option.
func setBox(op config.OpSet) func(*commandLine, int, int) {
	return func(c *commandLine, value, ref int) { c.ops.Box(op, config.Sides(value), ref) }
}

// options is the table of options.
var options = []option{
	{
		section: "Selecting configuration and mailboxes",
		letter:  'c', name: "config", arg: "FILE", help: "use FILE as the configuration file",
		setArg: func(c *commandLine, arg string) { c.config, c.hasConfig = arg, true }, wantsFile: true,
	},
	{
		letter: 'a', name: "all", help: "synchronize all channels",
		set: func(c *commandLine, _, _ int) { c.all = true },
	},
	{
		section: "Listing and watching",
		letter:  'l', name: "list", help: "list the mailboxes of the selected channels;\n-ls: list all mailboxes of the stores",
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
		name: "watch", help: "keep running: synchronize, wait for changes, and synchronize the\nmailboxes that have changed; without names: all channels",
		set: func(c *commandLine, _, _ int) { c.watch = true },
	},
	{
		name: "status", help: "show the state of the running 'mbsync --watch'",
		set: func(c *commandLine, _, _ int) { c.status = true },
	},
	{
		section: "Setting up and checking",
		name:    "setup", help: "set up an account: ask questions, try the login, and write the\nconfiguration; the mail address may follow",
		set: func(c *commandLine, _, _ int) { c.setup = true },
	},
	{
		name: "answer", arg: "QUESTION=ANSWER", help: "with --setup: answer a question in advance",
		setArg:   func(c *commandLine, arg string) { c.answers = append(c.answers, arg) },
		complete: completeAnswers,
	},
	{
		name: "offline", help: "with --setup: contact no server, do not try the login",
		set: func(c *commandLine, _, _ int) { c.offline = true },
	},
	{
		name: "check", help: "check the configuration and the local files, without changing\nanything; with -V: show all details",
		set: func(c *commandLine, _, _ int) { c.check = true },
	},
	{
		name: "online", help: "with --check: also log in, and open the mailboxes",
		set: func(c *commandLine, _, _ int) { c.online = true },
	},
	{
		name: "fix-config", help: "print the configuration file with deprecated keywords replaced",
		set: func(c *commandLine, _, _ int) { c.fixConfig = true },
	},
	{
		name: "write", help: "with --fix-config: change the files, and keep backups",
		set: func(c *commandLine, _, _ int) { c.write = true },
	},
	{
		name: "get-cert", arg: "HOST[:PORT]", help: "print the certificate of a server, for CertificateFile",
		setArg: func(c *commandLine, arg string) { c.getCert, c.hasGetCert = arg, true },
	},
	{
		section: "OAuth",
		name:    "auth", arg: "ACCOUNT", help: "log in at the OAuth provider of an account, in a browser",
		setArg: func(c *commandLine, arg string) { c.auth, c.hasAuth = arg, true }, complete: completeAccounts,
	},
	{
		name: "no-browser", help: "with --auth or --setup: print the address instead of opening\na browser",
		set: func(c *commandLine, _, _ int) { c.noBrowser = true },
	},
	{
		name: "device", help: "with --auth or --setup: print an address and a code to enter\non another device",
		set: func(c *commandLine, _, _ int) { c.device = true },
	},
	{
		name: "auth-list", help: "list the accounts with OAuth and their tokens",
		set: func(c *commandLine, _, _ int) { c.authList = true },
	},
	{
		name: "auth-forget", arg: "ACCOUNT", help: "delete the token of an account",
		setArg: func(c *commandLine, arg string) { c.authForget, c.hasAuthForget = arg, true }, complete: completeAccounts,
	},
	{
		section: "Messages that could not be copied",
		name:    "list-failed", help: "list them, for all channels or for the given ones",
		set: func(c *commandLine, _, _ int) { c.listFailed = true },
	},
	{
		name: "skip-failed", arg: "CHANNEL:MAILBOX:UID", help: "do not try again to copy this message",
		setArg:   func(c *commandLine, arg string) { c.edits = append(c.edits, failedEdit{arg, true}) },
		complete: func(env Env, u *unfinished, word string) []completion { return completeMessages(env, u, word, true) },
	},
	{
		name: "retry-failed", arg: "CHANNEL:MAILBOX:UID", help: "undo --skip-failed: the next run tries again",
		setArg:   func(c *commandLine, arg string) { c.edits = append(c.edits, failedEdit{arg, false}) },
		complete: func(env Env, u *unfinished, word string) []completion { return completeMessages(env, u, word, false) },
	},
	{
		section: "Operations (override the configuration file)",
		letter:  'L', name: "pull", help: "change the near side; with letters: only these operations",
		variants: typeVariants, many: true, set: setDirection(config.Pull),
	},
	{
		letter: 'H', name: "push", help: "change the far side; with letters: only these operations",
		variants: typeVariants, many: true, set: setDirection(config.Push),
	},
	{letter: 'n', name: "new", help: "copy new messages", value: int(config.OpNew), set: setOp},
	{letter: 'o', name: "old", help: "copy older messages that earlier runs did not copy", value: int(config.OpOld), set: setOp},
	{letter: 'u', name: "upgrade", help: "replace flagged placeholders by the messages", value: int(config.OpUpgrade), set: setOp},
	{letter: 'g', name: "gone", help: "propagate deletions", value: int(config.OpGone), set: setOp},
	{letter: 'f', name: "flags", help: "propagate flag changes", value: int(config.OpFlags), set: setOp},
	{letter: 'F', name: "full", help: "new, upgrade, gone and flags", value: int(config.OpFull), set: setOp},
	{letter: '0', name: "noop", help: "copy and change no messages", value: 0, set: setOp},
	{letter: 'N', name: "renew", value: int(config.OpUpgrade), set: setOp, hidden: true, useLetter: 'u', useName: "upgrade"},
	{letter: 'd', name: "delete", value: int(config.OpGone), set: setOp, hidden: true, useLetter: 'g', useName: "gone"},
	{
		letter: 'C', name: "create", help: "create missing mailboxes",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpCreate),
	},
	{
		letter: 'R', name: "remove", help: "remove empty mailboxes that the other side has removed",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpRemove),
	},
	{
		letter: 'X', name: "expunge", help: "expunge messages that are marked as deleted",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpExpunge),
	},
	{
		letter: 'x', name: "expunge-solo", help: "expunge only those that have no counterpart",
		variants: sideVariants, value: int(config.BothSides), set: setBox(config.OpExpungeSolo),
	},
	{
		section: "Deletions and missing sync state",
		name:    "allow-deletions", optional: "CHANNEL[:MAILBOX]", help: "propagate deletions even if they exceed MaxDelete, in this\nmailbox or in all selected ones",
		set:      func(c *commandLine, _, _ int) { c.allow.all = true },
		setArg:   func(c *commandLine, arg string) { c.allow.words = append(c.allow.words, arg) },
		complete: completePairs,
	},
	{
		name: "restore-deleted", optional: "CHANNEL[:MAILBOX]", help: "undo deletions that were made on one side only: copy the\nmessages again, remove marks of deletion",
		set:      func(c *commandLine, _, _ int) { c.restore.all = true },
		setArg:   func(c *commandLine, arg string) { c.restore.words = append(c.restore.words, arg) },
		complete: completePairs,
	},
	{
		name: "adopt", arg: "copy", help: "also copy ambiguous messages (same Message-ID, different\ncontents); see MISSING SYNC STATE in mbsync(1)",
		setArg:   func(c *commandLine, arg string) { c.adopt, c.hasAdopt = arg, true },
		complete: func(Env, *unfinished, string) []completion { return []completion{{word: "copy"}} },
	},
	{
		section: "General options",
		letter:  'y', name: "dry-run", help: "show what would be done, but change nothing",
		set: func(c *commandLine, _, _ int) { c.dryRun = true },
	},
	{
		letter: 'e', name: "ext-exit", help: "add 32 to the exit code if the far side was changed, 64 if the\nnear side was changed",
		set: func(c *commandLine, _, _ int) { c.extExit = true },
	},
	{
		letter: 'q', name: "quiet", help: "show only warnings and errors; twice: only errors",
		set: func(c *commandLine, _, _ int) { c.quiet++ },
	},
	{
		letter: 'V', name: "verbose", help: "show each mailbox, and the code of each message",
		set: func(c *commandLine, _, _ int) { c.verbose = true },
	},
	{
		name: "json", optional: "messages", help: "print JSON objects, one per line;\n=messages: also one for each message that changes",
		set:      func(c *commandLine, _, _ int) { c.json = true },
		setArg:   func(c *commandLine, arg string) { c.json, c.jsonDetail = true, arg },
		complete: func(Env, *unfinished, string) []completion { return []completion{{word: "messages"}} },
	},
	{
		letter: 'D', name: "debug", help: "show debug output; with letters: only these categories",
		variants: debugVariants, many: true, strict: true, value: int(event.DebugDefault),
		set: func(c *commandLine, value, _ int) { c.debug |= event.Topics(value) },
	},
	{
		letter: 'h', name: "help", help: "show this help",
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
