package differential

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// body makes the message of a name, with LF.
func body(name string) string {
	text := "From: x@example.org\nSubject: " + name + "\nMessage-Id: <" + name + "@example.org>\n\nThis is " + name + ".\n"
	if strings.HasSuffix(name, "*") {
		text += strings.Repeat("It is a message of some length.\n", 2*limitOfSize/32)
	}
	switch name[0] {
	case 'M':
		return text
	case 'H':
		return "From: x@example.org\nSubject: " + name + "\nX-Cut: in the mid"
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(name[1:], "*"))
	return odd[n%len(odd)](name, text)
}

// odd are oddities that no program minds.
var odd = []func(name, text string) string{
	func(name, text string) string { return strings.TrimSuffix(text, "\n") },
	func(name, text string) string { return text + "\x00\x01 8 bit: \xe4\xf6\xfc \xff\xfe, a lone \r CR\n" },
	func(name, text string) string { return "X-TUID: abcdefghijkl\n" + text },
	func(name, text string) string {
		return strings.Replace(text, "\n\n", "\nx-other: "+strings.Repeat("long ", 2000)+"\n folded\n\n", 1)
	},
	// Their placeholders would have no name, so they are never big.
	func(name, _ string) string { return "\nSubject: " + name + "\n\nNo header.\n" },
	func(name, _ string) string { return "X-None: 1\n\nSubject: " + name + "\n\n" },
	func(name, text string) string {
		return strings.Replace(text, "\n\n", "\nX-Tuid-Like: X-TUID: \n\nX-TUID: in the body\n", 1)
	},
	func(name, text string) string { return text + "From: mbox\n.\n..\n)\n{5}\n" },
}

const placeholderMark = "[placeholder] "

var nameForm = regexp.MustCompile(`Subject: ((?:` + regexp.QuoteMeta(placeholderMark) + `)?[MOH]\d+\*?)`)

// nameOf returns the name of a message, with "?" behind it if it is a
// placeholder.
func nameOf(text string) string {
	m := nameForm.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	if p, ok := strings.CutPrefix(m[1], placeholderMark); ok {
		return p + "?"
	}
	return m[1]
}

var tuidLine = regexp.MustCompile(`(?m)^X-TUID: [A-Za-z0-9+/]{12}(\r?)$`)

// digest tells messages apart by their contents, whatever the temporary id is.
// Of a placeholder only the header counts: each program has its own words.
func digest(text string) string {
	head, _, ok := strings.Cut(text, "\n\n")
	if !ok {
		head, _, _ = strings.Cut(text, "\r\n\r\n")
	}
	if strings.Contains(head, "Subject: "+placeholderMark) {
		text = head
	}
	h := fnv.New32a()
	fmt.Fprint(h, tuidLine.ReplaceAllString(text, "X-TUID: ?$1"))
	return fmt.Sprintf("%08x", h.Sum32())
}
