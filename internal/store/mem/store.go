package mem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"isync/internal/mail"
	"isync/internal/store"
)

// Options say how a Store behaves.
type Options struct {
	// Name is the store's name; "mem" if empty.
	Name string
	// Place is the place that the store reports; nil: a place of its own.
	Place store.Place
	// Caps are the store's capabilities. See IMAPCaps and MaildirCaps.
	Caps store.Caps
	// Trasher: the mailboxes implement store.Trasher.
	Trasher bool
	// Marks: the store can tell whether mailboxes have changed (store.Marker).
	Marks bool
	// Snapshot: the first Scan of a mailbox returns its contents at the time of
	// opening, as with an IMAP server that sends the changes along with SELECT.
	Snapshot bool
	// Async makes Append and SetFlags complete late, on a goroutine of their
	// own: a completion waits until Async more items were accepted, or the call
	// comes to its end. 0 completes at once, on the caller's goroutine.
	Async int
	// LateEffects: with Async, also the effect is delayed until just before
	// the completion.
	LateEffects bool
	// Latency, if not nil, is slept at the start of each call and before each
	// completion; made for virtual time.
	Latency func(Op) time.Duration
	// Hook, if not nil, is called before and after the effect of each
	// operation; see Op. Its error makes the operation fail.
	Hook func(Op) error
}

// IMAPCaps are the capabilities of a good IMAP server, MaildirCaps those of a
// Maildir.
var (
	IMAPCaps    = store.Caps{CRLF: true, NeedsSize: true, ReportsUIDs: true, SelectiveExpunge: true}
	MaildirCaps = store.Caps{ReportsUIDs: true, SelectiveExpunge: true}
)

// Kind is a kind of operation.
type Kind string

// The kinds of operations. Those ending in "-item" concern one message.
const (
	OpCaps        Kind = "caps"
	OpList        Kind = "list"
	OpOpen        Kind = "open"
	OpCreate      Kind = "create"
	OpDelete      Kind = "delete"
	OpScan        Kind = "scan"
	OpFetch       Kind = "fetch"
	OpAppend      Kind = "append"
	OpSetFlags    Kind = "setflags"
	OpRemove      Kind = "remove"
	OpTrash       Kind = "trash"
	OpClose       Kind = "close"
	OpMarks       Kind = "marks"
	OpRenew       Kind = "renew"
	OpFindRenamed Kind = "find renamed"
	OpFetchItem   Kind = "fetch-item"
	OpPutItem     Kind = "put-item"
	OpFlagItem    Kind = "flag-item"
	OpTrashItem   Kind = "trash-item"
)

// Op describes an operation to the Hook and in the log.
//
// The Hook sees each operation twice, the second time with After set. An error
// from the first call means that nothing happened; one from the second, that
// it did happen but the caller is told otherwise. The error of an item becomes
// the result of that item, unless it is (or wraps) a *store.StoreError, a
// *store.BoxError or a context's error: then the whole call ends with it.
type Op struct {
	Kind  Kind
	Box   string
	After bool

	Need     store.Need       // OpScan
	UIDs     mail.UIDSet      // OpFetch, OpSetFlags, OpRemove (nil: all), OpTrash
	ReadOnly bool             // OpOpen
	UID      mail.UID         // items; for OpPutItem only if After
	Key      int              // OpPutItem
	Change   store.FlagChange // OpFlagItem
	Trash    string           // OpTrash, OpTrashItem
}

// String returns a compact description, as scenario tables want to compare it:
// the kind, the mailbox, and what was asked for.
func (o Op) String() string {
	s := string(o.Kind)
	if o.Box != "" {
		s += " " + o.Box
	}
	switch o.Kind {
	case OpOpen:
		if o.ReadOnly {
			s += " read-only"
		}
	case OpScan:
		s += " " + o.Need.UIDs.String()
		if o.Need.Flags {
			s += " flags"
		}
		if o.Need.SizesFrom != 0 {
			s += fmt.Sprintf(" sizes from %d", o.Need.SizesFrom)
		}
		if o.Need.TUIDs {
			s += " tuids"
		}
		if o.Need.MessageIDs {
			s += " message-ids"
		}
	case OpFetch, OpSetFlags:
		s += " " + o.UIDs.String()
	case OpTrash:
		s += " " + o.UIDs.String() + " to " + o.Trash
	case OpRemove:
		if o.UIDs == nil {
			s += " all"
		} else {
			s += " " + o.UIDs.String()
		}
	case OpFetchItem:
		s += fmt.Sprintf(" %d", o.UID)
	case OpTrashItem:
		s += fmt.Sprintf(" %d to %s", o.UID, o.Trash)
	case OpPutItem:
		s += fmt.Sprintf(" #%d", o.Key)
		if o.UID != 0 {
			s += fmt.Sprintf(" = %d", o.UID)
		}
	case OpFlagItem:
		s += fmt.Sprintf(" %d +%s -%s", o.Change.UID, o.Change.Add, o.Change.Remove)
	}
	return s
}

var (
	errClosed   = errors.New("store is closed")
	errReadOnly = errors.New("mailbox was opened read-only")
)

// Store is one session on a Disk. It implements store.Store.
type Store struct {
	disk *Disk
	opts Options

	mu     sync.Mutex
	log    []Op
	open   map[string]int
	closed bool
}

// New opens a session on the disk.
func New(d *Disk, o Options) *Store {
	if o.Name == "" {
		o.Name = "mem"
	}
	return &Store{disk: d, opts: o, open: make(map[string]int)}
}

// Disk returns what the store works on.
func (s *Store) Disk() *Disk { return s.disk }

// Log returns the calls (not the items) made so far, in the order they began.
func (s *Store) Log() []Op {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// LogStrings returns the log with every call as a string, without those of the
// given kinds.
func (s *Store) LogStrings(without ...Kind) []string {
	var out []string
	for _, o := range s.Log() {
		if !slices.Contains(without, o.Kind) {
			out = append(out, o.String())
		}
	}
	return out
}

// OpenBoxes returns how many mailboxes are open.
func (s *Store) OpenBoxes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.open {
		n += c
	}
	return n
}

// begin starts a call: it logs it, takes its time, and asks the hook.
func (s *Store) begin(ctx context.Context, op Op) error {
	s.mu.Lock()
	closed := s.closed
	s.log = append(s.log, op)
	s.mu.Unlock()
	if closed {
		return &store.StoreError{Store: s.opts.Name, Err: errClosed}
	}
	if err := s.sleep(ctx, op); err != nil {
		return err
	}
	return s.hook(op)
}

// sleep takes the operation's time.
func (s *Store) sleep(ctx context.Context, op Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.opts.Latency == nil {
		return nil
	}
	d := s.opts.Latency(op)
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) hook(op Op) error {
	if s.opts.Hook == nil {
		return nil
	}
	return s.opts.Hook(op)
}

// after asks the hook once more, now that the operation has happened.
func (s *Store) after(op Op) error {
	op.After = true
	return s.hook(op)
}

// fatal reports whether the error of an item ends the whole call.
func fatal(err error) bool {
	var se *store.StoreError
	var be *store.BoxError
	return errors.As(err, &se) || errors.As(err, &be) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (s *Store) boxError(box string, err error) error {
	return &store.BoxError{Store: s.opts.Name, Box: box, Err: err}
}

// Name implements store.Store.
func (s *Store) Name() string { return s.opts.Name }

// Caps implements store.Store.
func (s *Store) Caps(ctx context.Context) (store.Caps, error) {
	op := Op{Kind: OpCaps}
	if err := s.begin(ctx, op); err != nil {
		return store.Caps{}, err
	}
	return s.opts.Caps, s.after(op)
}

// List implements store.Store. The names are sorted.
func (s *Store) List(ctx context.Context, req store.ListRequest) ([]store.Box, error) {
	op := Op{Kind: OpList}
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	var out []store.Box
	for _, name := range s.disk.Names() {
		if req.Wants(name) {
			b := store.Box{Name: name}
			if req.Marks {
				s.disk.mu.Lock()
				b.Mark = s.mark(s.disk.boxes[name])
				s.disk.mu.Unlock()
			}
			out = append(out, b)
		}
	}
	return out, s.after(op)
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, box string) error {
	op := Op{Kind: OpCreate, Box: box}
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	s.disk.mu.Lock()
	if s.disk.boxes[box] == nil {
		s.disk.create(box)
	}
	s.disk.mu.Unlock()
	return s.after(op)
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, box string) error {
	op := Op{Kind: OpDelete, Box: box}
	if err := s.begin(ctx, op); err != nil {
		return err
	}
	s.mu.Lock()
	inUse := s.open[box] > 0
	s.mu.Unlock()
	if inUse {
		return s.boxError(box, errors.New("mailbox is open"))
	}
	if err := s.delete(box); err != nil {
		return s.boxError(box, err)
	}
	return s.after(op)
}

func (s *Store) delete(box string) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	switch b := s.disk.boxes[box]; {
	case b == nil:
		return store.ErrNoBox
	case len(b.Messages) > 0:
		return errors.New("mailbox is not empty")
	}
	delete(s.disk.boxes, box)
	return nil
}

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	op := Op{Kind: OpOpen, Box: box, ReadOnly: req.ReadOnly}
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	m := &mailbox{store: s, name: box, readOnly: req.ReadOnly}
	s.disk.mu.Lock()
	b := s.disk.boxes[box]
	if b != nil {
		m.setInfo(b)
		m.mark, m.count = s.mark(b), len(b.Messages)
		if s.opts.Snapshot {
			old := b.clone()
			m.asOpened = &old
		}
	}
	s.disk.mu.Unlock()
	if b == nil {
		return nil, s.boxError(box, store.ErrNoBox)
	}
	if err := s.after(op); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.open[box]++
	s.mu.Unlock()
	if s.opts.Trasher {
		return &trashMailbox{m}, nil
	}
	return m, nil
}

// mark tells the whole state of a mailbox; the disk is locked.
func (s *Store) mark(b *BoxState) string {
	if !s.opts.Marks || b == nil {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%d %d %v", b.UIDValidity, b.UIDNext, b.Permanent)
	for _, m := range b.Messages {
		fmt.Fprintf(&out, " %d%v", m.UID, m.Flags)
	}
	return out.String()
}

// Marks implements store.Marker.
func (s *Store) Marks(ctx context.Context, boxes []string) ([]string, error) {
	op := Op{Kind: OpMarks}
	if err := s.begin(ctx, op); err != nil {
		return nil, err
	}
	marks := make([]string, len(boxes))
	s.disk.mu.Lock()
	for i, name := range boxes {
		marks[i] = s.mark(s.disk.boxes[name])
	}
	s.disk.mu.Unlock()
	return marks, s.after(op)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
