package plan

import (
	"fmt"
	"strings"

	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Reason describes a decision about a message.
type Reason struct {
	// UID of the message on each side, 0 where it has none.
	UID  [2]mail.UID
	Text string
}

// String returns the message and the reason.
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

// explain adds a reason. Callers check p.Explain first, so that no text is made for nothing.
func (p *planner) explain(uid [2]mail.UID, format string, args ...any) {
	p.out.Reasons = append(p.out.Reasons, Reason{uid, fmt.Sprintf(format, args...)})
}

// onSide returns the UID of a message that is on one side only.
func onSide(t syncstate.Side, uid mail.UID) (out [2]mail.UID) {
	out[t] = uid
	return out
}

// verb returns the name of the direction that changes side t.
func verb(t syncstate.Side) string {
	if t == syncstate.Near {
		return "pull"
	}
	return "push"
}

// passOver explains why a message of side s without a counterpart is not copied. The verb is
// inserted into the text.
func (p *planner) passOver(s syncstate.Side, m *mail.Meta, text string) {
	if p.Explain {
		p.explain(onSide(s, m.UID), text, verb(s.Other()))
	}
}

// closing explains what happens to a message of side t that is marked as deleted.
func (p *planner) closing(t syncstate.Side, uid mail.UID, text string) {
	if p.Explain {
		p.explain(onSide(t, uid), "%s", text)
	}
}

// explainCopy explains a copy to side t.
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

// explainFlags explains a change of flags on side t.
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

// flagChange describes a change of flags.
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
