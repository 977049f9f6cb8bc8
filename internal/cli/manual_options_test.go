package cli

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// make generate sets it.
var updateManual = flag.Bool("update", false, "write the headings of options into the manual page")

const manualFile = "../../docs/man/mbsync.1"

// headings returns the lines that entries of the manual page for options begin
// with: those of OPTIONS, and those of the old spellings, both in the order of
// the table.
func headings() (current, old []string) {
	oldOf := map[string][]string{} // by what to write instead, in the order of uses
	var uses []string
	for i := range options {
		o := &options[i]
		switch {
		case o.internal:
		case o.useName != "":
			key := fl(o.useLetter, 0, "") + " , " + fl(0, 0, o.useName)
			oldOf[key] = append(oldOf[key], fl(o.letter, 0, ""), fl(0, 0, o.name))
			if !slices.Contains(uses, key) {
				uses = append(uses, key)
			}
		default:
			current = append(current, o.headings()...)
		}
		var letters, names []string
		for j := range o.variants {
			if v := &o.variants[j]; v.useName != "" {
				letters = append(letters, fl(o.letter, v.letter, ""))
				names = append(names, fl(0, 0, o.variantName(v)))
			}
		}
		if len(letters) > 0 {
			old = append(old, ".It "+strings.Join(append(letters, names...), " , "))
		}
	}
	var alone []string
	for _, key := range uses {
		alone = append(alone, ".It "+strings.Join(oldOf[key], " , "))
	}
	return current, append(alone, old...)
}

// fl writes an option in mdoc: one or two letters, or a name.
func fl(letter, bound byte, name string) string {
	if name != "" {
		return "Fl -" + name
	}
	word := string(rune(letter))
	if bound != 0 {
		word += string(rune(bound))
	}
	// Some look like macros.
	if slices.Contains([]string{"Cm", "Dd", "Ds", "Hf", "Rs", "Ar", "Fl", "It", "Op"}, word) {
		word = `\&` + word
	}
	return "Fl " + word
}

// headings returns the lines that begin the entries of an option.
func (o *option) headings() []string {
	it := func(words ...string) string { return ".It " + strings.Join(words, " , ") }
	arg := ""
	if o.arg != "" {
		arg = regexp.MustCompile(`\[:(\w+)\]`).ReplaceAllString(" Ar "+strings.ToLower(o.arg), " Ns Op : Ns Ar $1")
	}
	var plain, letters, names []string
	if o.optional != "" {
		arg = regexp.MustCompile(`\[:(\w+)\]`).ReplaceAllString(" Ns Oo = Ns Ar "+strings.ToLower(o.optional), " Ns Oo : Ns Ar $1 Oc") + " Oc"
	}
	if o.letter != 0 {
		plain = append(plain, fl(o.letter, 0, "")+arg)
	}
	plain = append(plain, fl(0, 0, o.name)+arg)
	if o.wantsFile {
		plain = append(plain, fl(0, 0, o.name)+" Ns ="+strings.Replace(arg, " Ar", " Ns Ar", 1))
	}
	for i := range o.variants {
		v := &o.variants[i]
		if v.useName != "" {
			continue
		}
		if v.letter != 0 {
			letters = append(letters, fl(o.letter, v.letter, ""))
		}
		names = append(names, fl(0, 0, o.variantName(v)))
	}
	switch {
	case len(o.variants) == 0:
		return []string{it(plain...)}
	case o.strict || len(letters) == 1: // each with an explanation of its own
		lines := []string{it(plain...)}
		for i := range letters {
			lines = append(lines, it(letters[i], names[i]))
		}
		return lines
	case o.many:
		return []string{it(plain...), it(letters...), it(names...)}
	}
	return []string{it(slices.Concat(plain[:1], letters, plain[1:], names)...)}
}

// manualPart returns where a part of the manual page begins and ends.
func manualPart(t *testing.T, lines []string, from, to string) (int, int) {
	t.Helper()
	i, j := slices.Index(lines, from), slices.Index(lines, to)
	if i < 0 || j < i {
		t.Fatalf("the manual page has no part from %q to %q", from, to)
	}
	return i, j
}

// TestManualOptions: the headings of options in the manual page are made from
// the table. With -update they are written into it: those that are there get
// their current form, new ones come behind those that precede them in the table,
// with the text of --help, to be made a better one of.
func TestManualOptions(t *testing.T) {
	page, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(page), "\n")
	current, old := headings()
	for _, part := range []struct {
		from, to string
		want     []string
	}{
		{".Sh OPTIONS", ".Sh CONFIGURATION", current},
		{".Ss Deprecated keywords and options", ".Sh ENVIRONMENT", old},
	} {
		i, j := manualPart(t, lines, part.from, part.to)
		if *updateManual {
			lines = slices.Concat(lines[:i], withHeadings(lines[i:j], part.want), lines[j:])
			continue
		}
		var got []string
		for _, l := range lines[i:j] {
			if strings.HasPrefix(l, ".It Fl ") {
				got = append(got, l)
			}
		}
		if d := cmp.Diff(part.want, got); d != "" {
			t.Errorf("%s (-want +got; run make generate):\n%s", part.from, d)
		}
	}
	if *updateManual {
		if err := os.WriteFile(manualFile, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// withHeadings returns a part of the page with these headings.
func withHeadings(lines, want []string) []string {
	first := func(heading string) string { return strings.Fields(heading)[2] }
	out := slices.Clone(lines)
	at := 0 // behind the heading before
	for _, w := range want {
		i := slices.IndexFunc(out, func(l string) bool { return strings.HasPrefix(l, ".It Fl ") && first(l) == first(w) })
		if i >= 0 {
			out[i] = w
			at = i + 1
			continue
		}
		for at < len(out) && !regexp.MustCompile(`^\.(It|El|Ss|Sh)\b`).MatchString(out[at]) {
			at++
		}
		out = slices.Insert(out, at, w, helpOf(first(w)))
		at += 2
	}
	return out
}

// helpOf returns what --help says about an option by its first spelling.
func helpOf(spelling string) string {
	spelling = strings.TrimPrefix(spelling, `\&`)
	if o, v, ok := findLong(strings.TrimPrefix(spelling, "-")); ok {
		return o.explain(v)
	}
	if o := findShort(spelling[0]); o != nil {
		if len(spelling) > 1 {
			return o.explain(o.bound(spelling[1]))
		}
		return o.explain(nil)
	}
	return fmt.Sprint("unknown option ", spelling)
}

// A new option gets its place and a text; what is there stays.
func TestWithHeadings(t *testing.T) {
	got := withHeadings([]string{".Bl", ".It Fl a", "All.", ".It Fl x , Fl -other", "X.", ".El"},
		[]string{".It Fl a , Fl -all", ".It Fl -check", ".It Fl x , Fl -expunge-solo"})
	want := []string{".Bl", ".It Fl a , Fl -all", "All.", ".It Fl -check", helpOf("-check"), ".It Fl x , Fl -expunge-solo", "X.", ".El"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
