package ui

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/event"
	"isync/internal/mail"
)

func TestPlanLines(t *testing.T) {
	const near, far = 1, 0
	r := event.Outcome{ForeseenMore: 312, Foreseen: []event.Foreseen{
		{Side: far, UID: 3, Copy: true, Size: 2345, Subject: "Lunch"},
		{Side: far, UID: 4, Copy: true, Placeholder: true, Size: 12_345_678},
		{Side: near, UID: 9, Copy: true, Size: 999},
		{Side: near, UID: 1, Add: mail.FlagSeen, Del: mail.FlagFlagged | mail.FlagDraft, Subject: "Re: Lunch"},
		{Side: near, UID: 2, Add: mail.FlagDeleted, Orphan: true, Trash: true, Expunge: true, Size: 1000, Subject: "Old"},
		{Side: near, UID: 5, Add: mail.FlagDeleted, Expire: true},
		{Side: near, UID: 7, Add: mail.FlagDeleted, Purge: true},
		{Side: far, UID: 8, RemoteTrash: true, Expunge: true},
	}}
	want := []string{
		"would pull far UID 3 (2.3 kB): Lunch",
		"would pull a placeholder for far UID 4 (12.3 MB)",
		"would push near UID 9 (999 B)",
		"would flag +S -DF near UID 1: Re: Lunch",
		"would flag +T (gone from the other side) and move to the trash and expunge near UID 2 (1.0 kB): Old",
		"would flag +T (expired) near UID 5",
		"would flag +T (outdated placeholder) near UID 7",
		"would copy to the trash of the near side and expunge far UID 8",
		"and 312 more message(s)",
	}
	if d := cmp.Diff(want, planLines(r)); d != "" {
		t.Error(d)
	}
}

func TestSubjectText(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                  "",
		"plain":                             "plain",
		" \tfolded\t line  here ":           "folded line here",
		"=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=":       "Grüße",
		"=?utf-8?B?w6TDtsO8?= und mehr":     "äöü und mehr",
		"=?ISO-8859-1?Q?caf=E9?=":           "café",
		"=?iso-8859-15?Q?=A4?=":             "€",
		"=?windows-1252?Q?=80?=":            "€",
		"=?KOI8-R?B?8NLJ18XU?=":             "Привет",
		"=?x-unknown?Q?a=E9?=":              "=?x-unknown?Q?a=E9?=",
		"=?UTF-8?Q?a?= =?UTF-8?Q?b?=":       "ab",
		"=?UTF-8?Q?=1B[31mred=07=0D=0Aeh?=": "[31mred eh",
		"=?UTF-8?Q?=E2=80=AEtxt.exe?=":      "txt.exe",
		"raw\x1b[2Jclear\x00":               "raw[2Jclear",
		"caf\xe9":                           "caf?",
		strings.Repeat("x", 5000):           strings.Repeat("x", maxSubject),
	} {
		if got := subjectText(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// Lines end at the border of the terminal; a file gets them whole.
func TestPreviewWidth(t *testing.T) {
	r := event.Outcome{Foreseen: []event.Foreseen{{UID: 3, Copy: true, Size: 10, Subject: strings.Repeat("寿司", 50)}}}
	for _, columns := range []int{0, 40} {
		var out bytes.Buffer
		p := New(Options{Out: &out, Err: &out, Level: Verbose, DryRun: true, Columns: func() int { return columns }})
		n := event.Pair{Channel: "c", Name: "a"}
		p.Take(event.PairBegun{Pair: n})
		p.Take(event.PairEnded{Pair: n, Outcome: r})
		p.End()
		want := "c:a: would pull far UID 3 (10 B): "
		if columns > 0 {
			want += "寿司寿\n"
		} else {
			want += strings.Repeat("寿司", 50) + "\n"
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("%d columns:\n%q", columns, &out)
		}
	}
}
