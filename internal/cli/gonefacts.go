package cli

import (
	"path/filepath"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/syncstate"
)

// aboutGone returns the options of the user for mailboxes that are gone from one side, with the
// commands.
func (r *run) aboutGone(e *channel.GoneError) event.MailboxGone {
	first := &e.Boxes[0]
	side := e.Channel.End(e.Side).Store
	switch void := e.Void(); {
	case void != "":
		return gone(event.MountStore{Dir: void})
	case e.All:
		keyword := keywordOf(e.Side)
		return gone(event.ListStore{
			Command: r.command("-ls", side.Name), Path: placeOf(side.Pos("Path")),
			Keyword: keyword, InConfig: placeOf(e.Channel.Pos(keyword)),
		})
	case first.Whereabouts.Remains == store.RemainsUnsubscribed:
		return gone(event.Subscribe{SubscribedOnly: placeOf(side.Pos("SubscribedOnly"))})
	}
	steps := append(r.aboutRenamed(e, first), r.aboutRestoring(e, first), r.aboutRemoving(e, first))
	if len(e.Boxes) > 1 {
		check := []string{"--check", "-V", e.Channel.Name}
		if e.Channel.Far.Store.IMAP != nil || e.Channel.Near.Store.IMAP != nil {
			check = []string{"--check", "-V", "--online", e.Channel.Name}
		}
		steps = append(steps, event.ShowMore{Command: r.command(check...)})
	}
	return gone(steps...)
}

func gone(steps ...event.GoneStep) event.MailboxGone { return event.MailboxGone{Steps: steps} }

func keywordOf(s config.Side) string {
	if s == config.Far {
		return "Far"
	}
	return "Near"
}

// command returns a command line of this program with the same configuration.
func (r *run) command(args ...string) string { return commandLineFor(r.c.config, args...) }

// commandLineFor returns a command line of this program. configFile is the argument of -c;
// "": none.
func commandLineFor(configFile string, args ...string) string {
	words := []string{"mbsync"}
	if configFile != "" {
		words = append(words, "-c", shellQuote(configFile))
	}
	for _, a := range args {
		words = append(words, shellQuote(a))
	}
	return strings.Join(words, " ")
}

// withCommands sets the commands of facts whose hints contain one.
func (r *run) withCommands(f event.Fact, p event.Pair) event.Fact {
	switch f := f.(type) {
	case event.MailAdopted:
		f.Copy = r.command("--adopt=copy", pairArg(p))
		return f
	case event.NewMailPaired:
		f.Copy = r.command("--adopt=copy", pairArg(p))
		return f
	case event.MailAmbiguous:
		f.Copy = r.command("--adopt=copy", pairArg(p))
		return f
	}
	return f
}

// pairArg returns the name of a pair on the command line, or that of its channel if the pair
// cannot be named.
func pairArg(p event.Pair) string {
	if p.Name == "" || strings.ContainsAny(p.Name, ",\n") {
		return p.Channel
	}
	return p.Channel + ":" + p.Name
}

// aboutRenamed returns how to rename the other mailbox, too.
func (r *run) aboutRenamed(e *channel.GoneError, b *channel.GoneBox) []event.GoneStep {
	o := e.Side.Other()
	old := b.Pair.Box
	n := b.Example
	known := len(b.Renames) == 1
	if known {
		n = &b.Renames[0]
	}
	if n == nil {
		return nil
	}
	if n.Copied {
		return []event.GoneStep{event.CompareCopies{
			Old: old[e.Side], New: n.Box, Side: syncstate.Side(o), NewCopy: n.Pair.Box[o], OldCopy: old[o],
		}}
	}
	var step event.GoneStep
	if len(e.Channel.Patterns) == 0 {
		keyword := keywordOf(e.Side)
		step = event.ChangeChannel{
			Old: old[e.Side], New: n.Box,
			Keyword: keyword, Value: configArg(":" + b.Pair.Store[e.Side] + ":" + n.Written),
			Channel: e.Channel.Name, InConfig: placeOf(e.Channel.Pos(keyword)), Commands: moveState(b, n),
		}
	} else {
		step = r.renameCounterpart(e, b, n)
	}
	return append([]event.GoneStep{step}, r.aboutTakingBack(e, b, n, known)...)
}

// renameCounterpart returns how to rename the mailbox of the other side.
func (r *run) renameCounterpart(e *channel.GoneError, b *channel.GoneBox, n *channel.Rename) event.GoneStep {
	o := e.Side.Other()
	step := event.RenameCounterpart{Old: b.Pair.Box[e.Side], New: n.Box, Side: syncstate.Side(o)}
	if n.Dirs[o] != "" {
		step.Commands = r.moveBox(b.Dirs[o], n.Dirs[o], b.Below)
	} else {
		step.ByHand = event.Renaming{From: b.Pair.Box[o], To: n.Pair.Box[o], Store: e.Channel.End(o).Store.Label()}
	}
	step.Commands = append(step.Commands, moveState(b, n)...)
	if n.Outside {
		step.Pattern, step.Patterns = configArg(n.Pair.Name), placeOf(e.Channel.Pos("Patterns"))
	}
	return step
}

// aboutTakingBack returns how to undo a renaming.
func (r *run) aboutTakingBack(e *channel.GoneError, b *channel.GoneBox, n *channel.Rename, known bool) []event.GoneStep {
	if known && n.Dirs[e.Side] != "" {
		return []event.GoneStep{event.UndoRenaming{Commands: r.moveBox(n.Dirs[e.Side], b.Dirs[e.Side], false)}}
	}
	if known && e.Channel.SyncState.Kind == config.StateInBox {
		// The state was moved with the near mailbox, so the far mailbox seems to be renamed.
		return []event.GoneStep{event.RenameFar{
			Old: n.Pair.Box[config.Near], New: b.Pair.Box[config.Near],
			Renaming: event.Renaming{From: n.Box, To: b.Pair.Box[config.Far], Store: e.Channel.Far.Store.Label()},
		}}
	}
	return nil
}

// configArg returns a word as an argument of the configuration file.
func configArg(word string) string { return config.Pattern{Text: word}.Arg() }

// boxFiles are the parts of a Maildir mailbox, including the files of this program.
var boxFiles = []string{
	"cur", "new", "tmp", ".uidvalidity", ".isyncuidmap.names", ".isyncuidmap.bolt", ".isyncuidmap.db",
	".mbsyncstate", ".mbsyncstate" + engine.JournalSuffix, ".mbsyncstate" + engine.NewSuffix, ".mbsyncstate" + engine.NotesSuffix,
}

// moveBox returns the commands that rename the directory of a mailbox. Mailboxes below it are not
// moved.
func (r *run) moveBox(from, to string, below bool) []string {
	there := func(path string) bool {
		_, err := r.fs().Stat(path)
		return err == nil
	}
	if !there(to) && !below {
		cmd := "mv -n " + shellQuote(from) + " " + shellQuote(to)
		if parent := filepath.Dir(to); !there(parent) {
			return []string{"mkdir -p " + shellQuote(parent), cmd}
		}
		return []string{cmd}
	}
	words := []string{"mv", "-n"}
	for _, f := range boxFiles {
		if path := filepath.Join(from, f); there(path) {
			words = append(words, shellQuote(path))
		}
	}
	words = append(words, shellQuote(to+"/"))
	return []string{"mkdir -p " + shellQuote(to), strings.Join(words, " ")}
}

// moveState returns the commands that rename the files of a sync state outside the directory of
// the mailbox.
func moveState(b *channel.GoneBox, n *channel.Rename) (cmds []string) {
	for _, file := range b.State {
		to := n.StatePath + strings.TrimPrefix(file, b.StatePath)
		if to != file && filepath.Dir(file) != b.Dirs[config.Near] {
			cmds = append(cmds, "mv -n "+shellQuote(file)+" "+shellQuote(to))
		}
	}
	return cmds
}

// aboutRestoring returns how to create the mailbox again from the other one.
func (r *run) aboutRestoring(e *channel.GoneError, b *channel.GoneBox) event.GoneStep {
	if arg := pairArg(b.Pair); arg != e.Channel.Name || len(e.Channel.Patterns) == 0 {
		return event.CreateAgain{Side: syncstate.Side(e.Side), Messages: b.Messages, Commands: []string{r.command("--restore-deleted", arg)}}
	}
	// --restore-deleted would apply to all mailboxes of the channel.
	words := []string{"rm", "-f"}
	for _, file := range b.State {
		words = append(words, shellQuote(file))
	}
	letter, op := "f", "--push-new"
	if e.Side == config.Near {
		letter, op = "n", "--pull-new"
	}
	args := []string{"-C" + letter}
	if !e.Ops.On[e.Side].Has(config.OpNew) {
		args = append(args, op)
	}
	return event.CreateAgain{
		Side: syncstate.Side(e.Side), Messages: b.Messages,
		Commands: []string{strings.Join(words, " "), r.command(append(args, pairArg(b.Pair))...)},
	}
}

// aboutRemoving returns how to remove the other mailbox, too. It must be empty.
func (r *run) aboutRemoving(e *channel.GoneError, b *channel.GoneBox) event.GoneStep {
	o := e.Side.Other()
	step := event.RemoveCounterpart{Box: b.Pair.Box[o], Side: syncstate.Side(o), Messages: b.Messages}
	switch dir := b.Dirs[o]; {
	case b.Messages == 0:
	case dir != "":
		step.Commands = []string{"find " + shellQuote(filepath.Join(dir, "cur")) + " " + shellQuote(filepath.Join(dir, "new")) + " -type f -delete"}
	default:
		step.Store = e.Channel.End(o).Store.Label()
	}
	step.Commands = append(step.Commands, r.command("-R"+strings.ToLower(keywordOf(o)[:1]), pairArg(b.Pair)))
	return step
}
