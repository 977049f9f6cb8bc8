package uidmap

import (
	"encoding/binary"
	"fmt"
	"os"
)

// The layout of the header of a page, and of the elements that follow it in pages of the tree, in
// the byte order of the machine. The offsets of keys and values are relative to the element.
const (
	pageFlags    = 8
	pageCount    = 10
	pageOverflow = 12
	pageHeader   = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10

	elementSize  = 16
	bucketHeader = 16
	flagBucket   = 0x01 // of an element of a leaf

	manyFree      = 0xffff // as a count of free pages: the first entry tells it
	freelistEntry = 8
)

// The meta page of transaction tx is page tx%2. These are the offsets of the root of the tree and of
// the list of free pages in it.
const (
	headRoot   = 32
	headFree   = 48
	noFreelist = 1<<64 - 1
)

// checkPages checks a database as of transaction tx. It returns an error if a page points beyond
// its end, continues beyond the end of the file, or refers to itself through other pages. bbolt
// does not check that. It would visit billions of pages, or return slices of foreign memory, and
// the garbage collector would then end the process.
func checkPages(file *os.File, tx uint64) error {
	fi, err := file.Stat()
	if err != nil {
		return err
	}
	pages := uint64(fi.Size()) / pageSize
	head := make([]byte, pageSize)
	if _, err := file.ReadAt(head, int64(tx%2*pageSize)); err != nil {
		return err
	}
	todo := []uint64{binary.NativeEndian.Uint64(head[headRoot:])}
	if free := binary.NativeEndian.Uint64(head[headFree:]); free != noFreelist {
		todo = append(todo, free)
	}
	visited := make(map[uint64]bool)
	for len(todo) > 0 {
		number := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if number >= pages || visited[number] {
			return fmt.Errorf("%w: page %d of %d is missing, or there twice", ErrDamaged, number, pages)
		}
		visited[number] = true
		p, err := readPage(file, number, pages)
		if err != nil {
			return err
		}
		var ok bool
		if todo, ok = checkPage(p, todo); !ok {
			return fmt.Errorf("%w: page %d points beyond its end", ErrDamaged, number)
		}
	}
	return nil
}

// readPage reads a page with its overflow pages.
func readPage(file *os.File, number, pages uint64) ([]byte, error) {
	p := make([]byte, pageSize)
	if _, err := file.ReadAt(p, int64(number*pageSize)); err != nil {
		return nil, err
	}
	if n := binary.NativeEndian.Uint64(p); n != number {
		return nil, fmt.Errorf("%w: page %d has the number %d", ErrDamaged, number, n)
	}
	more := uint64(binary.NativeEndian.Uint32(p[pageOverflow:]))
	if more >= pages-number {
		return nil, fmt.Errorf("%w: page %d of %d claims to be continued on %d more", ErrDamaged, number, pages, more)
	}
	if more == 0 {
		return p, nil
	}
	p = make([]byte, (more+1)*pageSize)
	_, err := file.ReadAt(p, int64(number*pageSize))
	return p, err
}

// checkPage reports whether all data that a page points to is within the page. It appends the pages
// that the page refers to.
func checkPage(p []byte, to []uint64) ([]uint64, bool) {
	count := uint64(binary.NativeEndian.Uint16(p[pageCount:]))
	flags := binary.NativeEndian.Uint16(p[pageFlags:])
	if flags == flagFreelist {
		if count == manyFree {
			if count = binary.NativeEndian.Uint64(p[pageHeader:]); count < noFreelist {
				count++ // for itself
			}
		}
		return to, count <= uint64(len(p)-pageHeader)/freelistEntry
	}
	if flags != flagBranch && flags != flagLeaf || count > uint64(len(p)-pageHeader)/elementSize {
		return to, false
	}
	for i := range count {
		e := p[pageHeader+i*elementSize:]
		var ok bool
		if flags == flagBranch {
			ok = uint64(binary.NativeEndian.Uint32(e))+uint64(binary.NativeEndian.Uint32(e[4:])) <= uint64(len(e))
			to = append(to, binary.NativeEndian.Uint64(e[8:]))
		} else {
			to, ok = checkLeaf(e, to)
		}
		if !ok {
			return to, false
		}
	}
	return to, true
}

// checkLeaf is checkPage for an element of a leaf. e extends from the element to the end of the
// page.
func checkLeaf(e []byte, to []uint64) ([]uint64, bool) {
	order := binary.NativeEndian
	value := uint64(order.Uint32(e[4:])) + uint64(order.Uint32(e[8:]))
	end := value + uint64(order.Uint32(e[12:]))
	if end > uint64(len(e)) {
		return to, false
	}
	if order.Uint32(e)&flagBucket == 0 {
		return to, true
	}
	bucket := e[value:end]
	if len(bucket) < bucketHeader {
		return to, false
	}
	if root := order.Uint64(bucket); root != 0 {
		return append(to, root), true
	}
	// A small bucket is stored as a page within the value.
	if len(bucket) < bucketHeader+pageHeader {
		return to, false
	}
	return checkPage(bucket[bucketHeader:], to)
}
