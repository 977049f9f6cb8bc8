package cli

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"isync/internal/config"
	"isync/internal/testkit"
)

// entry is an entry of the manual page: the text of a line ".It", and the heading that it
// is below.
type entry struct{ heading, item string }

// manualEntries returns the entries of the manual page.
func manualEntries(t *testing.T) (entries []entry) {
	t.Helper()
	page, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	heading := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, ".Ss "); ok {
			heading = h
		} else if h, ok := strings.CutPrefix(line, ".Sh "); ok {
			heading = h
		} else if item, ok := strings.CutPrefix(line, ".It "); ok {
			entries = append(entries, entry{heading, item})
		}
	}
	return entries
}

// flags returns the options that an entry is about.
func (e entry) flags() (flags []string) {
	// Some look like macros, which a zero-width \& prevents.
	for _, m := range regexp.MustCompile(`Fl (?:\\&)?(\S+)`).FindAllStringSubmatch(e.item, -1) {
		flags = append(flags, "-"+m[1])
	}
	slices.Sort(flags)
	return slices.Compact(flags) // "--config" is also with "="
}

// keywords returns the keywords that an entry is about.
func (e entry) keywords() (keywords []string) {
	words, ok := strings.CutPrefix(e.item, "Ic ")
	if !ok {
		return nil
	}
	for word := range strings.FieldsSeq(words) {
		switch word {
		case ",":
			continue
		case "Ar", "Cm", `\&:`, "Oo":
			return keywords
		}
		keywords = append(keywords, word)
	}
	return keywords
}

// keywordHeadings says below which headings the keywords of each kind of section are. The
// text of a heading before a colon is enough.
var keywordHeadings = map[string][]string{
	"":             {"Included files", "Global keywords", "Channels"},
	"IMAPAccount":  {"IMAPAccount"},
	"IMAPStore":    {"All stores", "IMAPStore", "IMAPAccount"},
	"MaildirStore": {"All stores", "MaildirStore"},
	"Channel":      {"Channels"},
	"Group":        {"Groups"},
}

const deprecatedHeading = "Deprecated keywords and options"

// Each option has its own entry in the manual page, and there is none for anything else.
func TestManualHasOptions(t *testing.T) {
	var got, want []string
	for _, e := range manualEntries(t) {
		got = append(got, e.flags()...)
	}
	for _, s := range Spellings() {
		for _, form := range []string{s.Short, s.Long} {
			if form != "" && !s.Internal {
				want = append(want, form)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("option %s has no entry in the manual page", w)
		}
	}
	for i, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("the manual page has an entry for option %s, which does not exist", g)
		}
		if i > 0 && got[i-1] == g {
			t.Errorf("the manual page has two entries for option %s", g)
		}
	}
	if len(got) < 80 {
		t.Errorf("only %d options were found", len(got))
	}
}

// Each keyword has its own entry in the manual page, below the heading of its section, and
// there is none for anything else.
func TestManualHasKeywords(t *testing.T) {
	type place struct{ heading, keyword string }
	got := map[place]bool{} // whether it is needed
	for _, e := range manualEntries(t) {
		heading, _, _ := strings.Cut(e.heading, ":")
		for _, k := range e.keywords() {
			p := place{heading, k}
			if _, ok := got[p]; ok && !(heading == deprecatedHeading && k == "Sync") {
				t.Errorf("%q has two entries for keyword %s", e.heading, k)
			}
			got[p] = false
		}
	}
	for _, s := range config.Sections() {
		for _, k := range s.Keywords {
			headings := keywordHeadings[s.Name]
			if k.Deprecated {
				headings = []string{deprecatedHeading}
			}
			for _, name := range []string{k.Name, k.Alias} {
				found := name == ""
				for _, h := range headings {
					if _, ok := got[place{h, name}]; ok {
						got[place{h, name}] = true
						found = true
					}
				}
				if !found {
					t.Errorf("keyword %s of section %q has no entry in the manual page below %q", name, s.Name, headings)
				}
			}
		}
	}
	for p, needed := range got {
		if !needed && p != (place{deprecatedHeading, "Sync"}) {
			t.Errorf("the manual page has an entry for keyword %s below %q, where it does not exist", p.keyword, p.heading)
		}
	}
	if len(got) < 80 {
		t.Errorf("only %d keywords were found", len(got))
	}
}

// keywordsOfC are the keywords of mbsync 1.5.1, in lower case.
var keywordsOfC = strings.Fields(`fsync fielddelimiter bufferlimit path maxsize mapinbox flatten trash trashnewonly
	trashremotenew inbox infodelimiter altmap subfolders account usenamespace pathdelimiter subscribedonly host port timeout
	user usercmd pass passcmd usekeychain tunnel authmech authmechs tlstype tlsversions systemcertificates certificatefile
	clientcertificate clientkey cipherstring pipelinedepth disableextension disableextensions far near pattern patterns
	sync create remove expunge expungesolo maxmessages expireunread expireside copyarrivaldate syncstate channel channels`)

// The manual page says of each keyword that mbsync 1.5.1 does not have since when there is
// one, in its entry or for all of its section. The page about the differences has it, too.
func TestManualNewKeywords(t *testing.T) {
	page, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	differences, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(page), "\n.Ss ")
	for _, s := range config.Sections() {
		for _, k := range s.Keywords {
			if k.Deprecated {
				continue
			}
			inC := slices.Contains(keywordsOfC, strings.ToLower(k.Name))
			if !inC && !strings.Contains(string(differences), "`"+k.Name+"`") {
				t.Errorf("docs/differences.md does not mention %s", k.Name)
			}
			for _, section := range sections {
				_, entry, ok := strings.Cut(section, "\n.It Ic "+k.Name+" ")
				if !ok {
					continue
				}
				// Several keywords may share a text.
				entry, _, _ = strings.Cut(regexp.MustCompile(`^[^\n]*(\n\.It Ic [^\n]*)*`).ReplaceAllString(entry, ""), "\n.It ")
				since := strings.Contains(entry, "Since 1.6.") || strings.Contains(section, "of these keywords are since 1.6") || strings.Contains(section, "All of them are since 1.6.")
				if since == inC {
					t.Errorf("%s: keyword of mbsync 1.5.1: %v, described as newer: %v", k.Name, inC, since)
				}
			}
		}
	}
}

// The configurations in the manual page are valid: that of the description as it is, and
// the channels of the examples together with its stores.
func TestManualConfigurations(t *testing.T) {
	page, err := os.ReadFile(manualFile)
	if err != nil {
		t.Fatal(err)
	}
	var stores string
	found := 0
	for _, m := range regexp.MustCompile(`(?s)\n\.Bd -literal -offset indent\n(.*?)\n\.Ed`).FindAllStringSubmatch(string(page), -1) {
		text := m[1] + "\n"
		switch {
		case strings.HasPrefix(text, "IMAPStore"):
			stores = text[:strings.Index(text, "\nChannel")+1]
		case strings.HasPrefix(text, "Channel"):
			text = stores + strings.ReplaceAll(text, ":disk:", ":home:")
		default:
			continue
		}
		found++
		_, notices, err := config.Parse("isyncrc", []byte(text), config.Env{Home: func(string) (string, error) { return "/home/me", nil }})
		if err != nil || len(notices) > 0 {
			t.Errorf("%s%v, %v", text, notices, err)
		}
	}
	if found < 3 {
		t.Errorf("only %d configurations were found", found)
	}
}

// The manual pages are correct mdoc.
func TestManualRenders(t *testing.T) {
	for _, page := range []string{manualFile, "../../docs/man/mdconvert.1"} {
		for _, p := range []struct {
			program, pkg string
			args         []string
		}{
			{"mandoc", "mandoc", []string{"-T", "lint", "-W", "warning"}},
			{"groff", "groff-base", []string{"-ww", "-mandoc", "-T", "utf8", "-z"}},
		} {
			t.Run(p.program, func(t *testing.T) {
				out, err := exec.Command(testkit.FindProgram(t, p.program, p.pkg), append(p.args, page)...).CombinedOutput()
				if err != nil || len(out) > 0 {
					t.Errorf("%s: %v\n%s", page, err, out)
				}
			})
		}
	}
}
