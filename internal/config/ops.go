package config

import "strings"

// Side is one of the two stores of a channel. The values are those of the journal; see
// docs/format.md.
type Side uint8

// The sides, which also name directions: Pull changes the near side, Push the far side.
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

// The operations. The first five are types of Sync; each of the others has its own option.
const (
	OpNew         OpSet = 1 << iota // store messages that are new on the other side
	OpOld                           // store messages that were skipped before
	OpUpgrade                       // replace placeholders with the full messages
	OpGone                          // mark messages that are gone from the other side
	OpFlags                         // apply flag changes made on the other side
	OpCreate                        // create missing mailboxes
	OpRemove                        // remove mailboxes removed on the other side
	OpExpunge                       // remove all messages marked as deleted
	OpExpungeSolo                   // remove only messages marked as deleted that have no counterpart

	// OpFull is the default of Sync.
	OpFull = OpNew | OpUpgrade | OpGone | OpFlags
	// OpSync is everything that Sync can select.
	OpSync = OpFull | OpOld
	// opAll is everything.
	opAll = OpSync | OpCreate | OpRemove | OpExpunge | OpExpungeSolo
)

// Has reports whether all operations of o are in the set.
func (s OpSet) Has(o OpSet) bool { return s&o == o }

// Any reports whether any operation of o is in the set.
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

// option returns the name of the option that selects the operations.
func (s OpSet) option() string {
	if s.Any(OpSync) {
		return "Sync"
	}
	return s.String()
}

// Ops selects the operations for each side.
type Ops struct {
	// On is indexed by the side that is changed.
	On [2]OpSet
	// Given holds the operations that are decided, whether they are selected or not. An option
	// decides about all of its operations: Sync about OpSync, Create about OpCreate on both
	// sides, and so on.
	Given OpSet
}

// DefaultOps returns the operations without configuration: full synchronization, but mailboxes
// are not created or removed, and nothing is expunged.
func DefaultOps() Ops {
	return Ops{On: [2]OpSet{OpFull, OpFull}, Given: opAll}
}

// Over combines o with lower. The operations in o.Given are those of o, the others those of
// lower.
func (o Ops) Over(lower Ops) Ops {
	for s := range o.On {
		o.On[s] = o.On[s]&o.Given | lower.On[s]&^o.Given
	}
	o.Given |= lower.Given
	return o
}

// Check returns an error if Expunge and ExpungeSolo are selected for the same side.
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

// Sides is a set of sides or directions. A direction is named by the side that it changes.
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

// OpsConflict is a kind of conflict between the words of an option.
type OpsConflict uint8

const (
	// ConflictingOps: None is combined with other words.
	ConflictingOps OpsConflict = iota
	// InvalidOps: a compound is combined with both a direction and a type, or with both
	// directions.
	InvalidOps
	// RedundantOps: an operation is selected twice.
	RedundantOps
)

// OpsError is an error in the combination of options.
type OpsError struct {
	Kind   OpsConflict
	Option string // Sync, Create, Remove, Expunge or ExpungeSolo
	// Ref is the reference of the word that causes the error. For ConflictingOps, With is that of
	// the word that it conflicts with.
	Ref, With int
}

// Error returns the message without a place.
func (e *OpsError) Error() string {
	switch e.Kind {
	case ConflictingOps:
		return "Conflicting " + e.Option + " options"
	case InvalidOps:
		return "Invalid combination of simple and compound " + e.Option + " options"
	}
	return "Redundant " + e.Option + " options"
}

// OpsBuilder collects words that select operations, from a file or from the command line, and
// combines them. The zero value is empty. The caller passes a reference with each word, which an
// OpsError returns.
type OpsBuilder struct {
	words []opWord
}

// opWord is one word. For Sync, a direction has only sides, a type only ops, a compound has both,
// and None has neither. Words of other options have only sides; NoSide is None.
type opWord struct {
	option OpSet // OpSync, OpCreate, …
	sides  Sides
	ops    OpSet
	ref    int
}

// Sync adds a word of the Sync option: a direction (Pull, Push; ops = 0), a type (New, Old,
// Upgrade, Gone, Flags, or several of them for Full; dirs = NoSide), a compound such as PullNew,
// or None (neither). Directions are named by the side that they change.
func (b *OpsBuilder) Sync(dirs Sides, ops OpSet, ref int) {
	b.words = append(b.words, opWord{OpSync, dirs, ops & OpSync, ref})
}

// Box adds a word of the option OpCreate, OpRemove, OpExpunge or OpExpungeSolo. sides are the
// sides to which it applies; NoSide: None.
func (b *OpsBuilder) Box(option OpSet, sides Sides, ref int) {
	b.words = append(b.words, opWord{option, sides, option, ref})
}

// Empty reports whether no words have been added.
func (b *OpsBuilder) Empty() bool { return len(b.words) == 0 }

// Build combines the words. An option with an error counts as not given; each option has at most
// one error. Build does not check Expunge against ExpungeSolo: the caller does so with Ops.Check
// after Over.
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

// combine returns the operations that the words of one option select on each side.
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
			sides = BothSides // a type without a direction
		} else if sides != NoSide && ops == 0 {
			ops = OpFull // a direction without a type
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

// conflict returns the first word that makes the combination with None invalid.
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

// simpleSync combines each direction with each type. Without a direction both apply; without a
// type OpFull applies.
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

// invalid returns the last word without compound, if a compound is combined with both directions,
// or with both a direction and a type.
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
