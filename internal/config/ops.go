package config

import "strings"

// Side is one of the two stores of a channel. The values are those of the
// journal.
type Side uint8

// The sides, and the directions: a direction is named by the side that it
// changes, so that pulling is what happens to the near side.
const (
	Far  Side = 0
	Near Side = 1

	Pull = Near
	Push = Far
)

// String returns "far" or "near".
func (s Side) String() string {
	if s == Near {
		return "near"
	}
	return "far"
}

// Other returns the opposite side.
func (s Side) Other() Side { return 1 - s }

// OpSet is a set of operations on one side.
type OpSet uint16

// The operations. The first five are what Sync selects, each of the others has
// an option of its own.
const (
	OpNew         OpSet = 1 << iota // store messages that are new on the other side
	OpOld                           // store messages that were passed over earlier
	OpUpgrade                       // replace placeholders by the real messages
	OpGone                          // mark messages that are gone from the other side
	OpFlags                         // apply flag changes made on the other side
	OpCreate                        // create missing mailboxes
	OpRemove                        // remove mailboxes removed on the other side
	OpExpunge                       // remove all messages marked as deleted
	OpExpungeSolo                   // remove those of them that have no counterpart

	// OpFull is what Sync selects by default.
	OpFull = OpNew | OpUpgrade | OpGone | OpFlags
	// OpSync is everything that Sync can select.
	OpSync = OpFull | OpOld
	// opAll is everything.
	opAll = OpSync | OpCreate | OpRemove | OpExpunge | OpExpungeSolo
)

// Has reports whether all of o are in the set.
func (s OpSet) Has(o OpSet) bool { return s&o == o }

// Any reports whether any of o is in the set.
func (s OpSet) Any(o OpSet) bool { return s&o != 0 }

// opNames holds the spelling of operation 1<<i at index i.
var opNames = [...]string{"New", "Old", "Upgrade", "Gone", "Flags", "Create", "Remove", "Expunge", "ExpungeSolo"}

// String lists the operations, separated by spaces.
func (s OpSet) String() string {
	var names []string
	for i, n := range opNames {
		if s&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, " ")
}

// option returns the name of the option that decides about the operations.
func (s OpSet) option() string {
	if s.Any(OpSync) {
		return "Sync"
	}
	return s.String()
}

// Ops tells what may be done to each side.
type Ops struct {
	// On is indexed by the side that is changed.
	On [2]OpSet
	// Given holds the operations that have been decided about, here or by
	// default, with whatever result. Options decide as a whole: Sync about all
	// of OpSync, Create about OpCreate on both sides, and so on.
	Given OpSet
}

// DefaultOps returns what happens if nothing is configured: full
// synchronization, but no mailbox is created or removed and nothing expunged.
func DefaultOps() Ops {
	return Ops{On: [2]OpSet{OpFull, OpFull}, Given: opAll}
}

// Over lays o over lower: what o has decided about stands, the rest is taken
// from lower.
func (o Ops) Over(lower Ops) Ops {
	for s := range o.On {
		o.On[s] = o.On[s]&o.Given | lower.On[s]&^o.Given
	}
	o.Given |= lower.Given
	return o
}

// Check reports what cannot be done together: Expunge and ExpungeSolo on the
// same side.
func (o Ops) Check() error {
	for s, ops := range o.On {
		if ops.Has(OpExpunge | OpExpungeSolo) {
			return expungeError(Side(s))
		}
	}
	return nil
}

type expungeError Side

func (e expungeError) Error() string {
	return "both Expunge and ExpungeSolo are set for the " + Side(e).String() + " side"
}

// Sides is a set of sides, or, as pulling is what happens to the near side, of
// directions.
type Sides uint8

// The sets of sides.
const (
	NoSide    Sides = 0
	FarSide   Sides = 1 << Far
	NearSide  Sides = 1 << Near
	BothSides       = FarSide | NearSide
)

// Has reports whether the side is in the set.
func (s Sides) Has(t Side) bool { return s&(1<<t) != 0 }

// OpsConflict tells how the words of an option do not fit together.
type OpsConflict uint8

const (
	// ConflictingOps: None together with something.
	ConflictingOps OpsConflict = iota
	// InvalidOps: a compound with both a lone direction and a lone type, or
	// with both directions.
	InvalidOps
	// RedundantOps: the same operation is asked for twice.
	RedundantOps
)

// OpsError is an error in the combination of options.
type OpsError struct {
	Kind   OpsConflict
	Option string // Sync, Create, Remove, Expunge or ExpungeSolo
	// Ref is the reference of the word where the combination went wrong. With is that
	// of the word that it conflicts with, for ConflictingOps.
	Ref, With int
}

// Error returns the message without any place.
func (e *OpsError) Error() string {
	switch e.Kind {
	case ConflictingOps:
		return "Conflicting " + e.Option + " options"
	case InvalidOps:
		return "Invalid combination of simple and compound " + e.Option + " options"
	}
	return "Redundant " + e.Option + " options"
}

// OpsBuilder collects words that select operations, from a file or from the
// command line, and combines them. The zero value is empty. Every word comes
// with a reference of the caller's own making, which an error returns.
type OpsBuilder struct {
	words []opWord
}

// opWord is one word. Sync words: a lone direction has only sides, a lone type
// only ops, a compound both, None neither. Words of other options have their
// sides, none for None.
type opWord struct {
	option OpSet // OpSync, OpCreate, …
	sides  Sides
	ops    OpSet
	ref    int
}

// Sync adds a word of the Sync option: a lone direction (Pull, Push; ops = 0),
// a lone type (New, Old, Upgrade, Gone, Flags, or several for Full; dirs =
// NoSide), a compound like PullNew, or, with neither, None. Directions are
// named by the side that they change.
func (b *OpsBuilder) Sync(dirs Sides, ops OpSet, ref int) {
	b.words = append(b.words, opWord{OpSync, dirs, ops & OpSync, ref})
}

// Box adds a word of the option that is named by one of OpCreate, OpRemove,
// OpExpunge, OpExpungeSolo: the sides it shall apply to, NoSide for None.
func (b *OpsBuilder) Box(option OpSet, sides Sides, ref int) {
	b.words = append(b.words, opWord{option, sides, option, ref})
}

// Empty reports whether no words have been added.
func (b *OpsBuilder) Empty() bool { return len(b.words) == 0 }

// Build combines the words. An option with an error (there is at most one for
// each) counts as not given. That one side is not both to be expunged and to be
// expunged solo is left to Ops.Check, after everything has been laid together.
func (b *OpsBuilder) Build() (Ops, []*OpsError) {
	var ops Ops
	var errs []*OpsError
	for _, option := range []OpSet{OpSync, OpCreate, OpRemove, OpExpunge, OpExpungeSolo} {
		var words []opWord
		for _, w := range b.words {
			if w.option == option {
				words = append(words, w)
			}
		}
		if len(words) == 0 {
			continue
		}
		on, err := combine(words)
		if err != nil {
			err.Option = option.option()
			errs = append(errs, err)
			continue
		}
		for s := range on {
			ops.On[s] |= on[s]
		}
		ops.Given |= option
	}
	return ops, errs
}

// combine works out what the words of one option select on each side.
func combine(words []opWord) (on [2]OpSet, err *OpsError) {
	if w := conflict(words); w != nil {
		return on, &OpsError{Kind: ConflictingOps, Ref: w.ref, With: words[0].ref}
	}
	if words[0].option == OpSync && !hasCompound(words) {
		return simpleSync(words), nil
	}
	if w := invalid(words); w != nil {
		return on, &OpsError{Kind: InvalidOps, Ref: w.ref}
	}
	for _, w := range words {
		sides, ops := w.sides, w.ops
		if sides == NoSide && ops != 0 {
			sides = BothSides // a lone type: its column
		} else if sides != NoSide && ops == 0 {
			ops = OpFull // a lone direction: its row
		}
		if w.option != OpSync {
			sides = w.sides
		}
		for s := range on {
			if !sides.Has(Side(s)) {
				continue
			}
			if on[s].Any(ops) {
				return on, &OpsError{Kind: RedundantOps, Ref: w.ref}
			}
			on[s] |= ops
		}
	}
	return on, nil
}

// none reports whether the word is None.
func (w opWord) none() bool { return w.sides == NoSide && (w.ops == 0 || w.option != OpSync) }

// conflict returns the first word that makes None stand together with
// something.
func conflict(words []opWord) *opWord {
	for i := range words {
		if words[i].none() != words[0].none() {
			return &words[i]
		}
	}
	return nil
}

func hasCompound(words []opWord) bool {
	for _, w := range words {
		if w.sides != NoSide && w.ops != 0 {
			return true
		}
	}
	return false
}

// simpleSync is the product of directions and types; none of a kind means all
// usual ones of it.
func simpleSync(words []opWord) (on [2]OpSet) {
	if words[0].none() {
		return on
	}
	var dirs Sides
	var ops OpSet
	for _, w := range words {
		dirs |= w.sides
		ops |= w.ops
	}
	if dirs == NoSide {
		dirs = BothSides
	}
	if ops == 0 {
		ops = OpFull
	}
	for s := range on {
		if dirs.Has(Side(s)) {
			on[s] = ops
		}
	}
	return on
}

// invalid returns the last of the lone words if, beside a compound, there are
// both directions, or both a direction and a type, among them.
func invalid(words []opWord) *opWord {
	if words[0].option != OpSync {
		return nil
	}
	var dirs Sides
	var types OpSet
	var last *opWord
	for i, w := range words {
		switch {
		case w.sides == NoSide:
			types |= w.ops
			last = &words[i]
		case w.ops == 0:
			dirs |= w.sides
			last = &words[i]
		}
	}
	if dirs == BothSides || dirs != NoSide && types != 0 {
		return last
	}
	return nil
}
