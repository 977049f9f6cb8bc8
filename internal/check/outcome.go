package check

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
)

// outcome tells what the rehearsal of a channel has found, and tests what a dry
// run does not touch: whether files can be written and locked.
func (c *checker) outcome(l *link) {
	if l.err != nil {
		c.error(l.err)
		return
	}
	c.told(l)
	c.missing(l)
	var synced, both int
	var creates [2][]string
	for i := range l.pairs {
		p := &l.pairs[i]
		switch {
		case errors.Is(p.err, engine.ErrBoxMissing):
			continue // told already
		case p.err != nil:
			c.pairError(l, p)
			continue
		}
		if p.HasState {
			synced++
		}
		if p.Absent == [2]bool{} {
			both++
		}
		for t := range creates {
			if p.creates(config.Side(t)) {
				creates[t] = append(creates[t], l.label(p))
			}
		}
		c.files(l, p)
	}
	c.counts(l, synced, both, creates)
	for _, n := range l.suspects {
		real, _ := channel.RealName(n)
		c.note("if so, rename it", "mailbox '%s' seems to be '%s' under the name that versions before 1.5 gave it; if there is a '%s' on the server, a run leaves both alone and fails", n, real, real)
	}
}

// pairError tells why a pair cannot be synchronized.
func (c *checker) pairError(l *link, p *pairResult) {
	for _, e := range c.Explain(p.err) {
		c.coded(e.Code).fail(c.pathHint(p.err, e.Hint), "%s", c.about(l, p, e.Text))
	}
}

// about adds the mailbox to a text about a pair, unless the text names it.
func (c *checker) about(l *link, p *pairResult, text string) string {
	text = c.tildes(text)
	if name := l.label(p); !strings.Contains(text, "'"+name+"'") {
		text = "mailbox " + quoted(name) + ": " + text
	}
	return text
}

// told reports the other notices, warnings and problems of the dry run.
func (c *checker) told(l *link) {
	for _, m := range l.messages {
		if _, ok := errors.AsType[*channel.PatternError](m.Err); ok && l.unseen != [2]bool{} {
			continue // it may be there
		}
		if gone, ok := errors.AsType[*channel.GoneError](m.Err); ok {
			c.gone(l, m.Severity, gone)
			continue
		}
		var pair *pairResult
		if i := slices.IndexFunc(l.pairs, func(o pairResult) bool { return o.Box == m.Pair.Box }); i >= 0 {
			pair = &l.pairs[i]
			m.Pair.Name = pair.Name
		}
		var problems []Problem
		if m.Fact != nil {
			problems = []Problem{c.Text(m.Fact, m.Pair)}
		} else {
			problems = c.Explain(m.Err)
		}
		for _, p := range problems {
			text := c.tildes(p.Text)
			if pair != nil {
				text = c.about(l, pair, text)
			}
			switch {
			case m.Severity == event.Error:
				c.coded(p.Code).fail(p.Hint, "%s", text)
			case m.Severity == event.Warning, !isCreation(l, m):
				c.coded(p.Code).note(p.Hint, "%s", text)
			}
		}
	}
}

// gone tells of mailboxes that do not exist any more, with the commands for each.
func (c *checker) gone(l *link, severity event.Severity, all *channel.GoneError) {
	for _, e := range all.Each() {
		for _, p := range c.Explain(e) {
			if severity != event.Error || l.uncertain(e.Boxes[0].GoneError) {
				c.coded(p.Code).note(p.Hint, "%s", c.tildes(p.Text))
			} else {
				c.coded(p.Code).fail(p.Hint, "%s", c.tildes(p.Text))
			}
		}
	}
}

// uncertain reports whether the other mailbox may be gone as well, on a server that is not
// asked. Then a run would not look at the pair any more.
func (l *link) uncertain(e *engine.GoneError) bool { return e.Messages < 0 && len(l.Patterns) > 0 }

// isCreation reports whether a message says that a mailbox would be created. The report
// lists all of these mailboxes together.
func isCreation(l *link, m event.Message) bool {
	created, ok := m.Fact.(event.MailboxWouldBeCreated)
	for i := range l.pairs {
		p := &l.pairs[i]
		if ok && p.Box == m.Pair.Box && p.creates(config.Side(created.Side)) {
			return true
		}
	}
	return false
}

// missing tells of the mailboxes that a run fails for because they do not exist on
// a side.
func (c *checker) missing(l *link) {
	type key struct {
		absent  [2]bool
		renamed bool // perhaps
	}
	var order []key
	boxes := map[key][]*pairResult{}
	for i := range l.pairs {
		p := &l.pairs[i]
		if !errors.Is(p.err, engine.ErrBoxMissing) || goneFrom(p.err) != nil {
			continue
		}
		k := key{p.Absent, errors.Is(p.err, channel.ErrPerhapsRenamed)}
		if boxes[k] == nil {
			order = append(order, k)
		}
		boxes[k] = append(boxes[k], p)
	}
	for _, k := range order {
		ps := boxes[k]
		if k.absent == [2]bool{true, true} {
			c.fail(c.listing(l), "neither side has %s", c.boxesText(l, ps, config.Far, config.Near))
			continue
		}
		side := config.Far
		if k.absent[config.Near] {
			side = config.Near
		}
		what := c.boxesText(l, ps, side)
		verb := pick(len(ps), "does", "do")
		hint := fmt.Sprintf("to create %s, add the line Create %s (or Both), or use -C%s", pick(len(ps), "it", "them"), titled(side), side.String()[:1])
		if len(l.Patterns) > 0 && l.named == nil {
			hint += "; to exclude " + pick(len(ps), "it", "them") + ", use Patterns"
		} else if s := l.End(side).Store; s.IMAP != nil {
			hint += "; if it should exist, check its name; to list the mailboxes: " + c.Command("-ls", s.Name)
		}
		if k.renamed {
			hint = "if this is the new name of a mailbox that does not exist any more, follow the hints for that mailbox; otherwise, " + hint
		}
		c.fail(hint, "%s %s not exist on the %s side, and there is no Create for the %s side", what, verb, side, side)
	}
}

// boxesText names the mailboxes of pairs, as they are called on the sides.
func (c *checker) boxesText(l *link, ps []*pairResult, sides ...config.Side) string {
	var names []string
	for _, p := range ps {
		for i, t := range sides {
			name := c.boxText(l, t, p.Box[t])
			if len(l.Patterns) > 0 {
				name = l.label(p)
			}
			if i == 0 || name != names[len(names)-1] {
				names = append(names, quoted(name))
			}
			if len(l.Patterns) > 0 {
				break
			}
		}
	}
	if len(ps) == 1 {
		return "mailbox " + strings.Join(names, " or ")
	}
	return count(len(ps), "mailbox") + " (" + some(names) + ")"
}

// listing is the command that lists the mailboxes of a channel's stores.
func (c *checker) listing(l *link) string {
	return "check the names; to list the mailboxes: " + c.Command("-ls", l.Far.Store.Name, l.Near.Store.Name)
}

// counts sums up the mailboxes that can be synchronized.
func (c *checker) counts(l *link, synced, both int, creates [2][]string) {
	if l.allFailed() {
		return
	}
	if l.unseen == [2]bool{} {
		c.ok("%s: %d on both sides", count(len(l.pairs), "mailbox"), both)
	}
	for t, names := range creates {
		if len(names) > 0 {
			c.ok("to be created on the %s side: %s", config.Side(t), some(names))
		}
	}
	switch {
	case synced > 0:
		c.ok("%d of %s synchronized before", synced, wereThey(len(l.pairs), "pair"))
	default:
		c.ok("nothing was synchronized yet: there are no sync states")
	}
}

// briefly is what the summary tells about a channel.
func briefly(l *link) string {
	if l.err != nil {
		return "cannot be synchronized"
	}
	bad, synced, created, away := 0, 0, 0, 0
	for i := range l.pairs {
		p := &l.pairs[i]
		if l.unseen[config.Far] != l.unseen[config.Near] && (p.Absent[0] || p.Absent[1]) {
			away++
		}
		if p.err != nil {
			if gone := goneFrom(p.err); gone == nil || !l.uncertain(gone) {
				bad++
			}
			continue
		}
		if p.Problems > 0 {
			bad++
		}
		if p.HasState {
			synced++
		}
		if p.creates(config.Far) || p.creates(config.Near) {
			created++
		}
	}
	if l.unseen == [2]bool{true, true} && created+bad+len(l.pairs) == 0 {
		return "no server asked"
	}
	text := count(len(l.pairs)-away, "mailbox") + l.whereFound()
	for _, x := range []struct {
		n    int
		text string
	}{{bad, "failing"}, {created, "to be created"}, {synced, "synchronized before"}} {
		if x.n > 0 {
			text += fmt.Sprintf(", %d %s", x.n, x.text)
		}
	}
	return text
}

// files tests whether what a run writes of a pair can be written and locked.
func (c *checker) files(l *link, p *pairResult) {
	for t, st := range l.stores {
		local, ok := store.As[store.Local](st)
		if !ok {
			continue
		}
		dir, err := local.BoxPath(p.Box[t])
		switch {
		case err != nil:
			continue // it could not have been opened
		case p.creates(config.Side(t)):
			if at := examine(c.FS, dir); at.err != nil {
				c.pathFailed("mailbox "+quoted(l.label(p))+" cannot be created on the "+config.Side(t).String()+" side", at.err)
			}
		case !p.Absent[t]:
			c.mailboxFiles(l, p, config.Side(t), dir)
		}
	}
}

// mailboxFiles tests an existing Maildir.
func (c *checker) mailboxFiles(l *link, p *pairResult, t config.Side, dir string) {
	what := "mailbox " + quoted(l.label(p)) + " of the " + t.String() + " side"
	if err := c.mailbox(dir); err != nil {
		c.pathFailed(what, err)
		return
	}
	switch _, held, err := tryLock(c.FS, filepath.Join(dir, ".uidvalidity")); {
	case held:
		c.note("", "%s is in use by another program at this moment", what)
	case err != nil:
		c.fail("the file system must support fcntl locks; some network file systems do so only if they are mounted that way",
			"%s: cannot lock .uidvalidity: %v", what, err)
	}
}

// label names a pair: by what the patterns see or, without any, by the near mailbox.
func (l *link) label(p *pairResult) string {
	if len(l.Patterns) == 0 {
		return p.Box[config.Near]
	}
	return boxLabel(p.Name)
}

// titled is a side as it is written in the configuration.
func titled(t config.Side) string {
	if t == config.Far {
		return "Far"
	}
	return "Near"
}

// pick returns the text for one, or that for any other number.
func pick(n int, one, other string) string {
	if n == 1 {
		return one
	}
	return other
}
