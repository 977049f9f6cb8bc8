package maildir

import (
	"bytes"
	"strconv"
	"strings"

	"isync/internal/mail"
)

// uidMark introduces the UID in a file name. The first one counts.
const uidMark = ",U="

// uidDigits returns the position of the digits of the UID in name. ok is false if there is no mark. There
// may be a mark without digits.
func uidDigits(name string) (start, end int, ok bool) {
	start = strings.Index(name, uidMark)
	if start < 0 {
		return 0, 0, false
	}
	start += len(uidMark)
	end = start
	for end < len(name) && name[end]-'0' <= 9 {
		end++
	}
	return start, end, true
}

// nameUID returns the UID in a file name; 0: there is none. If the number is too large, it returns
// mail.MaxUID.
func nameUID(name string) mail.UID {
	start, end, _ := uidDigits(name)
	var u uint64
	for _, c := range []byte(name[start:end]) {
		u = min(u*10+uint64(c-'0'), uint64(mail.MaxUID))
	}
	return mail.UID(u)
}

// infoAt returns the position of the flag letters in name: after the first delim that is followed by
// "2,". ok is false if there is none.
func infoAt(name string, delim byte) (start int, ok bool) {
	for i := 0; ; i++ {
		n := strings.IndexByte(name[i:], delim)
		if n < 0 {
			return len(name), false
		}
		i += n
		if strings.HasPrefix(name[i+1:], "2,") {
			return i + 3, true
		}
	}
}

// nameFlags returns the flags in a file name: all known letters after the first "2,", as in mbsync
// 1.5. Other programs leave names such as "1.2.host:2,:2,S" and "1.2.host:2, S".
func nameFlags(name string, delim byte) mail.Flags {
	start, _ := infoAt(name, delim)
	var f mail.Flags
	for _, c := range []byte(name[start:]) {
		f |= mail.FlagOfLetter(c)
	}
	return f
}

// splitInfo returns the part of a name before the flags, and the rest. A UID among
// the flags moves to the first part.
func splitInfo(name string, delim byte) (base, info string) {
	at, ok := infoAt(name, delim)
	if !ok {
		return name, ""
	}
	base, info = name[:at-len(":2,")], name[at:]
	start, end, marked := uidDigits(name)
	if start -= len(uidMark); !marked || start < at-1 {
		return base, info
	}
	info = name[end:]
	if start > at { // else the mark shares the comma of "2,", or follows it
		info = name[at:start] + info
	}
	if u := nameUID(name); u != 0 {
		base = withUID(base, delim, u)
	}
	return base, info
}

// foreignLetters returns the letters of other programs in the flags of a name: all unknown letters up to
// the first character that is not a letter, and lower case letters also after it.
func foreignLetters(info string) string {
	var letters []byte
	odd := false
	for _, c := range []byte(info) {
		small := c-'a' < 26
		odd = odd || !small && c-'A' >= 26
		if (small || !odd && mail.FlagOfLetter(c) == 0) && bytes.IndexByte(letters, c) < 0 {
			letters = append(letters, c)
		}
	}
	return string(letters)
}

// withFlags returns name with other flags: the known letters in order, then the letters of other
// programs. It drops everything else after the flags.
func withFlags(name string, delim byte, flags mail.Flags) string {
	base, info := splitInfo(name, delim)
	b := make([]byte, 0, len(name)+10)
	b = append(b, base...)
	b = append(b, delim, '2', ',')
	b = flags.AppendTo(b)
	return string(append(b, foreignLetters(info)...))
}

// withUID returns name with the UID set or replaced.
func withUID(name string, delim byte, u mail.UID) string {
	b := make([]byte, 0, len(name)+16)
	start, end, ok := uidDigits(name)
	if ok {
		b = append(b, name[:start]...)
	} else {
		start = strings.IndexByte(name, delim)
		if start < 0 {
			start = len(name)
		}
		end = start
		b = append(b, name[:start]...)
		b = append(b, uidMark...)
	}
	b = strconv.AppendUint(b, uint64(u), 10)
	return string(append(b, name[end:]...))
}

// withoutUID returns name without the mark and digits of its UID.
func withoutUID(name string, delim byte) string {
	start, end, ok := uidDigits(name)
	if !ok {
		return name
	}
	start -= len(uidMark)
	if at, isInfo := infoAt(name, delim); isInfo && start == at-1 {
		start++ // the comma is that of "2,"
	}
	return name[:start] + name[end:]
}

// baseName returns the part of a name, with a UID, that does not change with the flags.
func baseName(name string, delim byte) string {
	base, _ := splitInfo(name, delim)
	_, end, _ := uidDigits(base)
	return base[:end]
}

// isMessageName reports whether a directory entry can be a message.
func isMessageName(name string) bool { return name != "" && name[0] != '.' }

// newName returns a name for a new message; without a UID if that is 0.
func (s *Store) newName(u mail.UID, flags mail.Flags) string {
	return s.newNameAt(s.opts.Clock().Unix(), u, flags)
}

// newNameAt is newName for a message that has arrived at the given time.
func (s *Store) newNameAt(seconds int64, u mail.UID, flags mail.Flags) string {
	b := strconv.AppendInt(nil, seconds, 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(s.opts.Pid), 10)
	b = append(b, '_')
	b = strconv.AppendUint(b, sequence.Add(1), 10)
	b = append(b, '.')
	b = append(b, s.host...)
	if u != 0 {
		b = append(b, uidMark...)
		b = strconv.AppendUint(b, uint64(u), 10)
	}
	b = append(b, s.opts.InfoDelimiter, '2', ',')
	return string(flags.AppendTo(b))
}
