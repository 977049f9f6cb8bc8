package plan

import (
	"fmt"
	"strings"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Reason tells in words what was decided about a message.
type Reason struct {
	// UID of the message on each side, 0 where it has none.
	UID  [2]mail.UID
	Text string
}

// String names the message and tells the reason.
func (r Reason) String() string {
	var names []string
	for _, t := range syncstate.Sides {
		if r.UID[t] != 0 {
			names = append(names, fmt.Sprintf("%s UID %d", t, r.UID[t]))
		}
	}
	if len(names) == 0 {
		return r.Text
	}
	return strings.Join(names, ", ") + ": " + r.Text
}

// explain adds a reason. The callers ask for p.Explain first, so that nothing is
// made up in vain.
func (p *planner) explain(uid [2]mail.UID, format string, args ...any) {
	p.out.Reasons = append(p.out.Reasons, Reason{uid, fmt.Sprintf(format, args...)})
}

// onSide returns the UID of a message that is on one side only.
func onSide(t syncstate.Side, uid mail.UID) (out [2]mail.UID) {
	out[t] = uid
	return out
}

// verb is the direction that changes side t.
func verb(t syncstate.Side) string {
	if t == syncstate.Near {
		return "pull"
	}
	return "push"
}

// passOver tells about a message of side s that has no counterpart; the verb
// goes into the text.
func (p *planner) passOver(s syncstate.Side, m *mail.Meta, text string) {
	if p.Explain {
		p.explain(onSide(s, m.UID), text, verb(s.Other()))
	}
}

// closing tells what becomes of a message of side t that is marked as deleted.
func (p *planner) closing(t syncstate.Side, uid mail.UID, text string) {
	if p.Explain {
		p.explain(onSide(t, uid), "%s", text)
	}
}

// explainCopy tells about a copy to side t.
func (p *planner) explainCopy(t syncstate.Side, c *Copy, isNew bool) {
	why, what := "", ""
	switch {
	case isNew && c.UID <= p.State.MaxUID[t.Other()]:
		why = "not copied by earlier runs, "
	case isNew:
		why = "new, "
	}
	if c.Placeholder {
		what = " as a placeholder"
	}
	p.explain(onSide(t.Other(), c.UID), "%sto be %sed%s", why, verb(t), what)
}

// explainFlags tells about a change of flags on side t.
func (p *planner) explainFlags(t syncstate.Side, c *FlagChange) {
	var what string
	switch {
	case c.Orphan:
		what = fmt.Sprintf("gone from the %s side", t.Other())
	case c.Expire && c.Status&syncstate.Expired != 0:
		what = "expires"
	case c.Expire:
		what = "does not expire any more"
	default:
		what = fmt.Sprintf("flags changed on the %s side", t.Other())
	}
	change := flagChange(c.Add, c.Del)
	if change == "" {
		change = "it is as it should be"
	}
	uid := c.Rec.UID
	uid[t] = c.UID
	p.explain(uid, "%s: %s on the %s side", what, change, t)
}

// flagChange puts a change of flags into words.
func flagChange(add, del mail.Flags) string {
	var parts []string
	if add != 0 {
		parts = append(parts, "+"+add.String())
	}
	if del != 0 {
		parts = append(parts, "-"+del.String())
	}
	return strings.Join(parts, " ")
}

// flagNames shows a set of flags.
func flagNames(f mail.Flags) string {
	if f == 0 {
		return "none"
	}
	return f.String()
}
