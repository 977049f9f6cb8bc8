package vfs

import (
	"os"
	"sync"
)

// lockTable keeps the locks of this process.
//
// It is needed because fcntl locks belong to the process: they do not exclude other goroutines,
// and closing any descriptor of a file releases the locks on that file. So a second holder in
// this process waits in the table, and a File is closed only after another descriptor's lock on
// the same file has ended.
type lockTable struct {
	// mu is held for reading while a file is closed, so that no lock can be taken between the
	// check of the table and the close.
	mu   sync.RWMutex
	held map[fileID]*heldLock
}

type heldLock struct {
	holder   *os.File
	released chan struct{} // closed when the lock ends
	mu       sync.Mutex
	deferred []*os.File // to be closed when the lock ends
}

var locks = lockTable{held: make(map[fileID]*heldLock)}

// lock takes the lock on f. The error is ErrLocked or a bare errno.
func (t *lockTable) lock(f *os.File, wait bool) error {
	id, err := identify(f)
	if err != nil {
		return err
	}
	h := &heldLock{holder: f, released: make(chan struct{})}
	for {
		t.mu.Lock()
		other := t.held[id]
		if other == nil {
			t.held[id] = h
			t.mu.Unlock()
			break
		}
		t.mu.Unlock()
		if other.holder == f {
			return nil
		}
		if !wait {
			return ErrLocked
		}
		<-other.released
	}
	if err := sysLock(f, wait); err != nil {
		t.release(id, h)
		return err
	}
	return nil
}

// release removes an entry whose system lock could not be taken.
func (t *lockTable) release(id fileID, h *heldLock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(id, h)
}

// drop removes a lock from the table. The caller holds t.mu.
func (t *lockTable) drop(id fileID, h *heldLock) {
	for _, f := range h.deferred {
		f.Close()
	}
	delete(t.held, id)
	close(h.released)
}

// close closes f now, or when no other descriptor holds a lock on the same file.
func (t *lockTable) close(f *os.File) error {
	t.mu.RLock()
	if len(t.held) == 0 {
		defer t.mu.RUnlock()
		return f.Close()
	}
	id, err := identify(f)
	h := t.held[id]
	switch {
	case err != nil || h == nil:
		defer t.mu.RUnlock()
		return f.Close()
	case h.holder != f:
		h.mu.Lock()
		h.deferred = append(h.deferred, f)
		h.mu.Unlock()
		t.mu.RUnlock()
		return nil
	}
	t.mu.RUnlock()
	// Both at once: if the file was removed, the system may give its identity to
	// another one as soon as it is closed.
	t.mu.Lock()
	defer t.mu.Unlock()
	err = f.Close()
	t.drop(id, h)
	return err
}
