package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/syncstate"
	"isync/internal/ui"
)

// listFailed lists the messages that could not be copied.
func (r *run) listFailed(ctx context.Context) int {
	c := *r.c
	c.all = c.all || len(c.names) == 0
	sel, problems := selectChannels(r.cfg, &c)
	for _, p := range problems {
		r.events.Take(p)
	}
	if len(problems) > 0 {
		return exitFailure
	}
	r.begin(event.CommandListFailed, sel)
	code := exitOK
	var list event.PendingList
	for _, s := range sel {
		noted, err := r.noted(ctx, s.Channel, s.Boxes)
		if err != nil {
			r.events.Take(event.ChannelFailed{Channel: s.Channel.Name, Err: err})
			code = exitFailure
		}
		for _, n := range noted {
			if n.Err != nil {
				r.events.Take(event.Message{Severity: event.Error, Pair: n.Pair, Err: n.Err})
				code = exitFailure
			}
			list.Messages = append(list.Messages, pendingMessages(n)...)
		}
	}
	if len(list.Messages) > 0 || code == exitOK {
		r.events.Take(list)
	}
	r.tellPending(list.Messages)
	return code
}

// tellPending reports what the user can do about pending messages.
func (r *run) tellPending(list []event.PendingMessage) {
	var counts [2]int
	var first [2]string
	for i := range list {
		m := &list[i]
		k := 0
		if m.Skipped {
			k = 1
		}
		if counts[k]++; counts[k] == 1 {
			first[k] = messageWord(m.Pair, m.Side, m.UID, onBothSides(list, m))
		}
	}
	if counts[0] > 0 {
		r.tell(event.Notice, config.Pos{}, event.MessagesPending{Count: counts[0], Command: r.command("--skip-failed", first[0])})
	}
	if counts[1] > 0 {
		r.tell(event.Notice, config.Pos{}, event.MessagesSkipped{Count: counts[1], Command: r.command("--retry-failed", first[1])})
	}
}

// onBothSides reports whether the list has another message that differs from m only in its side.
func onBothSides(list []event.PendingMessage, m *event.PendingMessage) bool {
	for i := range list {
		if o := &list[i]; o.Pair == m.Pair && o.UID == m.UID && o.Side != m.Side {
			return true
		}
	}
	return false
}

// noted returns the notes of the pairs of a channel.
func (r *run) noted(ctx context.Context, ch *config.Channel, boxes []string) (noted []channel.Noted, err error) {
	oerr := r.withStores(ch, func(stores [2]store.Store) {
		noted, err = channel.NewPreviewer(ch, stores, r.cfg.Global).Noted(ctx, r.fs(), boxes)
	})
	return noted, errors.Join(oerr, err)
}

// withStores makes the stores of a channel and calls f with them. This does not connect to
// servers.
func (r *run) withStores(ch *config.Channel, f func(stores [2]store.Store)) error {
	w := r.workshop()
	var stores [2]store.Store
	defer func() {
		for _, st := range stores {
			if st != nil {
				_ = st.Close()
			}
		}
	}()
	for t, s := range []*config.Store{ch.Far.Store, ch.Near.Store} {
		var err error
		if stores[t], err = w.open(s); err != nil {
			return err
		}
	}
	f(stores)
	return nil
}

// pendingMessages returns the messages of a pair. Those that will be tried again come first.
func pendingMessages(n channel.Noted) (out []event.PendingMessage) {
	add := func(list []syncstate.Held, skipped bool) {
		for i := range list {
			h := &list[i]
			out = append(out, event.PendingMessage{
				Pair: n.Pair, Side: h.Side, UID: h.UID, Skipped: skipped,
				Tries: h.Tries, Since: h.Since, Why: h.Why,
				Size: h.About.Size, Date: h.About.Date, MessageID: h.About.MessageID,
			})
		}
	}
	add(n.Notes.Held, false)
	add(n.Notes.Skipped, true)
	return out
}

// messageWord returns the name of a message on the command line, with its side if withSide is
// set.
func messageWord(p event.Pair, side syncstate.Side, u mail.UID, withSide bool) string {
	word := p.Channel
	if p.Name != "" {
		word += ":" + p.Name
	}
	if withSide {
		word += ":" + side.String()
	}
	return fmt.Sprintf("%s:%d", word, u)
}

// adviseOnMessage adds a fact and a hint to the problem of a message that could not be copied. If
// a file is the cause, the fact and hint about the file come first.
func (r *run) adviseOnMessage(p *ui.Problem, e *engine.MessageError, d *diagnosis) {
	skip := event.MessageNotCopied{Skip: r.command("--skip-failed", messageWord(e.Pair, e.Side, e.UID, true))}
	_, p.Hint = ui.Text(skip)
	p.Fact = skip
	if f := d.aboutFiles(); f != nil {
		_, hint := ui.Text(f)
		p.Fact, p.Hint = f, ui.OneLine(hint)+"\n"+p.Hint
	}
}

// messageRef is a parsed word that names a message.
type messageRef struct {
	channel *config.Channel
	boxes   []string // nil: the channel has only one pair
	sides   []syncstate.Side
	uid     mail.UID
}

// message parses a word "channel[:mailbox][:side]:UID".
func (r *run) message(word string) (ref messageRef, problem event.Fact) {
	name, rest, _ := strings.Cut(word, ":")
	if ref.channel = r.cfg.Channel(name); ref.channel == nil {
		if name == "" {
			return ref, event.MessageMalformed{Word: word}
		}
		s := selector{cfg: r.cfg}
		return ref, s.unknown(name)
	}
	one := len(ref.channel.Patterns) == 0
	fields := strings.Split(rest, ":")
	uid, err := strconv.ParseUint(fields[len(fields)-1], 10, 32)
	if err != nil || uid == 0 {
		return ref, event.MessageMalformed{Word: word, NoPatterns: one}
	}
	ref.uid = mail.UID(uid)
	fields = fields[:len(fields)-1]
	ref.sides = syncstate.Sides[:]
	for _, t := range syncstate.Sides {
		if n := len(fields); n > 0 && fields[n-1] == t.String() && (one || n > 1) {
			ref.sides = []syncstate.Side{t}
			fields = fields[:n-1]
			break
		}
	}
	if one != (len(fields) == 0) {
		return ref, event.MessageMalformed{Word: word, NoPatterns: one}
	}
	if !one {
		box := strings.Join(fields, ":")
		if box == "" {
			box = mail.Inbox
		}
		ref.boxes = []string{box}
	}
	return ref, nil
}

// editFailed skips the messages that the command line names, or schedules them for the next run.
func (r *run) editFailed(ctx context.Context) int {
	code := exitOK
	for _, edit := range r.c.edits {
		if ctx.Err() != nil {
			return exitFailure
		}
		ref, problem := r.message(edit.word)
		if problem != nil {
			r.tell(event.Error, config.Pos{}, problem)
			code = exitFailure
			continue
		}
		if !r.editMessage(ctx, ref, edit.skip) {
			code = exitFailure
		}
	}
	return code
}

// editMessage skips a message, or schedules it for the next run. It reports whether it succeeded.
func (r *run) editMessage(ctx context.Context, ref messageRef, skip bool) bool {
	list, err := r.noted(ctx, ref.channel, ref.boxes)
	if err != nil {
		r.events.Take(event.ChannelFailed{Channel: ref.channel.Name, Err: err})
		return false
	}
	pair := list[0].Pair
	if err = list[0].Err; err == nil {
		var side syncstate.Side
		var problem event.Fact
		err = engine.EditNotes(r.fs(), list[0].StatePath, r.cfg.Global.FSync, func(n *syncstate.Notes) bool {
			if side, problem = r.sideOf(pair, ref, n, skip); problem != nil {
				return false
			}
			if skip {
				return n.Skip(side, ref.uid)
			}
			return n.Unskip(side, ref.uid)
		})
		if err == nil && problem != nil {
			r.events.Take(event.Message{Severity: event.Error, Pair: pair, Fact: problem})
			return false
		}
		if err == nil {
			var done event.Fact = event.MessageTriedAgain{}
			if skip {
				done = event.MessageSkipped{Command: r.command("--retry-failed", messageWord(pair, side, ref.uid, len(ref.sides) == 1))}
			}
			r.events.Take(event.Message{Severity: event.Notice, Pair: pair, Side: side, UID: ref.uid, Fact: done})
			return true
		}
	}
	r.events.Take(event.Message{Severity: event.Error, Pair: pair, Err: err})
	return false
}

// sideOf returns the side of the message, or a problem. If both sides have the UID, it is the
// message that is not yet in the requested state.
func (r *run) sideOf(pair event.Pair, ref messageRef, n *syncstate.Notes, skip bool) (side syncstate.Side, problem event.Fact) {
	var todo, done []syncstate.Side
	for _, t := range ref.sides {
		held, skipped := n.Find(t, ref.uid) != nil, n.FindSkipped(t, ref.uid) != nil
		switch {
		case held && skip, skipped && !skip:
			todo = append(todo, t)
		case held, skipped:
			done = append(done, t)
		}
	}
	if len(todo) == 0 {
		todo = done
	}
	switch len(todo) {
	case 0:
		return side, event.MessageNotPending{UID: ref.uid, Command: r.command("--list-failed", pairArg(pair))}
	case 1:
		return todo[0], nil
	}
	p := event.MessageSideUnknown{UID: ref.uid}
	for _, t := range syncstate.Sides {
		p.Words[t] = messageWord(pair, t, ref.uid, true)
	}
	return side, p
}
