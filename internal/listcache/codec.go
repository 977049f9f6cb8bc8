package listcache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"isync/internal/mail"
)

// Key says which mailbox a listing is about.
type Key struct {
	// Account tells accounts apart: server and user.
	Account string
	// Box is the mailbox as the server calls it.
	Box string
}

// identity is what a file says it is about.
func (k Key) identity() []byte {
	return strconv.AppendQuote(append(strconv.AppendQuote(nil, k.Account), ' '), k.Box)
}

// Listing is what a mailbox held at some time.
//
// It reflects all changes up to ModSeq, and perhaps some of the later ones: who
// asks for what has changed since ModSeq and applies the answer knows what the
// mailbox holds.
type Listing struct {
	UIDValidity uint32      // never 0
	UIDNext     mail.UID    // above every UID that had been in use
	ModSeq      mail.ModSeq // never 0
	// Complete is when the mailbox was last listed as a whole, in seconds.
	Complete time.Time
	// Messages, ascending by UID. A Size of 0 is not known.
	Messages []mail.Meta
}

// magic begins each file; the number is that of the format.
const magic = "isync listing 1\n"

// fixedSize is the size of the numbers that follow the identity.
const fixedSize = 4 + 4 + 8 + 8 + 4 + 4

// ErrInvalid says that a file is no listing of the mailbox.
var ErrInvalid = errors.New("not a valid listing of this mailbox")

// Encode makes the contents of a file.
func (l *Listing) Encode(k Key) []byte {
	id := k.identity()
	b := make([]byte, 0, len(magic)+4+len(id)+fixedSize+len(l.Messages)+len(l.Messages)/2+1024)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(id)))
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint32(b, l.UIDValidity)
	b = binary.LittleEndian.AppendUint32(b, uint32(l.UIDNext))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.ModSeq))
	b = binary.LittleEndian.AppendUint64(b, uint64(l.Complete.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.Messages)))
	b = l.appendUIDs(b)
	for i := range l.Messages {
		b = append(b, byte(l.Messages[i].Flags))
	}
	b = l.appendSizes(b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// appendUIDs appends the UIDs as ranges: how many there are, then for each how
// many UIDs are skipped before it, and how many follow its first.
func (l *Listing) appendUIDs(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	ranges, next := uint32(0), mail.UID(1)
	for i := 0; i < len(l.Messages); {
		first := l.Messages[i].UID
		last := first
		for i++; i < len(l.Messages) && l.Messages[i].UID == last+1; i++ {
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

// appendSizes appends how many messages in the beginning have no known size,
// and the sizes of the others.
func (l *Listing) appendSizes(b []byte) []byte {
	skip := 0
	for skip < len(l.Messages) && l.Messages[skip].Size == 0 {
		skip++
	}
	b = binary.AppendUvarint(b, uint64(skip))
	for i := skip; i < len(l.Messages); i++ {
		b = binary.AppendUvarint(b, uint64(l.Messages[i].Size))
	}
	return b
}

// Decode reads the contents of a file. Its errors wrap ErrInvalid.
func Decode(k Key, data []byte) (*Listing, error) {
	n := len(data) - sha256.Size
	if n < 0 {
		return nil, fmt.Errorf("%w: it is too short", ErrInvalid)
	}
	if sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrInvalid)
	}
	d := decoder{rest: data[:n]}
	l := d.listing(k)
	if d.wrong != "" {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, d.wrong)
	}
	return l, nil
}

// decoder reads from the front of rest until something is wrong.
type decoder struct {
	rest  []byte
	wrong string
}

// take returns the next n bytes, or nil.
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

func (d *decoder) listing(k Key) *Listing {
	if string(d.take(uint64(len(magic)))) != magic {
		d.fail("it is of another version")
	}
	if string(d.take(uint64(d.uint32()))) != string(k.identity()) {
		d.fail("it is about another mailbox")
	}
	l := &Listing{UIDValidity: d.uint32(), UIDNext: mail.UID(d.uint32()), ModSeq: mail.ModSeq(d.uint64())}
	l.Complete = time.Unix(int64(d.uint64()), 0)
	count, ranges := d.uint32(), d.uint32()
	if l.UIDValidity == 0 || l.UIDNext == 0 || l.ModSeq == 0 {
		d.fail("it lacks numbers")
	}
	// There is a byte of flags for each, so this is no more than was read.
	if uint64(count) > uint64(len(d.rest)) {
		d.fail("it ends too early")
	}
	if d.wrong != "" {
		return nil
	}
	l.Messages = make([]mail.Meta, count)
	d.uids(l.Messages, ranges)
	if flags := d.take(uint64(count)); flags != nil {
		for i, f := range flags {
			l.Messages[i].Flags = mail.Flags(f) & mail.AllFlags
		}
	}
	d.sizes(l.Messages)
	if count > 0 && l.Messages[count-1].UID >= l.UIDNext && l.UIDNext != mail.MaxUID {
		d.fail("it has messages beyond its end")
	}
	if len(d.rest) > 0 {
		d.fail("it is too long")
	}
	return l
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
