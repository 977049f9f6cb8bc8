package syncstate

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"isync/internal/mail"
)

// Error is an error in a state file or a journal.
type Error struct {
	File string
	Line int // 1-based; 0: the file as a whole
	Msg  string
	Err  error // ErrNoRecord, or nil
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Parse parses a state file. name is used in error messages. expireSide is the setting of the
// channel, and must agree with the file. Parse accepts the formats of all versions of mbsync since
// 0.9: old header names, the one-line header, "X" for expired records, and UID 4294967295 for
// messages that were skipped because they were too big.
func Parse(name string, data []byte, expireSide Side) (*State, error) {
	p := &parser{file: name, data: data, st: New(expireSide)}
	if err := p.header(); err != nil {
		return nil, err
	}
	if err := p.records(); err != nil {
		return nil, err
	}
	p.deriveMaxExpired()
	p.st.NewMaxUID = p.st.MaxUID
	return p.st, nil
}

type parser struct {
	file string
	data []byte
	line int
	st   *State
	// A pre-1.3 state names the highest *near* UID that expired.
	maxExpiredNear mail.UID
}

func (p *parser) errorf(format string, args ...any) error {
	return &Error{p.file, p.line, fmt.Sprintf(format, args...), nil}
}

// next returns the next line without its end; ok is false at the end of data.
func (p *parser) next() (line []byte, ok bool, err error) {
	if len(p.data) == 0 {
		return nil, false, nil
	}
	p.line++
	i := bytes.IndexByte(p.data, '\n')
	if i < 0 {
		return nil, false, p.errorf("incomplete last line")
	}
	line, p.data = p.data[:i], p.data[i+1:]
	return line, true, nil
}

func (p *parser) header() error {
	for first := true; ; first = false {
		line, ok, err := p.next()
		if err != nil {
			return err
		}
		if !ok {
			return &Error{p.file, p.line, "unterminated sync state header", nil}
		}
		if len(line) == 0 {
			return nil
		}
		if first && line[0] >= '0' && line[0] <= '9' {
			return p.oldHeader(string(line))
		}
		name, value, _ := strings.Cut(string(line), " ")
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return p.errorf("malformed sync state header entry '%s'", line)
		}
		if err := p.headerEntry(name, uint32(n)); err != nil {
			return err
		}
	}
}

func (p *parser) headerEntry(name string, n uint32) error {
	st := p.st
	switch name {
	case "FarUidValidity", "MasterUidValidity":
		st.UIDValidity[Far] = n
	case "NearUidValidity", "SlaveUidValidity":
		st.UIDValidity[Near] = n
	case "MaxPulledUid":
		st.MaxUID[Far] = mail.UID(n)
	case "MaxPushedUid":
		st.MaxUID[Near] = mail.UID(n)
	case "MaxExpiredFarUid", "MaxExpiredMasterUid":
		if st.ExpireSide != Near {
			return p.errorf("state was made with ExpireSide Near, but the channel has ExpireSide Far")
		}
		st.MaxExpired = mail.UID(n)
	case "MaxExpiredNearUid":
		if st.ExpireSide != Far {
			return p.errorf("state was made with ExpireSide Far, but the channel has ExpireSide Near")
		}
		st.MaxExpired = mail.UID(n)
	case "MaxExpiredSlaveUid":
		if st.ExpireSide != Near && n != 0 {
			return p.errorf("state was made by a version without ExpireSide Far, but the channel has it")
		}
		p.maxExpiredNear = mail.UID(n)
	default:
		return p.errorf("unrecognized sync state header entry '%s'", name)
	}
	return nil
}

// oldHeader reads the one line that was the header before version 1.1:
// farval:maxfar nearval:maxexpirednear:maxnear.
func (p *parser) oldHeader(line string) error {
	bad := p.errorf("malformed sync state header '%s'", line)
	far, near, ok := strings.Cut(line, " ")
	fields := append(strings.Split(far, ":"), strings.Split(near, ":")...)
	if !ok || len(fields) != 5 {
		return bad
	}
	var n [5]uint32
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return bad
		}
		n[i] = uint32(v)
	}
	st := p.st
	st.UIDValidity = [2]uint32{n[0], n[2]}
	st.MaxUID = [2]mail.UID{mail.UID(n[1]), mail.UID(n[4])}
	if n[3] != 0 && st.ExpireSide != Near {
		return p.errorf("state was made by a version without ExpireSide Far, but the channel has it")
	}
	p.maxExpiredNear = mail.UID(n[3])
	return nil
}

// deriveMaxExpired converts the near UID that old versions store into a far UID: all messages
// below the lowest far UID that is still paired have expired.
func (p *parser) deriveMaxExpired() {
	if p.maxExpiredNear == 0 || p.st.MaxExpired != 0 {
		return
	}
	lowest := mail.MaxUID
	for _, r := range p.st.Records.All() {
		if r.Paired() && !r.Has(Expired) {
			lowest = min(lowest, r.UID[Far])
		}
	}
	if lowest != mail.MaxUID {
		p.st.MaxExpired = lowest - 1
	}
}

func (p *parser) records() error {
	rs := &p.st.Records
	// There are no more records than lines.
	rs.grow(bytes.Count(p.data, []byte{'\n'}))
	for {
		var plain row
		if n := plainRecord(p.data, &plain); n > 0 {
			p.data = p.data[n:]
			p.line++
			rs.rows = append(rs.rows, plain)
			continue
		}
		line, ok, err := p.next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		var r Record
		if !parseRecord(line, &r) {
			return p.errorf("malformed sync state entry '%.80s'", line)
		}
		rs.Put(r)
	}
}

// letters are the flags of letters, 0 for other characters.
var letters = func() (t [256]mail.Flags) {
	for c := range t {
		t[c] = mail.FlagOfLetter(byte(c))
	}
	return t
}()

// plainRecord parses a line with only two UIDs and letters, as nearly all lines are. It returns
// the length of the line with its end; 0: this is a different line, and r is not valid.
func plainRecord(data []byte, r *row) int {
	i := 0
	for s := range r.uid {
		var v uint64
		begin := i
		for ; i < len(data) && data[i]-'0' <= 9; i++ {
			v = v*10 + uint64(data[i]-'0')
		}
		const digits = 9 // so many always fit
		if i == begin || i-begin > digits || i == len(data) || data[i] != ' ' {
			return 0
		}
		r.uid[s] = mail.UID(v)
		i++
	}
	r.flags = 0
	for ; i < len(data); i++ {
		f := letters[data[i]]
		if f == 0 {
			break
		}
		r.flags |= f
	}
	if i == len(data) || data[i] != '\n' {
		return 0
	}
	return i + 1
}

// parseRecord reads FARUID NEARUID FLAGS.
func parseRecord(line []byte, r *Record) bool {
	for s := range r.UID {
		n, rest, ok := cutNumber(line)
		if !ok {
			return false
		}
		r.UID[s] = mail.UID(n)
		switch {
		case len(rest) == 0 && s == 1: // a trimmed line
		case len(rest) == 0 || rest[0] != ' ':
			return false
		default:
			rest = rest[1:]
		}
		line = rest
		if n == math.MaxUint32 { // versions before 1.3
			r.UID[s] = 0
			r.Status |= Skipped
		}
	}
	if len(line) > 0 {
		switch line[0] {
		case '<':
			r.Status |= FarPlaceholder
			line = line[1:]
		case '>':
			r.Status |= NearPlaceholder
			line = line[1:]
		}
	}
	if len(line) > 0 {
		switch line[0] {
		case '~', 'X':
			r.Status |= ExpireBegun | Expired
			line = line[1:]
		case '^':
			r.Status |= Skipped
			line = line[1:]
		}
	}
	for _, c := range line {
		f := mail.FlagOfLetter(c)
		if f == 0 {
			return false
		}
		r.Flags |= f
	}
	return true
}

// cutNumber reads a decimal number of at most 32 bits off the front of b.
func cutNumber(b []byte) (n uint32, rest []byte, ok bool) {
	var v uint64
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		v = v*10 + uint64(b[i]-'0')
		if v > math.MaxUint32 {
			return 0, nil, false
		}
	}
	return uint32(v), b[i:], i > 0
}

// AppendTo appends the state file's contents to b.
func (s *State) AppendTo(b []byte) []byte {
	b = s.appendHeader(b)
	for r := range s.Live() {
		b = r.appendTo(b)
	}
	return b
}

// writeSize is the size of a write, in bytes.
const writeSize = 64 << 10

// WriteTo writes the state file's contents, a piece at a time.
func (s *State) WriteTo(w io.Writer) (int64, error) {
	const maxLine = 2*11 + 2 + 6 + 1
	b := s.appendHeader(make([]byte, 0, writeSize))
	written := int64(0)
	for r := range s.Live() {
		if len(b) > writeSize-maxLine {
			n, err := w.Write(b)
			written += int64(n)
			if err != nil {
				return written, err
			}
			b = b[:0]
		}
		b = r.appendTo(b)
	}
	n, err := w.Write(b)
	return written + int64(n), err
}

func (s *State) appendHeader(b []byte) []byte {
	b = appendEntry(b, "FarUidValidity", s.UIDValidity[Far])
	b = appendEntry(b, "NearUidValidity", s.UIDValidity[Near])
	b = appendEntry(b, "MaxPulledUid", uint32(s.MaxUID[Far]))
	b = appendEntry(b, "MaxPushedUid", uint32(s.MaxUID[Near]))
	if s.MaxExpired != 0 {
		if s.ExpireSide == Near {
			b = appendEntry(b, "MaxExpiredFarUid", uint32(s.MaxExpired))
		} else {
			b = appendEntry(b, "MaxExpiredNearUid", uint32(s.MaxExpired))
		}
	}
	return append(b, '\n')
}

func appendEntry(b []byte, name string, n uint32) []byte {
	b = append(b, name...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(n), 10)
	return append(b, '\n')
}

// appendTo appends the record's line, with its end, to b.
func (r *Record) appendTo(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(r.UID[Far]), 10)
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(r.UID[Near]), 10)
	b = append(b, ' ')
	if r.Status != 0 {
		switch {
		case r.Has(FarPlaceholder):
			b = append(b, '<')
		case r.Has(NearPlaceholder):
			b = append(b, '>')
		}
		switch {
		case r.Has(Skipped):
			b = append(b, '^')
		case r.Has(Expired):
			b = append(b, '~')
		}
	}
	if r.Flags != 0 {
		b = r.Flags.AppendTo(b)
	}
	return append(b, '\n')
}
