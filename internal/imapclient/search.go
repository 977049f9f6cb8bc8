package imapclient

import (
	"cmp"
	"context"
	"errors"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// Search is StartSearch and Wait.
func (c *Client) Search(ctx context.Context, criteria string) (mail.UIDSet, error) {
	p, err := c.StartSearch(ctx, criteria)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// The maximum number of ranges of UIDs in the answer to a SEARCH: maxFound, and the number of messages plus someFound.
const (
	maxFound  = 1 << 22
	someFound = 10_000
)

// errFoundTooMany says that the answer to a SEARCH is invalid.
var errFoundTooMany = errors.New("it lists more messages than the mailbox has")

// StartSearch starts a UID SEARCH. The criteria are sent unchanged: strings in them must be quoted
// (imapwire.AppendQuoted) and ASCII. If the server supports ESEARCH, the answer consists of ranges (RFC 4731).
func (c *Client) StartSearch(ctx context.Context, criteria string) (*Pending[mail.UIDSet], error) {
	var found mail.UIDSet
	exists := c.messages.n.Load()
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
			room = min(room, uint64(max(exists, c.messages.n.Load()))+someFound)
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

// StartCountedSearch starts a UID SEARCH that also asks for the number of messages. The
// criteria are sent as in StartSearch. The server must support ESEARCH.
//
// The result is verified: there is exactly one ESEARCH response, which has the tag of the
// command, lists UIDs, and has as many as its COUNT says. Otherwise Wait returns an
// *AnswerError. So an answer that was lost is not mistaken for one without messages: RFC
// 4731 §3.1 omits ALL if no message matches.
func (c *Client) StartCountedSearch(ctx context.Context, criteria string) (*Pending[mail.UIDSet], error) {
	var found mail.UIDSet
	answers := 0
	cmd := &command{answers: []imapwire.Kind{imapwire.KindESearch}}
	invalid := func(why string) error { return &AnswerError{Command: cmd.verb, Err: errors.New(why)} }
	cmd.data = func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindESearch || r.Tag != cmd.tag {
			return false
		}
		answers++
		var err error
		switch {
		case answers > 1:
			err = invalid("it came twice")
		case !r.UID || !r.Counted || uint64(r.Count) != r.UIDs.Len():
			err = invalid("it does not have as many UIDs as it says")
		case len(r.UIDs) > maxFound:
			err = invalid(errFoundTooMany.Error())
		default:
			found = r.UIDs
		}
		cmd.garbled = cmp.Or(cmd.garbled, err)
		return true
	}
	cmd.completed = func(*imapwire.Response) error {
		if answers == 0 {
			return invalid("there is none")
		}
		return nil
	}
	return begin(ctx, c, cmd, imapwire.NewCommand("UID SEARCH").Raw("RETURN (ALL COUNT)").Raw(criteria), &found)
}
