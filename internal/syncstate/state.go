package syncstate

import "isync/internal/mail"

// Side is one of the two sides of a pair.
type Side uint8

// The two sides; the values are part of the journal format.
const (
	Far  Side = 0 // usually the server
	Near Side = 1 // usually the local copy
)

// Sides lists both, for loops.
var Sides = [2]Side{Far, Near}

// Other returns the opposite side.
func (s Side) Other() Side { return 1 - s }

// String returns "far" or "near".
func (s Side) String() string {
	if s == Far {
		return "far"
	}
	return "near"
}

// Status is the set of status bits of a record. The values are part of the
// journal format.
type Status uint8

const (
	// ExpireBegun: the message on the expire side is going to be marked as deleted because the
	// mailbox has more than MaxMessages. This is not propagated. If this and Expired differ, the
	// change is in progress.
	ExpireBegun Status = 2
	// Expired: the message on the expire side was marked as deleted for that reason. An expired
	// record in a state file has both bits.
	Expired Status = 4
	// Pending: the copy has not been confirmed. Never in a state file.
	Pending Status = 16
	// FarPlaceholder: the far message is a placeholder.
	FarPlaceholder Status = 32
	// NearPlaceholder: the near message is a placeholder.
	NearPlaceholder Status = 64
	// Skipped: an old version left the message out because it was too big.
	Skipped Status = 128

	allStatus = ExpireBegun | Expired | Pending | FarPlaceholder | NearPlaceholder | Skipped
)

// PlaceholderOn returns the status bit that says that the message on side s is
// a placeholder.
func PlaceholderOn(s Side) Status {
	if s == Far {
		return FarPlaceholder
	}
	return NearPlaceholder
}

// TUID is a temporary id; the zero value is none.
type TUID [mail.TUIDLen]byte

// IsZero reports whether there is no TUID.
func (t TUID) IsZero() bool { return t[0] == 0 }

func (t TUID) String() string {
	if t.IsZero() {
		return ""
	}
	return string(t[:])
}

// Record pairs a far message and a near one.
type Record struct {
	// UID of the message on each side; 0: there is none.
	UID [2]mail.UID
	// Flags that were last synchronized.
	Flags mail.Flags
	// Status bits.
	Status Status

	// The following fields are in a journal only, never in a state file.

	// CopyFlags are the flags the message is being propagated with; they
	// become Flags once the copy is confirmed. During an upgrade: the flags
	// the placeholder had.
	CopyFlags mail.Flags
	// Add and Del are the flag changes to be made on the target of an upgrade.
	Add, Del mail.Flags
	// Upgrading: the real message of a placeholder is being fetched.
	Upgrading bool
	// Purge: this is the record of an outdated placeholder that is to be removed.
	Purge bool
	// Purged: the outdated placeholder was marked as deleted. In the next run, the record is an
	// ordinary record without a counterpart.
	Purged bool
	// Assigned: the UID on the side was assigned in the run of the journal: the message is a
	// copy that did not exist when the run began.
	Assigned [2]bool
	// Orphaned: the record lost one of its UIDs in that run.
	Orphaned bool
	// Dead: the record was dropped. It is left out when the state is written.
	Dead bool
	// TUID is the temporary id of the copy.
	TUID TUID
}

// Has reports whether all bits of s are set in the record's status.
func (r *Record) Has(s Status) bool { return r.Status&s == s }

// Any reports whether any bit of s is set in the record's status.
func (r *Record) Any(s Status) bool { return r.Status&s != 0 }

// Paired reports whether the record has a message on both sides.
func (r *Record) Paired() bool { return r.UID[Far] != 0 && r.UID[Near] != 0 }

// AtRest reports whether the record contains only the UIDs of the messages and their flags.
func (r *Record) AtRest() bool { return *r == Record{UID: r.UID, Flags: r.Flags} }

// Target returns the side that a pending record's copy goes to.
func (r *Record) Target() Side {
	if r.UID[Far] == 0 {
		return Far
	}
	return Near
}

// State is the sync state of a pair.
type State struct {
	// UIDValidity of each side; 0: not known yet.
	UIDValidity [2]uint32
	// MaxUID is the highest propagated UID of each side: MaxPulledUid (Far)
	// and MaxPushedUid (Near).
	MaxUID [2]mail.UID
	// ExpireSide is the side that MaxMessages limits.
	ExpireSide Side
	// MaxExpired is the highest UID, on the side that is not ExpireSide, whose
	// counterpart has expired.
	MaxExpired mail.UID
	// Records in their order, which is preserved; new ones are appended.
	Records Records

	// The following fields are in a journal only, never in a state file.

	// NewMaxUID are the candidates for MaxUID; they are committed at the end.
	NewMaxUID [2]mail.UID
	// UIDNext of each side before messages were copied to it; 0: nothing was.
	UIDNext [2]mail.UID
	// Trashed messages of each side: copied to the trash, not yet expunged.
	Trashed [2]mail.UIDSet
}

// New returns the state of a pair that was never synchronized.
func New(expireSide Side) *State { return &State{ExpireSide: expireSide} }

// KeepSide returns the side that is not the expire side; MaxExpired is a UID
// of it.
func (s *State) KeepSide() Side { return s.ExpireSide.Other() }

// Live yields copies of the records that are not dead, in order.
func (s *State) Live() func(yield func(Record) bool) {
	return func(yield func(Record) bool) {
		for _, r := range s.Records.All() {
			if !r.Dead && !yield(r) {
				return
			}
		}
	}
}
