// Package mem is a store in memory, for tests of everything above the stores:
// property tests, scenario tables, virtual time.
//
// A Disk holds the mailboxes and outlives the stores that are opened on it, so
// that a run that was "killed" can be followed by another one. A Store is one
// session on a Disk: it can lack capabilities, complete its operations late,
// take (virtual) time, fail on demand, and it logs what it was asked for.
//
// The package does no I/O and reads no clock: with the same calls in the same
// order it does the same, and it works inside testing/synctest bubbles. It
// does no more than the contract of package store requires, so that tests find code that
// relies on more: a listing has only the items that were asked for, and an Incoming
// cannot be used after its sink has returned.
package mem

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"isync/internal/mail"
)

// Message is a message on a Disk.
type Message struct {
	UID   mail.UID
	Flags mail.Flags
	Date  time.Time
	Body  string // with the line ends of the store's Caps
}

// BoxState is the complete state of a mailbox.
type BoxState struct {
	// UIDValidity; 0 in Set stands for a fresh one.
	UIDValidity uint32
	// UIDNext; what is too low in Set is raised to one above the highest UID.
	UIDNext mail.UID
	// Permanent are the flags the mailbox can hold; 0 in Set stands for all.
	Permanent mail.Flags
	// Messages are ascending by UID. Those with UID 0 in Set get the next one.
	Messages []Message
}

// clone returns a copy that shares nothing with s.
func (s BoxState) clone() BoxState {
	s.Messages = slices.Clone(s.Messages)
	return s
}

// find returns the index of the message, or where it would be.
func (s *BoxState) find(u mail.UID) (int, bool) {
	return slices.BinarySearchFunc(s.Messages, u, func(m Message, u mail.UID) int {
		switch {
		case m.UID < u:
			return -1
		case m.UID > u:
			return 1
		}
		return 0
	})
}

// add appends a message with the next UID and returns that.
func (s *BoxState) add(m Message) mail.UID {
	m.UID = s.UIDNext
	m.Flags &= s.Permanent
	s.UIDNext++
	s.Messages = append(s.Messages, m)
	return m.UID
}

// normalize fills in what Set leaves to the Disk.
func (s *BoxState) normalize(fresh func() uint32) error {
	if s.UIDValidity == 0 {
		s.UIDValidity = fresh()
	}
	if s.Permanent == 0 {
		s.Permanent = mail.AllFlags
	}
	s.UIDNext = max(s.UIDNext, 1)
	for _, m := range s.Messages {
		s.UIDNext = max(s.UIDNext, m.UID+1)
	}
	for i := range s.Messages {
		if s.Messages[i].UID == 0 {
			s.Messages[i].UID = s.UIDNext
			s.UIDNext++
		}
	}
	for i := 1; i < len(s.Messages); i++ {
		if s.Messages[i].UID <= s.Messages[i-1].UID {
			return fmt.Errorf("UID %d after %d: not ascending", s.Messages[i].UID, s.Messages[i-1].UID)
		}
	}
	return nil
}

// Disk holds mailboxes. It is safe for concurrent use. The zero value is not
// ready; use NewDisk.
type Disk struct {
	mu           sync.Mutex
	boxes        map[string]*BoxState
	lastValidity uint32
	lastDate     time.Time
}

// NewDisk returns a Disk without mailboxes.
func NewDisk() *Disk {
	return &Disk{
		boxes:        make(map[string]*BoxState),
		lastValidity: 1000,
		lastDate:     time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

func (d *Disk) freshValidity() uint32 {
	d.lastValidity++
	return d.lastValidity
}

// freshDate stands in for "now": every message stored without a date gets one
// a second later than the one before.
func (d *Disk) freshDate() time.Time {
	d.lastDate = d.lastDate.Add(time.Second)
	return d.lastDate
}

// Set replaces (or creates) a mailbox. It panics if the state makes no sense.
func (d *Disk) Set(name string, s BoxState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s = s.clone()
	if err := s.normalize(d.freshValidity); err != nil {
		panic(fmt.Sprintf("mem: mailbox %q: %v", name, err))
	}
	d.lastValidity = max(d.lastValidity, s.UIDValidity) // never to be given again
	d.boxes[name] = &s
}

// Drop makes a mailbox vanish, whatever it holds.
func (d *Disk) Drop(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.boxes, name)
}

// Box returns the state of a mailbox; ok is false if there is none.
func (d *Disk) Box(name string) (s BoxState, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxes[name]
	if b == nil {
		return BoxState{}, false
	}
	return b.clone(), true
}

// State returns the state of all mailboxes, for comparison.
func (d *Disk) State() map[string]BoxState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]BoxState, len(d.boxes))
	for name, b := range d.boxes {
		out[name] = b.clone()
	}
	return out
}

// Clone returns an independent copy of the Disk.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &Disk{boxes: make(map[string]*BoxState, len(d.boxes)), lastValidity: d.lastValidity, lastDate: d.lastDate}
	for name, b := range d.boxes {
		c := b.clone()
		n.boxes[name] = &c
	}
	return n
}

// Names returns the names of the mailboxes, sorted.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.boxes))
}

// Update changes a mailbox the way another client would. It panics if there is
// no such mailbox, or the result makes no sense.
func (d *Disk) Update(name string, change func(*BoxState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxes[name]
	if b == nil {
		panic(fmt.Sprintf("mem: no mailbox %q", name))
	}
	s := b.clone()
	change(&s)
	if err := s.normalize(d.freshValidity); err != nil {
		panic(fmt.Sprintf("mem: mailbox %q: %v", name, err))
	}
	*b = s
}

// Deliver adds messages to a mailbox the way another client would, creating it
// if need be, and returns their UIDs. The UIDs in msgs are ignored; a zero date
// is replaced.
func (d *Disk) Deliver(name string, msgs ...Message) []mail.UID {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.boxes[name]
	if b == nil {
		b = d.create(name)
	}
	var uids []mail.UID
	for _, m := range msgs {
		uids = append(uids, d.store(b, m))
	}
	return uids
}

// SetFlags changes the flags of a message the way another client would; it
// panics if there is no such message.
func (d *Disk) SetFlags(name string, u mail.UID, add, remove mail.Flags) {
	d.Update(name, func(b *BoxState) {
		i, ok := b.find(u)
		if !ok {
			panic(fmt.Sprintf("mem: no message %d in %q", u, name))
		}
		b.Messages[i].Flags = b.Messages[i].Flags&^remove | add&b.Permanent
	})
}

// Expunge makes messages vanish the way another client would.
func (d *Disk) Expunge(name string, uids ...mail.UID) {
	d.Update(name, func(b *BoxState) {
		b.Messages = slices.DeleteFunc(b.Messages, func(m Message) bool { return slices.Contains(uids, m.UID) })
	})
}

// create makes an empty mailbox; d.mu is held.
func (d *Disk) create(name string) *BoxState {
	b := &BoxState{UIDValidity: d.freshValidity(), UIDNext: 1, Permanent: mail.AllFlags}
	d.boxes[name] = b
	return b
}

// store adds a message; d.mu is held.
func (d *Disk) store(b *BoxState, m Message) mail.UID {
	if m.Date.IsZero() {
		m.Date = d.freshDate()
	}
	return b.add(m)
}

// headerLen returns the length of the header of a message, with the empty line
// that ends it if there is one.
func headerLen(msg string) int {
	for i := 0; i < len(msg); {
		n := strings.IndexByte(msg[i:], '\n')
		switch {
		case n < 0:
			return len(msg)
		case n == 0, n == 1 && msg[i] == '\r':
			return i + n + 1
		}
		i += n + 1
	}
	return len(msg)
}
