package config

import (
	"slices"
	"testing"
)

func TestLexLine(t *testing.T) {
	tests := []struct {
		line string
		want []string
		err  lexError
	}{
		{"", nil, ""},
		{" \t\v\f\r", nil, ""},
		{"Path x", []string{"Path", "x"}, ""},
		{"  Path\t x  ", []string{"Path", "x"}, ""},
		{`Path ""`, []string{"Path", ""}, ""},
		{`Path "a b"`, []string{"Path", "a b"}, ""},
		{`Path a" "b`, []string{"Path", "a b"}, ""},
		{`Path "a"b"c d"`, []string{"Path", "abc d"}, ""},
		{`Pass a\ b`, []string{"Pass", "a b"}, ""},
		{`Pass \"a\\b\"`, []string{"Pass", `"a\b"`}, ""},
		{`Pass "a\"b\\"`, []string{"Pass", `a"b\`}, ""},
		{`Pass \n`, []string{"Pass", "n"}, ""},
		{`Pass \#x`, []string{"Pass", "#x"}, ""},
		{`Pass "#x"`, []string{"Pass", "#x"}, ""},
		{"Pass a#b", []string{"Pass", "a#b"}, ""},
		{"Pass a #b", []string{"Pass", "a"}, ""},
		{"# Pass a", nil, ""},
		{`Pass a # "open`, []string{"Pass", "a"}, ""},
		{`Pass "a b`, []string{"Pass", "a b"}, errOpenQuote},
		{`Pass a"`, []string{"Pass", "a"}, errOpenQuote},
		{`Pass a\`, []string{"Pass", "a"}, errOpenEscape},
		{`Pass "a\`, []string{"Pass", "a"}, errOpenEscape},
		{"Pass a\x00b", nil, errNUL},
		{"Pass \u201ca b\u201d", []string{"Pass", "a b"}, ""},
		{"Pass \u201ca # b\u201d c", []string{"Pass", "a # b", "c"}, ""},
		{"Pass \u201da\\\u201d b\u201c c", []string{"Pass", "a\u201d b", "c"}, ""},
		{"Pass \u201csay \"x y\"\u201d", []string{"Pass", `say "x y"`}, ""},
		{"Pass !\u201ca b\u201d \u201c\u201d", []string{"Pass", "!a b", ""}, ""},
		{"Pass \"\u201ca b\u201d\"", []string{"Pass", "\u201ca b\u201d"}, ""},
		{"Pass \u201ca b", []string{"Pass", "\u201ca", "b"}, ""},
		{"Pass a \u201d", []string{"Pass", "a", "\u201d"}, ""},
		{"Pass Entw\u00fcrfe\xff", []string{"Pass", "Entw\u00fcrfe\xff"}, ""},
	}
	for _, tt := range tests {
		toks, err := lexLine(tt.line)
		var got []string
		for _, tok := range toks {
			got = append(got, tok.text)
		}
		if !slices.Equal(got, tt.want) || err != tt.err {
			t.Errorf("lexLine(%q) = %q, %q; want %q, %q", tt.line, got, err, tt.want, tt.err)
		}
	}
}

func TestQuoteArg(t *testing.T) {
	for _, s := range []string{"", "a", "a b", `a"b`, `a\b`, "#", "a#", "\ta", `\`, "ü"} {
		toks, err := lexLine("K " + quoteArg(s))
		if err != "" || len(toks) != 2 || toks[1].text != s {
			t.Errorf("%q is written %s, which reads %v (%s)", s, quoteArg(s), toks, err)
		}
	}
}

func TestCurlyQuotes(t *testing.T) {
	tests := []struct {
		line, want string
		stray      bool
	}{
		{"Patterns * \u201c[Gmail]/Sent Mail\u201d \u201c[Gmail]/Starred\u201d # x", `Patterns * "[Gmail]/Sent Mail" "[Gmail]/Starred" # x`, false},
		{" Patterns !\u201ca b\u201d", `Patterns !"a b"`, false},
		{"Patterns \u201d\u201d", `Patterns ""`, false},
		{"Patterns \u201c a b \u201d c", `Patterns " a b " c`, false},
		{"Tunnel \u201csh -c \"a\"\u201d", `Tunnel "sh -c \"a\""`, false},
		{"Patterns \u201copen", "", true},
		{"Patterns open\u201d", "", true},
		{"Patterns a\u201db", "", false},
		{"Patterns \"\u201ca\u201d\"", "", false},
		{"Patterns \\\u201ca", "", false},
	}
	for _, tt := range tests {
		toks, _ := lexLine(tt.line)
		curly, stray := false, false
		for _, tok := range toks {
			curly, stray = curly || tok.curly, stray || tok.stray
		}
		got := straightLine(tt.line, toks)
		if !curly {
			got = ""
		}
		if got != tt.want || stray != tt.stray {
			t.Errorf("%s: write %s, stray %t; want %s, %t", tt.line, got, stray, tt.want, tt.stray)
		}
		if !curly {
			continue
		}
		again, _ := lexLine(got)
		for i := range toks {
			if again[i].curly || again[i].text != toks[i].text {
				t.Errorf("%s reads as %v, %s as %v", tt.line, toks, got, again)
				break
			}
		}
	}
}

func TestValues(t *testing.T) {
	bools := map[string]string{
		"yes": "true", "YES": "true", "True": "true", "on": "true", "1": "true",
		"no": "false", "No": "false", "false": "false", "OFF": "false", "0": "false",
		"": "", "y": "", "2": "", "yess": "", "ja": "",
	}
	for s, want := range bools {
		got := ""
		if v, ok := parseBool(s); ok {
			got = map[bool]string{true: "true", false: "false"}[v]
		}
		if got != want {
			t.Errorf("parseBool(%q) = %q, want %q", s, got, want)
		}
	}
	sizes := map[string]int64{
		"0": 0, "1": 1, "12b": 12, "12B": 12, "1k": 1024, "1K": 1024, "3kb": 3072, "3KB": 3072, "2m": 2 << 20, "2Mb": 2 << 20,
		"9223372036854775807": 1<<63 - 1,
		"":                    -1, "k": -1, "b": -1, "1g": -1, "1bk": -1, "-1": -1, "+1": -1, "1 k": -1, "1.5m": -1, "0x10": -1,
		"9223372036854775808": -1, "9223372036854775807k": -1, "8796093022208m": -1, "1kk": -1,
	}
	for s, want := range sizes {
		got, ok := parseSize(s)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("parseSize(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"Path", "Pass", "PassCmd", "Patterns", "TLSType", "Host"}
	for word, want := range map[string]string{
		"Pth": "Path", "pasCmd": "PassCmd", "Hsot": "Host", "Pattern": "Patterns", "TLSTyp": "TLSType", "STLType": "TLSType",
		"Zebra": "", "": "", "x": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
