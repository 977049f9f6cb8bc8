package engine

import (
	"bytes"
	"io"
	"sync/atomic"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
)

const (
	// reportEvery is the number of bytes of a message after which progress is reported.
	reportEvery = 256 << 10
	// maxHead is how much of a message is kept to find its Message-ID.
	maxHead = 64 << 10
)

// meter counts the bytes of a message while it is written to a store.
type meter struct {
	c     *copier
	flags mail.Flags // that it is stored with
	body  io.WriterTo

	to io.Writer
	// n is the number of bytes, and reported the part of them that was reported.
	n, reported atomic.Int64
	// id is the Message-ID as soon as it is known. seeks: it is still to be found. head is
	// the beginning of the message, in which it is sought.
	id    atomic.Pointer[string]
	seeks bool
	head  []byte
}

// measure makes the body of a message count its bytes.
func (c *copier) measure(out *store.Outgoing) *meter {
	m := &meter{c: c, flags: out.Flags, seeks: c.Details}
	if b, ok := out.Body.(*bytes.Buffer); ok {
		// It is small, and stores send it as it is.
		m.n.Store(int64(b.Len()))
		if m.seeks {
			m.head = b.Bytes()[:min(b.Len(), maxHead)]
			m.find()
		}
		return m
	}
	m.body = out.Body
	out.Body = m
	return m
}

// WriteTo implements io.WriterTo.
func (m *meter) WriteTo(w io.Writer) (int64, error) {
	m.to = w
	n, err := m.body.WriteTo(m)
	m.find()
	return n, err
}

// Write passes on a part of the message.
func (m *meter) Write(p []byte) (int, error) {
	if m.seeks {
		m.look(p)
	}
	// Counted first: a server may answer before the call returns.
	total := m.n.Add(int64(len(p)))
	n, err := m.to.Write(p)
	if more := total - m.reported.Load(); more >= reportEvery && err == nil {
		m.reported.Add(more)
		m.c.emit(event.Transferred{Pair: m.c.pairName(), Side: m.c.to, Bytes: more}, true)
	}
	return n, err
}

// look adds a part of the message to its beginning, as far as the header goes.
func (m *meter) look(p []byte) {
	from := max(0, len(m.head)-2)
	m.head = append(m.head, p[:min(len(p), maxHead-len(m.head))]...)
	if added := m.head[from:]; len(m.head) == maxHead || bytes.Contains(added, []byte("\n\n")) || bytes.Contains(added, []byte("\n\r\n")) {
		m.find()
	}
}

// find finds the Message-ID in the beginning of the message.
func (m *meter) find() {
	if !m.seeks {
		return
	}
	v, _ := mail.HeaderFields(bytes.NewReader(m.head), "Message-ID") // what was read counts
	m.id.Store(&v[0])
	m.seeks, m.head = false, nil
}

// messageID returns the Message-ID; "" if there is none.
func (m *meter) messageID() string {
	if id := m.id.Load(); id != nil {
		return *id
	}
	return ""
}

// tellStored reports a copy that was stored. The caller holds mu.
func (c *copier) tellStored(cp plan.Copy, res store.AppendResult, m *meter) {
	size := m.n.Load() // it has been written completely
	c.result.Bytes[c.to] += size
	c.emit(event.Done{
		Pair: c.pairName(), Change: event.New, Side: c.to, UID: res.UID, Bytes: size - m.reported.Load(),
	}, true)
	if c.Details {
		c.detail(event.MessageChanged{
			Side: c.to, Change: event.New, UID: res.UID, Path: res.Path, Flags: m.flags,
			Size: size, MessageID: m.messageID(), Placeholder: cp.Placeholder,
		})
	}
}
