package uidmap

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"isync/internal/bdbhash"
	"isync/internal/mail"
)

// ForeignName is the name of the Berkeley DB file in which mbsync 1.5 stores this map.
const ForeignName = ".isyncuidmap.db"

// ErrForeign says that the file of mbsync 1.5 cannot be taken over.
var ErrForeign = errors.New("cannot take over the UID map of another mbsync")

// foreignValidity is the key of UIDVALIDITY and highest UID.
const foreignValidity = "UIDVALIDITY"

// OriginOf returns a hash of the contents of a file.
func OriginOf(file []byte) []byte {
	sum := sha256.Sum256(file)
	return sum[:]
}

// TakeOver returns the map in a file of mbsync 1.5. Its errors wrap ErrForeign. The UIDVALIDITY is 0
// if the file is empty or has no records, as for a moment after that program has created it.
//
// The numbers have the byte order of the machine that wrote them, which is usually the byte order of
// the file. If the file was copied record by record from a machine with the other byte order, the
// numbers only make sense in that order.
func TakeOver(file []byte) (*Map, error) {
	if len(file) == 0 {
		return &Map{UIDs: map[string]mail.UID{}, Origin: OriginOf(file)}, nil
	}
	c, err := bdbhash.Read(file)
	if err == nil && len(c.Pairs) == 0 {
		return &Map{UIDs: map[string]mail.UID{}, Origin: OriginOf(file)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	other := binary.ByteOrder(binary.LittleEndian)
	if c.Order == other {
		other = binary.BigEndian
	}
	m, err := decode(c, c.Order)
	swapped, swappedErr := decode(c, other)
	if swappedErr == nil && (err != nil || swapped.better(m)) {
		m, err = swapped, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	m.Origin = OriginOf(file)
	return m, nil
}

// better reports whether m makes more sense than o: UIDs are small numbers, and UIDVALIDITY is a
// time.
func (m *Map) better(o *Map) bool {
	if m.Highest != o.Highest {
		return m.Highest < o.Highest
	}
	isTime := func(m *Map) bool { return m.Validity > 900_000_000 && m.Validity < 1<<31 }
	return isTime(m) && !isTime(o)
}

// decode makes a map of the contents, with the numbers read in the given order.
func decode(c *bdbhash.Content, order binary.ByteOrder) (*Map, error) {
	m := &Map{UIDs: make(map[string]mail.UID, len(c.Pairs))}
	for _, p := range c.Pairs {
		if string(p.Key) == foreignValidity {
			if len(p.Value) != 8 {
				return nil, fmt.Errorf("its UIDVALIDITY has %d bytes", len(p.Value))
			}
			m.Validity = order.Uint32(p.Value)
			m.Highest = mail.UID(order.Uint32(p.Value[4:]))
			continue
		}
		if len(p.Value) != 4 {
			return nil, fmt.Errorf("the UID of '%s' has %d bytes", p.Key, len(p.Value))
		}
		m.UIDs[string(p.Key)] = mail.UID(order.Uint32(p.Value))
	}
	if m.Validity == 0 {
		return nil, errors.New("it has no UIDVALIDITY")
	}
	used := make(map[mail.UID]string, len(m.UIDs))
	for k, u := range m.UIDs {
		if u == 0 || u > m.Highest {
			return nil, fmt.Errorf("UID %d of '%s', with the highest being %d", u, k, m.Highest)
		}
		if twice, ok := used[u]; ok {
			return nil, fmt.Errorf("'%s' and '%s' have the same UID %d", min(k, twice), max(k, twice), u)
		}
		used[u] = k
	}
	return m, nil
}
