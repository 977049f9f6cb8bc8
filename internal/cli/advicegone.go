package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
)

// goneSection is where the manual tells more about mailboxes that are gone.
const goneSection = "see MAILBOXES THAT ARE GONE in mbsync(1)"

// aboutGone advises about mailboxes that one side has lost: one line for each thing that
// the user may want, with the commands for it.
func (r *run) aboutGone(e *channel.GoneError) []string {
	first := &e.Boxes[0]
	side := e.Channel.End(e.Side).Store
	switch void := e.Void(); {
	case void != "":
		return []string{fmt.Sprintf("if a file system belongs to '%s', mount it and run mbsync again; change nothing before. If the mailboxes were removed on purpose, %s", void, goneSection)}
	case e.All:
		return []string{fmt.Sprintf("list the mailboxes: %s; if they have other names now, correct Path%s or %s%s. Change nothing before you know the reason. If the mailboxes were removed on purpose, %s",
			r.command("-ls", side.Name), at(side, "Path"), keywordOf(e.Side), pos(e.Channel.Pos(keywordOf(e.Side))), goneSection)}
	case first.Trace.Remains == store.RemainsUnsubscribed:
		return []string{"subscribe to it with a mail program, or remove SubscribedOnly" + at(side, "SubscribedOnly")}
	}
	lines := append(r.aboutRenamed(e, first), r.aboutRestoring(e, first), r.aboutRemoving(e, first))
	if len(e.Boxes) > 1 {
		check := []string{"--check", "-V", e.Channel.Name}
		if e.Channel.Far.Store.IMAP != nil || e.Channel.Near.Store.IMAP != nil {
			check = []string{"--check", "-V", "--online", e.Channel.Name}
		}
		lines = append(lines, "these commands are for the first mailbox; "+r.command(check...)+" shows them for each mailbox")
	}
	return lines
}

func keywordOf(s config.Side) string {
	if s == config.Far {
		return "Far"
	}
	return "Near"
}

// command returns a command line of this program, with the same configuration.
func (r *run) command(args ...string) string {
	words := []string{"mbsync"}
	if r.c.config != "" {
		words = append(words, "-c", shellQuote(r.c.config))
	}
	for _, a := range args {
		words = append(words, shellQuote(a))
	}
	return strings.Join(words, " ")
}

// pairArg names a pair on the command line; the whole channel if it cannot be named.
func pairArg(p engine.PairName) string {
	if p.Name == "" || strings.ContainsAny(p.Name, ",\n") {
		return p.Channel
	}
	return p.Channel + ":" + p.Name
}

// aboutRenamed tells how to rename the other mailbox, too.
func (r *run) aboutRenamed(e *channel.GoneError, b *channel.GoneBox) []string {
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
		return []string{fmt.Sprintf("if '%s' was renamed to '%s': %s side mailbox '%s' is a new copy of it, and '%s' is the old copy; compare them, then remove the old copy as shown below",
			old[e.Side], n.Box, o, n.Pair.Box[o], old[o])}
	}
	if len(e.Channel.Patterns) == 0 {
		line := fmt.Sprintf("if '%s' was renamed to '%s': write %s %s in channel '%s'%s", old[e.Side], n.Box,
			keywordOf(e.Side), configArg(":"+b.Pair.Store[e.Side]+":"+n.Written), e.Channel.Name, pos(e.Channel.Pos(keywordOf(e.Side))))
		if cmds := moveState(b, n); len(cmds) > 0 {
			line += ", and: " + strings.Join(cmds, " && ")
		}
		return append([]string{line}, r.aboutTakingBack(e, b, n, known)...)
	}
	var cmds []string
	how := ""
	if n.Dirs[o] != "" {
		cmds = r.moveBox(b.Dirs[o], n.Dirs[o], b.Below)
	} else {
		how = fmt.Sprintf("rename '%s' to '%s' in %s with a mail program", old[o], n.Pair.Box[o], e.Channel.End(o).Store.Label())
	}
	cmds = append(cmds, moveState(b, n)...)
	if len(cmds) > 0 {
		if how != "" {
			how += ", then: "
		}
		how += strings.Join(cmds, " && ")
	}
	line := fmt.Sprintf("if '%s' was renamed to '%s', do so on the %s side: %s", old[e.Side], n.Box, o, how)
	if n.Outside {
		line += fmt.Sprintf("; and add %s to Patterns%s", config.Pattern{Text: n.Pair.Name}.Arg(), pos(e.Channel.Pos("Patterns")))
	}
	return append([]string{line}, r.aboutTakingBack(e, b, n, known)...)
}

// aboutTakingBack tells how to undo a renaming.
func (r *run) aboutTakingBack(e *channel.GoneError, b *channel.GoneBox, n *channel.Rename, known bool) []string {
	if known && n.Dirs[e.Side] != "" {
		return []string{fmt.Sprintf("to undo the renaming: %s", strings.Join(r.moveBox(n.Dirs[e.Side], b.Dirs[e.Side], false), " && "))}
	}
	if known && e.Channel.SyncState.Kind == config.StateInBox {
		// The state has moved with the near mailbox, so that it seems to be the far one
		// that has another name now.
		return []string{fmt.Sprintf("if the near side mailbox '%s' was renamed to '%s': rename '%s' to '%s' in %s with a mail program",
			n.Pair.Box[config.Near], b.Pair.Box[config.Near], n.Box, b.Pair.Box[config.Far], e.Channel.Far.Store.Label())}
	}
	return nil
}

// configArg writes a word as it may stand in the configuration file.
func configArg(word string) string { return config.Pattern{Text: word}.Arg() }

// boxFiles are what makes a mailbox in the file system, with our files.
var boxFiles = []string{
	"cur", "new", "tmp", ".uidvalidity", ".isyncuidmap.bolt", ".isyncuidmap.db",
	".mbsyncstate", ".mbsyncstate" + engine.JournalSuffix, ".mbsyncstate" + engine.NewSuffix, ".mbsyncstate" + engine.NotesSuffix,
}

// moveBox returns the commands that rename the directory of a mailbox. Mailboxes below
// it stay where they are.
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

// moveState returns the commands that rename the files of a sync state which are not in
// the directory of the mailbox.
func moveState(b *channel.GoneBox, n *channel.Rename) (cmds []string) {
	for _, file := range b.State {
		to := n.StatePath + strings.TrimPrefix(file, b.StatePath)
		if to != file && filepath.Dir(file) != b.Dirs[config.Near] {
			cmds = append(cmds, "mv -n "+shellQuote(file)+" "+shellQuote(to))
		}
	}
	return cmds
}

// aboutRestoring tells how to make the mailbox anew from the other one.
func (r *run) aboutRestoring(e *channel.GoneError, b *channel.GoneBox) string {
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
	return fmt.Sprintf("to create it again on the %s side, with the %s of the %s side: %s && %s",
		e.Side, messages(b), e.Side.Other(), strings.Join(words, " "), r.command(append(args, pairArg(b.Pair))...))
}

// aboutRemoving tells how to remove the other mailbox as well, which has to be empty.
func (r *run) aboutRemoving(e *channel.GoneError, b *channel.GoneBox) string {
	o := e.Side.Other()
	remove := r.command("-R"+strings.ToLower(keywordOf(o)[:1]), pairArg(b.Pair))
	what := fmt.Sprintf("to remove '%s' from the %s side, too", b.Pair.Box[o], o)
	if b.Messages != 0 {
		what += ", with its " + messages(b) + ", permanently"
	}
	switch dir := b.Dirs[o]; {
	case b.Messages == 0:
		return what + ": " + remove
	case dir != "":
		return fmt.Sprintf("%s: find %s %s -type f -delete && %s", what, shellQuote(filepath.Join(dir, "cur")), shellQuote(filepath.Join(dir, "new")), remove)
	}
	return fmt.Sprintf("%s: delete these messages in %s with a mail program, then: %s", what, e.Channel.End(o).Store.Label(), remove)
}

// messages says how many messages the other mailbox holds, as far as that is known.
func messages(b *channel.GoneBox) string {
	if b.Messages < 0 {
		return "message(s)"
	}
	return fmt.Sprintf("%d message(s)", b.Messages)
}
