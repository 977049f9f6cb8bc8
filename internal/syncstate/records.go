package syncstate

import (
	"slices"

	"isync/internal/mail"
)

// Records are the records of a state, in their order. The zero value is none.
//
// There may be a million records, and nearly all are at rest. Each record at rest takes 12 bytes.
// A Record exists only for records that were returned by Get, or added by Append. It then holds the
// current values.
type Records struct {
	rows []row
	busy []*Record
	// splits are records that belong right after others, and are not in rows yet. Inserting
	// them one by one would move all later rows each time.
	splits map[*Record][]*Record
}

// row is a record at rest. If busy is set, uid[0] is an index in Records.busy instead.
type row struct {
	uid   [2]mail.UID
	flags mail.Flags
	busy  bool
}

// Len returns the number of records, the dead ones included.
func (rs *Records) Len() int {
	rs.settle()
	return len(rs.rows)
}

// All yields all records with their indices, the dead ones included. It yields
// copies: to change one, use Get, which may be called meanwhile.
func (rs *Records) All() func(yield func(int, Record) bool) {
	return func(yield func(int, Record) bool) {
		rs.settle()
		for i := range rs.rows {
			if !yield(i, rs.at(i)) {
				return
			}
		}
	}
}

// Busy yields the records that are not at rest, and possibly some that are, with their
// indices, in order. Dead records are included. It yields copies, like All, and is much
// faster, since nearly all records are at rest.
func (rs *Records) Busy() func(yield func(int, Record) bool) {
	return func(yield func(int, Record) bool) {
		rs.settle()
		for i := range rs.rows {
			if rs.rows[i].busy && !yield(i, rs.at(i)) {
				return
			}
		}
	}
}

// at returns a copy of a record.
func (rs *Records) at(i int) Record {
	r := &rs.rows[i]
	if r.busy {
		return *rs.busy[r.uid[0]]
	}
	return Record{UID: r.uid, Flags: r.flags}
}

// Get returns a record that may be changed. The index is that of All. It is valid until records
// are added.
func (rs *Records) Get(i int) *Record {
	rs.settle()
	return rs.get(i)
}

// get is Get for an index among the rows as they are.
func (rs *Records) get(i int) *Record {
	r := &rs.rows[i]
	if !r.busy {
		rs.busy = append(rs.busy, &Record{UID: r.uid, Flags: r.flags})
		*r = row{uid: [2]mail.UID{mail.UID(len(rs.busy) - 1)}, busy: true}
	}
	return rs.busy[r.uid[0]]
}

// Append adds a record at the end.
func (rs *Records) Append(r *Record) {
	rs.busy = append(rs.busy, r)
	rs.rows = append(rs.rows, row{uid: [2]mail.UID{mail.UID(len(rs.busy) - 1)}, busy: true})
}

// Put adds a copy of a record at the end.
func (rs *Records) Put(r Record) {
	if r.AtRest() {
		rs.rows = append(rs.rows, row{uid: r.UID, flags: r.Flags})
		return
	}
	rs.Append(&r)
}

// grow allocates room for n more records.
func (rs *Records) grow(n int) { rs.rows = slices.Grow(rs.rows, n) }

// insertAfter adds a record right after r, which must be from Get, Append or insertAfter.
func (rs *Records) insertAfter(r, added *Record) {
	if rs.splits == nil {
		rs.splits = make(map[*Record][]*Record)
	}
	rs.splits[r] = append(rs.splits[r], added)
}

// settle inserts all splits into rows.
func (rs *Records) settle() {
	if rs.splits == nil {
		return
	}
	splits, old := rs.splits, rs.rows
	rs.splits = nil
	rs.rows = make([]row, 0, len(old)+len(splits))
	var follow func(r *Record)
	follow = func(r *Record) {
		// The last split comes first.
		for _, added := range slices.Backward(splits[r]) {
			rs.Append(added)
			follow(added)
		}
	}
	for _, o := range old {
		rs.rows = append(rs.rows, o)
		if o.busy {
			follow(rs.busy[o.uid[0]])
		}
	}
}
