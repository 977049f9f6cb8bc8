package mail

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"sync"
)

// headerReaders read headers. The buffer is large enough for most of them. There is a
// pool because each message may be a file of its own.
var headerReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// HeaderLines calls line with each line of the header that r begins with. A long line
// comes in several pieces, of which only the first has start set. The pieces include the
// line end and are valid only during the call. It returns the length of the header in
// bytes, with the empty line that ends it if there is one.
func HeaderLines(r io.Reader, line func(piece []byte, start bool)) (int64, error) {
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

// maxField is the maximum length in bytes of a field that HeaderFields returns, give or
// take a line. No real Message-ID is longer.
const maxField = 2000

// HeaderFields returns the values of header fields, in the order of names; "": there is
// none. Folded lines are joined (RFC 5322 §2.2.3) and surrounding white space is dropped.
// Of a repeated field, the first value that is not empty counts. If reading fails, what
// was found before is returned, too.
func HeaderFields(r io.Reader, names ...string) ([]string, error) {
	values := make([]strings.Builder, len(names))
	var current *strings.Builder // that goes on if the line is folded
	_, err := HeaderLines(r, func(piece []byte, start bool) {
		if start && piece[0] != ' ' && piece[0] != '\t' {
			current = nil
			if name, value, ok := bytes.Cut(piece, []byte{':'}); ok {
				name = bytes.TrimRight(name, " \t") // RFC 5322 §4.5
				for i, n := range names {
					if values[i].Len() == 0 && len(name) == len(n) && strings.EqualFold(string(name), n) {
						current, piece = &values[i], bytes.TrimLeft(value, " \t")
					}
				}
			}
		}
		if current != nil && current.Len() < maxField {
			current.Write(bytes.TrimRight(piece, "\r\n"))
		}
	})
	out := make([]string, len(names))
	for i := range values {
		out[i] = strings.TrimSpace(values[i].String())
	}
	return out, err
}
