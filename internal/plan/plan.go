package plan

import (
	"slices"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// Plan is the result of Make. It points to records of the state that it was made for, or to new
// records of its own.
type Plan struct {
	// Log are the changes of the state that are made first, in order.
	Log []Logged
	// Splits are provisional records of placeholders, by the records that are upgraded
	// (OpUpgrade).
	Splits map[*syncstate.Record]*syncstate.Record
	// Flags are the flag changes on each side, in record order.
	Flags [2][]FlagChange
	// Copies are the messages to be copied *to* each side, ascending by the
	// UID of the source.
	Copies [2][]Copy
	// Postponed are interrupted upgrades of held messages (Input.Held). Their records stay
	// pending until the notes durably contain the request for the message (Input.Whole).
	Postponed []Copy
	// MaxUID are the candidates for the highest propagated UIDs, before any
	// copy is confirmed.
	MaxUID [2]mail.UID
	// Excess are the deletions on each side that exceed MaxDelete. Keep: no deletions are
	// propagated to the side, for that reason or since they are undone (Restored).
	Excess [2]Excess
	Keep   [2]bool
	// Notices are facts to be shown to the user.
	Notices []event.Fact
	// Reasons are the reasons of all decisions, if Input.Explain is set.
	Reasons []Reason
	// Halt, if not nil, is the reason why nothing may be changed. The rest of the plan is
	// empty then.
	Halt error
}

// Logged is a change of the state to be journaled and applied. The UIDs of the record are filled
// in then. It is kept small, because a first run has one for each message.
type Logged struct {
	Rec *syncstate.Record // for OpAdd: the new record
	// Arg are the arguments after the UIDs of the record.
	Arg [2]uint32
	Op  syncstate.Op
}

// FlagChange changes the flags of a message, and the record as a consequence.
type FlagChange struct {
	Rec *syncstate.Record
	UID mail.UID
	// Add and Del are the flags to be set and removed. Both are 0 if the message has the right
	// flags already.
	Add, Del mail.Flags
	// RecAdd and RecDel are the changes of the flags in the record after that.
	RecAdd, RecDel mail.Flags
	// Orphan: the counterpart is gone. The record loses its UID after that.
	Orphan bool
	// Expire: the status of the record becomes Status after that.
	Expire bool
	Status syncstate.Status
	// Purge: the message is an outdated placeholder.
	Purge bool
}

// Copy is a message to be copied.
type Copy struct {
	Rec *syncstate.Record
	// UID of the source message, on the other side.
	UID mail.UID
	// Placeholder: only a placeholder is to be stored.
	Placeholder bool
}

// work is what is known about a record while planning.
type work struct {
	// msg is the index of the record's message in each side's listing, -1 if
	// it has none or that was not listed.
	msg      [2]int32
	add, del [2]mail.Flags
	status   syncstate.Status // as it will be once Plan.Log has taken effect
	bits     uint8
	to       syncstate.Side // with bitCopy: where to
}

const (
	bitDropped = 1 << iota
	bitOrphan  // its counterpart is gone, which is to be propagated
	bitExpire  // it is to be expired
	bitCopy    // it is to be copied
	// It was undeleted on the other side. It stays marked because it expires.
	bitUndeleted
	bitKept // it is not marked as deleted, although the other side has marked it
)

type planner struct {
	Input
	out Plan
	// recs are the records of the state that may have something to do, in order, and then the
	// new ones. works[i] belongs to recs[i]. Most records are at rest and not in recs.
	recs  []*syncstate.Record
	works []work
	// old is the number of recs that are from the state.
	old int
	// owner has for each listed message the index in recs of its record, or one of the values
	// below.
	owner [2][]int32
	// purges are the outdated placeholders that this plan splits off.
	purges []purge
	// noticed are the flags that a mailbox cannot store, and that were reported already.
	noticed [2]mail.Flags
	// deletions counts the messages of each side that the other side has lost or marked.
	deletions [2]int
	// clashes are records with the same message of a side.
	clashes [2][]clash
	// restores are the records that are to be replaced by those of copies.
	restores []restoring
}

// What is in planner.owner of messages that are none of recs'.
const (
	unowned = -1 // it has no record
	resting = -2 // its record is at rest
)

type purge struct {
	rec  *syncstate.Record
	side syncstate.Side
	msg  int32
}

// Make makes the plan.
func Make(in Input) *Plan { return decide(in, expirationRuns(in.State, in.Rules)) }

// decide is Make. counted: see match.
func decide(in Input, counted bool) *Plan {
	if in.Deletions == Restored {
		in.Keep = [2]bool{true, true}
	}
	p := draft(in, counted)
	out := &p.out
	if excess, any := p.excess(); any && out.Halt == nil {
		for _, t := range syncstate.Sides {
			in.Keep[t] = in.Keep[t] || excess[t].Deletions > 0
		}
		out = &draft(in, counted).out
		out.Excess = excess
	}
	out.Keep = in.Keep
	return out
}

// draft makes the plan for deletions that are, or are not, to be propagated (Input.Keep).
func draft(in Input, counted bool) *planner {
	p := &planner{Input: in}
	p.match(counted)
	p.oldRecords()
	for _, t := range syncstate.Sides {
		p.newMessages(t.Other())
	}
	if err := p.expire(); err != nil {
		p.out = Plan{Halt: err, Notices: p.out.Notices, Reasons: p.out.Reasons}
		return p
	}
	p.flagChanges()
	p.copies()
	return p
}

// match finds the messages of each record and the record of each message. It skips records at
// rest, which are nearly all, and only notes which messages belong to them. If messages may expire
// (counted), it skips no record, because expiration counts all of them.
func (p *planner) match(counted bool) {
	for t := range p.owner {
		owner := make([]int32, len(p.Box[t].Messages))
		for i := range owner {
			owner[i] = unowned
		}
		p.owner[t] = owner
	}
	far, near := p.Box[syncstate.Far].Messages, p.Box[syncstate.Near].Messages
	// Most records ascend, so the next message is tried before a search.
	var next [2]int
	records := &p.State.Records
	for k, r := range records.All() {
		i, j := next[syncstate.Far], next[syncstate.Near]
		if i < len(far) && j < len(near) && far[i].UID == r.UID[syncstate.Far] && near[j].UID == r.UID[syncstate.Near] &&
			far[i].Flags == r.Flags && near[j].Flags == r.Flags && !r.Flags.Has(mail.FlagDeleted) && r.AtRest() && !counted &&
			p.owner[syncstate.Far][i] == unowned && p.owner[syncstate.Near][j] == unowned {
			p.owner[syncstate.Far][i], p.owner[syncstate.Near][j] = resting, resting
			next = [2]int{i + 1, j + 1}
			continue
		}
		if !r.Dead {
			p.matchOne(records.Get(k), &next)
		}
	}
	p.old = len(p.recs)
}

// matchOne finds the messages of a record that is not at rest.
func (p *planner) matchOne(r *syncstate.Record, next *[2]int) {
	w := work{msg: [2]int32{-1, -1}, status: r.Status}
	for _, t := range syncstate.Sides {
		msgs, u := p.Box[t].Messages, r.UID[t]
		if u == 0 {
			continue
		}
		j := next[t]
		if j >= len(msgs) || msgs[j].UID != u {
			if j = mail.FindMeta(msgs, u); j < 0 {
				continue
			}
		}
		next[t] = j + 1
		w.msg[t] = int32(j)
		if o := p.owner[t][j]; o == unowned {
			p.owner[t][j] = int32(len(p.recs))
		} else {
			p.clashes[t] = append(p.clashes[t], clash{o, int32(len(p.recs))})
		}
	}
	p.recs = append(p.recs, r)
	p.works = append(p.works, w)
}

// meta returns the listed message of a record on side t, or nil.
func (p *planner) meta(w *work, t syncstate.Side) *mail.Meta {
	if w.msg[t] < 0 {
		return nil
	}
	return &p.Box[t].Messages[w.msg[t]]
}

// missing reports whether the record's message on side t is known not to
// exist; true also if it never had one.
func (p *planner) missing(r *syncstate.Record, w *work, t syncstate.Side) bool {
	return r.UID[t] == 0 || w.msg[t] < 0 && p.Box[t].Loaded.Contains(r.UID[t])
}

func (p *planner) log(op syncstate.Op, r *syncstate.Record, why string, arg ...uint32) {
	l := Logged{Op: op, Rec: r}
	copy(l.Arg[:], arg)
	p.out.Log = append(p.out.Log, l)
	if p.Explain && op != syncstate.OpAdd { // what becomes of a new message is told there
		p.explain(r.UID, "%s", why)
	}
}

func (p *planner) drop(i int, why string) {
	p.works[i].bits |= bitDropped
	p.log(syncstate.OpDrop, p.recs[i], why)
}

func (p *planner) notice(f event.Fact) { p.out.Notices = append(p.out.Notices, f) }

// holdable returns the flags that side t can store. It adds a notice for each other flag, once.
func (p *planner) holdable(f mail.Flags, t syncstate.Side) mail.Flags {
	lost := f &^ p.Box[t].Flags &^ p.noticed[t]
	if lost != 0 {
		p.noticed[t] |= lost
		for f := mail.FlagDraft; f <= mail.FlagDeleted; f <<= 1 {
			if lost.Has(f) {
				p.notice(event.FlagNotStorable{Side: t, Flag: f})
			}
		}
	}
	return f & p.Box[t].Flags
}

// flagChanges makes the flag changes of the plan from the decisions about flags.
func (p *planner) flagChanges() {
	for i, r := range p.recs {
		w := &p.works[i]
		if w.bits&bitDropped != 0 {
			continue
		}
		for _, t := range syncstate.Sides {
			if w.bits&(bitCopy|bitKept) == 0 && !r.Upgrading {
				p.onlyDeletion(t, w)
			}
			if w.add[t]|w.del[t] == 0 && !(t == p.State.ExpireSide && w.bits&bitExpire != 0) {
				continue
			}
			c := FlagChange{Rec: r, UID: r.UID[t], Add: w.add[t], Del: w.del[t], RecAdd: w.add[t], RecDel: w.del[t]}
			if t == p.State.ExpireSide && w.bits&bitExpire != 0 {
				// The record does not note that the message was marked.
				c.RecAdd &^= mail.FlagDeleted
				c.RecDel &^= mail.FlagDeleted
				if w.bits&bitUndeleted != 0 {
					c.RecDel |= mail.FlagDeleted
				}
				c.Expire, c.Status = true, settled(w.status)
			}
			if w.bits&bitOrphan != 0 {
				c.Orphan, c.RecAdd, c.RecDel = true, 0, 0
			}
			if m := p.meta(w, t); m != nil {
				c.Add &^= m.Flags
				c.Del &= m.Flags
			}
			if p.Explain {
				p.explainFlags(t, &c)
			}
			p.out.Flags[t] = append(p.out.Flags[t], c)
		}
	}
	for _, q := range p.purges {
		m := &p.Box[q.side].Messages[q.msg]
		if p.Explain {
			p.explain(onSide(q.side, m.UID), "outdated placeholder, marked as deleted")
		}
		p.out.Flags[q.side] = append(p.out.Flags[q.side], FlagChange{
			Rec: q.rec, UID: m.UID, Add: mail.FlagDeleted &^ m.Flags, Purge: true,
		})
	}
}

// settled returns the status after an expiration, or its reversal, is complete: Expired is the
// same as ExpireBegun.
func settled(s syncstate.Status) syncstate.Status {
	if s&syncstate.ExpireBegun != 0 {
		return s | syncstate.Expired
	}
	return s &^ syncstate.Expired
}

// copies lists the messages to be copied, in the order of the source.
func (p *planner) copies() {
	for _, t := range syncstate.Sides {
		s := t.Other()
		toCopy := func(i int32) bool {
			if i < 0 {
				return false
			}
			w := &p.works[i]
			return w.bits&(bitCopy|bitDropped) == bitCopy && w.to == t && w.status&syncstate.Pending != 0
		}
		n := 0
		for _, i := range p.owner[s] {
			if toCopy(i) {
				n++
			}
		}
		p.out.Copies[t] = slices.Grow(p.out.Copies[t], n)
		for j, m := range p.Box[s].Messages {
			i := p.owner[s][j]
			if !toCopy(i) {
				continue
			}
			w := &p.works[i]
			c := Copy{Rec: p.recs[i], UID: m.UID, Placeholder: w.status&syncstate.PlaceholderOn(t) != 0}
			if p.Explain {
				p.explainCopy(t, &c, int(i) >= p.old)
			}
			p.out.Copies[t] = append(p.out.Copies[t], c)
		}
	}
}
