// Package bdbhash reads files of the hash access method of Berkeley DB. It supports what is
// needed to import a database of another program: one database per file, without duplicate
// keys, neither encrypted nor checksummed. It reads both byte orders, and versions 8 to 10 of
// the format, which are those of Berkeley DB 4.2 to 18.
//
// The file is read as a whole, and its contents are not trusted: every number in it is checked
// against its size, and a chain of pages may not visit a page twice. If a check fails, the
// error wraps ErrDamaged or ErrUnsupported, and nothing is returned.
package bdbhash

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrNotHash: the file is no hash database of Berkeley DB.
	ErrNotHash = errors.New("not a Berkeley DB hash database")
	// ErrUnsupported: it is one, but uses what is not understood here.
	ErrUnsupported = errors.New("Berkeley DB file of an unsupported kind") //nolint:staticcheck // a name
	// ErrDamaged: it contradicts itself.
	ErrDamaged = errors.New("damaged Berkeley DB file")
)

// Pair is a key with its value. Both may be slices of the file.
type Pair struct{ Key, Value []byte }

// Content is what is in a file.
type Content struct {
	// Order is the byte order of the file's own numbers. What is in keys and
	// values is the business of the program that wrote them.
	Order binary.ByteOrder
	// Version is that of the format.
	Version uint32
	// Pairs are in the order of the file, which is that of hash values.
	Pairs []Pair
}

// The format. All offsets are in bytes from the beginning of a page.
const (
	magic = 0x061561

	minVersion, maxVersion   = 8, 10
	minPageSize, maxPageSize = 512, 64 << 10

	metaPage      = 8
	metaMagic     = 12
	metaVersion   = 16
	metaPageSize  = 20
	metaEncrypt   = 24
	metaType      = 25
	metaFlags     = 26
	metaParts     = 36
	metaHashFlags = 48
	metaMaxBucket = 72
	metaSpares    = 96
	spares        = 32
	metaSize      = 512

	pageNumber  = 8
	pageNext    = 16
	pageEntries = 20
	pageLength  = 22 // of the data of an overflow page
	pageType    = 25
	pageHeader  = 26

	typeUnsorted = 2
	typeOverflow = 7
	typeMeta     = 8
	typeSorted   = 13

	itemInline   = 1
	itemOverflow = 3
	overflowItem = 12 // size of such an item
)

// reader walks through a file.
type reader struct {
	file     []byte
	order    binary.ByteOrder
	pageSize int
	visited  []bool
	out      Content
}

// Read returns everything in a file.
func Read(file []byte) (*Content, error) {
	r := &reader{file: file}
	if err := r.readMeta(); err != nil {
		return nil, err
	}
	last := r.order.Uint32(file[metaMaxBucket:])
	for bucket := uint64(0); bucket <= uint64(last); bucket++ {
		spare := file[metaSpares+4*log2(bucket+1):]
		if err := r.readBucket(bucket + uint64(r.order.Uint32(spare))); err != nil {
			return nil, fmt.Errorf("bucket %d: %w", bucket, err)
		}
	}
	// The number of entries that the first page tells is of no use: it began with
	// the estimate that the database was created with.
	seen := make(map[string]bool, len(r.out.Pairs))
	for _, p := range r.out.Pairs {
		if seen[string(p.Key)] {
			return nil, fmt.Errorf("%w: key %.60q is there twice", ErrDamaged, p.Key)
		}
		seen[string(p.Key)] = true
	}
	return &r.out, nil
}

// log2 returns the number of the smallest power of two that is not below n.
func log2(n uint64) int {
	i := 0
	for limit := uint64(1); limit < n; limit <<= 1 {
		i++
	}
	return i
}

// readMeta reads the first page.
func (r *reader) readMeta() error {
	if len(r.file) < metaSize {
		return ErrNotHash
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint32(r.file[metaMagic:]) == magic {
			r.order = order
		}
	}
	if r.order == nil || r.file[metaType] != typeMeta || r.order.Uint32(r.file[metaPage:]) != 0 {
		return ErrNotHash
	}
	version := r.order.Uint32(r.file[metaVersion:])
	if version < minVersion || version > maxVersion {
		return fmt.Errorf("%w: version %d of the hash format", ErrUnsupported, version)
	}
	switch {
	case r.file[metaEncrypt] != 0:
		return fmt.Errorf("%w: it is encrypted", ErrUnsupported)
	case r.file[metaFlags]&1 != 0:
		return fmt.Errorf("%w: its pages have checksums", ErrUnsupported)
	case r.file[metaFlags] != 0 || r.order.Uint32(r.file[metaParts:]) != 0:
		return fmt.Errorf("%w: it is partitioned", ErrUnsupported)
	}
	if flags := r.order.Uint32(r.file[metaHashFlags:]); flags != 0 {
		return fmt.Errorf("%w: it has duplicates or sub-databases (flags %#x)", ErrUnsupported, flags)
	}
	size := r.order.Uint32(r.file[metaPageSize:])
	if size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return fmt.Errorf("%w: page size %d", ErrDamaged, size)
	}
	r.pageSize = int(size)
	pages := len(r.file) / r.pageSize
	if last := r.order.Uint32(r.file[metaMaxBucket:]); uint64(last) >= uint64(pages) {
		return fmt.Errorf("%w: %d buckets in %d pages", ErrDamaged, uint64(last)+1, pages)
	}
	r.visited = make([]bool, pages)
	r.out.Order, r.out.Version = r.order, version
	return nil
}

// page returns a page that was not visited yet. nil without an error is one that
// was never written: it lies behind the end, or is all zeros.
func (r *reader) page(number uint64) ([]byte, error) {
	if number == 0 || number >= uint64(len(r.visited)) {
		return nil, fmt.Errorf("%w: no page %d", ErrDamaged, number)
	}
	if r.visited[number] {
		return nil, fmt.Errorf("%w: page %d belongs to several chains", ErrDamaged, number)
	}
	r.visited[number] = true
	p := r.file[int(number)*r.pageSize:][:r.pageSize]
	if isZero(p) {
		return nil, nil //nolint:nilnil // see above
	}
	if n := r.order.Uint32(p[pageNumber:]); uint64(n) != number {
		return nil, fmt.Errorf("%w: page %d has the number %d", ErrDamaged, number, n)
	}
	return p, nil
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// readBucket reads the chain of pages of a bucket.
func (r *reader) readBucket(number uint64) error {
	for first := true; ; first = false {
		p, err := r.page(number)
		if err != nil {
			return err
		}
		if p == nil {
			if first {
				return nil // allocated together with others, and still empty
			}
			return fmt.Errorf("%w: page %d is empty", ErrDamaged, number)
		}
		if t := p[pageType]; t != typeSorted && t != typeUnsorted {
			if first && t == 0 && r.order.Uint16(p[pageEntries:]) == 0 {
				return nil
			}
			return fmt.Errorf("%w: page %d is of type %d", ErrDamaged, number, t)
		}
		if err := r.readItems(p); err != nil {
			return fmt.Errorf("page %d: %w", number, err)
		}
		if number = uint64(r.order.Uint32(p[pageNext:])); number == 0 {
			return nil
		}
	}
}

// readItems reads the pairs on a page. Their offsets stand behind the header;
// the items fill the page from its end.
func (r *reader) readItems(p []byte) error {
	n := int(r.order.Uint16(p[pageEntries:]))
	lowest := pageHeader + 2*n
	if n%2 != 0 || lowest > len(p) {
		return fmt.Errorf("%w: %d items", ErrDamaged, n)
	}
	end := len(p)
	var key []byte
	for i := range n {
		start := int(r.order.Uint16(p[pageHeader+2*i:]))
		if start < lowest || start >= end {
			return fmt.Errorf("%w: item %d at %d", ErrDamaged, i, start)
		}
		value, err := r.item(p[start:end])
		if err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
		end = start
		if i%2 == 0 {
			key = value
			continue
		}
		r.out.Pairs = append(r.out.Pairs, Pair{key, value})
	}
	return nil
}

// item returns the bytes of an item, wherever they are.
func (r *reader) item(b []byte) ([]byte, error) {
	switch b[0] {
	case itemInline:
		return b[1:], nil
	case itemOverflow:
		if len(b) < overflowItem {
			return nil, fmt.Errorf("%w: too short", ErrDamaged)
		}
		return r.overflow(uint64(r.order.Uint32(b[4:])), r.order.Uint32(b[8:]))
	}
	return nil, fmt.Errorf("%w: item of type %d", ErrUnsupported, b[0])
}

// overflow returns what has pages of its own.
func (r *reader) overflow(number uint64, length uint32) ([]byte, error) {
	if uint64(length) > uint64(len(r.file)) {
		return nil, fmt.Errorf("%w: %d bytes", ErrDamaged, length)
	}
	var out []byte
	for number != 0 {
		p, err := r.page(number)
		if err != nil {
			return nil, err
		}
		if p == nil || p[pageType] != typeOverflow {
			return nil, fmt.Errorf("%w: page %d has no overflow", ErrDamaged, number)
		}
		n := int(r.order.Uint16(p[pageLength:]))
		if n > len(p)-pageHeader {
			return nil, fmt.Errorf("%w: %d bytes on page %d", ErrDamaged, n, number)
		}
		out = append(out, p[pageHeader:pageHeader+n]...)
		number = uint64(r.order.Uint32(p[pageNext:]))
	}
	if uint64(len(out)) != uint64(length) {
		return nil, fmt.Errorf("%w: %d bytes instead of %d", ErrDamaged, len(out), length)
	}
	return out, nil
}
