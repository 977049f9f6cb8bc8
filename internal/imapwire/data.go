package imapwire

import (
	"math"

	"isync/internal/mail"
)

// maxItems is the maximum length of lists, such as capabilities or the attributes of a mailbox.
const maxItems = 1000

// List is a LIST or LSUB response (RFC 9051 §7.3.1).
type List struct {
	// Attrs are the attributes, such as `\HasNoChildren`.
	Attrs []string
	// Delim separates levels of the hierarchy. It is "" for NIL, and may be
	// longer than one character with some servers.
	Delim string
	// Name is the name as it was received: modified UTF-7 unless UTF8=ACCEPT is on.
	Name string
}

// HasAttr reports whether the mailbox has an attribute. It ignores case.
func (l *List) HasAttr(attr string) bool {
	want := upper([]byte(attr))
	for _, a := range l.Attrs {
		if isWord([]byte(a), want) {
			return true
		}
	}
	return false
}

// BoxItems is a set of STATUS items.
type BoxItems uint8

// The supported STATUS items. Others are skipped.
const (
	BoxMessages BoxItems = 1 << iota
	BoxUIDNext
	BoxUIDValidity
	BoxUnseen
	BoxHighestModSeq
	BoxSize
	BoxMailboxID // RFC 8474
)

// BoxStatus is an untagged STATUS response (RFC 9051 §7.3.3).
type BoxStatus struct {
	Name          string // as it came
	Has           BoxItems
	Messages      uint32
	UIDNext       mail.UID
	UIDValidity   uint32
	Unseen        uint32
	HighestModSeq mail.ModSeq
	Size          uint64
	MailboxID     string
}

// Namespace is a NAMESPACE response (RFC 9051 §7.3.4).
type Namespace struct {
	Personal, Other, Shared []NamespaceEntry
}

// NamespaceEntry is one namespace.
type NamespaceEntry struct {
	Prefix string // as it came: modified UTF-7 unless UTF8=ACCEPT is on
	Delim  string // "" for NIL
}

func (d *Decoder) list(r *Response) error {
	if err := d.spaces(); err != nil {
		return err
	}
	attrs, err := d.words()
	if err != nil {
		return err
	}
	r.List.Attrs = attrs
	if err := d.space(); err != nil {
		return err
	}
	delim, isNil, err := d.str(clsWordEnd)
	if err != nil {
		return err
	}
	if !isNil {
		r.List.Delim = string(delim)
	}
	if err := d.space(); err != nil {
		return err
	}
	name, _, err := d.str(clsWordEnd)
	if err == errTooLong { //nolint:errorlint // never wrapped
		// Such a mailbox cannot be used, so it is left out.
		r.Meant = KindUnknown
	}
	if err != nil {
		return err
	}
	r.List.Name = string(name)
	return nil
}

// words reads a parenthesized list of atoms. Other elements are skipped. NIL is an empty list.
func (d *Decoder) words() (list []string, err error) {
	open, err := d.accept('(')
	if err != nil {
		return nil, err
	}
	if !open {
		w, err := d.word(clsAtomEnd)
		if err == nil && !isWord(w, "NIL") {
			err = errOpen
		}
		return nil, err
	}
	size := 0
	for {
		more, err := d.more()
		if err != nil || !more {
			return list, err
		}
		switch d.buf[d.pos] {
		case '(', '"', '{':
			if err := d.skipValue(); err != nil {
				return nil, err
			}
			continue
		}
		w, err := d.word(clsAtomEnd)
		if err != nil {
			return nil, err
		}
		if size += len(w); len(list) == maxItems || size > MaxString {
			return nil, errTooMany
		}
		list = append(list, string(w))
	}
}

func (d *Decoder) boxStatus(r *Response) error {
	if err := d.space(); err != nil {
		return err
	}
	name, _, err := d.str(clsWordEnd)
	if err != nil {
		return err
	}
	box := &r.Box
	box.Name = string(name)
	if err := d.open(); err != nil {
		return err
	}
	for {
		more, err := d.more()
		if err != nil || !more {
			return err
		}
		name, err := d.word(clsAtomEnd)
		if err != nil {
			return err
		}
		item := boxItemOf(name)
		if item == BoxMailboxID {
			if err := d.mailboxID(box); err != nil {
				return err
			}
			continue
		}
		n, ok, err := d.itemNumber()
		if err != nil {
			return err
		}
		if ok {
			box.set(item, n)
		}
	}
}

// mailboxID reads the value of MAILBOXID in a STATUS response (RFC 8474 §4.3). A value
// that is not an identifier in parentheses counts as missing.
func (d *Decoder) mailboxID(box *BoxStatus) error {
	if err := d.spaces(); err != nil {
		return err
	}
	if d.buf[d.pos] != '(' {
		return d.skipValue()
	}
	words, err := d.words()
	if err == nil && len(words) == 1 && IsObjectID(words[0]) {
		box.MailboxID = words[0]
		box.Has |= BoxMailboxID
	}
	return err
}

// IsObjectID reports whether s is an identifier as RFC 8474 §7 defines it.
func IsObjectID(s string) bool {
	const maxObjectID = 255
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxObjectID
}

func boxItemOf(name []byte) BoxItems {
	switch {
	case isWord(name, "MESSAGES"):
		return BoxMessages
	case isWord(name, "UIDNEXT"):
		return BoxUIDNext
	case isWord(name, "UIDVALIDITY"):
		return BoxUIDValidity
	case isWord(name, "UNSEEN"):
		return BoxUnseen
	case isWord(name, "HIGHESTMODSEQ"):
		return BoxHighestModSeq
	case isWord(name, "SIZE"):
		return BoxSize
	case isWord(name, "MAILBOXID"):
		return BoxMailboxID
	}
	return 0
}

// set sets a value. A value that is too large counts as missing.
func (b *BoxStatus) set(item BoxItems, n uint64) {
	if n > math.MaxUint32 && item&(BoxHighestModSeq|BoxSize) == 0 {
		return
	}
	switch item {
	case BoxMessages:
		b.Messages = uint32(n)
	case BoxUIDNext:
		b.UIDNext = mail.UID(n)
	case BoxUIDValidity:
		b.UIDValidity = uint32(n)
	case BoxUnseen:
		b.Unseen = uint32(n)
	case BoxHighestModSeq:
		b.HighestModSeq = mail.ModSeq(n)
	case BoxSize:
		b.Size = n
	}
	b.Has |= item
}

func (d *Decoder) vanished(r *Response) error {
	if err := d.space(); err != nil {
		return err
	}
	if d.buf[d.pos] == '(' {
		words, err := d.words()
		if err != nil {
			return err
		}
		r.Earlier = len(words) == 1 && isWord([]byte(words[0]), "EARLIER")
		if err := d.space(); err != nil {
			return err
		}
	}
	if err := d.uidSet(); err != nil {
		return err
	}
	if end, err := d.atEOL(); err != nil {
		return err
	} else if !end {
		return errSet
	}
	r.UIDs = d.uids.take()
	return nil
}

func (d *Decoder) search(r *Response) error {
	for {
		end, err := d.atEOL()
		if err != nil {
			return err
		}
		if end {
			break
		}
		switch c := d.buf[d.pos]; {
		case class[c]&clsDigit != 0:
			n, err := d.number32()
			if err != nil {
				return err
			}
			if c, err := d.peek(); err != nil {
				return err
			} else if class[c]&clsAtomEnd == 0 {
				return errNumber
			}
			d.uids.add(mail.UID(n), mail.UID(n))
		case c == '(':
			// (MODSEQ n)
			if err := d.searchModSeq(r); err != nil {
				return err
			}
		default:
			// Any other word may be an invalid number of a message.
			w, err := d.word(clsAtomEnd)
			if err != nil {
				return err
			}
			if !isWord(w, "NIL") {
				return errNumber
			}
		}
	}
	r.UIDs = d.uids.take()
	return nil
}

func (d *Decoder) searchModSeq(r *Response) error {
	words, err := d.words()
	if err != nil {
		return err
	}
	if len(words) == 2 && isWord([]byte(words[0]), "MODSEQ") {
		r.ModSeq = mail.ModSeq(leadingNumber(words[1]))
	}
	return nil
}

// esearch reads an ESEARCH response (RFC 4731, RFC 9051 §7.3.4).
func (d *Decoder) esearch(r *Response) error {
	for {
		end, err := d.atEOL()
		if err != nil {
			return err
		}
		if end {
			break
		}
		if d.buf[d.pos] == '(' {
			if err := d.esearchTag(r); err != nil {
				return err
			}
			continue
		}
		name, err := d.word(clsAtomEnd)
		if err != nil {
			return err
		}
		if isWord(name, "UID") {
			r.UID = true
			continue
		}
		all, count, modSeq := isWord(name, "ALL"), isWord(name, "COUNT"), isWord(name, "MODSEQ")
		if err := d.space(); err != nil {
			return err
		}
		switch {
		case all:
			if err := d.uidSet(); err != nil {
				return err
			}
			if end, err := d.atEOL(); err != nil {
				return err
			} else if !end && d.buf[d.pos-1] != ' ' {
				return errSet
			}
		case count || modSeq:
			n, ok, err := d.itemNumber()
			if err != nil {
				return err
			}
			if ok && count {
				r.Count, r.Counted = uint32(min(n, math.MaxUint32)), true
			} else if ok {
				r.ModSeq = mail.ModSeq(n)
			}
		default:
			if err := d.skipValue(); err != nil {
				return err
			}
		}
	}
	r.UIDs = d.uids.take()
	return nil
}

// esearchTag reads (TAG "tag").
func (d *Decoder) esearchTag(r *Response) error {
	if err := d.open(); err != nil {
		return err
	}
	for {
		more, err := d.more()
		if err != nil || !more {
			return err
		}
		s, _, err := d.str(clsAtomEnd)
		if err != nil {
			return err
		}
		if !isWord(s, "TAG") {
			r.Tag = string(s)
		}
	}
}

func (d *Decoder) flagsResponse(r *Response) error {
	if err := d.spaces(); err != nil {
		return err
	}
	var err error
	r.Flags, err = d.flags()
	return err
}

func (d *Decoder) capability(r *Response) error {
	for {
		end, err := d.atEOL()
		if err != nil || end {
			return err
		}
		w, err := d.word(clsWordEnd)
		if err != nil {
			return err
		}
		if len(r.Caps) == maxItems {
			return errTooMany
		}
		r.Caps = append(r.Caps, upper(w))
	}
}

func (d *Decoder) namespace(r *Response) error {
	ns := new(Namespace)
	for _, list := range []*[]NamespaceEntry{&ns.Personal, &ns.Other, &ns.Shared} {
		end, err := d.atEOL()
		if err != nil {
			return err
		}
		if end {
			break
		}
		if *list, err = d.namespaces(); err != nil {
			return err
		}
	}
	r.Namespace = ns
	return nil
}

// namespaces reads NIL or ((prefix delimiter extensions…) …).
func (d *Decoder) namespaces() (list []NamespaceEntry, err error) {
	if d.buf[d.pos] != '(' {
		w, err := d.word(clsAtomEnd)
		if err == nil && !isWord(w, "NIL") {
			err = errOpen
		}
		return nil, err
	}
	d.pos++
	for {
		more, err := d.more()
		if err != nil || !more {
			return list, err
		}
		if len(list) == maxItems {
			return nil, errTooMany
		}
		if err := d.open(); err != nil {
			return nil, err
		}
		var e NamespaceEntry
		for i := 0; ; i++ {
			more, err := d.more()
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
			if i >= 2 || d.buf[d.pos] == '(' {
				if err := d.skipValue(); err != nil {
					return nil, err
				}
				continue
			}
			s, isNil, err := d.str(clsAtomEnd)
			if err != nil {
				return nil, err
			}
			if isNil {
				s = nil
			}
			if i == 0 {
				e.Prefix = string(s)
			} else {
				e.Delim = string(s)
			}
		}
		list = append(list, e)
	}
}

func (d *Decoder) id(r *Response) error {
	if err := d.spaces(); err != nil {
		return err
	}
	if d.buf[d.pos] != '(' {
		return nil // NIL
	}
	d.pos++
	size := 0
	for {
		more, err := d.more()
		if err != nil || !more {
			if len(r.ID)%2 != 0 {
				r.ID = append(r.ID, "")
			}
			return err
		}
		if d.buf[d.pos] == '(' {
			return errString
		}
		s, isNil, err := d.str(clsAtomEnd)
		if err != nil {
			return err
		}
		if isNil {
			s = nil
		}
		if size += len(s); len(r.ID) == maxItems || size > MaxString {
			return errTooMany
		}
		r.ID = append(r.ID, string(s))
	}
}
