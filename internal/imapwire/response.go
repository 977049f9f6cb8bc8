package imapwire

import (
	"cmp"
	"errors"
	"io"

	"isync/internal/mail"
)

// Kind is the kind of a response.
type Kind uint8

// The kinds of responses. Only the named fields of Response are set.
const (
	// KindUnknown: the response was skipped. Text is its first word, and Err the reason. Meant is the kind
	// of the response, if it can be detected.
	KindUnknown Kind = iota
	// KindContinuation: "+". Text.
	KindContinuation
	// KindStatus: OK, NO, BAD, BYE or PREAUTH. Tag ("" if untagged), Status,
	// Code, Text.
	KindStatus
	// KindCapability and KindEnabled: Caps.
	KindCapability
	KindEnabled
	// KindFlags: Flags.
	KindFlags
	// KindExists, KindRecent, KindExpunge: Num.
	KindExists
	KindRecent
	KindExpunge
	// KindFetch: Fetch.
	KindFetch
	// KindVanished: UIDs, Earlier.
	KindVanished
	// KindList and KindLsub: List.
	KindList
	KindLsub
	// KindBoxStatus: the untagged STATUS. Box.
	KindBoxStatus
	// KindSearch: UIDs (or sequence numbers), ModSeq.
	KindSearch
	// KindESearch: Tag, UID, UIDs, ModSeq, Counted, Count.
	KindESearch
	// KindNamespace: Namespace.
	KindNamespace
	// KindID: ID.
	KindID
)

// Status is the first word of a status response.
type Status uint8

// The statuses.
const (
	StatusOK Status = iota + 1
	StatusNo
	StatusBad
	StatusBye
	StatusPreauth
)

func (s Status) String() string {
	switch s {
	case StatusOK:
		return "OK"
	case StatusNo:
		return "NO"
	case StatusBad:
		return "BAD"
	case StatusBye:
		return "BYE"
	case StatusPreauth:
		return "PREAUTH"
	}
	return "?"
}

// A Response is a response of a server. Read overwrites it. Its slices, strings and sets are new each time, and may be
// kept.
type Response struct {
	Kind   Kind
	Status Status
	Tag    string
	Code   Code
	Text   string
	Num    uint32
	Fetch  Fetch
	List   List
	Box    BoxStatus
	Caps   []string // upper case
	Flags  FlagSet
	UIDs   mail.UIDSet
	// Earlier: VANISHED (EARLIER), RFC 7162 §3.2.10.
	Earlier bool
	// UID: an ESEARCH is about UIDs.
	UID bool
	// Counted: an ESEARCH has a COUNT, which is Count.
	Counted bool
	Count   uint32
	ModSeq  mail.ModSeq
	// Namespace is nil unless Kind is KindNamespace.
	Namespace *Namespace
	// ID has names and values in turn.
	ID    []string
	Meant Kind
	Err   error
}

// reset drops the previous response. This is fast if it was a FETCH.
func (r *Response) reset() {
	if r.Kind == KindFetch {
		r.Fetch = Fetch{}
		r.Kind = KindUnknown
		return
	}
	*r = Response{}
}

// A BodyFunc receives a body section of a FETCH response as soon as it begins to arrive. f has the items before it. Later
// items of the response, perhaps including the UID, are not known yet. The function must not keep the body. The part of the
// body that it does not read is skipped.
type BodyFunc func(f *Fetch, s Section, body *Literal)

// Read reads the next response into r. It passes bodies in FETCH responses to body, or skips them if body is nil.
//
// It returns io.EOF if the stream ends between responses, and another error if the stream ends or fails within a response,
// or cannot be parsed any more. From then on, it always fails.
func (d *Decoder) Read(r *Response, body BodyFunc) error {
	r.reset()
	d.beginResponse()
	if d.err != nil {
		return d.err
	}
	for {
		c, err := d.peek()
		if err != nil {
			return err
		}
		if c != '\r' && c != '\n' {
			break
		}
		// Skip empty lines.
		d.pos++
		d.beginResponse()
	}
	err := d.response(r, body)
	if err == nil {
		if r.Kind == KindStatus || r.Kind == KindContinuation {
			err = d.finishText()
		} else {
			err = d.finish()
		}
		if err != nil {
			return noEOF(err)
		}
		return nil
	}
	if _, ok := errors.AsType[SyntaxError](err); !ok || d.err != nil {
		return noEOF(err)
	}
	*r = Response{Kind: KindUnknown, Text: r.Text, Meant: r.Meant, Err: err}
	d.uids.take()
	return noEOF(d.finish())
}

func (d *Decoder) response(r *Response, body BodyFunc) error {
	tag, err := d.word(clsWordEnd)
	if err != nil {
		return err
	}
	switch {
	case len(tag) == 1 && tag[0] == '+':
		r.Kind = KindContinuation
		r.Text, err = d.text()
		return err
	case len(tag) != 1 || tag[0] != '*':
		r.Tag = string(tag)
		if err := d.space(); err != nil {
			return err
		}
		word, err := d.word(clsWordEnd)
		if err != nil {
			return err
		}
		st := statusOf(word)
		if st == 0 || st > StatusBad {
			r.Text = printable(word)
			return errUnknown
		}
		return d.status(r, st)
	}
	if err := d.space(); err != nil {
		return err
	}
	c, err := d.peek()
	if err != nil {
		return err
	}
	if class[c]&clsDigit != 0 {
		return d.numbered(r, body)
	}
	word, err := d.word(clsAtomEnd)
	if err != nil {
		return err
	}
	if st := statusOf(word); st != 0 {
		return d.status(r, st)
	}
	for _, u := range untagged {
		if isWord(word, u.name) {
			r.Text, r.Meant = u.name, u.kind
			if err := u.read(d, r); err != nil {
				return err
			}
			r.Kind, r.Text, r.Meant = u.kind, "", KindUnknown
			return nil
		}
	}
	r.Text = printable(word)
	if r.Meant = counted(word); r.Meant != KindUnknown {
		return errNumber // which is missing
	}
	if c, err := d.peek(); err != nil || c != ' ' {
		return cmp.Or(err, error(errUnknown))
	}
	if err := d.spaces(); err != nil {
		return err
	}
	if word, err = d.word(clsAtomEnd); err != nil {
		return cmp.Or(ioError(err), error(errUnknown))
	}
	if r.Meant = counted(word); r.Meant != KindUnknown {
		return errNumber // it is something else
	}
	return errUnknown
}

// ioError returns err unless it is a SyntaxError.
func ioError(err error) error {
	if _, ok := errors.AsType[SyntaxError](err); ok {
		return nil
	}
	return err
}

// counted returns the kind of a response that has a number before this word.
func counted(word []byte) Kind {
	switch {
	case isWord(word, "FETCH"):
		return KindFetch
	case isWord(word, "EXISTS"):
		return KindExists
	case isWord(word, "EXPUNGE"):
		return KindExpunge
	case isWord(word, "RECENT"):
		return KindRecent
	}
	return KindUnknown
}

var untagged = []struct {
	name string
	kind Kind
	read func(*Decoder, *Response) error
}{
	{"LIST", KindList, (*Decoder).list},
	{"LSUB", KindLsub, (*Decoder).list},
	{"XLIST", KindList, (*Decoder).list},
	{"STATUS", KindBoxStatus, (*Decoder).boxStatus},
	{"VANISHED", KindVanished, (*Decoder).vanished},
	{"SEARCH", KindSearch, (*Decoder).search},
	{"ESEARCH", KindESearch, (*Decoder).esearch},
	{"FLAGS", KindFlags, (*Decoder).flagsResponse},
	{"CAPABILITY", KindCapability, (*Decoder).capability},
	{"ENABLED", KindEnabled, (*Decoder).capability},
	{"NAMESPACE", KindNamespace, (*Decoder).namespace},
	{"ID", KindID, (*Decoder).id},
}

// numbered reads a response that begins with a number: "* 12 EXISTS".
func (d *Decoder) numbered(r *Response, body BodyFunc) error {
	n, bad := d.number32()
	if ioError(bad) != nil {
		return bad
	}
	if bad == nil {
		if c, err := d.peek(); err != nil {
			return err
		} else if c != ' ' {
			bad = errNumber
		}
	}
	if bad != nil {
		// Detect what the number belongs to.
		if err := d.skipWord(); ioError(err) != nil {
			return err
		}
	}
	if err := d.space(); err != nil {
		return err
	}
	word, err := d.word(clsAtomEnd)
	if err != nil {
		return err
	}
	kind := counted(word)
	r.Text, r.Meant = printable(word), kind
	switch {
	case kind == KindUnknown:
		return errUnknown
	case bad != nil:
		return bad
	case kind == KindFetch:
		r.Fetch.Seq = n
		if err := d.fetch(&r.Fetch, body); err != nil {
			return err
		}
	default:
		r.Num = n
	}
	r.Kind, r.Text, r.Meant = kind, "", KindUnknown
	return nil
}

func statusOf(word []byte) Status {
	switch {
	case isWord(word, "OK"):
		return StatusOK
	case isWord(word, "NO"):
		return StatusNo
	case isWord(word, "BAD"):
		return StatusBad
	case isWord(word, "BYE"):
		return StatusBye
	case isWord(word, "PREAUTH"):
		return StatusPreauth
	}
	return 0
}

func (d *Decoder) status(r *Response, st Status) error {
	text, err := d.text()
	if err != nil {
		return err
	}
	r.Kind, r.Status = KindStatus, st
	r.Code, r.Text = ParseText(text)
	return nil
}

// text returns the rest of the line without leading spaces, at most MaxText bytes of it. It does not read the line end.
func (d *Decoder) text() (string, error) {
	if err := d.spaces(); err != nil {
		return "", err
	}
	d.scratch = d.scratch[:0]
	for {
		c, err := d.peek()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			break
		}
		if len(d.scratch) < MaxText {
			d.scratch = append(d.scratch, c)
		}
		d.pos++
	}
	b := d.scratch
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	s := string(b)
	if cap(d.scratch) > 4*MaxString {
		d.scratch = nil
	}
	return s, nil
}

// printable returns the beginning of a word for an error message.
func printable(word []byte) string {
	const most = 40
	b := word[:min(len(word), most)]
	t := make([]byte, len(b))
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			c = '?'
		}
		t[i] = c
	}
	return string(t)
}

var _ io.WriterTo = (*Literal)(nil)
