package imapclient

import (
	"context"
	"errors"
	"io"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// errRefused says that the server refused a command before all of it was sent.
var errRefused = errors.New("refused")

// A sender puts the bytes of one command into the outbox, in large pieces.
type sender struct {
	ctx  context.Context //nolint:containedctx // lives for one call
	c    *Client
	held []byte
	// left is the number of bytes that are missing in the current literal.
	left int64
}

// errLiteralLength says that a literal does not have the announced length.
var errLiteralLength = errors.New("message does not have the announced size")

// Write writes bytes of a literal.
func (s *sender) Write(p []byte) (int, error) {
	if int64(len(p)) > s.left {
		return 0, errLiteralLength
	}
	s.left -= int64(len(p))
	if err := s.put(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *sender) put(p []byte) error {
	if len(s.held)+len(p) < transport.SendChunk {
		s.held = append(s.held, p...)
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	if len(p) < transport.SendChunk/2 {
		s.held = append(s.held, p...)
		return nil
	}
	return s.c.out.Put(s.ctx, s.c.dead, p)
}

func (s *sender) flush() error {
	if len(s.held) == 0 {
		return nil
	}
	err := s.c.out.Put(s.ctx, s.c.dead, s.held)
	s.held = s.held[:0]
	return err
}

// transmit writes a command that is in the queue.
func (c *Client) transmit(ctx context.Context, cmd *command, text *imapwire.Command) error {
	parts := text.Parts()
	c.traceSent(cmd.tag, parts)
	s := &sender{ctx: ctx, c: c, held: append(make([]byte, 0, 256), cmd.tag+" "...)}
	for _, part := range parts {
		if part.Literal == nil {
			if err := s.put(part.Text); err != nil {
				return err
			}
			continue
		}
		if err := s.literal(cmd, part.Literal); err != nil {
			return err
		}
	}
	return s.flush()
}

func (s *sender) literal(cmd *command, l *imapwire.LiteralArg) error {
	if l.Message && s.c.names.utf8.Load() {
		return s.message(cmd, l)
	}
	if err := s.beginLiteral(cmd, l.Size, ""); err != nil {
		return err
	}
	s.left = l.Size
	_, err := l.Body.WriteTo(s)
	if err == nil && s.left > 0 {
		err = errLiteralLength
	}
	return s.bodyFailure(err)
}

// message sends a message in the form that its header needs.
func (s *sender) message(cmd *command, l *imapwire.LiteralArg) error {
	w := &messageWriter{s: s, cmd: cmd, size: l.Size}
	_, err := l.Body.WriteTo(w)
	if err == nil {
		err = w.end()
	}
	if err = s.bodyFailure(err); err == nil && w.international {
		err = s.put([]byte{')'})
	}
	return err
}

// beginLiteral sends the size of a literal, with a prefix, and waits for the
// continuation request if the literal is a synchronizing one.
func (s *sender) beginLiteral(cmd *command, size int64, prefix string) error {
	sync := s.c.literalSync(size)
	if err := s.put(imapwire.AppendLiteralHeader([]byte(prefix), size, sync)); err != nil {
		return err
	}
	if !sync {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.c.link.Hurry(1)
	defer s.c.link.Hurry(-1)
	select {
	case <-cmd.cont:
		return nil
	case <-cmd.done:
		return errRefused
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// bodyFailure distinguishes errors of the source of a message from those of the
// connection.
func (s *sender) bodyFailure(err error) error {
	if err == nil || errors.Is(err, errRefused) {
		return err
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	select {
	case <-s.c.dead:
		return err
	default:
		return &BodyError{Err: err}
	}
}

var _ io.Writer = (*sender)(nil)

// LiteralWaits reports whether a message of that size needs a synchronizing literal,
// which takes a round trip.
func (c *Client) LiteralWaits(size int64) bool { return c.literalSync(size) }

// literalSync reports whether a literal of that size must be a synchronizing one (RFC
// 7888).
func (c *Client) literalSync(size int64) bool {
	caps := c.Caps()
	if caps.Has("LITERAL+") {
		return false
	}
	return !caps.Has("LITERAL-") || size > 4096
}
