package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/event"
)

var channelKeywords = []keyword{
	{Keyword: Keyword{Name: "Far", Args: ":store:[mailbox]"}, apply: func(st *stmt, d *draft) { st.applyEnd(d, Far) }},
	{Keyword: Keyword{Name: "Near", Args: ":store:[mailbox]"}, apply: func(st *stmt, d *draft) { st.applyEnd(d, Near) }},
	{Keyword: Keyword{Name: "Patterns", Alias: "Pattern", Args: "[!]pattern ...", List: true}, apply: (*stmt).applyPatterns},
	{Keyword: Keyword{Name: "MaxSize", Args: "size[k|m][b]"}, apply: func(st *stmt, d *draft) { st.setSize(&d.maxSize) }},
	{Keyword: Keyword{Name: "Watch", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setTristate(&d.watch) }},

	{Keyword: Keyword{Name: "Master", Args: ":store:[mailbox]", Deprecated: true, Use: "Far"}, rename: true},
	{Keyword: Keyword{Name: "Slave", Args: ":store:[mailbox]", Deprecated: true, Use: "Near"}, rename: true},
}

// defaultKeywords are allowed in a channel, and in the global part as defaults for all channels.
var defaultKeywords = []keyword{
	{Keyword: Keyword{Name: "Sync", Args: "None|[Pull] [Push] [New] [Old] [Upgrade] [Gone] [Flags] [Full] [PullNew] ...", List: true}, apply: (*stmt).applySync},
	{Keyword: Keyword{Name: "Create", Args: "None|Far|Near|Both", List: true}, apply: func(st *stmt, d *draft) { st.applyBoxOp(d, OpCreate) }},
	{Keyword: Keyword{Name: "Remove", Args: "None|Far|Near|Both", List: true}, apply: func(st *stmt, d *draft) { st.applyBoxOp(d, OpRemove) }},
	{Keyword: Keyword{Name: "Expunge", Args: "None|Far|Near|Both", List: true}, apply: func(st *stmt, d *draft) { st.applyBoxOp(d, OpExpunge) }},
	{Keyword: Keyword{Name: "ExpungeSolo", Args: "None|Far|Near|Both", List: true}, apply: func(st *stmt, d *draft) { st.applyBoxOp(d, OpExpungeSolo) }},
	{Keyword: Keyword{Name: "MaxMessages", Args: "count"}, apply: func(st *stmt, d *draft) { st.setInt(&d.defaults.maxMessages, 0, maxInt) }},
	{Keyword: Keyword{Name: "ExpireUnread", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setTristate(&d.defaults.expireUnread) }},
	{Keyword: Keyword{Name: "ExpireSide", Args: "Far|Near"}, apply: (*stmt).applyExpireSide},
	{Keyword: Keyword{Name: "Adopt", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setTristate(&d.defaults.adopt) }},
	{Keyword: Keyword{Name: "MaxDelete", Args: "count|percent%"}, apply: (*stmt).applyMaxDelete},
	{Keyword: Keyword{Name: "CopyArrivalDate", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.defaults.copyArrivalDate) }},
	{Keyword: Keyword{Name: "SyncState", Args: "*|path"}, apply: (*stmt).applySyncState},
	{Keyword: Keyword{Name: "OnChange", Args: "command"}, apply: func(st *stmt, d *draft) { d.defaults.hooks.OnChange = st.arg() }},
	{Keyword: Keyword{Name: "OnNew", Args: "command"}, apply: func(st *stmt, d *draft) { d.defaults.hooks.OnNew = st.arg() }},
	{Keyword: Keyword{Name: "OnError", Args: "command"}, apply: func(st *stmt, d *draft) { d.defaults.hooks.OnError = st.arg() }},
}

var globalKeywords = []keyword{
	{Keyword: Keyword{Name: includeKeyword, Args: "file ...", List: true}}, // see parser.interpret
	{Keyword: Keyword{Name: "FSync", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.global.FSync) }},
	{Keyword: Keyword{Name: "FieldDelimiter", Args: "character"}, apply: func(st *stmt, d *draft) { st.setDelimiter(&d.global.FieldDelimiter) }},
	{Keyword: Keyword{Name: "BufferLimit", Args: "size[k|m][b]"}, apply: (*stmt).applyBufferLimit},
	{Keyword: Keyword{Name: "MetricsFile", Args: "path"}, apply: func(st *stmt, d *draft) { st.setPath(&d.global.MetricsFile) }},
}

var groupKeywords = []keyword{
	{Keyword: Keyword{Name: "Watch", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setTristate(&d.watch) }},
	{Keyword: Keyword{Name: "Channels", Alias: "Channel", Args: "channel[:mailbox,...] ...", List: true}, apply: func(st *stmt, d *draft) { st.addMembers(d, st.args) }},
}

// defaults are the options that a channel inherits from the global part if it does not set them.
type defaults struct {
	ops             Ops
	maxMessages     int
	expireUnread    Tristate
	expireSide      Side
	adopt           Tristate
	maxDelete       DeleteLimit
	copyArrivalDate bool
	syncState       SyncState
	hooks           Hooks
}

func (st *stmt) applyBufferLimit(d *draft) {
	limit := d.global.BufferLimit
	st.setSize(&limit)
	if limit == 0 {
		st.errorf(st.arg(), "BufferLimit %s is too small", quote(st.arg()))
		return
	}
	d.global.BufferLimit = limit
}

func (st *stmt) applyEnd(d *draft, side Side) {
	if rest, ok := strings.CutPrefix(st.arg(), ":"); ok {
		if store, _, ok := strings.Cut(rest, ":"); ok && store != "" {
			d.refs[side] = st.args[0]
			return
		}
	}
	e := st.errorf(st.arg(), "malformed mailbox %s for %s", quote(st.arg()), st.kw.Name)
	e.Hint = "write :store: or :store:mailbox"
	if !strings.Contains(st.arg(), ":") {
		e.Hint = "write " + st.kw.Name + " " + quoteArg(":"+st.arg()+":")
	}
}

func (st *stmt) applyPatterns(d *draft) {
	for _, t := range st.args {
		pat := ParsePattern(t.text)
		pat.Pos = st.pos
		d.channel.Patterns = append(d.channel.Patterns, pat)
	}
}

// syncWord is a word of Sync, alone or as the type in a compound such as PullNew.
type syncWord struct {
	name string
	dirs Sides
	ops  OpSet
	use  string // current spelling of a deprecated word
}

var syncWords = []syncWord{
	{name: "None"},
	{name: "Noop"},
	{name: "Pull", dirs: 1 << Pull},
	{name: "Push", dirs: 1 << Push},
	{name: "New", ops: OpNew},
	{name: "Old", ops: OpOld},
	{name: "Upgrade", ops: OpUpgrade},
	{name: "Gone", ops: OpGone},
	{name: "Flags", ops: OpFlags},
	{name: "Full", ops: OpFull},
	{name: "All", ops: OpFull},
	{name: "ReNew", ops: OpUpgrade, use: "Upgrade"},
	{name: "Delete", ops: OpGone, use: "Gone"},
}

// syncWordNames returns the current words of Sync, for suggestions.
func syncWordNames() []string {
	var names []string
	for _, w := range syncWords {
		if w.use == "" {
			names = append(names, w.name)
		}
	}
	for _, dir := range []string{"Pull", "Push"} {
		for _, w := range syncWords {
			if w.ops != 0 && w.use == "" && w.name != "All" {
				names = append(names, dir+w.name)
			}
		}
	}
	return names
}

// parseSyncWord parses a word of Sync, including compounds. For a deprecated word, use is the
// replacement.
func parseSyncWord(word string) (dirs Sides, ops OpSet, use string, ok bool) {
	for _, w := range syncWords {
		if strings.EqualFold(w.name, word) {
			return w.dirs, w.ops, w.use, true
		}
	}
	for _, dir := range syncWords {
		if dir.dirs == NoSide || len(word) <= len(dir.name) || !strings.EqualFold(word[:len(dir.name)], dir.name) {
			continue
		}
		for _, w := range syncWords {
			if w.ops != 0 && w.name != "All" && strings.EqualFold(w.name, word[len(dir.name):]) {
				if w.use != "" {
					use = dir.name + w.use
				}
				return dir.dirs, w.ops, use, true
			}
		}
	}
	return 0, 0, "", false
}

// opsRef makes a reference for the OpsBuilder.
func (st *stmt) opsRef(d *draft, t token) int {
	d.opsAt = append(d.opsAt, opsPlace{st.pos, t.text})
	return len(d.opsAt) - 1
}

func (st *stmt) applySync(d *draft) {
	for _, t := range st.args {
		dirs, ops, use, ok := parseSyncWord(t.text)
		if !ok {
			st.unknownWord(t.text, syncWordNames())
			continue
		}
		if use != "" {
			st.rename(t, use)
		}
		d.ops.Sync(dirs, ops, st.opsRef(d, t))
	}
}

// sideWords are the spellings of a side as an argument.
var sideWords = []struct {
	name  string
	sides Sides
	use   string
}{
	{"None", NoSide, ""},
	{"Far", FarSide, ""},
	{"Near", NearSide, ""},
	{"Both", BothSides, ""},
	{"Master", FarSide, "Far"},
	{"Slave", NearSide, "Near"},
}

// sides parses an argument that names sides. all: None and Both are allowed.
func (st *stmt) sides(t token, all bool) (s Sides, ok bool) {
	var known []string
	for _, w := range sideWords {
		if !all && (w.sides == NoSide || w.sides == BothSides) {
			continue
		}
		if strings.EqualFold(w.name, t.text) {
			if w.use != "" {
				st.rename(t, w.use)
			}
			return w.sides, true
		}
		if w.use == "" {
			known = append(known, w.name)
		}
	}
	st.unknownWord(t.text, known)
	return 0, false
}

func (st *stmt) applyBoxOp(d *draft, option OpSet) {
	for _, t := range st.args {
		if sides, ok := st.sides(t, true); ok {
			d.ops.Box(option, sides, st.opsRef(d, t))
		}
	}
}

// setTristate sets a value to Yes or No.
func (st *stmt) setTristate(to *Tristate) {
	if v, ok := st.bool(); ok {
		*to = No
		if v {
			*to = Yes
		}
	}
}

func (st *stmt) applyMaxDelete(d *draft) {
	number, percent := strings.CutSuffix(st.arg(), "%")
	most := maxInt
	if percent {
		most = 100
	}
	n, ok := parseInt(number, 0, most)
	if !ok {
		st.errorf(st.arg(), "invalid limit %s for %s", quote(st.arg()), st.kw.Name).Hint = "write a number of messages, or a percentage from 0% to 100%"
		return
	}
	d.defaults.maxDelete = DeleteLimit{Value: n, Percent: percent}
}

func (st *stmt) applyExpireSide(d *draft) {
	if sides, ok := st.sides(st.args[0], false); ok {
		d.defaults.expireSide = Far
		if sides == NearSide {
			d.defaults.expireSide = Near
		}
	}
}

func (st *stmt) applySyncState(d *draft) {
	if st.arg() == "*" {
		d.defaults.syncState = SyncState{Kind: StateInBox}
		return
	}
	path, ok := st.path(st.args[0])
	if !ok {
		return
	}
	d.defaults.syncState = SyncState{Kind: StateGlobal, Prefix: path}
	if d.kind.name != "" {
		d.defaults.syncState.Kind = StatePrefix
	}
}

func (st *stmt) addMembers(d *draft, words []token) {
	for _, t := range words {
		ref, ok := ParseChannelRef(t.text, false)
		if !ok {
			st.errorf(t.text, "malformed channel %s", quote(t.text)).Hint = "write channel or channel:mailbox,mailbox"
			continue
		}
		d.group.Members = append(d.group.Members, Member{ChannelRef: ref, Pos: st.pos})
	}
}

// buildOps combines the words for operations and reports conflicts.
func (p *parser) buildOps(d *draft) {
	ops, errs := d.ops.Build()
	for _, err := range errs {
		at := d.opsAt[err.Ref]
		if err.Kind != ConflictingOps {
			p.errorf(at.pos, at.word, "%w: %s", err, quote(at.word))
			continue
		}
		with := d.opsAt[err.With]
		place := ""
		if with.pos != at.pos {
			place = " in " + with.pos.in(at.pos)
		}
		p.errorf(at.pos, at.word, "%w: %s with %s%s", err, quote(at.word), quote(with.word), place)
	}
	d.defaults.ops = ops
	if err := ops.Check(); err != nil {
		p.expungeConflict(d.given, d.kind.name == "", d.name, err)
	}
}

func (p *parser) expungeConflict(given Given, global bool, name string, err error) {
	pos, word := given.Pos("ExpungeSolo"), "ExpungeSolo"
	if other := given.Pos("Expunge"); p.compare(other, pos) > 0 {
		pos, word = other, "Expunge"
	}
	if global {
		p.errorf(pos, word, "%w", err)
	} else {
		p.errorf(pos, word, "Channel %s: %w", quote(name), err)
	}
}

// finishGlobal copies the global part into the model, before the first section.
func (p *parser) finishGlobal(d *draft) {
	p.buildOps(d)
	d.global.Given = d.given
	p.cfg.Global = d.global
	p.globals = d.defaults
}

// channelDraft is a channel whose stores are looked up after all sections were read.
type channelDraft struct {
	*Channel
	refs    [2]token
	maxSize int64
}

// finishChannel checks a channel and adds it to the model, without its stores.
func (p *parser) finishChannel(d *draft) {
	p.buildOps(d)
	c := &d.channel
	c.Name, c.At, c.Given = d.name, d.pos, d.given
	for _, side := range []string{"Far", "Near"} {
		if !d.has(side) {
			p.errorf(d.pos, d.name, "%s has no %s", d.label(), side).Hint = "add a line: " + side + " :store:"
		}
	}
	p.inherit(c, d.defaults)
	c.Watch = d.watch != No
	if d.name == "" {
		return
	}
	if first := p.cfg.Channel(d.name); first != nil {
		p.duplicate(d, first.At)
	}
	p.cfg.Channels = append(p.cfg.Channels, c)
	p.channels = append(p.channels, channelDraft{c, d.refs, d.maxSize})
}

// inherit sets the options that a channel inherits from the global part.
func (p *parser) inherit(c *Channel, own defaults) {
	global := p.globals
	c.Ops = own.ops.Over(global.ops).Over(DefaultOps())
	if own.ops.Check() == nil && global.ops.Check() == nil {
		if err := c.Ops.Check(); err != nil {
			p.expungeConflict(c.Given, false, c.Name, err)
		}
	}
	take := func(keyword string) *defaults {
		if c.Pos(keyword).IsSet() {
			return &own
		}
		return &global
	}
	c.MaxMessages = take("MaxMessages").maxMessages
	c.ExpireUnread = take("ExpireUnread").expireUnread
	c.ExpireSide = take("ExpireSide").expireSide
	c.Adopt = take("Adopt").adopt != No
	c.MaxDelete = take("MaxDelete").maxDelete
	c.CopyArrivalDate = take("CopyArrivalDate").copyArrivalDate
	c.SyncState = take("SyncState").syncState
	c.Hooks.OnChange = take("OnChange").hooks.OnChange
	c.Hooks.OnNew = take("OnNew").hooks.OnNew
	c.Hooks.OnError = take("OnError").hooks.OnError
	for _, kw := range defaultKeywords {
		if at := p.cfg.Global.Pos(kw.Name); at.IsSet() && !c.Pos(kw.Name).IsSet() {
			c.set(kw.Name, at)
		}
	}
}

func (p *parser) finishGroup(d *draft) {
	g := &d.group
	g.Name, g.At, g.Watch = d.name, d.pos, d.watch
	if d.name == "" {
		return
	}
	if first := p.cfg.Group(d.name); first != nil {
		p.duplicate(d, first.At)
	}
	p.cfg.Groups = append(p.cfg.Groups, g)
}

// resolveChannels connects the channels to their stores.
func (p *parser) resolveChannels() {
	var stores []string
	for _, s := range p.cfg.Stores {
		stores = append(stores, s.Name)
	}
	for _, c := range p.channels {
		for side, end := range []*End{&c.Far, &c.Near} {
			ref := c.refs[side].text
			if ref == "" {
				continue // was reported before
			}
			keyword := []string{"Far", "Near"}[side]
			name, box, _ := strings.Cut(ref[1:], ":")
			*end = End{Store: p.cfg.Store(name), Box: box, Pos: c.Pos(keyword)}
			if end.Store == nil {
				e := p.errorf(end.Pos, ref, "Channel %s: unknown store %s", quote(c.Name), quote(name))
				if near := nearest(name, stores); near != "" {
					e.Hint = "did you mean " + near + "?"
				}
				continue
			}
			if at := c.Pos("MaxSize"); at.IsSet() {
				p.setMaxSize(end.Store, c.maxSize, at)
			}
		}
	}
}

// setMaxSize sets the limit of a store to MaxSize of a channel.
func (p *parser) setMaxSize(s *Store, size int64, at Pos) {
	if old := s.Pos("MaxSize"); old.IsSet() && old != at && s.MaxSize != size {
		p.warn(at, event.MaxSizeReplaced{Section: s.Label(), First: old.in(at)})
	}
	s.MaxSize = size
	s.set("MaxSize", at)
}

// resolveGroups connects the groups to their channels.
func (p *parser) resolveGroups() {
	for _, g := range p.cfg.Groups {
		for i := range g.Members {
			m := &g.Members[i]
			if m.Channel = p.cfg.Channel(m.Name); m.Channel != nil {
				continue
			}
			var names []string
			for _, c := range p.cfg.Channels {
				names = append(names, c.Name)
			}
			p.warn(m.Pos, event.GroupChannelUnknown{Group: quote(g.Name), Channel: quote(m.Name), Meant: nearest(m.Name, names)})
		}
	}
}

// legacyStateDir and stateDir hold the state files if SyncState is not set.
const (
	legacyStateDir = ".mbsync"
	stateDir       = "isync"
)

// resolveSyncState sets the default directory of state files, if a channel needs it.
func (p *parser) resolveSyncState() {
	i := slices.IndexFunc(p.cfg.Channels, func(c *Channel) bool { return !c.Pos("SyncState").IsSet() })
	if i < 0 {
		return
	}
	c := p.cfg.Channels[i]
	prefix, err := p.defaultSyncState()
	if err != nil {
		p.errorf(c.At, c.Name, "Channel %s has no SyncState, and there is no default: %w", quote(c.Name), err).
			Hint = "add a line to the beginning of the file: SyncState directory/"
		return
	}
	for _, c := range p.cfg.Channels {
		if !c.Pos("SyncState").IsSet() {
			c.SyncState = SyncState{Kind: StateGlobal, Prefix: prefix}
		}
	}
}

// defaultSyncState returns the directory for state files. It is the directory of former versions
// if only that exists.
func (p *parser) defaultSyncState() (string, error) {
	state, legacy, err := p.env.stateDirs()
	if err != nil {
		return "", err
	}
	if legacy != "" {
		if p.env.exists(state) {
			return "", fmt.Errorf("both %s and %s exist; delete one of them or set SyncState", legacy, state)
		}
		state = legacy
	}
	return state + string(filepath.Separator), nil
}
