package engine

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/syncstate"
)

// MessageError says that a message could not be copied to the other side. It is noted, and
// each run tries again. The text contains size, date and Message-ID of the message, as far
// as they are known.
type MessageError struct {
	// Pair names the pair; its stores are not set.
	Pair event.Pair
	Side syncstate.Side
	UID  mail.UID
	// About describes the message; the zero value of a field: unknown.
	About syncstate.About
	// Tries is the number of runs that have tried it before this one, since Since.
	Tries int
	Since time.Time
	// Err is the reason.
	Err error
}

// maxIDShown is the maximum length in bytes of a Message-ID in an error.
const maxIDShown = 200

func (e *MessageError) Error() string {
	var parts []string
	if e.About.Size > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", e.About.Size))
	}
	if !e.About.Date.IsZero() {
		parts = append(parts, "received "+e.About.Date.Format(time.DateTime))
	}
	if id := e.About.MessageID; id != "" {
		if len(id) > maxIDShown {
			id = strings.ToValidUTF8(id[:maxIDShown], "") + "…"
		}
		parts = append(parts, "Message-ID "+id)
	}
	tried := "the next run tries again"
	if e.Tries > 0 {
		tried = fmt.Sprintf("tried %d times since %s", e.Tries+1, e.Since.Format(time.DateOnly))
	}
	return fmt.Sprintf("%v (%s)", e.Err, strings.Join(append(parts, tried), ", "))
}

func (e *MessageError) Unwrap() error { return e.Err }

// messageError returns the error about a message of side from that could not be copied. The
// caller holds mu, or nothing is being copied.
func (s *session) messageError(from syncstate.Side, u mail.UID, why error) *MessageError {
	pair := s.pairName()
	pair.Name = s.Name
	e := &MessageError{Pair: pair, Side: from, UID: u, About: s.about[from][u], Err: why}
	if i := mail.FindMeta(s.found[from].Messages, u); i >= 0 && e.About.Size <= 0 {
		e.About.Size = s.found[from].Messages[i].Size
	}
	if h := s.notes.Find(from, u); h != nil {
		e.Tries, e.Since = int(h.Tries), h.Since
		e.About.Size = cmp.Or(e.About.Size, h.About.Size)
		e.About.MessageID = cmp.Or(e.About.MessageID, h.About.MessageID)
		if e.About.Date.IsZero() {
			e.About.Date = h.About.Date
		}
	}
	return e
}

// noteMessageID notes the Message-ID of a message of side from that is being copied.
func (s *session) noteMessageID(from syncstate.Side, u mail.UID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.about[from][u]; ok {
		a.MessageID = id
		s.about[from][u] = a
	}
}
