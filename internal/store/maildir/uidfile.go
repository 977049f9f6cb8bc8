package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/vfs"
)

// uidFileName is the file in a mailbox that holds its UIDVALIDITY and the
// highest UID ever assigned in it.
const uidFileName = ".uidvalidity"

// uidState is the contents of the file.
type uidState struct {
	validity uint32
	highest  mail.UID
}

// format returns the contents of the file.
func (s uidState) format() []byte {
	b := strconv.AppendUint(nil, uint64(s.validity), 10)
	b = append(b, '\n')
	b = strconv.AppendUint(b, uint64(s.highest), 10)
	return append(b, '\n')
}

// errNoUIDs says that the file is empty, or has only a part of its first contents, after a power cut.
var errNoUIDs = errors.New("no UIDVALIDITY")

// parseUIDs parses the contents of the file. Any white space may separate the two numbers. Like other
// programs, it ignores the rest. It returns errNoUIDs, or another error if there are no two numbers.
func parseUIDs(b []byte) (uidState, error) {
	text, _, _ := bytes.Cut(b, []byte{0})
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		digits := bytes.TrimSuffix(text, []byte{'\n'})
		if len(bytes.Trim(digits, "0123456789")) == 0 {
			return uidState{}, errNoUIDs
		}
		return uidState{}, fmt.Errorf("cannot read UIDVALIDITY: %q are not two numbers", clip(b))
	}
	validity, err1 := strconv.ParseUint(string(fields[0]), 10, 32)
	highest, err2 := strconv.ParseUint(string(fields[1]), 10, 32)
	if err1 != nil || err2 != nil || validity == 0 {
		return uidState{}, fmt.Errorf("cannot read UIDVALIDITY: %q are not two numbers", clip(b))
	}
	return uidState{uint32(validity), mail.UID(highest)}, nil
}

func clip(b []byte) []byte { return b[:min(len(b), 60)] }

// uidFile is the open and locked file.
type uidFile struct {
	uidState
	store *Store
	file  vfs.File
	raw   []byte
}

// lockUIDs opens the file of the mailbox in dir, and waits for its lock. With create, it creates a missing
// file, and returns an empty one together with errNoUIDs. It returns errConverted if the file was
// replaced meanwhile.
func (s *Store) lockUIDs(ctx context.Context, dir string, create bool) (*uidFile, error) {
	open := func(path string) (vfs.File, error) { return s.fs.OpenFile(path, os.O_RDWR, 0) }
	if create {
		open = func(path string) (vfs.File, error) { return vfs.Create(s.fs, path, os.O_RDWR) }
	}
	path := filepath.Join(dir, uidFileName)
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	u := &uidFile{store: s, file: f}
	if err := s.waitLock(ctx, f); err != nil {
		f.Close()
		return nil, err
	}
	if ok, err := s.isCurrent(f); err != nil || !ok {
		f.Close()
		if err == nil {
			err = errConverted
		}
		return nil, err
	}
	buf := make([]byte, 128)
	n, err := f.Read(buf)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, err
	}
	u.raw = buf[:n]
	u.uidState, err = parseUIDs(u.raw)
	switch {
	case err == nil:
		return u, nil
	case create && errors.Is(err, errNoUIDs):
		return u, err
	}
	f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

// waitLock takes the lock on f. It tries repeatedly instead of blocking, so that the wait can be
// canceled.
func (s *Store) waitLock(ctx context.Context, f vfs.File) error {
	const patience = 2 * time.Second
	waited, told := time.Duration(0), false
	for pause := time.Millisecond; ; pause = min(pause*2, 50*time.Millisecond) {
		err := s.fs.Lock(f, false)
		if !errors.Is(err, vfs.ErrLocked) {
			return err
		}
		if waited > patience && !told {
			told = true
			s.notice(event.WaitingForProgram{Dir: filepath.Dir(f.Name())})
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		waited += pause
	}
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *uidFile) state() uidState { return u.uidState }

// close ends the lock.
func (u *uidFile) close() { u.file.Close() }

// bind implements uidKeeper. The UIDs will be in the file names.
func (u *uidFile) bind(_ context.Context, first mail.UID, names []string) (func(m *mailbox), error) {
	highest := first + mail.UID(len(names)) - 1
	if err := u.raise(highest); err != nil {
		return nil, err
	}
	return func(m *mailbox) { m.uids.highest = max(m.uids.highest, highest) }, nil
}

// init writes the first contents of the file, durably.
func (u *uidFile) init(s uidState) error {
	if err := u.write(s.format()); err != nil {
		return err
	}
	u.uidState = s
	return u.store.syncDir(filepath.Dir(u.file.Name()))
}

// raise durably makes highest the highest assigned UID.
//
// The file is written in place. A power cut may leave any prefix of the new bytes. The number in the file
// must never be lower than the current one. That is certain if the number of digits stays the same,
// because the new number is higher. To get more digits, the number is first extended with nines.
func (u *uidFile) raise(highest mail.UID) error {
	s := u.uidState
	if highest <= s.highest {
		return nil
	}
	s.highest = highest
	now, next := u.format(), s.format()
	if more := len(next) - len(now); more > 0 && bytes.Equal(u.raw, now) && u.store.opts.FSync {
		nines := append(now[:len(now)-1:len(now)-1], bytes.Repeat([]byte{'9'}, more)...)
		if err := u.write(append(nines, '\n')); err != nil {
			return err
		}
	}
	if err := u.write(next); err != nil {
		return err
	}
	u.uidState = s
	return nil
}

// write replaces the contents of the file.
func (u *uidFile) write(b []byte) error {
	if _, err := u.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := u.file.Write(b); err != nil {
		return err
	}
	if len(b) < len(u.raw) {
		if err := u.file.Truncate(int64(len(b))); err != nil {
			return err
		}
	}
	u.raw = b
	if !u.store.opts.FSync {
		return nil
	}
	return u.file.Sync()
}

// readUIDs reads the file without a lock and without changing anything.
func (s *Store) readUIDs(dir string) (uidState, error) {
	path := filepath.Join(dir, uidFileName)
	b, err := vfs.ReadFile(s.fs, path)
	if isMissing(err) {
		return uidState{}, errNoUIDs
	}
	if err != nil {
		return uidState{}, err
	}
	st, err := parseUIDs(b[:min(len(b), 128)])
	if err != nil && !errors.Is(err, errNoUIDs) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return st, err
}

// newValidity returns a UIDVALIDITY for the mailbox in dir: the current time in
// seconds, or more, so that it is higher than all known earlier ones, even if the clock
// was set back. If it was the same as before, other messages would be mistaken for
// those of the sync state.
func (s *Store) newValidity(dir string) uint32 {
	s.mu.Lock()
	old := s.past[dir]
	s.mu.Unlock()
	was := uint32(0)
	if old != nil {
		was = old()
	}
	now := uint32(min(max(s.opts.Clock().Unix(), 1), math.MaxUint32))
	s.mu.Lock()
	defer s.mu.Unlock()
	was = max(was, s.validities[dir])
	if now <= was && was < math.MaxUint32 {
		now = was + 1
	}
	s.validities[dir] = now
	return now
}

// noteValidity stores the UIDVALIDITY of the mailbox in dir until the program ends.
func (s *Store) noteValidity(dir string, validity uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.validities[dir] = max(s.validities[dir], validity)
}
