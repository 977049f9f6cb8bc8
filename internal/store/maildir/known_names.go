package maildir

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/text/unicode/norm"

	"isync/internal/mail"
	"isync/internal/vfs"
)

// knownFileName is the file in a mailbox that records the name for which each UID was
// assigned. A message with the UID and another name comes from another mailbox.
//
// The file is written while the UIDs are locked. Batches with a checksum are appended to
// it. It is not flushed: the next scan adds what was lost in a power cut. For the same
// reason, a failure to write it is not an error. docs/format.md describes it.
const knownFileName = ".isyncuidmap.names"

// knownName is the recorded name of a UID, or a range of UIDs whose messages are gone.
type knownName struct {
	first, last mail.UID
	sum         uint32 // of the name; 0: the messages are permanently gone
	missing     bool   // the last scan did not find the message
}

// knownNames is the contents of the file.
type knownNames struct {
	list []knownName // ascending and disjoint
	info fs.FileInfo // of the file, when it was read; nil: it was not there
	// whole: more can be appended to the file.
	whole bool
	// restored: the file is from a backup, so it is ignored.
	restored bool
}

const (
	batchMagic  = "UIDN"
	batchHeader = 16 // magic, UIDVALIDITY, number of records, checksum
	recordSize  = 12 // first, last (0: the message is missing), sum
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendBatch appends a batch of records to b.
func appendBatch(b []byte, validity uint32, records []knownName) []byte {
	at := len(b)
	be := binary.BigEndian
	b = slices.Grow(b, batchHeader+recordSize*len(records))
	b = append(b, batchMagic...)
	b = be.AppendUint32(b, validity)
	b = be.AppendUint32(b, uint32(len(records)))
	b = be.AppendUint32(b, 0)
	for _, r := range records {
		last := r.last
		if r.missing {
			last = 0
		}
		b = be.AppendUint32(b, uint32(r.first))
		b = be.AppendUint32(b, uint32(last))
		b = be.AppendUint32(b, r.sum)
	}
	be.PutUint32(b[at+batchHeader-4:], batchSum(b[at:]))
	return b
}

// batchSum returns the checksum of a batch.
func batchSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:batchHeader-4], castagnoli), castagnoli, b[batchHeader:])
}

// knownReader reads the contents of the file.
type knownReader struct {
	r        io.Reader
	validity uint32
	buf      []byte
	list     []knownName
	// ascending: the records are in order, up to the UID top.
	ascending bool
	top       mail.UID
}

// maxKnownBuf is the maximum number of bytes that are read at once. maxKnownSize is the maximum size
// of the file for which memory is allocated in advance.
const (
	maxKnownBuf  = 4 << 10 * recordSize
	maxKnownSize = 64 << 20
)

// parseKnown parses the contents of the file, which has about the given size. It ignores everything
// after a batch that is invalid, or has another UIDVALIDITY; whole is false then. It fails only if r
// fails.
func parseKnown(r io.Reader, size int64, validity uint32) (list []knownName, whole bool, err error) {
	size = min(max(size, 0), maxKnownSize)
	k := knownReader{
		r: r, validity: validity, buf: make([]byte, min(max(size, batchHeader), maxKnownBuf)),
		list: make([]knownName, 0, size/recordSize), ascending: true,
	}
	for ok := true; ok && err == nil; {
		before := k
		if ok, whole, err = k.batch(); !ok {
			// Drop all records of this batch.
			k.list, k.ascending = k.list[:len(before.list)], before.ascending
		}
	}
	if !k.ascending {
		k.list = settleKnown(k.list)
	}
	return k.list, whole, err
}

// batch reads a batch. ok is false if there is no valid batch. end: the file ends here.
func (k *knownReader) batch() (ok, end bool, err error) {
	be := binary.BigEndian
	head := k.buf[:batchHeader]
	if n, err := io.ReadFull(k.r, head); err != nil {
		return false, n == 0 && err == io.EOF, exceptEnd(err)
	}
	if string(head[:len(batchMagic)]) != batchMagic || be.Uint32(head[4:]) != k.validity {
		return false, false, nil
	}
	left, want := uint64(be.Uint32(head[8:])), be.Uint32(head[12:])
	sum := crc32.Checksum(head[:batchHeader-4], castagnoli)
	for left > 0 {
		n := min(left, uint64(len(k.buf)/recordSize))
		b := k.buf[:n*recordSize]
		if _, err := io.ReadFull(k.r, b); err != nil {
			return false, false, exceptEnd(err)
		}
		sum = crc32.Update(sum, castagnoli, b)
		left -= n
		k.add(b)
	}
	return sum == want, false, nil
}

// exceptEnd returns the error of io.ReadFull unless it is the end of the file.
func exceptEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// add adds records.
func (k *knownReader) add(b []byte) {
	be := binary.BigEndian
	for ; len(b) > 0; b = b[recordSize:] {
		r := knownName{first: mail.UID(be.Uint32(b)), last: mail.UID(be.Uint32(b[4:])), sum: be.Uint32(b[8:])}
		if r.last < r.first {
			r.last, r.missing = r.first, true
		}
		k.ascending = k.ascending && r.first > k.top
		k.top = max(k.top, r.last)
		k.list = append(k.list, r)
	}
}

// settleKnown sorts records, and removes records that were replaced by later ones.
func settleKnown(list []knownName) []knownName {
	slices.SortStableFunc(list, func(a, b knownName) int { return cmp.Compare(a.first, b.first) })
	out := list[:0]
	for _, k := range list {
		switch n := len(out); {
		case n == 0 || k.first > out[n-1].last:
			out = append(out, k)
		case k.first == out[n-1].first && out[n-1].first == out[n-1].last:
			out[n-1] = k
		}
	}
	return out
}

// find returns the record of a UID; nil: there is none.
func (k *knownNames) find(u mail.UID) *knownName {
	i, _ := slices.BinarySearchFunc(k.list, u, func(r knownName, u mail.UID) int { return cmp.Compare(r.last, u) })
	if i < len(k.list) && k.list[i].first <= u {
		return &k.list[i]
	}
	return nil
}

// nameSum returns a checksum of the part of a name that does not change with flags and UID. It is not
// 0.
func nameSum(name []byte, delim byte) uint32 {
	at := bytes.IndexByte(name, uidMark[0])
	if at >= 0 && !bytes.HasPrefix(name[at:], []byte(uidMark)) {
		at = bytes.Index(name, []byte(uidMark))
	}
	if at < 0 || bytes.IndexByte(name[:at], delim) >= 0 {
		base, _ := splitInfo(string(name), delim)
		name, at = []byte(base), len(base)
		if start, _, ok := uidDigits(base); ok {
			at = start - len(uidMark)
		}
	}
	name = name[:at]
	if !isASCII(name) {
		// Some file systems compose characters in another way.
		name = norm.NFC.Bytes(name)
	}
	return max(crc32.Checksum(name, castagnoli), 1)
}

// sumOf returns the nameSum of a message.
func (m *mailbox) sumOf(it item) uint32 {
	if it.sum != 0 {
		return it.sum
	}
	return nameSum(m.entries.name(it), m.store.opts.InfoDelimiter)
}

// isASCII reports whether b has only ASCII characters. It tests eight bytes at a time, because there
// may be millions of names.
func isASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// loadKnown reads the file if it has changed. If it returns an error, the file exists, and the next
// try may succeed. m.mu is held.
func (m *mailbox) loadKnown() error {
	path := filepath.Join(m.dir, knownFileName)
	fi, err := m.store.fs.Stat(path)
	if err == nil {
		if old := m.known.info; old != nil && vfs.Stamp(old) == vfs.Stamp(fi) {
			return nil
		}
		m.known = knownNames{info: fi, restored: wasRestored(fi)}
		if m.known.restored {
			return nil
		}
		if err = m.readKnown(path, fi.Size()); err == nil {
			return nil
		}
	}
	m.known = knownNames{}
	if isMissing(err) || ofTheEntry(err) {
		return nil
	}
	return err
}

// readKnown reads the file, which has about the given size.
func (m *mailbox) readKnown(path string, size int64) error {
	f, err := m.store.fs.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// Many batches have only a few records.
	m.known.list, m.known.whole, err = parseKnown(bufio.NewReaderSize(f, maxKnownBuf), size, m.uids.validity)
	return err
}

// wasRestored reports whether a file was probably copied together with its time, from a backup for
// example: its status change time is later than its modification time.
func wasRestored(fi fs.FileInfo) bool {
	const writing = 10 * time.Second // how long that may have taken
	changed, ok := vfs.StatusChange(fi)
	return ok && changed.Sub(fi.ModTime()) > writing
}

// noteKnown appends records to the file. The UIDs are locked.
func (s *Store) noteKnown(dir string, validity uint32, records []knownName) {
	f, err := vfs.CreateLike(s.fs, filepath.Join(dir, knownFileName), filepath.Join(dir, uidFileName), os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return
	}
	_, _ = f.Write(appendBatch(nil, validity, records))
	_ = f.Close()
}

// rewriteKnown replaces the file. Ranges of UIDs that are gone become one record.
func (m *mailbox) rewriteKnown() {
	var out []knownName
	for _, k := range m.known.list {
		if n := len(out); n > 0 && k.sum == 0 && out[n-1].sum == 0 {
			out[n-1].last = k.last
			continue
		}
		out = append(out, k)
	}
	m.known.list = out
	path := filepath.Join(m.dir, knownFileName)
	tmp := path + ".new"
	_ = m.store.fs.Remove(tmp) // of a run that was killed
	f, err := vfs.CreateLike(m.store.fs, tmp, filepath.Join(m.dir, uidFileName), os.O_WRONLY|os.O_EXCL)
	if err != nil {
		return
	}
	_, err = f.Write(appendBatch(nil, m.uids.validity, out))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = m.store.fs.Rename(tmp, path)
	}
	if err != nil {
		_ = m.store.fs.Remove(tmp)
	}
}

// isBloated reports whether most of the file is outdated.
func (k *knownNames) isBloated() bool {
	const slack = 16 << 10
	size := k.info.Size() - slack
	if size < 0 {
		return false
	}
	n := 0
	for i, r := range k.list {
		if i == 0 || r.sum != 0 || k.list[i-1].sum != 0 {
			n++
		}
	}
	return size > int64(2*recordSize*n)
}

// anyStranger reports whether a message has a UID that was assigned to another name, or to a message
// that is gone.
func (m *mailbox) anyStranger() bool {
	if m.upto != 0 {
		return true // perhaps; each message is to be judged
	}
	list := m.known.list
	for _, it := range m.entries.items {
		for len(list) > 0 && list[0].last < it.uid {
			list = list[1:]
		}
		if len(list) == 0 {
			return false
		}
		if list[0].first <= it.uid && list[0].sum != m.sumOf(it) {
			return true
		}
	}
	return false
}

// verdict is the result of comparing a message with the known names.
type verdict uint8

const (
	nothingKnown verdict = iota
	sameName
	otherName
	messageGone
)

// judge reports whether the UID of a message was assigned to it.
func (m *mailbox) judge(e entry) verdict {
	k := m.known.find(e.uid)
	switch {
	case k == nil && e.uid != 0 && e.uid <= m.upto && !m.recorded.Contains(e.uid):
		return messageGone
	case e.uid == 0 || k == nil:
		return nothingKnown
	case k.sum == 0:
		return messageGone
	case k.sum != nameSum([]byte(e.name), m.store.opts.InfoDelimiter):
		return otherName
	}
	return sameName
}

// forgetGone notes that messages are permanently gone if they were missing in the last scan
// and are not paired: their deletion was propagated. If such a file comes back, it is a
// new message. The records are written with those of the next scan.
func (m *mailbox) forgetGone(paired mail.UIDSet) {
	for i, k := range m.known.list {
		if k.missing && !paired.Contains(k.first) {
			m.known.list[i] = knownName{first: k.first, last: k.last}
			m.gone = append(m.gone, k.first)
		}
	}
}

// anyMissing reports whether the last scan did not find all messages.
func (m *mailbox) anyMissing() bool {
	return slices.ContainsFunc(m.known.list, func(k knownName) bool { return k.missing })
}

// openKnown loads the known names for a scan. If another program has changed the file meanwhile, it
// is not known which messages are permanently gone.
func (m *mailbox) openKnown() error {
	if err := m.loadKnown(); err != nil {
		return err
	}
	for _, u := range m.gone {
		if k := m.known.find(u); k != nil && k.missing {
			*k = knownName{first: u, last: u}
		}
	}
	return nil
}

// saveKnown writes what a scan has found: new names, messages that are missing, and
// those that have come back. All messages have been judged. Both locks are held.
func (m *mailbox) saveKnown() {
	var changes []knownName
	for _, u := range m.gone {
		changes = append(changes, knownName{first: u, last: u})
	}
	m.gone, m.upto, m.recorded = nil, 0, nil
	list := m.known.list
	added := false
	lose := func() { // the first one of list, which is not there
		if list[0].sum != 0 && !list[0].missing {
			list[0].missing = true
			changes = append(changes, list[0])
		}
		list = list[1:]
	}
	for _, it := range m.entries.items {
		if it.uid == 0 {
			continue
		}
		for len(list) > 0 && list[0].last < it.uid {
			lose()
		}
		switch {
		case len(list) == 0 || list[0].first > it.uid:
			changes = append(changes, knownName{first: it.uid, last: it.uid, sum: m.sumOf(it)})
			added = true
			continue
		case list[0].missing:
			list[0].missing = false
			changes = append(changes, list[0])
		}
		list = list[1:]
	}
	for len(list) > 0 {
		lose()
	}
	if added {
		m.known.list = settleKnown(append(m.known.list, changes...))
	}
	switch {
	case m.known.info == nil && len(changes) == 0:
		return
	case m.known.info == nil || !m.known.whole || m.known.isBloated():
		m.rewriteKnown()
	case len(changes) > 0:
		m.store.noteKnown(m.dir, m.uids.validity, changes)
	default:
		return
	}
	m.known.info = nil // read it again
}

// noteNew records the names that get the UIDs from first on. The UIDs are locked.
func (m *mailbox) noteNew(validity uint32, first mail.UID, names []string) {
	records := make([]knownName, len(names))
	for i, n := range names {
		u := first + mail.UID(i)
		records[i] = knownName{first: u, last: u, sum: nameSum([]byte(n), m.store.opts.InfoDelimiter)}
	}
	m.store.noteKnown(m.dir, validity, records)
}

// noteRenamed notes messages that were given other names, with their UIDs, and noteGone
// those that were removed. They fail only if the UIDs cannot be locked. m.mu is not held.
func (m *mailbox) noteRenamed(ctx context.Context, renamed map[mail.UID]string) error {
	records := make([]knownName, 0, len(renamed))
	for u, n := range renamed {
		records = append(records, knownName{first: u, last: u, sum: nameSum([]byte(n), m.store.opts.InfoDelimiter)})
	}
	return m.noteLocked(ctx, records)
}

func (m *mailbox) noteGone(ctx context.Context, uids []mail.UID) error {
	records := make([]knownName, len(uids))
	for i, u := range uids {
		records[i] = knownName{first: u, last: u}
	}
	return m.noteLocked(ctx, records)
}

func (m *mailbox) noteLocked(ctx context.Context, records []knownName) error {
	if len(records) == 0 || m.isMapped() {
		return nil
	}
	u, err := m.lockUIDs(ctx)
	switch {
	case err == nil:
	case isMissing(err), errors.Is(err, errConverted):
		return nil // the names do not count any more
	default:
		return err
	}
	defer u.close()
	m.store.noteKnown(m.dir, u.state().validity, records)
	return nil
}

// topKnown returns the highest UID that was given to a name.
func (m *mailbox) topKnown() mail.UID {
	if n := len(m.known.list); n > 0 {
		return m.known.list[n-1].last
	}
	return 0
}
