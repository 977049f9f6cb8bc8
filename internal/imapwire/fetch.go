package imapwire

import (
	"time"

	"isync/internal/mail"
)

// Items is a set of FETCH items.
type Items uint8

// The supported items. Others are skipped.
const (
	ItemUID Items = 1 << iota
	ItemFlags
	ItemModSeq
	ItemDate // INTERNALDATE
	ItemSize // RFC822.SIZE
	// ItemBody: a body section was handed to the BodyFunc.
	ItemBody
	// ItemNilBody: a body section was NIL, which means that there is none.
	ItemNilBody
)

// Fetch is the data of a FETCH response about a message.
type Fetch struct {
	Seq    uint32
	Has    Items // which of the following the response had
	UID    mail.UID
	Flags  mail.Flags
	ModSeq mail.ModSeq
	Date   time.Time // UTC
	Size   int64
}

// SectionKind tells which part of a message a body section is.
type SectionKind uint8

// The body sections.
const (
	SectionOther  SectionKind = iota
	SectionAll                // BODY[], RFC822, BINARY[]
	SectionHeader             // BODY[HEADER], RFC822.HEADER
	SectionFields             // BODY[HEADER.FIELDS (…)]
	SectionText               // BODY[TEXT], RFC822.TEXT
)

// Section names a body section of a FETCH response.
type Section struct {
	Kind SectionKind
	// Partial: the section began at Origin ("<n>").
	Partial bool
	Origin  uint64
}

// fetch reads the items of a FETCH response.
func (d *Decoder) fetch(f *Fetch, body BodyFunc) error {
	if err := d.open(); err != nil {
		return err
	}
	for {
		more, err := d.more()
		if err != nil || !more {
			return err
		}
		if err := d.fetchItem(f, body); err != nil {
			return err
		}
	}
}

func (d *Decoder) fetchItem(f *Fetch, body BodyFunc) error {
	name, err := d.word(clsNameEnd)
	if err != nil {
		return err
	}
	switch len(name) {
	case 3:
		if isWord(name, "UID") {
			n, ok, err := d.itemNumber()
			if ok && n <= uint64(mail.MaxUID) {
				f.UID = mail.UID(n)
				f.Has |= ItemUID
			}
			return err
		}
	case 4:
		if isWord(name, "BODY") {
			return d.bodyItem(f, body)
		}
	case 5:
		if isWord(name, "FLAGS") {
			if err := d.spaces(); err != nil {
				return err
			}
			set, err := d.flags()
			if err == nil {
				f.Flags = set.Flags
				f.Has |= ItemFlags
			}
			return err
		}
	case 6:
		if isWord(name, "MODSEQ") {
			return d.modSeqItem(f)
		}
		if isWord(name, "RFC822") {
			return d.bodyValue(f, Section{Kind: SectionAll}, body)
		}
		if isWord(name, "BINARY") {
			return d.bodyItem(f, body)
		}
	case 11:
		if isWord(name, "RFC822.SIZE") {
			n, ok, err := d.itemNumber()
			if ok && n < 1<<62 {
				f.Size = int64(n)
				f.Has |= ItemSize
			}
			return err
		}
		if isWord(name, "RFC822.TEXT") {
			return d.bodyValue(f, Section{Kind: SectionText}, body)
		}
	case 12:
		if isWord(name, "INTERNALDATE") {
			return d.dateItem(f)
		}
	case 13:
		if isWord(name, "RFC822.HEADER") {
			return d.bodyValue(f, Section{Kind: SectionHeader}, body)
		}
	}
	return d.skipItem()
}

// skipItem consumes the value after the name of an item.
func (d *Decoder) skipItem() error {
	if c, err := d.peek(); err != nil {
		return err
	} else if c == '[' || c == '<' {
		if _, err := d.section(); err != nil {
			return err
		}
	}
	if err := d.spaces(); err != nil {
		return err
	}
	return d.skipValue()
}

// itemNumber reads the value of an item that should be a number. ok is false if it is something else, or too large.
func (d *Decoder) itemNumber() (n uint64, ok bool, err error) {
	if err := d.spaces(); err != nil {
		return 0, false, err
	}
	if class[d.buf[d.pos]]&clsDigit == 0 {
		return 0, false, d.skipValue()
	}
	n, err = d.number()
	if ioError(err) != nil {
		return 0, false, err
	}
	c, perr := d.peek()
	if perr != nil {
		return 0, false, perr
	}
	if class[c]&clsAtomEnd == 0 {
		return 0, false, d.skipWord()
	}
	return n, err == nil, nil
}

func (d *Decoder) modSeqItem(f *Fetch) error {
	if err := d.spaces(); err != nil {
		return err
	}
	paren, err := d.accept('(')
	if err != nil {
		return err
	}
	n, ok, err := d.itemNumber()
	if err != nil {
		return err
	}
	if ok {
		f.ModSeq = mail.ModSeq(n)
		f.Has |= ItemModSeq
	}
	if paren {
		more, err := d.more()
		if err == nil && more {
			err = errClose
		}
		return err
	}
	return nil
}

func (d *Decoder) dateItem(f *Fetch) error {
	if err := d.spaces(); err != nil {
		return err
	}
	if d.buf[d.pos] == '(' {
		return d.skipValue()
	}
	s, isNil, err := d.str(clsAtomEnd)
	if err != nil || isNil {
		return err
	}
	// An invalid date counts as missing.
	if t, err := parseDate(s); err == nil {
		f.Date = t
		f.Has |= ItemDate
	}
	return nil
}

// bodyItem reads the value after the word BODY or BINARY: a section and its content, or the structure of the message,
// which is skipped.
func (d *Decoder) bodyItem(f *Fetch, body BodyFunc) error {
	c, err := d.peek()
	if err != nil {
		return err
	}
	if c != '[' {
		return d.skipItem()
	}
	s, err := d.section()
	if err != nil {
		return err
	}
	return d.bodyValue(f, s, body)
}

// section reads "[section]<origin>", both parts optional.
func (d *Decoder) section() (s Section, err error) {
	s.Kind = SectionAll
	bracket, err := d.accept('[')
	if err != nil {
		return s, err
	}
	if bracket {
		if s.Kind, err = d.sectionSpec(); err != nil {
			return s, err
		}
	}
	angle, err := d.accept('<')
	if err != nil || !angle {
		return s, err
	}
	s.Partial = true
	if s.Origin, err = d.number(); err != nil {
		return s, err
	}
	for {
		// Some servers repeat the length of the request.
		c, err := d.peek()
		if err != nil {
			return s, err
		}
		if class[c]&clsAtomEnd != 0 {
			return s, errAtom
		}
		d.pos++
		if c == '>' {
			return s, nil
		}
	}
}

// sectionSpec reads the text between the brackets, and the closing bracket.
func (d *Decoder) sectionSpec() (SectionKind, error) {
	const longest = len("HEADER.FIELDS.NOT")
	var name [longest + 1]byte
	n := 0
	for {
		c, err := d.peek()
		if err != nil {
			return 0, err
		}
		switch c {
		case ']':
			d.pos++
			return sectionOf(name[:n]), nil
		case '\r', '\n':
			return 0, errEOL
		case ' ':
			d.pos++
		case '(', '"', '{':
			if err := d.skipValue(); err != nil {
				return 0, err
			}
		default:
			if n < len(name) {
				name[n] = c
				n++
			}
			d.pos++
		}
	}
}

func sectionOf(name []byte) SectionKind {
	switch {
	case len(name) == 0:
		return SectionAll
	case isWord(name, "HEADER"):
		return SectionHeader
	case isWord(name, "HEADER.FIELDS"):
		return SectionFields
	case isWord(name, "TEXT"):
		return SectionText
	}
	return SectionOther
}

// bodyValue passes the content of a section to body.
func (d *Decoder) bodyValue(f *Fetch, s Section, body BodyFunc) error {
	if err := d.spaces(); err != nil {
		return err
	}
	c := d.buf[d.pos]
	if c == '~' {
		d.pos++
		var err error
		if c, err = d.peek(); err != nil {
			return err
		}
	}
	switch c {
	case '{':
		if err := d.literalHeader(); err != nil {
			return err
		}
	case '"':
		// A short body may be a quoted string.
		b, err := d.quoted()
		if err != nil {
			return err
		}
		d.lit.size, d.lit.n, d.lit.mem = int64(len(b)), 0, nil
		if len(b) > 0 {
			d.lit.mem = b
		}
	default:
		if err := d.skipValue(); err != nil {
			return err
		}
		f.Has |= ItemNilBody
		return nil
	}
	f.Has |= ItemBody
	if body != nil {
		d.lit.live = true
		body(f, s, &d.lit)
	}
	return d.lit.drain()
}
