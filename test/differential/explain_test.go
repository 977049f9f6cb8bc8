package differential

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// known is a difference that is meant to be. docs/differences.md has a section
// on each.
type known struct {
	name string
	// in is the version of the C program that shows it; "": each.
	in string
	// concerns returns the messages that the two programs treat differently,
	// given the rules and what the world looked like before and after. Other
	// messages may have other UIDs as a consequence.
	concerns func(r round, before, theirs, ours *shot) []string
}

// anything instead of names: the round as a whole went differently.
const anything = "*"

var knownDifferences = []known{
	{"deleted on the side that is expunged", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for s, side := range sides {
			if !r.has("expunge-"+side) || r.has("expunge-"+sides[1-s]) {
				continue
			}
			for _, m := range before.unpaired(s) {
				if strings.Contains(m.flags, "T") {
					names = append(names, m.name)
				}
			}
		}
		return r.counted(names)
	}},
	{"seen placeholders", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s := range sides {
				if p.placeholderOn(s) && p.msg[s] != nil && strings.Contains(p.msg[s].flags, "S") && p.has("S") {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"expirations are forgotten without MaxMessages", "1.4", func(r round, before, _, _ *shot) (names []string) {
		if r.number("max") > 0 && (r.has("sync") || r.has("pull-new") || r.has("pull-renew") || r.has("pull-flags")) {
			return nil
		}
		for p := range before.pairs() {
			if p.has("~") {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"expired orphans come back", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			if p.has("~") && p.uid[0] == 0 && r.number("max") > 0 {
				names = append(names, p.names()...)
			}
		}
		return r.counted(names)
	}},
	{"copying ends at a trashed message", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for s, side := range sides {
			trashes := r.trash(s) != "" || r.trash(1-s) == "remotetrash"
			if !r.has("expunge-"+side) || r.has("expunge-"+sides[1-s]) || !trashes {
				continue
			}
			marked := func(m message) bool { return strings.Contains(m.flags, "T") }
			if !slices.ContainsFunc(before.boxes[0].msgs, marked) && !slices.ContainsFunc(before.boxes[1].msgs, marked) &&
				!slices.ContainsFunc(slices.Collect(before.pairs()), func(p *pair) bool { return p.msg[1-s] == nil }) {
				continue
			}
			for _, m := range before.unpaired(s) {
				names = append(names, m.name)
			}
			for p := range before.pairs() {
				if p.placeholderOn(1 - s) {
					names = append(names, p.names()...)
				}
			}
		}
		return r.counted(names)
	}},
	{"copying ends at a message whose flags change", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for s, dir := range []string{"pull-", "push-"} {
			upgrades := false
			for p := range before.pairs() {
				// The original gets the flags that were set on the placeholder.
				if p.placeholderOn(1-s) && p.msg[1-s] != nil && strings.Contains(p.msg[1-s].flags, "F") {
					upgrades = r.has("sync") || r.has(dir+"renew")
					names = append(names, p.names()...)
				}
			}
			if !upgrades {
				names = nil
				continue
			}
			for _, m := range before.unpaired(s) {
				names = append(names, m.name)
			}
			return r.counted(names)
		}
		return nil
	}},
	{"placeholders are no copies to TrashNewOnly", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s, side := range sides {
				if r.has("expunge-"+side) && p.placeholderOn(1-s) && (r.trash(s) == "trashnew" || r.trash(s) == "" && r.trash(1-s) == "remotetrash") {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"MaxMessages and missing originals", "", func(r round, before, theirs, ours *shot) (names []string) {
		keep, flags, limit := 0, "pull-flags", "MaxExpiredFarUid"
		if r.has("expire-far") {
			keep, flags, limit = 1, "push-flags", "MaxExpiredNearUid"
		}
		missing := slices.ContainsFunc(slices.Collect(before.pairs()), func(p *pair) bool { return p.uid[keep] != 0 && p.msg[keep] == nil })
		if r.number("max") == 0 || !missing && (r.has("sync") || r.has(flags)) {
			return nil
		}
		if ours.refused && !theirs.refused || missing && theirs.refused && !ours.refused || ours.state.number(limit) != theirs.state.number(limit) {
			return []string{anything}
		}
		was := make(map[[2]uint32]bool)
		for p := range theirs.pairs() {
			was[p.uid] = p.has("~")
		}
		for p := range ours.pairs() {
			if is, ok := was[p.uid]; p.has("~") != is || !ok {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"expunged before the deletion was propagated", "1.4", func(r round, before, theirs, ours *shot) (names []string) {
		for p := range before.pairs() {
			for s, side := range sides {
				if r.has("expunge-"+side) && p.msg[s] != nil && strings.Contains(p.msg[s].flags, "T") && ours.state.record(s, p.uid[s]) != nil && theirs.state.record(s, p.uid[s]) == nil {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"records below the expired ones", "", func(r round, before, theirs, ours *shot) (names []string) {
		for s, key := range []string{"MaxExpiredFarUid", "MaxExpiredNearUid"} {
			limit := max(theirs.state.number(key), before.state.number(key))
			for p := range before.pairs() {
				if p.uid[1-s] == 0 && p.uid[s] <= limit {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"flagged originals of placeholders", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s, dir := range []string{"push-", "pull-"} {
				if p.msg[1-s] == nil || !p.placeholderOn(s) || !r.has("sync") && !r.has(dir+"renew") && !r.has(dir+"flags") {
					continue
				}
				if strings.Contains(p.msg[1-s].flags, "F") != p.has("F") || strings.Contains(p.msg[1-s].flags, "F") {
					names = append(names, p.names()...)
				}
			}
		}
		return r.counted(names)
	}},
	{"expunging what has expired", "1.4", func(r round, before, _, _ *shot) (names []string) {
		limit := before.state.number("MaxExpiredFarUid")
		for _, m := range before.unpaired(0) {
			if r.has("expunge-far") && m.uid != 0 && m.uid <= limit && strings.Contains(m.flags, "T") {
				names = append(names, m.name)
			}
		}
		return names
	}},
	{"records of what is gone on both sides", "", func(_ round, before, _, ours *shot) (names []string) {
		for p := range before.pairs() {
			if p.msg[0] == nil && p.msg[1] == nil {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"MaxSize and the remote trash", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for s, side := range sides {
			o := 1 - s
			if !r.has("expunge-"+side) || r.trash(s) != "" || r.trash(o) != "remotetrash" || !r.has("maxsize-"+sides[o]) {
				continue
			}
			for _, m := range before.boxes[s].msgs {
				if m.big() {
					names = append(names, m.name)
				}
			}
		}
		return names
	}},
	{"placeholders in the trash", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s, side := range sides {
				if r.has("expunge-"+side) && p.placeholderOn(s) && (r.trash(s) != "" || r.trash(1-s) == "remotetrash") {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"MaxMessages and placeholders", "", func(r round, before, _, _ *shot) []string {
		for p := range before.pairs() {
			if r.number("max") > 0 && (p.placeholderOn(0) || p.placeholderOn(1)) {
				return []string{anything}
			}
		}
		return nil
	}},
	{"undeleted beyond the limit", "", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for _, m := range p.msg {
				if p.has("T") && m != nil && !strings.Contains(m.flags, "T") {
					names = append(names, p.names()...)
				}
			}
		}
		if r.number("max") == 0 {
			return nil
		}
		return r.counted(names)
	}},
	{"deleted after it expired", "", func(_ round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			if p.has("~") && p.has("T") {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"gone, and marked as deleted", "", func(_ round, before, _, ours *shot) (names []string) {
		for p := range before.pairs() {
			for s := range sides {
				if p.uid[s] != 0 && !ours.boxes[s].has(p.uid[s]) && p.msg[1-s] != nil && strings.Contains(p.msg[1-s].flags, "T") {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"headers that just stop", "1.4", func(_ round, before, _, _ *shot) (names []string) {
		for s := range sides {
			for _, m := range before.unpaired(s) {
				if strings.HasPrefix(m.name, "H") {
					names = append(names, m.name)
				}
			}
		}
		return names
	}},
	{"flagged messages above MaxSize", "1.4", func(r round, before, _, _ *shot) (names []string) {
		for s := range sides {
			for _, m := range before.unpaired(s) {
				if r.has("maxsize-"+sides[1-s]) && m.big() && strings.Contains(m.flags, "F") {
					names = append(names, m.name)
				}
			}
		}
		return names
	}},
	{"new messages are numbered at another time", "", func(_ round, _, theirs, ours *shot) []string {
		for s := range sides {
			if theirs.boxes[s].unnumbered() != ours.boxes[s].unnumbered() {
				return []string{"only UIDs"}
			}
		}
		return nil
	}},
	{"marks on outdated placeholders", "1.4", func(_ round, before, theirs, ours *shot) (names []string) {
		for p := range before.pairs() {
			if p.placeholderOn(0) || p.placeholderOn(1) {
				names = append(names, p.names()...)
			}
		}
		if !sameMail(before, theirs, ours) {
			return nil
		}
		return names
	}},
	{"a state that is not written", "1.5", func(_ round, before, theirs, ours *shot) (names []string) {
		if !slices.Equal(before.state.records, theirs.state.records) {
			return nil
		}
		// A message without a UID does not belong to a record without a UID.
		has := func(s *shot, p *pair, side int) bool { return p.uid[side] != 0 && s.boxes[side].has(p.uid[side]) }
		same := func(p *pair, side int) bool { return has(theirs, p, side) == has(ours, p, side) }
		for p := range before.pairs() {
			if same(p, 0) && same(p, 1) && (!has(ours, p, 0) || !has(ours, p, 1)) {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"expired placeholders", "", func(_ round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			if (p.placeholderOn(0) || p.placeholderOn(1)) && p.has("~") {
				names = append(names, p.names()...)
			}
		}
		return names
	}},
	{"Old with Flags", "1.5", func(r round, before, _, _ *shot) (names []string) {
		if r.number("max") > 0 {
			return nil
		}
		for s, key := range []string{"MaxExpiredFarUid", "MaxExpiredNearUid"} {
			limit := before.state.number(key)
			for _, m := range before.unpaired(s) {
				if m.uid <= limit {
					names = append(names, m.name)
				}
			}
		}
		return names
	}},
	{"a changed UIDVALIDITY on both sides", "1.5", func(_ round, before, _, _ *shot) []string {
		if before.state.missing || before.boxes[0].missing || before.boxes[1].missing ||
			slices.Contains(before.state.header, "FarUidValidity is the mailbox's") || slices.Contains(before.state.header, "NearUidValidity is the mailbox's") {
			return nil
		}
		return []string{anything}
	}},
	{"a mailbox removed after an unfinished first run", "1.5", func(_ round, before, _, _ *shot) []string {
		unfinished := slices.ContainsFunc(before.stray, func(n string) bool { return strings.HasSuffix(n, ".journal") })
		if !before.state.missing || !unfinished || before.boxes[0].missing == before.boxes[1].missing {
			return nil
		}
		return []string{anything}
	}},
	{"a mailbox restored from a backup", "", func(_ round, before, _, _ *shot) []string {
		for s, key := range []string{"MaxPulledUid", "MaxPushedUid"} {
			known := before.state.number(key)
			for p := range before.pairs() {
				known = max(known, p.uid[s])
			}
			var highest uint32
			_, _ = fmt.Sscan(before.boxes[s].highest, &highest)
			if !before.boxes[s].missing && highest < known {
				return []string{anything}
			}
		}
		return nil
	}},
	{"expired, and expunged at once", "1.5", func(_ round, before, theirs, ours *shot) (names []string) {
		if !sameMail(before, theirs, ours) {
			return nil
		}
		for p := range theirs.pairs() {
			for s := range sides {
				if p.has("~") && p.uid[s] != 0 && !ours.boxes[s].has(p.uid[s]) {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"the last copy of an expired message", "1.5", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s, side := range sides {
				if p.has("~") && p.msg[s] != nil && p.msg[1-s] == nil && (r.has("expunge-"+side) || r.has("solo-"+side)) && (r.trash(s) != "" || r.trash(1-s) == "remotetrash") {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"flagged placeholders whose original is gone", "1.5", func(r round, before, _, _ *shot) (names []string) {
		for p := range before.pairs() {
			for s := range sides {
				if !p.placeholderOn(s) || p.msg[s] == nil || !strings.Contains(p.msg[s].flags, "F") {
					continue
				}
				original := p.msg[1-s]
				if original == nil || strings.Contains(original.flags, "T") && (r.has("expunge-"+sides[1-s]) || r.has("solo-"+sides[1-s])) {
					names = append(names, p.names()...)
				}
			}
		}
		return names
	}},
	{"flagged placeholders that are expunged", "1.5", func(r round, before, theirs, ours *shot) (names []string) {
		for p := range before.pairs() {
			for s, side := range sides {
				m := p.msg[s]
				if p.placeholderOn(s) && m != nil && strings.Contains(m.flags, "F") && strings.Contains(m.flags, "T") && (r.has("expunge-"+side) || r.has("solo-"+side)) {
					names = append(names, p.names()...)
				}
			}
		}
		if !sameMail(before, theirs, ours) {
			return nil
		}
		return names
	}},
	{"a changed UIDVALIDITY without any paired message", "", func(_ round, before, _, _ *shot) []string {
		for p := range before.pairs() {
			if p.uid[0] != 0 && p.uid[1] != 0 {
				return nil
			}
		}
		for i, key := range []string{"FarUidValidity ", "NearUidValidity "} {
			if !before.state.missing && !before.boxes[i].missing && !slices.Contains(before.state.header, key+"is the mailbox's") {
				return []string{anything}
			}
		}
		return nil
	}},
	{"watermarks rise earlier", "", func(r round, before, theirs, ours *shot) []string {
		expired := []string{"MaxExpiredFarUid", "MaxExpiredNearUid"}
		for s, key := range []string{"MaxPulledUid", "MaxPushedUid"} {
			t, o := theirs.state.number(key), ours.state.number(key)
			if o < t {
				return nil
			}
			for _, m := range ours.unpaired(s) {
				below := m.uid <= ours.state.number(expired[s])
				if m.uid > t && m.uid <= o && !below {
					return nil // it would count as seen
				}
			}
		}
		return []string{"only watermarks"}
	}},
}

// sameMail compares all but the records and UIDs.
func sameMail(before, theirs, ours *shot) bool {
	mail := func(s *shot) []string {
		return slices.DeleteFunc(s.relaxed(before, nil), func(l string) bool { return strings.HasPrefix(l, "record ") })
	}
	return slices.Equal(mail(theirs), mail(ours))
}

// concerned returns the messages that a difference concerns.
func concerned(name string, r round, before, theirs, ours *shot) []string {
	i := slices.IndexFunc(knownDifferences, func(k known) bool { return k.name == name })
	return knownDifferences[i].concerns(r, before, theirs, ours)
}

// counted returns the names, or anything if there is a limit of messages: then
// a message more or less has consequences for others.
func (r round) counted(names []string) []string {
	if len(names) > 0 && r.number("max") > 0 {
		return []string{anything}
	}
	return names
}

// explain returns the name of the known difference that a round shows, "" if
// it shows none, or more than that.
func explain(r round, before, theirs, ours *shot, t *tally) string {
	concerned := make(map[string][]string)
	all := make(map[string]bool)
	for _, k := range knownDifferences {
		if k.in != "" && k.in != theirVersion {
			continue
		}
		if names := k.concerns(r, before, theirs, ours); len(names) > 0 {
			concerned[k.name] = names
			for _, n := range names {
				all[n] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(concerned))
	for _, k := range names {
		only := make(map[string]bool)
		for _, n := range concerned[k] {
			only[n] = true
		}
		if same(before, theirs, ours, only) {
			t.explain(k)
			return k
		}
	}
	if len(names) > 1 && same(before, theirs, ours, all) {
		for _, k := range names {
			t.explain(k)
		}
		return strings.Join(names, ", ")
	}
	return ""
}

// same compares two worlds but for some messages. What follows from one message
// more or less does not count: the UIDs of others, and the watermarks.
func same(before, theirs, ours *shot, but map[string]bool) bool {
	return but[anything] || cmp.Equal(theirs.relaxed(before, but), ours.relaxed(before, but))
}

func (s *shot) relaxed(before *shot, but map[string]bool) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	plain := func(n string) string { return strings.TrimSuffix(n, "?") }
	say("failed: %v", s.failed)
	for i, side := range sides {
		say("%s missing: %v", side, s.boxes[i].missing)
		for _, m := range s.boxes[i].msgs {
			if !but[plain(m.name)] {
				say("%s %s:%s %s %s", side, m.name, m.flags, m.sub, digest(m.text))
			}
		}
		for _, m := range s.trash[i].msgs {
			if !but[plain(m.name)] {
				say("%s trash %s", side, m)
			}
		}
	}
	slices.Sort(out) // the order of UIDs
	say("state missing: %v", s.state.missing)
	for _, rec := range s.state.records {
		var far, near uint32
		var flags string
		if n, _ := fmt.Sscan(rec, &far, &near, &flags); n < 2 {
			continue
		}
		a, b := s.nameOfUID(before, 0, far), s.nameOfUID(before, 1, near)
		if !but[plain(a)] && !but[plain(b)] && !but[fmt.Sprintf("%d-%d", far, near)] {
			say("record %s %s %s", a, b, flags)
		}
	}
	slices.Sort(s.stray)
	say("left: %q", s.stray)
	return out
}

func (s *shot) nameOfUID(before *shot, side int, uid uint32) string {
	if uid == 0 {
		return "0"
	}
	for _, b := range []box{s.boxes[side], before.boxes[side]} {
		for _, m := range b.msgs {
			if m.uid == uid {
				return m.name
			}
		}
	}
	return "gone"
}

// pair is a record with its messages.
type pair struct {
	uid    [2]uint32
	status string // all of it
	msg    [2]*message
}

func (p *pair) has(flag string) bool { return strings.Contains(p.status, flag) }

// placeholderOn tells whether the message of a side is a placeholder.
func (p *pair) placeholderOn(side int) bool {
	return strings.HasPrefix(p.status, []string{"<", ">"}[side])
}

// names returns the name of the pair's messages, if there is any, and what its
// record may become when one of them goes.
func (p *pair) names() []string {
	names := []string{fmt.Sprintf("%d-%d", p.uid[0], p.uid[1]), fmt.Sprintf("0-%d", p.uid[1]), fmt.Sprintf("%d-0", p.uid[0])}
	for _, m := range p.msg {
		if m != nil {
			names = append(names, strings.TrimSuffix(m.name, "?"))
		}
	}
	return names
}

// pairs yields the records of the state.
func (s *shot) pairs() iter.Seq[*pair] {
	return func(yield func(*pair) bool) {
		for _, rec := range s.state.records {
			p := &pair{}
			if n, _ := fmt.Sscan(rec, &p.uid[0], &p.uid[1], &p.status); n < 2 {
				continue // a state without records
			}
			for i, u := range p.uid {
				for j := range s.boxes[i].msgs {
					if m := &s.boxes[i].msgs[j]; u != 0 && m.uid == u {
						p.msg[i] = m
					}
				}
			}
			if !yield(p) {
				return
			}
		}
	}
}

// has reports whether there is a message with a UID.
func (b *box) has(uid uint32) bool {
	return slices.ContainsFunc(b.msgs, func(m message) bool { return m.uid == uid })
}

// unpaired returns the messages of a side that have no record.
func (s *shot) unpaired(side int) (list []message) {
	for _, m := range s.boxes[side].msgs {
		if s.state.record(side, m.uid) == nil {
			list = append(list, m)
		}
	}
	return list
}

// number returns the value of an entry of the header.
func (s *state) number(key string) (n uint32) {
	for _, l := range s.header {
		if v, ok := strings.CutPrefix(l, key+" "); ok {
			_, _ = fmt.Sscan(v, &n)
		}
	}
	return n
}

// record returns the record of a message, nil if there is none.
func (s *state) record(side int, uid uint32) []string {
	for _, r := range s.records {
		f := strings.SplitN(r, " ", 3)
		if len(f) == 3 && uid != 0 && f[side] == fmt.Sprint(uid) {
			return f
		}
	}
	return nil
}

// crashes reports whether theirs may crash: of a placeholder and its original
// one is gone, and the other one flagged.
func crashes(before *shot) bool {
	for p := range before.pairs() {
		for s := range sides {
			if (p.placeholderOn(0) || p.placeholderOn(1)) && p.msg[s] == nil && p.msg[1-s] != nil && strings.Contains(p.msg[1-s].flags, "F") {
				return true
			}
		}
	}
	return false
}

// unmarkTrash removes the marks of deletion from messages in trashes: theirs
// keep them there, ours only where a server moves them.
func unmarkTrash(after [2]*shot, onServer bool, t *tally) {
	for k, s := range after {
		for side := range s.trash {
			for i := range s.trash[side].msgs {
				m := &s.trash[side].msgs[i]
				f := strings.ReplaceAll(m.flags, "T", "")
				if f == m.flags || k == 1 && !(onServer && side == 0) {
					continue
				}
				m.flags = f
				if k == 0 {
					t.explain("marks of deletion in the trash")
				}
			}
			sortMessages(s.trash[side].msgs)
		}
	}
}

// forgetJournal takes no notice of the journal that a refusal to synchronize a
// mailbox leaves.
func (s *shot) forgetJournal() {
	if s.failed {
		s.stray = slices.DeleteFunc(s.stray, func(n string) bool {
			return strings.HasSuffix(n, ".journal") || strings.HasSuffix(n, ".new")
		})
	}
}
