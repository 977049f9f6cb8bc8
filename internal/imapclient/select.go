package imapclient

import (
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
	// QResync, if its UIDValidity is not 0, requests the changes since (RFC 7162 §3.2.5). QRESYNC must
	// be enabled.
	QResync QResync
	// Done, if not nil, is called on the reader goroutine when the command has ended,
	// before any later response is handled. err is the error that Wait returns.
	Done func(s *Selected, err error)
}

// lastUID is mail.MaxUID.
const lastUID = "4294967295"

// QResync is the known state of a mailbox, and the functions that receive the changes.
type QResync struct {
	UIDValidity uint32
	ModSeq      mail.ModSeq
	// Known limits the answer to these UIDs; empty: no limit. A range that ends with mail.MaxUID ends
	// there, and not at the last message.
	Known mail.UIDSet
	// Vanished and Changed are called on the reader goroutine, while the
	// mailbox is being selected. Changed must not keep f.
	Vanished func(uids mail.UIDSet)
	Changed  func(f *imapwire.Fetch)
	// Unreadable is called for an invalid response about changes.
	Unreadable func()
	// Closed is called when the server has closed the mailbox that was selected before: the changes until
	// then are about that mailbox.
	Closed func()
}

// Selected is the data that the server sends about a selected mailbox.
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
	MailboxID     string // RFC 8474; "": not reported
	// Flags are those of the FLAGS response.
	Flags imapwire.FlagSet
	// Permanent are the flags of PERMANENTFLAGS, if HasPermanent is set.
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

// StartSelect starts a SELECT or EXAMINE. Commands after it are about its mailbox. If it fails, they are refused. But
// some servers keep the previous mailbox selected then, so answers after a failed SELECT must not be used.
func (c *Client) StartSelect(ctx context.Context, box string, opts SelectOptions) (*Pending[Selected], error) {
	verb := "SELECT"
	if opts.ReadOnly {
		verb = "EXAMINE"
	}
	text := c.names.add(imapwire.NewCommand(verb), box)
	q := &opts.QResync
	switch {
	case q.UIDValidity != 0:
		param := "(QRESYNC (" + strconv.FormatUint(uint64(q.UIDValidity), 10) + " " + strconv.FormatUint(uint64(max(q.ModSeq, 1)), 10)
		if !q.Known.Empty() {
			// "*" means the last existing message, so expunged messages after it would not be reported. It is
			// not even allowed here.
			param += " " + strings.ReplaceAll(q.Known.String(), "*", lastUID)
		}
		text.Raw(param + "))")
	case opts.CondStore:
		text.Raw("(CONDSTORE)")
	}
	s := &selecting{c: c, q: q, result: Selected{ReadOnly: opts.ReadOnly}}
	cmd := &command{selects: true, data: s.data, completed: s.completed}
	if opts.Done != nil {
		cmd.ended = func() { opts.Done(&s.result, cmd.err) }
	}
	return begin(ctx, c, cmd, text, &s.result)
}

// A selecting gathers the answers to a SELECT.
type selecting struct {
	c      *Client
	q      *QResync
	result Selected
}

func (s *selecting) data(r *imapwire.Response, head bool) bool {
	if !head {
		// The server is still answering earlier commands: this is about the previous mailbox.
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
		// According to RFC 4315 §4, UIDNOTSTICKY is sent with a NO.
		ok := r.Status == imapwire.StatusOK || r.Status == imapwire.StatusNo && r.Code.Name == imapwire.CodeUIDNotSticky
		return ok && s.code(&r.Code)
	default:
		return false
	}
	return true
}

// garbled handles an invalid response.
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
		// Later data is about the new mailbox (RFC 7162 §3.2.11).
		s.result.Exists, s.result.HasExists = 0, false
		if s.q.Closed != nil {
			s.q.Closed()
		}
	case imapwire.CodeMailboxID:
		id, ok := strings.CutPrefix(code.Args, "(")
		if id, ok2 := strings.CutSuffix(id, ")"); ok && ok2 && imapwire.IsObjectID(id) {
			s.result.MailboxID = id
		}
	case imapwire.CodeUnseen:
	default:
		return false
	}
	return true
}

func (s *selecting) completed(r *imapwire.Response) error {
	s.c.messages.n.Store(s.result.Exists)
	s.c.messages.unknown.Store(!s.result.HasExists)
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

// StartUnselect starts an Unselect.
func (c *Client) StartUnselect(ctx context.Context) (*Pending[struct{}], error) {
	return begin(ctx, c, new(command), imapwire.NewCommand("UNSELECT"), new(struct{}))
}

// Check asks for a checkpoint of the mailbox.
func (c *Client) Check(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("CHECK"))
}
