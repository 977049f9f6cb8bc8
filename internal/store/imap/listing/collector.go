package listing

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store"
)

// The header fields that a scan may ask for.
const (
	fieldTUID      = "X-TUID"
	fieldMessageID = "MESSAGE-ID"
)

// maxHeader is the maximum size of the header fields of a message that is read, in bytes.
const maxHeader = 64 << 10

// Want are the items of a FETCH, without the UID.
type Want struct {
	Items  imapwire.Items
	Fields []string // header fields
}

// Request returns the FETCH for a set.
func (w Want) Request(set mail.UIDSet) imapclient.FetchRequest {
	r := imapclient.FetchRequest{UIDs: set, Items: w.Items}
	if len(w.Fields) > 0 {
		r.Body, r.Fields = imapclient.FieldsBody, w.Fields
	}
	return r
}

// A Collector gathers the messages of a scan. It is filled on the reader goroutine.
type Collector struct {
	Need store.Need
	// Completeness proves that nothing is missing. It must be set before the first
	// command is sent.
	Completeness *Completeness
	// Begun is the time when the listing began. Seeded: it continues an incomplete
	// listing.
	Begun  time.Time
	Seeded bool

	// most bounds msgs: messages may be listed again when they change, and new ones
	// may arrive, but only up to this number. exists was announced.
	most   int
	exists uint32
	msgs   []mail.Meta
	// bare are messages of which something is missing.
	bare       mail.UIDSet
	tuids, ids map[mail.UID]string
	header     bytes.Buffer
}

// NewCollector returns a collector without messages.
func NewCollector(need store.Need, begun time.Time) *Collector {
	return &Collector{Need: need, Begun: begun}
}

// Start sets the limits for a mailbox with that number of messages, and allocates room
// for the expected ones, since growing a slice copies it. A server that announces too
// many messages does not make it allocate more.
func (c *Collector) Start(exists uint32, expected uint64) {
	c.exists, c.most = exists, MostListed(exists)
	c.Completeness.most = c.most
	n := min(expected, maxExpected)
	c.msgs = make([]mail.Meta, 0, n)
	c.Completeness.seen = make([]numbered, 0, n)
}

// maxExpected is the maximum number of messages for which memory is allocated in advance.
const maxExpected = 1 << 22

// MostListed returns how many messages a listing may have if the server has announced
// exists messages.
func MostListed(exists uint32) int {
	return int(min(3*uint64(exists)+someExtra, maxListed))
}

// maxListed is the maximum number of messages in a listing.
const maxListed = 1 << 24

// someExtra is the least number of messages by which a listing may exceed the announced number.
const someExtra = 10_000

// A Part is a part of a scan, with the items to request.
type Part struct {
	Set  mail.UIDSet
	Want Want
}

// Parts divides the scan of a set at the first message whose size is requested.
func (c *Collector) Parts(set mail.UIDSet) []Part {
	var w Want
	if c.Need.Flags {
		w.Items |= imapwire.ItemFlags
	}
	if c.Need.TUIDs {
		w.Fields = append(w.Fields, fieldTUID)
	}
	if c.Need.MessageIDs {
		w.Fields = append(w.Fields, fieldMessageID)
	}
	sized := w
	sized.Items |= imapwire.ItemSize
	from := c.Need.SizesFrom
	if from == 0 {
		return []Part{{set, w}}
	}
	return []Part{{Cut(set, 1, from-1), w}, {Cut(set, from, mail.MaxUID), sized}}
}

// Sink takes the messages of one part.
func (c *Collector) Sink(w Want) func(*imapclient.Message) error {
	return func(f *imapclient.Message) error {
		if f.Has&w.Items != w.Items || len(w.Fields) > 0 && f.Body == nil {
			c.bare.Add(f.UID)
			return nil
		}
		if len(c.msgs) >= c.most {
			return fmt.Errorf("server listed %d messages, but announced only %d; the rest is not read", c.most, c.exists)
		}
		c.Completeness.note(f.UID, f.Seq, true)
		c.msgs = append(c.msgs, mail.Meta{UID: f.UID, Flags: f.Flags, Size: f.Size})
		if len(w.Fields) == 0 {
			return nil
		}
		c.header.Reset()
		if _, err := io.CopyN(&c.header, f.Body, maxHeader); err != nil && err != io.EOF {
			return err
		}
		c.note(&c.tuids, c.Need.TUIDs, f.UID, fieldTUID)
		c.note(&c.ids, c.Need.MessageIDs, f.UID, fieldMessageID)
		return nil
	}
}

// note notes a field of the header just read.
func (c *Collector) note(to *map[mail.UID]string, wanted bool, u mail.UID, name string) {
	if !wanted {
		return
	}
	if *to == nil {
		*to = make(map[mail.UID]string)
	}
	if v, ok := field(c.header.String(), name); ok {
		(*to)[u] = v
	}
}

// field returns the value of the first header field of that name, on one line
// and without space around it.
func field(header, name string) (string, bool) {
	lines := strings.Split(strings.ReplaceAll(header, "\r\n", "\n"), "\n")
	for i, line := range lines {
		n, v, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(strings.TrimRight(n, " \t"), name) {
			continue
		}
		for _, more := range lines[i+1:] {
			if more == "" || more[0] != ' ' && more[0] != '\t' {
				break
			}
			v += more
		}
		return strings.TrimSpace(v), true
	}
	return "", false
}

// Listing returns the messages in order. Its error is an *IncompleteError if data of a
// message are missing.
func (c *Collector) Listing() (*store.Listing, error) {
	kept := InOrder(c.msgs)
	for u := range c.bare.All() {
		// There may be a complete response as well: one was requested, and the other one
		// reports a change.
		if mail.FindMeta(kept, u) < 0 {
			return nil, &IncompleteError{fmt.Sprintf("part of message %d is missing", u)}
		}
	}
	return &store.Listing{Messages: kept, TUIDs: c.tuids, MessageIDs: c.ids}, nil
}

// Seed begins a listing with messages that are the first ones of the mailbox.
func (c *Collector) Seed(msgs []mail.Meta) {
	c.msgs = append(c.msgs[:0], msgs...)
	c.Completeness.seed(msgs)
}

// Clear drops the messages.
func (c *Collector) Clear() { c.msgs = c.msgs[:0] }

// Whole reports whether the scan lists the whole mailbox, with flags.
func (c *Collector) Whole() bool {
	return c.Need.Flags && c.Need.UIDs.ContainsRange(1, mail.MaxUID)
}

// Proven returns the longest beginning of an incomplete listing that certainly has no
// gaps, according to the sequence numbers: see Completeness.
func (c *Collector) Proven() []mail.Meta {
	n, set := c.Completeness.prefix()
	if n == 0 {
		return nil
	}
	msgs := KeepOnly(InOrder(c.msgs), set)
	if len(msgs) != n {
		return nil
	}
	return msgs
}
