package mail_test

import (
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"isync/internal/mail"
)

func TestHeaderFields(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	for _, tt := range []struct {
		name, header string
		want         []string
	}{
		{"nothing", "", []string{"", ""}},
		{"plain", "A: 1\nSubject: hello\nX-TUID: t\n\nX-TUID: body\n", []string{"hello", "t"}},
		{"CR LF", "subject:hello \r\nX-tuid: t\r\n\r\nSubject: body\r\n", []string{"hello", "t"}},
		{"folded", "Subject: one\n two\n\tthree\nX: y\n z\nX-TUID:\n t\n\n", []string{"one two\tthree", "t"}},
		{"repeated", "Subject: one\nSubject: two\nX-TUID:\nX-TUID: t\n\n", []string{"one", "t"}},
		{"space before the colon", "Subject : one\n\n", []string{"one", ""}},
		{"other names", "Subjects: one\nXX-TUID: t\nno colon\n Subject: folded\n\n", []string{"", ""}},
		{"no end", "Subject: one", []string{"one", ""}},
		{"starts with a fold", " Subject: one\nX-TUID: t\n", []string{"", "t"}},
		{"a long line before", "A: " + long + "\nSubject: one\n\n", []string{"one", ""}},
		{"body only", "\nSubject: one\n", []string{"", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mail.HeaderFields(strings.NewReader(tt.header), "Subject", "X-TUID")
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%q %v, want %q", got, err, tt.want)
			}
			got, err = mail.HeaderFields(iotest.OneByteReader(strings.NewReader(tt.header)), "Subject", "X-TUID")
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("byte by byte: %q %v, want %q", got, err, tt.want)
			}
		})
	}
	if got, err := mail.HeaderFields(strings.NewReader("Subject: "+long+"\n\n"), "Subject"); err != nil || len(got[0]) < 2000 || len(got[0]) > 10<<10 {
		t.Errorf("a long value has %d bytes, %v", len(got[0]), err)
	}
	if got, err := mail.HeaderFields(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("Subject: x\n"))), "Subject"); err == nil {
		t.Errorf("no error: %q", got)
	}
}
