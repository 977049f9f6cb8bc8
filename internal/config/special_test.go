package config

import (
	"slices"
	"strings"
	"testing"
)

func TestParseSpecial(t *testing.T) {
	for _, c := range [][3]string{
		{"Special:Sent", "Sent", "Special:Sent"},
		{"special:SENT", "Sent", "Special:Sent"},
		{"Special:Important", "Important", "Special:Important"},
		// A mailbox that is really called like that.
		{"Special::Sent", "", "Special:Sent"},
		{"special::sent", "", "special:sent"},
		{"Special:::Sent", "", "Special::Sent"},
		// No use.
		{"Special:Sents", "", "Special:Sents"},
		{"Special:", "", "Special:"},
		{"Special::", "", "Special::"},
		{"Special:Sent/x", "", "Special:Sent/x"},
		{"Special::Offers", "", "Special::Offers"},
		{"xSpecial:Sent", "", "xSpecial:Sent"},
		{"", "", ""},
	} {
		if use, name := parseSpecial(c[0]); use != c[1] || name != c[2] {
			t.Errorf("%q: %q, %q, want %q", c[0], use, name, c[1:])
		}
	}
}

const serverAndDisk = "IMAPStore i\nHost h\n\nMaildirStore n\nInbox /n\n\n"

func TestSpecialWords(t *testing.T) {
	cfg, notices := mustParse(t, strings.Replace(serverAndDisk, "Host h\n", "Host h\nTrash special:trash\n", 1)+
		"Channel a\nFar :i:special:sent\nNear :n:Special:Sent\n\nChannel b\nFar :i:\nNear :n:\nPatterns * !Special:All Special::Sent Special:SENT\n\n"+
		"Channel c\nFar :i:Special::Sent\nNear :n:Special::Sent\n")
	if len(notices) > 0 {
		t.Error(noticeTexts(notices))
	}
	if s := cfg.Stores[0]; s.Trash != "Special:Trash" || s.TrashUse != "Trash" {
		t.Errorf("trash %q, %q", s.Trash, s.TrashUse)
	}
	for i, want := range [][4]string{
		// A store in the file system has no uses, and its names need no second colon.
		{"Special:Sent", "Sent", "Special:Sent", ""},
		{"", "", "", ""},
		{"Special:Sent", "", "Special::Sent", ""},
	} {
		c := cfg.Channels[i]
		if got := [4]string{c.Far.Box, c.Far.Use, c.Near.Box, c.Near.Use}; got != want {
			t.Errorf("channel %s: %q, want %q", c.Name, got, want)
		}
	}
	p := cfg.Channels[1].Patterns
	var got []string
	for _, p := range p {
		got = append(got, p.String()+" "+p.Use)
	}
	if want := []string{"* ", "!Special:All All", "Special:Sent ", "Special:Sent Sent"}; !slices.Equal(got, want) {
		t.Errorf("patterns %q, want %q", got, want)
	}
	// Until they are resolved, uses match nothing, not even their own names.
	if !p.HasUses() || !p.Match("Special:All") || !p.Match("x") {
		t.Error(p)
	}
	r := p.Resolve(func(use string) []string {
		return map[string][]string{"All": {"[Gmail]/All*"}, "Sent": {"A", "B"}}[use]
	})
	for box, want := range map[string]bool{"x": true, "[Gmail]/All*": false, "[Gmail]/All Mail": true, "A": true} {
		if r.HasUses() || r.Match(box) != want {
			t.Errorf("%q is selected: %v by %q", box, !want, r)
		}
	}
	if l := p.Listing("", false); !l.Others {
		t.Errorf("%+v", l)
	}
}

// Between stores in the file system, these are words like any other.
func TestSpecialOnDisk(t *testing.T) {
	cfg, _ := mustParse(t, withChannel("Patterns Special:Sent Special::All"))
	p := cfg.Channels[0].Patterns
	if p.HasUses() || !p.Match("Special:Sent") || !p.Match("Special::All") {
		t.Errorf("%q", p)
	}
}

func TestSpecialErrors(t *testing.T) {
	got := errorTexts(t, serverAndDisk+"Channel c\nFar :i:Special:Sent\nNear :n:\nPatterns *\n")
	want := []string{`8: Channel "c": "Special:Sent" with Patterns (it is a single mailbox: remove Patterns, or write Far :store: and Patterns Special:Sent)`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	_, notices := mustParse(t, serverAndDisk+"Channel c\nFar :i:Special:Snet\nNear :n:\n\nChannel d\nFar :i:\nNear :n:\nPatterns !Special:Offers !Special:Archives\n")
	if got, want := noticeTexts(notices), []string{
		`8: warning: "Special:Snet" is not a special use, so it is the name of a mailbox; did you mean Special:Sent?`,
		`14: warning: "Special:Archives" is not a special use, so it is the name of a mailbox; did you mean Special:Archive?`,
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
