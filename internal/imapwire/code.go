package imapwire

import (
	"strings"

	"isync/internal/mail"
)

// A Code is the response code of a status response (RFC 9051 §7.1): the text between brackets.
type Code struct {
	// Name is the atom of the code in upper case; "": there was no code.
	Name string
	// Args is the text after the name, unchanged.
	Args string
	// Num is the number of UIDNEXT, UIDVALIDITY, UNSEEN and HIGHESTMODSEQ, and the UIDVALIDITY of
	// APPENDUID and COPYUID; 0: the number is invalid.
	Num uint64
	// Flags is the set of PERMANENTFLAGS.
	Flags FlagSet
	// Caps are the capabilities of CAPABILITY, in upper case.
	Caps []string
	// Dst are the UIDs of APPENDUID, and the new ones of COPYUID.
	Dst UIDList
	// Src are the original UIDs of COPYUID. It has as many as Dst.
	Src UIDList
	// UIDs is the set of MODIFIED (RFC 7162).
	UIDs mail.UIDSet
}

// The codes that this program uses, by their Name.
const (
	CodeAlert          = "ALERT"
	CodeAlreadyExists  = "ALREADYEXISTS"
	CodeAppendUID      = "APPENDUID"
	CodeAuthFailed     = "AUTHENTICATIONFAILED"
	CodeCapability     = "CAPABILITY"
	CodeClosed         = "CLOSED"
	CodeCopyUID        = "COPYUID"
	CodeHighestModSeq  = "HIGHESTMODSEQ"
	CodeMailboxID      = "MAILBOXID"
	CodeModified       = "MODIFIED"
	CodeNoModSeq       = "NOMODSEQ"
	CodeNonexistent    = "NONEXISTENT"
	CodeOverQuota      = "OVERQUOTA"
	CodePermanentFlags = "PERMANENTFLAGS"
	CodeReadOnly       = "READ-ONLY"
	CodeReadWrite      = "READ-WRITE"
	CodeTooBig         = "TOOBIG"
	CodeTryCreate      = "TRYCREATE"
	CodeUIDNext        = "UIDNEXT"
	CodeUIDNotSticky   = "UIDNOTSTICKY"
	CodeUIDValidity    = "UIDVALIDITY"
	CodeUnavailable    = "UNAVAILABLE"
	CodeUnseen         = "UNSEEN"
	CodeCompressionOn  = "COMPRESSIONACTIVE"
)

// ParseText splits the text of a status response, "[CODE args] text", into its code and the text for people. For an
// unknown or invalid code, only Name and Args are set. It is never an error.
func ParseText(s string) (Code, string) {
	s = strings.TrimLeft(s, " ")
	if s == "" || s[0] != '[' {
		return Code{}, s
	}
	inner := s[1:]
	nameEnd := strings.IndexAny(inner, " ]")
	if nameEnd <= 0 {
		return Code{}, s
	}
	code := Code{Name: upper([]byte(inner[:nameEnd]))}
	args := strings.TrimLeft(inner[nameEnd:], " ")
	end := codeEnd(code.Name, args)
	if end < 0 {
		// Never closed.
		return Code{}, s
	}
	code.Args = strings.TrimRight(args[:end], " ")
	text := strings.TrimPrefix(args[end+1:], " ")
	code.parseArgs()
	return code, text
}

// codeEnd returns the index of the bracket that ends the arguments of a code; -1: there is none. It skips brackets in
// quoted strings, and in flags of PERMANENTFLAGS.
func codeEnd(name, args string) int {
	if name == CodePermanentFlags && strings.HasPrefix(args, "(") {
		if i := strings.IndexByte(args, ')'); i >= 0 {
			j := strings.IndexByte(args[i:], ']')
			if j >= 0 {
				return i + j
			}
		}
	}
	quoted := false
	for i := 0; i < len(args); i++ {
		switch c := args[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == ']':
			return i
		}
	}
	// The quotes may be unbalanced.
	return strings.IndexByte(args, ']')
}

func (c *Code) parseArgs() {
	switch c.Name {
	case CodeUIDNext, CodeUIDValidity, CodeUnseen, CodeHighestModSeq:
		c.Num = leadingNumber(c.Args)
	case CodePermanentFlags:
		for name := range strings.FieldsSeq(strings.Trim(c.Args, "()")) {
			c.Flags.add([]byte(name))
		}
	case CodeCapability:
		c.Caps = strings.Fields(upper([]byte(c.Args)))
	case CodeAppendUID:
		validity, set, _ := strings.Cut(c.Args, " ")
		if l, err := ParseUIDList(strings.TrimSpace(set)); err == nil && fixed(l) {
			c.Num, c.Dst = leadingNumber(validity), l
		}
	case CodeCopyUID:
		f := strings.Fields(c.Args)
		if len(f) != 3 {
			return
		}
		src, err1 := ParseUIDList(f[1])
		dst, err2 := ParseUIDList(f[2])
		if err1 == nil && err2 == nil && fixed(src) && fixed(dst) && src.Len() == dst.Len() {
			c.Num, c.Src, c.Dst = leadingNumber(f[0]), src, dst
		}
	case CodeModified:
		c.UIDs, _ = ParseUIDSet(c.Args)
	}
}

// fixed reports whether a list has only particular UIDs, and no "*".
func fixed(l UIDList) bool {
	for _, r := range l {
		if r.Last == mail.MaxUID {
			return false
		}
	}
	return true
}

// leadingNumber returns the number at the beginning of s; 0 if there is none,
// it is too large, or something other than a space follows.
func leadingNumber(s string) uint64 {
	s, _, _ = strings.Cut(s, " ")
	var n uint64
	for i := range len(s) {
		if class[s[i]]&clsDigit == 0 {
			return 0
		}
		if n >= 1<<60 {
			return 0
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n
}
