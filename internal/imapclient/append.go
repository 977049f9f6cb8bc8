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

// smallMessage is the size up to which a message is completed in memory before its command is sent, in
// bytes. So an error of its source has no effect on the connection.
const smallMessage = 64 << 10

// AppendMessage is a message to be stored.
type AppendMessage struct {
	Flags mail.Flags
	Date  time.Time // zero: left to the server
	// Size is the exact number of bytes that Body writes.
	Size int64
	Body io.WriterTo
}

// Appended is the result of an APPEND.
type Appended struct {
	UIDValidity uint32 // 0 if the server does not tell (no UIDPLUS)
	// UIDs are the UIDs of the stored messages, in order; empty: the server does not report them.
	UIDs imapwire.UIDList
}

// UID returns the UID of the only stored message, or 0.
func (a *Appended) UID() mail.UID {
	if a.UIDs.Len() != 1 {
		return 0
	}
	return a.UIDs[0].First
}

// Each returns the UIDs of all stored messages, one by one; nil: the server does not report them.
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

// StartAppend starts an APPEND. More than one message requires MULTIAPPEND (RFC 3502): the server stores all
// of them or none. After ENABLE UTF8=ACCEPT, messages with UTF-8 in their headers are sent in the form of RFC
// 6855 §4. When StartAppend returns, it has read all bodies, unless the server has refused the command.
//
// If a body fails, or does not have the announced size, the error is a *BodyError. If nothing of the command
// was sent before, as with a single message of up to 64 KiB, the connection still works. Otherwise the
// connection was closed, so that the server does not store half a message, and the BodyError also wraps a
// *ConnectionError.
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

// limited fails if too much is written.
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

// errNoMessages is the error of an APPEND without messages.
var errNoMessages = errors.New("nothing to append")
