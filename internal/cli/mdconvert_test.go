package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The manual page of mdconvert, and its --help, have each option, and none that
// does not exist.
func TestConvertManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/mdconvert.1")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for line := range strings.Lines(string(page)) {
		if item, ok := strings.CutPrefix(line, ".It Fl "); ok {
			for _, m := range regexp.MustCompile(`(?:^|Fl )(\S+)`).FindAllStringSubmatch(item, -1) {
				got = append(got, "-"+m[1])
			}
		}
	}
	help := convertHelp()
	for _, o := range convertOptions {
		forms := []string{"-" + string(rune(o.letter)), "--" + o.name}
		want = append(want, forms...)
		if !strings.Contains(help, "  "+strings.Join(forms, ", ")+" ") {
			t.Errorf("%s is not in --help", forms[1])
		}
	}
	if !slices.Equal(got, want) || len(want) != 8 {
		t.Errorf("the page has %q, want %q", got, want)
	}
}

func TestScanConvert(t *testing.T) {
	for _, c := range []struct {
		args  string
		alt   bool
		boxes string
		fail  string
	}{
		{"a b", false, "a b", ""},
		{"-a a", true, "a", ""},
		{"--alt a", true, "a", ""},
		{"-a -n a", false, "a", ""},
		{"--native --alt a", true, "a", ""},
		{"a -a", false, "a -a", ""},
		{"-a -- -n b", true, "-n b", ""},
		{"-a", true, "", ""},
		{"-x a", false, "", "unknown option '-x'"},
		{"-an a", false, "", "unknown option '-an'"},
	} {
		got, err := scanConvert(strings.Fields(c.args))
		if c.fail != "" {
			if err == nil || err.Error() != c.fail {
				t.Errorf("%s: %v", c.args, err)
			}
			continue
		}
		if err != nil || got.alt != c.alt || strings.Join(got.boxes, " ") != c.boxes {
			t.Errorf("%s: %+v, %v", c.args, got, err)
		}
	}
}
