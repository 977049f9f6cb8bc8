package uidmap

import (
	"encoding/binary"
	"fmt"
	"os"
)

// The header of a page, and the elements that follow it in those of the tree, in
// the byte order of the machine. The keys and values of elements are at offsets
// from the element itself.
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

// checkPages refuses a database with pages that point beyond themselves, or claim to be continued beyond its end. bbolt believes what they
// say, and would go through billions of pages, or hand out slices of memory that
// is not theirs, at which the process ends as soon as garbage is collected.
func checkPages(file *os.File) error {
	fi, err := file.Stat()
	if err != nil {
		return err
	}
	pages := uint64(fi.Size()) / pageSize
	first := make([]byte, pageSize)
	for number := uint64(headSize / pageSize); number < pages; number++ {
		if _, err := file.ReadAt(first, int64(number*pageSize)); err != nil {
			return err
		}
		if binary.NativeEndian.Uint64(first) != number {
			continue // free, or the continuation of another one
		}
		more := uint64(binary.NativeEndian.Uint32(first[pageOverflow:]))
		if more >= pages-number {
			return fmt.Errorf("%w: page %d of %d claims to be continued on %d more", ErrDamaged, number, pages, more)
		}
		p := first
		if more > 0 {
			p = make([]byte, (more+1)*pageSize)
			if _, err := file.ReadAt(p, int64(number*pageSize)); err != nil {
				return err
			}
		}
		if !checkPage(p) {
			return fmt.Errorf("%w: page %d points beyond its end", ErrDamaged, number)
		}
	}
	return nil
}

// checkPage tells whether everything that a page points to is within it.
func checkPage(p []byte) bool {
	count := uint64(binary.NativeEndian.Uint16(p[pageCount:]))
	flags := binary.NativeEndian.Uint16(p[pageFlags:])
	if flags == flagFreelist {
		if count == manyFree {
			count = 1 + binary.NativeEndian.Uint64(p[pageHeader:])
		}
		return count <= uint64(len(p)-pageHeader)/freelistEntry
	}
	if flags != flagBranch && flags != flagLeaf {
		return true
	}
	if count > uint64(len(p)-pageHeader)/elementSize {
		return false
	}
	for i := range count {
		e := p[pageHeader+i*elementSize:]
		if !checkElement(e, flags == flagLeaf) {
			return false
		}
	}
	return true
}

// checkElement does so for an element, from where it is to the end of the page.
func checkElement(e []byte, leaf bool) bool {
	order := binary.NativeEndian
	if !leaf {
		return uint64(order.Uint32(e))+uint64(order.Uint32(e[4:])) <= uint64(len(e))
	}
	value := uint64(order.Uint32(e[4:])) + uint64(order.Uint32(e[8:]))
	end := value + uint64(order.Uint32(e[12:]))
	if end > uint64(len(e)) {
		return false
	}
	if order.Uint32(e)&flagBucket == 0 {
		return true
	}
	// A small bucket is a page within the value.
	bucket := e[value:end]
	if len(bucket) < bucketHeader {
		return false
	}
	inline := order.Uint64(bucket) == 0
	return !inline || len(bucket) >= bucketHeader+pageHeader && checkPage(bucket[bucketHeader:])
}
