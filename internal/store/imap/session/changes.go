package session

import (
	"sync"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
)

// changeCounter counts the unsolicited EXISTS, EXPUNGE, VANISHED and FETCH responses of
// a connection.
type changeCounter struct {
	mu       sync.Mutex
	arrivals uint64                // EXISTS
	changes  uint64                // the others
	listener Listener              // of the listing under way; may be nil
	stored   func(*imapwire.Fetch) // see ListenStored; may be nil
	vanished func(mail.UIDSet)     // see ListenVanished; may be nil

	// appended is the number of messages that were appended to the selected mailbox in this
	// session, and reportedFrom is arrivals at the first of them; see NoteAppend.
	appended     uint64
	reportedFrom uint64
}

// A Listener receives changes of the selected mailbox, on the reader goroutine.
type Listener interface {
	// Exists reports the number of messages.
	Exists(n uint32)
	// Expunged and Vanished report which messages were expunged.
	Expunged(seq uint32)
	Vanished(uids mail.UIDSet)
	// Mentioned reports the UID and the sequence number of a message.
	Mentioned(uid mail.UID, seq uint32)
	// Unreadable reports an invalid response about new or expunged messages.
	Unreadable()
}

// A Snapshot stands for all changes that a server has reported up to some point.
type Snapshot struct {
	changes uint64
	exists  uint32
}

// With returns the snapshot with another number of messages.
func (s Snapshot) With(exists uint32) Snapshot { return Snapshot{s.changes, exists} }

// Exists returns the number of messages.
func (s Snapshot) Exists() uint32 { return s.exists }

func (c *changeCounter) snapshot(exists uint32) Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Snapshot{c.changes, exists}
}

// Listen passes changes on to a listener; nil ends that.
func (c *changeCounter) Listen(l Listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener = l
}

// ListenStored passes unsolicited FETCH responses on, with which a server reports the effects
// of STORE commands; nil ends that. The function is called on the reader goroutine, and must
// not keep its argument.
func (c *changeCounter) ListenStored(f func(*imapwire.Fetch)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored = f
}

// ListenVanished passes on which messages a server reports as expunged by their UIDs; nil ends
// that. The function is called on the reader goroutine.
func (c *changeCounter) ListenVanished(f func(mail.UIDSet)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vanished = f
}

// Arrivals returns how many EXISTS responses there were.
func (c *changeCounter) Arrivals() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrivals
}

// hook adds counting to the hooks of a connection.
func (c *changeCounter) hook(h *imapclient.Hooks) {
	next := *h
	h.Exists = func(n uint32) {
		c.noteExists(n)
		if next.Exists != nil {
			next.Exists(n)
		}
	}
	h.Expunge = func(seq uint32) {
		c.noteExpunge(seq)
		if next.Expunge != nil {
			next.Expunge(seq)
		}
	}
	h.Vanished = func(uids mail.UIDSet) {
		c.noteVanished(uids)
		if next.Vanished != nil {
			next.Vanished(uids)
		}
	}
	h.Fetch = func(f *imapwire.Fetch) {
		c.noteFetch(f)
		if next.Fetch != nil {
			next.Fetch(f)
		}
	}
	h.Unreadable = func(kind imapwire.Kind) {
		c.noteUnreadable(kind)
		if next.Unreadable != nil {
			next.Unreadable(kind)
		}
	}
}

func (c *changeCounter) noteExists(n uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrivals++
	if c.listener != nil {
		c.listener.Exists(n)
	}
}

func (c *changeCounter) noteExpunge(seq uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if c.listener != nil {
		c.listener.Expunged(seq)
	}
}

func (c *changeCounter) noteVanished(uids mail.UIDSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if c.vanished != nil {
		c.vanished(uids)
	}
	if c.listener != nil {
		c.listener.Vanished(uids)
	}
}

func (c *changeCounter) noteFetch(f *imapwire.Fetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Has&imapwire.ItemFlags != 0 {
		c.changes++
	}
	if c.stored != nil {
		c.stored(f)
	}
	if f.Has&imapwire.ItemUID != 0 && c.listener != nil && f.UID != 0 {
		c.listener.Mentioned(f.UID, f.Seq)
	}
}

func (c *changeCounter) noteUnreadable(kind imapwire.Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if c.listener != nil && kind != imapwire.KindFetch {
		c.listener.Unreadable()
	}
}
