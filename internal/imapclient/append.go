package imapclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// smallMessage is how large a message may be to be rendered before its command
// is begun, so that an error of its source costs nothing.
const smallMessage = 64 << 10

// AppendMessage is a message to be stored.
type AppendMessage struct {
	Flags mail.Flags
	Date  time.Time // zero: left to the server
	// Size is exactly how many bytes Body writes.
	Size int64
	Body io.WriterTo
}

// Appended tells what became of messages.
type Appended struct {
	UIDValidity uint32 // 0 if the server does not tell (no UIDPLUS)
	// UIDs are those of the stored messages, in their order; empty if the
	// server does not tell.
	UIDs imapwire.UIDList
}

// UID returns that of the only message that was stored, or 0.
func (a *Appended) UID() mail.UID {
	if a.UIDs.Len() != 1 {
		return 0
	}
	return a.UIDs[0].First
}

// Each returns the UIDs of all messages that were stored, one by one; nil if the
// server does not tell.
func (a *Appended) Each() []mail.UID {
	if len(a.UIDs) == 0 {
		return nil
	}
	// As many as there were messages: see StartAppend.
	return slices.Collect(a.UIDs.All())
}

// Append is StartAppend and Wait.
func (c *Client) Append(ctx context.Context, box string, msgs ...AppendMessage) (Appended, error) {
	p, err := c.StartAppend(ctx, box, msgs...)
	if err != nil {
		return Appended{}, err
	}
	return p.Wait(ctx)
}

// StartAppend starts an APPEND; more than one message need MULTIAPPEND (RFC
// 3502) and are stored all or none. After ENABLE UTF8=ACCEPT those with UTF-8 in
// their headers are sent in the form for that (RFC 6855 §4). All bodies have been consumed when it
// returns, unless the server refused the command before.
//
// If a body fails or has not the size it should have, the error is a
// *BodyError. If nothing of the command had been sent by then, as is always so
// with a single message of up to 64 KiB, the connection goes on; else it had to
// be closed, so that the server does not store half a message, and BodyError
// wraps a *ConnectionError too.
func (c *Client) StartAppend(ctx context.Context, box string, msgs ...AppendMessage) (*Pending[Appended], error) {
	if len(msgs) == 0 {
		return nil, fmt.Errorf("APPEND: %w", errNoMessages)
	}
	text := c.names.add(imapwire.NewCommand("APPEND"), box)
	for _, m := range msgs {
		body := m.Body
		if m.Size <= smallMessage && len(msgs) == 1 {
			var err error
			if body, err = render(m); err != nil {
				return nil, &BodyError{Err: err}
			}
		}
		// Courier refuses the form for UTF-8 unless there are flags before it, or an empty list.
		if m.Flags != 0 || c.names.utf8.Load() {
			text.Flags(m.Flags)
		}
		if !m.Date.IsZero() {
			text.Date(m.Date)
		}
		text.Message(m.Size, body)
	}
	var a Appended
	cmd := &command{completed: func(r *imapwire.Response) error {
		if r.Code.Name == imapwire.CodeAppendUID && r.Code.Num < 1<<32 && r.Code.Dst.Len() == uint64(len(msgs)) {
			a.UIDValidity, a.UIDs = uint32(r.Code.Num), r.Code.Dst
		}
		return nil
	}}
	return begin(ctx, c, cmd, text, &a)
}

// render writes a small message into memory.
func render(m AppendMessage) (io.WriterTo, error) {
	buf := bytes.NewBuffer(make([]byte, 0, m.Size))
	w := &limited{w: buf, left: m.Size}
	_, err := m.Body.WriteTo(w)
	if err == nil && w.left > 0 {
		err = errLiteralLength
	}
	return buf, err
}

// limited refuses what is too much.
type limited struct {
	w    io.Writer
	left int64
}

func (l *limited) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, errLiteralLength
	}
	l.left -= int64(len(p))
	return l.w.Write(p)
}

// errNoMessages is why an APPEND of nothing fails.
var errNoMessages = errors.New("nothing to append")
