package imapwire

import "math"

// Classes of bytes.
const (
	clsDigit   = 1 << iota
	clsAtomEnd // ends an atom of a structure: SP ( ) " CR LF
	clsWordEnd // ends an atom that may hold anything visible: SP CR LF
	clsNameEnd // ends the name of a FETCH item: clsAtomEnd [ <
)

var class = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= clsDigit
	}
	for _, c := range " ()\"\r\n" {
		t[c] |= clsAtomEnd | clsNameEnd
	}
	for _, c := range " \r\n" {
		t[c] |= clsWordEnd
	}
	for _, c := range "[<" {
		t[c] |= clsNameEnd
	}
	return t
}()

// word returns the bytes before the next byte of class end, at least one. They are valid until the next call.
func (d *Decoder) word(end uint8) ([]byte, error) {
	if d.pos == d.end {
		if err := d.fill(); err != nil {
			return nil, err
		}
	}
	b := d.buf[d.pos:d.end]
	for i, c := range b {
		if class[c]&end != 0 {
			if i == 0 {
				return nil, errAtom
			}
			d.pos += i
			return b[:i], nil
		}
	}
	// It continues after the end of the buffer.
	d.scratch = d.scratch[:0]
	for {
		c, err := d.peek()
		if err != nil {
			return nil, err
		}
		if class[c]&end != 0 {
			return d.scratch, nil
		}
		if len(d.scratch) >= MaxString {
			return nil, errTooLong
		}
		d.scratch = append(d.scratch, c)
		d.pos++
	}
}

// number reads an unsigned decimal number.
func (d *Decoder) number() (uint64, error) {
	c, err := d.peek()
	if err != nil {
		return 0, err
	}
	if class[c]&clsDigit == 0 {
		return 0, errNumber
	}
	var n uint64
	for {
		if n > (math.MaxUint64-9)/10 {
			return 0, errOverflow
		}
		n = n*10 + uint64(c-'0')
		d.pos++
		if c, err = d.peek(); err != nil {
			return 0, err
		}
		if class[c]&clsDigit == 0 {
			return n, nil
		}
	}
}

// number32 reads a number of at most 32 bits.
func (d *Decoder) number32() (uint32, error) {
	n, err := d.number()
	if err == nil && n > math.MaxUint32 {
		return 0, errOverflow
	}
	return uint32(n), err
}

// space consumes one or more spaces.
func (d *Decoder) space() error {
	c, err := d.peek()
	if err != nil {
		return err
	}
	if c != ' ' {
		return errSpace
	}
	return d.spaces()
}

// spaces consumes any number of spaces.
func (d *Decoder) spaces() error {
	for {
		c, err := d.peek()
		if err != nil || c != ' ' {
			return err
		}
		d.pos++
	}
}

// accept consumes the byte c if it is next.
func (d *Decoder) accept(c byte) (bool, error) {
	got, err := d.peek()
	if err != nil || got != c {
		return false, err
	}
	d.pos++
	return true, nil
}

// open consumes spaces and an opening parenthesis.
func (d *Decoder) open() error {
	if err := d.spaces(); err != nil {
		return err
	}
	ok, err := d.accept('(')
	if err == nil && !ok {
		err = errOpen
	}
	return err
}

// more consumes spaces, and reports whether a list continues. It consumes a closing parenthesis. The end of the line ends
// the list, too.
func (d *Decoder) more() (bool, error) {
	if err := d.spaces(); err != nil {
		return false, err
	}
	switch d.buf[d.pos] {
	case ')':
		d.pos++
		return false, nil
	case '\r', '\n':
		return false, nil
	}
	return true, nil
}

// atEOL consumes spaces, and reports whether the response ends here.
func (d *Decoder) atEOL() (bool, error) {
	if err := d.spaces(); err != nil {
		return false, err
	}
	c := d.buf[d.pos]
	return c == '\r' || c == '\n', nil
}

// quoted reads a quoted string. It is valid until the next call.
func (d *Decoder) quoted() ([]byte, error) {
	d.pos++ // the opening quote
	b := d.buf[d.pos:d.end]
	for i, c := range b {
		switch c {
		case '"':
			d.pos += i + 1
			return b[:i], nil
		case '\r', '\n':
			return nil, errQuoted
		case '\\':
		default:
			continue
		}
		break
	}
	d.scratch = d.scratch[:0]
	for {
		c, err := d.peek()
		if err != nil {
			return nil, err
		}
		switch c {
		case '"':
			d.pos++
			return d.scratch, nil
		case '\r', '\n':
			return nil, errQuoted
		case '\\':
			d.pos++
			if c, err = d.peek(); err != nil {
				return nil, err
			}
			if c == '\r' || c == '\n' {
				return nil, errQuoted
			}
		}
		if len(d.scratch) >= MaxString {
			return nil, errTooLong
		}
		d.scratch = append(d.scratch, c)
		d.pos++
	}
}

// str reads a string: quoted, a literal or, as some servers send it, a plain word before a byte of class end. isNil: it was
// the word NIL. The string is valid until the next call.
func (d *Decoder) str(end uint8) (s []byte, isNil bool, err error) {
	c, err := d.peek()
	if err != nil {
		return nil, false, err
	}
	switch c {
	case '"':
		s, err = d.quoted()
		return s, false, err
	case '{':
		s, err = d.literalString()
		return s, false, err
	}
	s, err = d.word(end)
	return s, err == nil && isWord(s, "NIL"), err
}

// literalString reads a literal into memory.
func (d *Decoder) literalString() ([]byte, error) {
	if err := d.literalHeader(); err != nil {
		return nil, err
	}
	if d.lit.size > MaxString {
		if err := d.lit.drain(); err != nil {
			return nil, err
		}
		return nil, errTooLong
	}
	d.scratch = d.scratch[:0]
	for d.lit.n > 0 {
		b, err := d.lit.next()
		if err != nil {
			return nil, err
		}
		d.scratch = append(d.scratch, b...)
		d.lit.use(len(b))
	}
	return d.scratch, nil
}

// skipValue consumes a value of any kind: an atom, a string of any length, a literal, or a parenthesized list of any depth.
func (d *Decoder) skipValue() error {
	depth := 0
	for {
		if depth > 0 {
			if err := d.spaces(); err != nil {
				return err
			}
		}
		c, err := d.peek()
		if err != nil {
			return err
		}
		switch c {
		case '(':
			d.pos++
			depth++
			continue
		case ')':
			if depth == 0 {
				return errAtom
			}
			d.pos++
			depth--
		case '"':
			if err := d.skipQuoted(); err != nil {
				return err
			}
		case '\r', '\n':
			return errEOL
		case '{':
			if err := d.skipLiteral(); err != nil {
				return err
			}
		case '~':
			// A literal8 (RFC 3516), or a word with the same first character.
			d.pos++
			if c, err = d.peek(); err != nil {
				return err
			}
			if c == '{' {
				err = d.skipLiteral()
			} else if class[c]&clsAtomEnd == 0 {
				err = d.skipWord()
			}
			if err != nil {
				return err
			}
		default:
			if err := d.skipWord(); err != nil {
				return err
			}
		}
		if depth == 0 {
			return nil
		}
	}
}

func (d *Decoder) skipWord() error {
	for n := 0; ; n++ {
		c, err := d.peek()
		if err != nil {
			return err
		}
		if class[c]&clsAtomEnd != 0 {
			if n == 0 {
				return errAtom
			}
			return nil
		}
		d.pos++
	}
}

func (d *Decoder) skipQuoted() error {
	d.pos++
	for {
		c, err := d.peek()
		if err != nil {
			return err
		}
		switch c {
		case '\r', '\n':
			return errQuoted
		case '"':
			d.pos++
			return nil
		case '\\':
			d.pos++
			if c, err = d.peek(); err != nil {
				return err
			}
			if c == '\r' || c == '\n' {
				return errQuoted
			}
		}
		d.pos++
	}
}

func (d *Decoder) skipLiteral() error {
	if err := d.literalHeader(); err != nil {
		return err
	}
	return d.lit.drain()
}

// isWord reports whether b is word, ignoring case. word must be in upper case.
func isWord(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

// upper returns b as a string in upper case.
func upper(b []byte) string {
	t := make([]byte, len(b))
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		t[i] = c
	}
	return string(t)
}
