package imapclient

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// SelectOptions are the optional parameters of a SELECT.
type SelectOptions struct {
	// ReadOnly uses EXAMINE.
	ReadOnly bool
	// CondStore asks for mod-sequences (RFC 7162 §3.1.8).
	CondStore bool
	// QResync, with UIDValidity not 0, asks for what has changed since (RFC
	// 7162 §3.2.5). QRESYNC must be enabled.
	QResync QResync
}

// lastUID is mail.MaxUID.
const lastUID = "4294967295"

// QResync is what is known of a mailbox, and who is told what is new.
type QResync struct {
	UIDValidity uint32
	ModSeq      mail.ModSeq
	// Known limits the answer to these UIDs; empty: no limit. A range that ends
	// in mail.MaxUID ends there, rather than at the last message there is.
	Known mail.UIDSet
	// Vanished and Changed are called on the reader goroutine, while the
	// mailbox is being selected. Changed must not keep f.
	Vanished func(uids mail.UIDSet)
	Changed  func(f *imapwire.Fetch)
	// Unreadable is called for an answer to either that cannot be read.
	Unreadable func()
}

// Selected is what the server tells of a mailbox that it has selected.
type Selected struct {
	ReadOnly bool
	Exists   uint32
	// HasExists: the server has sent Exists. If not, the number of messages is
	// unknown.
	HasExists     bool
	UIDValidity   uint32      // 0 if the server did not tell
	UIDNext       mail.UID    // 0 if the server did not tell
	HighestModSeq mail.ModSeq // 0 if the server has none, or did not tell
	NoModSeq      bool        // the mailbox has no mod-sequences
	UIDNotSticky  bool
	// Flags are those of the FLAGS response.
	Flags imapwire.FlagSet
	// Permanent are those of PERMANENTFLAGS, if HasPermanent.
	Permanent    imapwire.FlagSet
	HasPermanent bool
}

// Settable returns the flags that can be changed permanently. Without
// PERMANENTFLAGS these are all that are defined (RFC 9051 §7.1).
func (s *Selected) Settable() mail.Flags {
	if !s.HasPermanent {
		return s.Flags.Flags
	}
	f := s.Permanent.Flags
	if s.Permanent.Any {
		f |= mail.FlagForwarded
	}
	return f
}

// Select selects a mailbox. If that fails, none is selected.
func (c *Client) Select(ctx context.Context, box string, opts SelectOptions) (Selected, error) {
	p, err := c.StartSelect(ctx, box, opts)
	if err != nil {
		return Selected{}, err
	}
	return p.Wait(ctx)
}

// StartSelect starts a SELECT or EXAMINE.
func (c *Client) StartSelect(ctx context.Context, box string, opts SelectOptions) (*Pending[Selected], error) {
	verb := "SELECT"
	if opts.ReadOnly {
		verb = "EXAMINE"
	}
	text := c.mailbox(imapwire.NewCommand(verb), box)
	q := &opts.QResync
	switch {
	case q.UIDValidity != 0:
		param := "(QRESYNC (" + strconv.FormatUint(uint64(q.UIDValidity), 10) + " " + strconv.FormatUint(uint64(max(q.ModSeq, 1)), 10)
		if !q.Known.Empty() {
			// "*" is the last message there is, and those after it that have
			// vanished would not be told; here it is not even allowed.
			param += " " + strings.ReplaceAll(q.Known.String(), "*", lastUID)
		}
		text.Raw(param + "))")
	case opts.CondStore:
		text.Raw("(CONDSTORE)")
	}
	s := &selecting{c: c, q: q, result: Selected{ReadOnly: opts.ReadOnly}}
	return begin(ctx, c, &command{data: s.data, completed: s.completed}, text, &s.result)
}

// A selecting gathers the answers to a SELECT.
type selecting struct {
	c      *Client
	q      *QResync
	result Selected
}

func (s *selecting) data(r *imapwire.Response, head bool) bool {
	if !head {
		// The server is still busy with earlier commands; this is about the
		// mailbox before.
		return false
	}
	switch r.Kind {
	case imapwire.KindExists:
		s.result.Exists, s.result.HasExists = r.Num, true
		s.c.count(r.Num)
	case imapwire.KindFlags:
		s.result.Flags = r.Flags
	case imapwire.KindRecent:
	case imapwire.KindVanished:
		if !r.Earlier || s.q.Vanished == nil {
			return false
		}
		s.q.Vanished(r.UIDs)
	case imapwire.KindFetch:
		if s.q.Changed == nil {
			return false
		}
		s.q.Changed(&r.Fetch)
	case imapwire.KindUnknown:
		return s.garbled(r.Meant)
	case imapwire.KindStatus:
		// RFC 4315 §4 has UIDNOTSTICKY come with a NO.
		ok := r.Status == imapwire.StatusOK || r.Status == imapwire.StatusNo && r.Code.Name == imapwire.CodeUIDNotSticky
		return ok && s.code(&r.Code)
	default:
		return false
	}
	return true
}

// garbled handles a response that cannot be read.
func (s *selecting) garbled(meant imapwire.Kind) bool {
	switch meant {
	case imapwire.KindExists, imapwire.KindExpunge:
		s.result.HasExists = false
	case imapwire.KindVanished, imapwire.KindFetch:
		if s.q.Unreadable == nil {
			return false
		}
		s.q.Unreadable()
	default:
		return false
	}
	return true
}

func (s *selecting) code(code *imapwire.Code) bool {
	switch code.Name {
	case imapwire.CodeUIDValidity:
		if code.Num < 1<<32 {
			s.result.UIDValidity = uint32(code.Num)
		}
	case imapwire.CodeUIDNext:
		if code.Num < 1<<32 {
			s.result.UIDNext = mail.UID(code.Num)
		}
	case imapwire.CodeHighestModSeq:
		s.result.HighestModSeq = mail.ModSeq(code.Num)
	case imapwire.CodeNoModSeq:
		s.result.NoModSeq = true
	case imapwire.CodeUIDNotSticky:
		s.result.UIDNotSticky = true
	case imapwire.CodePermanentFlags:
		s.result.Permanent, s.result.HasPermanent = code.Flags, true
	case imapwire.CodeClosed:
		// What follows is about the new mailbox (RFC 7162 §3.2.11).
		s.result.Exists, s.result.HasExists = 0, false
	case imapwire.CodeUnseen:
	default:
		return false
	}
	return true
}

func (s *selecting) completed(r *imapwire.Response) error {
	s.c.exists.Store(s.result.Exists)
	s.c.miscounted.Store(!s.result.HasExists)
	switch r.Code.Name {
	case imapwire.CodeReadOnly:
		s.result.ReadOnly = true
	case "":
	default:
		s.code(&r.Code)
	}
	return nil
}

// CloseBox ends the selection; messages marked as deleted are expunged (CLOSE).
func (c *Client) CloseBox(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("CLOSE"))
}

// Unselect ends the selection and expunges nothing (RFC 3691).
func (c *Client) Unselect(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("UNSELECT"))
}

// Check asks for a checkpoint of the mailbox.
func (c *Client) Check(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("CHECK"))
}

// Expunge removes all messages that are marked as deleted.
func (c *Client) Expunge(ctx context.Context) error {
	return c.expunge(ctx, imapwire.NewCommand("EXPUNGE"))
}

// ExpungeUIDs removes those of the messages that are marked as deleted (UID
// EXPUNGE, RFC 4315).
func (c *Client) ExpungeUIDs(ctx context.Context, uids mail.UIDSet) error {
	return c.expunge(ctx, imapwire.NewCommand("UID EXPUNGE").Set(uids))
}

func (c *Client) expunge(ctx context.Context, text *imapwire.Command) error {
	cmd := &command{reports: goneKinds}
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	return c.wait(ctx, cmd)
}

// StoreMode says what to do with flags.
type StoreMode uint8

// The modes.
const (
	AddFlags StoreMode = iota
	RemoveFlags
	SetFlags
)

// StoreRequest says which flags of which messages to change.
type StoreRequest struct {
	UIDs  mail.UIDSet
	Mode  StoreMode
	Flags mail.Flags
	// UnchangedSince, if not 0, leaves alone messages that have changed since
	// (CONDSTORE).
	UnchangedSince mail.ModSeq
}

// Stored is the outcome of a STORE.
type Stored struct {
	// Modified are the messages left alone because of UnchangedSince.
	Modified mail.UIDSet
}

// Store is StartStore and Wait.
func (c *Client) Store(ctx context.Context, req StoreRequest) (Stored, error) {
	p, err := c.StartStore(ctx, req)
	if err != nil {
		return Stored{}, err
	}
	return p.Wait(ctx)
}

// StartStore starts a silent UID STORE. What the server tells about the
// messages all the same goes to Hooks.Fetch.
func (c *Client) StartStore(ctx context.Context, req StoreRequest) (*Pending[Stored], error) {
	text := imapwire.NewCommand("UID STORE").Set(req.UIDs)
	if req.UnchangedSince > 0 {
		text.Raw("(UNCHANGEDSINCE " + strconv.FormatUint(uint64(req.UnchangedSince), 10) + ")")
	}
	text.Raw([...]string{"+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"}[req.Mode]).Flags(req.Flags)
	var st Stored
	cmd := &command{reports: []imapwire.Kind{imapwire.KindFetch}, completed: func(r *imapwire.Response) error {
		if r.Code.Name == imapwire.CodeModified {
			st.Modified = r.Code.UIDs
		}
		return nil
	}}
	return begin(ctx, c, cmd, text, &st)
}

// Copied tells which messages have become which. It is empty if the server does
// not tell (no UIDPLUS).
type Copied struct {
	UIDValidity uint32
	// Src and Dst correspond one by one.
	Src, Dst imapwire.UIDList
}

// All yields pairs of old and new UIDs.
func (m *Copied) All() func(yield func(src, dst mail.UID) bool) {
	return func(yield func(src, dst mail.UID) bool) {
		d, off := 0, mail.UID(0)
		for src := range m.Src.All() {
			for d < len(m.Dst) && m.Dst[d].First+off > m.Dst[d].Last {
				d, off = d+1, 0
			}
			if d == len(m.Dst) || !yield(src, m.Dst[d].First+off) {
				return
			}
			off++
		}
	}
}

// Copy is StartCopy and Wait.
func (c *Client) Copy(ctx context.Context, uids mail.UIDSet, box string) (Copied, error) {
	p, err := c.StartCopy(ctx, uids, box)
	if err != nil {
		return Copied{}, err
	}
	return p.Wait(ctx)
}

// StartCopy starts a UID COPY to another mailbox.
func (c *Client) StartCopy(ctx context.Context, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	return c.copyOrMove(ctx, "UID COPY", uids, box)
}

// Move is StartMove and Wait.
func (c *Client) Move(ctx context.Context, uids mail.UIDSet, box string) (Copied, error) {
	p, err := c.StartMove(ctx, uids, box)
	if err != nil {
		return Copied{}, err
	}
	return p.Wait(ctx)
}

// StartMove starts a UID MOVE to another mailbox (RFC 6851).
func (c *Client) StartMove(ctx context.Context, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	return c.copyOrMove(ctx, "UID MOVE", uids, box)
}

func (c *Client) copyOrMove(ctx context.Context, verb string, uids mail.UIDSet, box string) (*Pending[Copied], error) {
	var m Copied
	note := func(r *imapwire.Response) bool {
		if r.Code.Name != imapwire.CodeCopyUID {
			return false
		}
		m.UIDValidity = uint32(r.Code.Num)
		m.Src = append(m.Src, r.Code.Src...)
		m.Dst = append(m.Dst, r.Code.Dst...)
		return true
	}
	cmd := &command{
		reports: goneKinds, // of MOVE
		// MOVE tells it before the messages vanish.
		data: func(r *imapwire.Response, head bool) bool {
			return head && r.Kind == imapwire.KindStatus && note(r)
		},
		completed: func(r *imapwire.Response) error {
			note(r)
			return nil
		},
	}
	text := c.mailbox(imapwire.NewCommand(verb).Set(uids), box)
	return begin(ctx, c, cmd, text, &m)
}

// Search is StartSearch and Wait.
func (c *Client) Search(ctx context.Context, criteria string) (mail.UIDSet, error) {
	p, err := c.StartSearch(ctx, criteria)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// How many ranges of UIDs the answer to a SEARCH may have: maxFound, and someFound more
// than there are messages.
const (
	maxFound  = 1 << 22
	someFound = 10_000
)

// StartSearch starts a UID SEARCH. The criteria are sent as they are: strings
// in them must be quoted (imapwire.AppendQuoted) and ASCII. Where the server
// has ESEARCH the answer comes as ranges (RFC 4731).
func (c *Client) StartSearch(ctx context.Context, criteria string) (*Pending[mail.UIDSet], error) {
	var found mail.UIDSet
	exists := c.exists.Load()
	text := imapwire.NewCommand("UID SEARCH")
	if c.Caps().Has("ESEARCH") {
		text.Raw("RETURN (ALL)")
	}
	cmd := &command{answers: []imapwire.Kind{imapwire.KindSearch, imapwire.KindESearch}}
	cmd.data = func(r *imapwire.Response, _ bool) bool {
		switch r.Kind {
		case imapwire.KindSearch:
		case imapwire.KindESearch:
			if r.Tag != "" && r.Tag != cmd.tag {
				return false
			}
		default:
			return false
		}
		room := uint64(maxFound)
		if c.Counted() {
			room = min(room, uint64(max(exists, c.exists.Load()))+someFound)
		}
		if cmd.garbled != nil || uint64(len(found)+len(r.UIDs)) > room {
			cmd.garbled = cmp.Or(cmd.garbled, error(&AnswerError{Command: cmd.verb, Err: errFoundTooMany}))
			found = nil
			return true
		}
		if found.Empty() {
			found = r.UIDs
		} else {
			found.AddSet(r.UIDs)
		}
		return true
	}
	p, err := begin(ctx, c, cmd, text.Raw(criteria), &found)
	if err != nil {
		return nil, err
	}
	return p, nil
}
