package imapwire

import (
	"cmp"
	"slices"

	"isync/internal/mail"
)

// UIDList is a list of UIDs as ranges, in the order of the server. The ends of each range are in ascending order; a server
// may send them in any order (RFC 9051 §9, seq-range).
type UIDList []mail.UIDRange

// Len returns the number of UIDs.
func (l UIDList) Len() uint64 {
	var n uint64
	for _, r := range l {
		n += r.Len()
	}
	return n
}

// All yields the UIDs one by one.
func (l UIDList) All() func(yield func(mail.UID) bool) { return mail.UIDSet(l).All() }

// Set returns the list as a set.
func (l UIDList) Set() mail.UIDSet {
	var c uidCollector
	for _, r := range l {
		c.add(r.First, r.Last)
	}
	return c.take()
}

// ParseUIDList parses a sequence-set of UIDs, such as "1:3,7". "*" becomes mail.MaxUID. UIDs of 0 are left out.
func ParseUIDList(s string) (UIDList, error) {
	var l UIDList
	num := func() (mail.UID, bool) {
		if s != "" && s[0] == '*' {
			s = s[1:]
			return mail.MaxUID, true
		}
		var n uint64
		i := 0
		for i < len(s) && class[s[i]]&clsDigit != 0 {
			n = n*10 + uint64(s[i]-'0')
			if n > uint64(mail.MaxUID) {
				return 0, false
			}
			i++
		}
		s = s[i:]
		return mail.UID(n), i > 0
	}
	for {
		first, ok := num()
		if !ok {
			return nil, errSet
		}
		last := first
		if s != "" && s[0] == ':' {
			s = s[1:]
			if last, ok = num(); !ok {
				return nil, errSet
			}
		}
		if first > last {
			first, last = last, first
		}
		if last > 0 {
			l = append(l, mail.UIDRange{First: max(first, 1), Last: last})
		}
		if s == "" {
			return l, nil
		}
		if s[0] != ',' {
			return nil, errSet
		}
		s = s[1:]
	}
}

// ParseUIDSet is ParseUIDList for callers that do not need the order.
func ParseUIDSet(s string) (mail.UIDSet, error) {
	l, err := ParseUIDList(s)
	return l.Set(), err
}

// uidCollector collects UIDs in any order. Ascending UIDs, the usual case, are fast. Others are collected separately and
// merged from time to time, so that no order is slow.
type uidCollector struct {
	set   mail.UIDSet
	aside []mail.UIDRange
}

func (c *uidCollector) add(first, last mail.UID) {
	if first > last {
		first, last = last, first
	}
	if last == 0 {
		return
	}
	first = max(first, 1)
	if n := len(c.set); n == 0 || first >= c.set[n-1].First {
		c.set.AddRange(first, last)
		return
	}
	if n := len(c.aside); n > 0 && last+1 == c.aside[n-1].First {
		// Descending neighbours.
		c.aside[n-1].First = first
		return
	}
	c.aside = append(c.aside, mail.UIDRange{First: first, Last: last})
	if len(c.aside) >= max(1<<16, len(c.set)) {
		c.merge()
	}
}

func (c *uidCollector) merge() {
	all := append(c.aside, c.set...)
	slices.SortFunc(all, func(a, b mail.UIDRange) int { return cmp.Compare(a.First, b.First) })
	c.set = c.set[:0:0]
	for _, r := range all {
		c.set.AddRange(r.First, r.Last)
	}
	c.aside = c.aside[:0]
}

// take returns the set and begins a new one.
func (c *uidCollector) take() mail.UIDSet {
	if len(c.aside) > 0 {
		c.merge()
	}
	s := c.set
	c.set = nil
	if cap(c.aside) > 1<<16 {
		c.aside = nil
	}
	return s
}

// uidSet parses a sequence-set into d.uids.
func (d *Decoder) uidSet() error {
	for {
		first, err := d.seqNumber()
		if err != nil {
			return err
		}
		last := first
		colon, err := d.accept(':')
		if err != nil {
			return err
		}
		if colon {
			if last, err = d.seqNumber(); err != nil {
				return err
			}
		}
		d.uids.add(first, last)
		comma, err := d.accept(',')
		if err != nil || !comma {
			return err
		}
	}
}

func (d *Decoder) seqNumber() (mail.UID, error) {
	star, err := d.accept('*')
	if err != nil || star {
		return mail.MaxUID, err
	}
	n, err := d.number32()
	return mail.UID(n), err
}
