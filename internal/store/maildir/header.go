package maildir

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"

	"isync/internal/mail"
)

// headerReaders read headers: in pieces that hold an ordinary one, since each
// message is another file.
var headerReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// headerLines calls line with each line of the header that r begins with. A
// long line comes in several pieces, of which only the first has start set. The
// pieces include the line end and are valid only during the call. It returns
// the length of the header, with the empty line that ends it if there is one.
func headerLines(r io.Reader, line func(piece []byte, start bool)) (int64, error) {
	br := headerReaders.Get().(*bufio.Reader)
	defer func() {
		br.Reset(nil)
		headerReaders.Put(br)
	}()
	br.Reset(r)
	var size int64
	start := true
	for {
		piece, err := br.ReadSlice('\n')
		size += int64(len(piece))
		if err != nil && err != bufio.ErrBufferFull && err != io.EOF {
			return size, err
		}
		if start && err == nil && len(bytes.TrimSuffix(piece[:len(piece)-1], []byte{'\r'})) == 0 {
			return size, nil
		}
		if len(piece) > 0 {
			line(piece, start)
		}
		if err == io.EOF {
			return size, nil
		}
		start = err == nil
	}
}

// fields are the header fields that a scan may ask for, "" if missing.
type fields struct{ tuid, messageID string }

// readFields reads them from the beginning of a message. Folded lines are
// joined; of a repeated field the first counts.
func readFields(r io.Reader) (fields, error) {
	const maxID = 2000 // longer ones do not exist in earnest, and are cut
	var tuid, id strings.Builder
	var current *strings.Builder // that goes on if the line is folded
	_, err := headerLines(r, func(piece []byte, start bool) {
		if start && piece[0] != ' ' && piece[0] != '\t' {
			current = nil
			name, value, ok := bytes.Cut(piece, []byte{':'})
			switch {
			case !ok:
			case tuid.Len() == 0 && bytes.EqualFold(name, []byte("X-TUID")):
				current, piece = &tuid, value
			case id.Len() == 0 && bytes.EqualFold(name, []byte("Message-ID")):
				current, piece = &id, value
			}
		}
		if current != nil && current.Len() < maxID {
			current.Write(bytes.TrimRight(piece, "\r\n"))
		}
	})
	f := fields{strings.TrimSpace(tuid.String()), strings.TrimSpace(id.String())}
	if len(f.tuid) != mail.TUIDLen {
		f.tuid = ""
	}
	return f, err
}
