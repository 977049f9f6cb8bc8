package memo

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"isync/internal/mail"
)

// Key identifies the mailbox of a listing.
type Key struct {
	// Account identifies the account: server and user.
	Account string
	// Box is the name of the mailbox on the server.
	Box string
}

// identity returns the bytes that identify the mailbox in a file.
func (k Key) identity() []byte {
	return strconv.AppendQuote(append(strconv.AppendQuote(nil, k.Account), ' '), k.Box)
}

// Listing is the state of a mailbox at some time.
//
// It contains all changes up to ModSeq, and possibly later ones. To bring it up to date, apply
// the changes since ModSeq (RFC 7162 CHANGEDSINCE).
type Listing struct {
	UIDValidity uint32      // never 0
	UIDNext     mail.UID    // higher than every UID that was in use
	ModSeq      mail.ModSeq // never 0
	// MailboxID is the identifier of the mailbox (RFC 8474), of 255 bytes at most; "" if
	// the server has none. It stays the same when the mailbox is renamed.
	MailboxID string
	// Complete is when the whole mailbox was last listed, in seconds.
	Complete time.Time
	// Messages are in ascending order of UID. A Size of 0 is unknown.
	Messages []mail.Meta
}

// Part is the beginning of an incomplete listing: all messages of the mailbox at some time, up to
// the UID of the last of them. It has no information about higher UIDs, so it must not be used as
// a Listing.
//
// Like a Listing, it reflects all changes up to ModSeq, and perhaps some later
// ones.
type Part struct {
	UIDValidity uint32      // never 0
	ModSeq      mail.ModSeq // never 0
	// Begun is when the listing began, in seconds.
	Begun time.Time
	// Messages are in ascending order of UID, at least one. A Size of 0 is unknown.
	Messages []mail.Meta
}

// Last returns the UID up to which all messages are known.
func (p *Part) Last() mail.UID { return p.Messages[len(p.Messages)-1].UID }

// The first line of each file. The number is the version of the format. Programs that support
// only the first one treat the others as an unknown version.
const (
	magic     = "isync listing 1\n"
	idMagic   = "isync listing 2\n" // with a MailboxID
	partMagic = "isync part 1\n"
)

// fixedSize is the size in bytes of the numbers that follow the identity.
const fixedSize = 4 + 4 + 8 + 8 + 4 + 4

// ErrInvalid reports that a file is not a valid listing of the mailbox.
var ErrInvalid = errors.New("not a valid listing of this mailbox")

// ErrPart reports that a file holds a part of a listing of the mailbox.
var ErrPart = errors.New("only a part of a listing")

// head is the data before the messages.
type head struct {
	validity uint32
	end      mail.UID // UIDNEXT; for a part, the UID of the last message
	modSeq   mail.ModSeq
	time     time.Time
	boxID    string // only with idMagic
}

// Encode returns the contents of the file.
func (l *Listing) Encode(k Key) []byte {
	kind := magic
	if l.MailboxID != "" {
		kind = idMagic
	}
	return encode(kind, k, head{l.UIDValidity, l.UIDNext, l.ModSeq, l.Complete, l.MailboxID}, l.Messages)
}

// Encode returns the contents of the file.
func (p *Part) Encode(k Key) []byte {
	return encode(partMagic, k, head{p.UIDValidity, p.Last(), p.ModSeq, p.Begun, ""}, p.Messages)
}

func encode(kind string, k Key, h head, msgs []mail.Meta) []byte {
	id := k.identity()
	b := make([]byte, 0, len(kind)+4+len(id)+1+len(h.boxID)+fixedSize+len(msgs)+len(msgs)/2+1024)
	b = append(b, kind...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(id)))
	b = append(b, id...)
	if kind == idMagic {
		b = append(b, byte(len(h.boxID)))
		b = append(b, h.boxID...)
	}
	b = binary.LittleEndian.AppendUint32(b, h.validity)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.end))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.modSeq))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(msgs)))
	b = appendUIDs(b, msgs)
	for i := range msgs {
		b = append(b, byte(msgs[i].Flags))
	}
	b = appendSizes(b, msgs)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// appendUIDs appends the UIDs as ranges: the number of ranges, then for each range the number of
// UIDs that are skipped before it, and the number of UIDs after its first.
func appendUIDs(b []byte, msgs []mail.Meta) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	ranges, next := uint32(0), mail.UID(1)
	for i := 0; i < len(msgs); {
		first := msgs[i].UID
		last := first
		for i++; i < len(msgs) && msgs[i].UID == last+1; i++ {
			last++
		}
		b = binary.AppendUvarint(b, uint64(first-next))
		b = binary.AppendUvarint(b, uint64(last-first))
		next = last + 1
		ranges++
	}
	binary.LittleEndian.PutUint32(b[at:], ranges)
	return b
}

// appendSizes appends the number of leading messages of unknown size, and the sizes of the other
// messages.
func appendSizes(b []byte, msgs []mail.Meta) []byte {
	skip := 0
	for skip < len(msgs) && msgs[skip].Size == 0 {
		skip++
	}
	b = binary.AppendUvarint(b, uint64(skip))
	for i := skip; i < len(msgs); i++ {
		b = binary.AppendUvarint(b, uint64(msgs[i].Size))
	}
	return b
}

// Decode parses the contents of a file. Its errors wrap ErrInvalid, or ErrPart if DecodePart can
// parse it.
func Decode(k Key, data []byte) (*Listing, error) {
	h, msgs, part, err := decode(k, data)
	if err != nil {
		return nil, err
	}
	if part {
		return nil, ErrPart
	}
	return &Listing{UIDValidity: h.validity, UIDNext: h.end, ModSeq: h.modSeq, MailboxID: h.boxID, Complete: h.time, Messages: msgs}, nil
}

// DecodePart parses the contents of a file that holds a part. Its errors wrap ErrInvalid.
func DecodePart(k Key, data []byte) (*Part, error) {
	h, msgs, part, err := decode(k, data)
	if err != nil {
		return nil, err
	}
	if !part {
		return nil, fmt.Errorf("%w: it is not a part", ErrInvalid)
	}
	return &Part{UIDValidity: h.validity, ModSeq: h.modSeq, Begun: h.time, Messages: msgs}, nil
}

func decode(k Key, data []byte) (h head, msgs []mail.Meta, part bool, err error) {
	n := len(data) - sha256.Size
	if n < 0 {
		return h, nil, false, fmt.Errorf("%w: it is too short", ErrInvalid)
	}
	if sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return h, nil, false, fmt.Errorf("%w: its checksum is wrong", ErrInvalid)
	}
	d := decoder{rest: data[:n]}
	h, msgs, part = d.file(k)
	if d.wrong != "" {
		return h, nil, false, fmt.Errorf("%w: %s", ErrInvalid, d.wrong)
	}
	return h, msgs, part, nil
}

// decoder reads from the start of rest until an error occurs.
type decoder struct {
	rest  []byte
	wrong string
}

// take returns the next n bytes; nil: there are fewer.
func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail("it ends too early")
	}
	if d.wrong != "" {
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *decoder) fail(why string) {
	if d.wrong == "" {
		d.wrong = why
	}
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("it ends within a number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// kind reads the first line. hasID: a MailboxID follows the identity.
func (d *decoder) kind() (part, hasID bool) {
	for _, kind := range []string{magic, idMagic, partMagic} {
		if rest, ok := bytes.CutPrefix(d.rest, []byte(kind)); ok {
			d.rest = rest
			return kind == partMagic, kind == idMagic
		}
	}
	d.fail("it is of another version")
	return false, false
}

// boxID reads a MailboxID.
func (d *decoder) boxID() string {
	n := d.take(1)
	if n == nil {
		return ""
	}
	if n[0] == 0 {
		d.fail("its mailbox has no identifier")
	}
	return string(d.take(uint64(n[0])))
}

func (d *decoder) file(k Key) (h head, msgs []mail.Meta, part bool) {
	part, hasID := d.kind()
	if string(d.take(uint64(d.uint32()))) != string(k.identity()) {
		d.fail("it is about another mailbox")
	}
	var boxID string
	if hasID {
		boxID = d.boxID()
	}
	h = head{boxID: boxID, validity: d.uint32(), end: mail.UID(d.uint32()), modSeq: mail.ModSeq(d.uint64())}
	h.time = time.Unix(int64(d.uint64()), 0)
	count, ranges := d.uint32(), d.uint32()
	if h.validity == 0 || h.end == 0 || h.modSeq == 0 {
		d.fail("it lacks numbers")
	}
	// Each message has a byte of flags, so count is limited by the size of the file.
	if uint64(count) > uint64(len(d.rest)) {
		d.fail("it ends too early")
	}
	if d.wrong != "" {
		return h, nil, part
	}
	msgs = make([]mail.Meta, count)
	d.uids(msgs, ranges)
	if flags := d.take(uint64(count)); flags != nil {
		for i, f := range flags {
			msgs[i].Flags = mail.Flags(f) & mail.AllFlags
		}
	}
	d.sizes(msgs)
	switch {
	case part:
		if count == 0 || msgs[count-1].UID != h.end {
			d.fail("its last UID is wrong")
		}
	case count > 0 && msgs[count-1].UID >= h.end && h.end != mail.MaxUID:
		d.fail("it has messages beyond its end")
	}
	if len(d.rest) > 0 {
		d.fail("it is too long")
	}
	return h, msgs, part
}

func (d *decoder) uids(msgs []mail.Meta, ranges uint32) {
	i, next := 0, uint64(1)
	for ; ranges > 0 && d.wrong == ""; ranges-- {
		skip, more := d.uvarint(), d.uvarint()
		if skip > math.MaxUint32 || more > math.MaxUint32 || next+skip+more > math.MaxUint32 || more >= uint64(len(msgs)-i) {
			d.fail("its UIDs are out of bounds")
			return
		}
		first := next + skip
		for u := first; u <= first+more; u++ {
			msgs[i].UID = mail.UID(u)
			i++
		}
		next = first + more + 1
	}
	if i != len(msgs) {
		d.fail("it has not as many UIDs as messages")
	}
}

func (d *decoder) sizes(msgs []mail.Meta) {
	skip := d.uvarint()
	if skip > uint64(len(msgs)) {
		d.fail("its sizes are out of bounds")
		return
	}
	for i := int(skip); i < len(msgs) && d.wrong == ""; i++ {
		size := d.uvarint()
		if size > math.MaxInt64 {
			d.fail("its sizes are out of bounds")
		}
		msgs[i].Size = int64(size)
	}
}
