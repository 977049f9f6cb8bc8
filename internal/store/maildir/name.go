package maildir

import (
	"strconv"
	"strings"

	"isync/internal/mail"
)

// uidMark introduces the UID in a file name. The first one counts.
const uidMark = ",U="

// uidDigits returns where the digits of the UID are in name; ok is false if
// there is no mark. There may be no digits.
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

// nameUID returns the UID in a file name, 0 if there is none. One that is too
// large is mail.MaxUID.
func nameUID(name string) mail.UID {
	start, end, _ := uidDigits(name)
	var u uint64
	for _, c := range []byte(name[start:end]) {
		u = min(u*10+uint64(c-'0'), uint64(mail.MaxUID))
	}
	return mail.UID(u)
}

// infoAt returns where the flag letters are in name: after the first delim
// followed by "2,", up to what is not a letter. ok is false if there is no such
// thing.
func infoAt(name string, delim byte) (start, end int, ok bool) {
	for i := 0; ; i++ {
		n := strings.IndexByte(name[i:], delim)
		if n < 0 {
			return 0, 0, false
		}
		i += n
		if strings.HasPrefix(name[i+1:], "2,") {
			start = i + 3
			break
		}
	}
	end = start
	for end < len(name) && name[end]|0x20-'a' < 26 {
		end++
	}
	return start, end, true
}

// nameFlags returns the flags in a file name. Letters that mean nothing here
// are ignored.
func nameFlags(name string, delim byte) mail.Flags {
	start, end, _ := infoAt(name, delim)
	var f mail.Flags
	for _, c := range []byte(name[start:end]) {
		f |= mail.FlagOfLetter(c)
	}
	return f
}

// withFlags returns name with the flags replaced: ours first, in order, then
// the letters of others as they were.
func withFlags(name string, delim byte, flags mail.Flags) string {
	b := make([]byte, 0, len(name)+10)
	start, end, ok := infoAt(name, delim)
	if !ok {
		b = append(b, name...)
		b = append(b, delim, '2', ',')
		return string(flags.AppendTo(b))
	}
	if strings.HasPrefix(name[start-1:], uidMark) && strings.Index(name, uidMark) == start-1 {
		// The flags would tear the mark of the UID apart, so that moves first.
		return withFlags(withUID(withoutUID(name), delim, nameUID(name)), delim, flags)
	}
	b = append(b, name[:start]...)
	b = flags.AppendTo(b)
	for _, c := range []byte(name[start:end]) {
		if mail.FlagOfLetter(c) == 0 {
			b = append(b, c)
		}
	}
	return string(append(b, name[end:]...))
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
func withoutUID(name string) string {
	start, end, ok := uidDigits(name)
	if !ok {
		return name
	}
	return name[:start-len(uidMark)] + name[end:]
}

// baseName returns the part of a name with a UID that stays when flags change.
func baseName(name string) string {
	_, end, _ := uidDigits(name)
	return name[:end]
}

// isMessageName tells whether a directory entry can be a message.
func isMessageName(name string) bool { return name != "" && name[0] != '.' }
