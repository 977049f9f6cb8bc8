package maildir_test

import (
	"encoding/binary"

	"isync/internal/mail"
)

// foreignMap makes a file as the C program would: a small Berkeley DB hash
// database, on a single page, that gives the UIDs from 1 on to the names.
func foreignMap(validity uint32, highest mail.UID, names ...string) []byte {
	const size = 4096
	le := binary.LittleEndian
	file := make([]byte, 2*size)
	le.PutUint32(file[12:], 0x061561)
	le.PutUint32(file[16:], 9)
	le.PutUint32(file[20:], size)
	file[25] = 8
	le.PutUint32(file[96:], 1) // the first bucket is page 1
	page := file[size:]
	le.PutUint32(page[8:], 1)
	page[25] = 13
	end, items := size, 0
	add := func(b []byte) {
		end -= len(b) + 1
		page[end] = 1
		copy(page[end+1:], b)
		le.PutUint16(page[26+2*items:], uint16(end))
		items++
		le.PutUint16(page[20:], uint16(items))
	}
	add([]byte("UIDVALIDITY"))
	add(le.AppendUint32(le.AppendUint32(nil, validity), uint32(highest)))
	for i, n := range names {
		add([]byte(n))
		add(le.AppendUint32(nil, uint32(i+1)))
	}
	return file
}
