package syncstate

import (
	"cmp"
	"slices"
	"sort"

	"isync/internal/mail"
)

// index finds records by their UIDs while a journal is replayed. If two records have the same
// UIDs, it finds the last one.
type index struct {
	rs *Records
	// first are the records at the beginning, ascending by UIDs.
	first []indexed
	// changed are the records that were changed since, by their UIDs; nil: no record has these
	// UIDs any more.
	changed map[[2]mail.UID]*Record
}

// indexed is a record with its place among all.
type indexed struct {
	uid [2]mail.UID
	at  int32
}

// newIndex makes an index of records, to which some may be added afterwards.
func newIndex(rs *Records) *index {
	x := &index{rs: rs, first: make([]indexed, 0, rs.Len()), changed: make(map[[2]mail.UID]*Record)}
	for i, r := range rs.All() {
		if !r.Dead {
			x.first = append(x.first, indexed{r.UID, int32(i)})
		}
	}
	// Mostly they are in order already.
	slices.SortStableFunc(x.first, func(a, b indexed) int { return compareUIDs(a.uid, b.uid) })
	return x
}

func compareUIDs(a, b [2]mail.UID) int {
	return cmp.Or(cmp.Compare(a[Far], b[Far]), cmp.Compare(a[Near], b[Near]))
}

// find returns the record with the UIDs, or nil.
func (x *index) find(uid [2]mail.UID) *Record {
	if r, ok := x.changed[uid]; ok {
		return r
	}
	// The last record with the same or lower UIDs.
	i := sort.Search(len(x.first), func(i int) bool { return compareUIDs(x.first[i].uid, uid) > 0 }) - 1
	if i < 0 || x.first[i].uid != uid {
		return nil
	}
	return x.rs.get(int(x.first[i].at))
}

// set notes which record has the UIDs from now on; nil: none.
func (x *index) set(uid [2]mail.UID, r *Record) { x.changed[uid] = r }
