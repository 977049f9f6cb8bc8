// Changelog assembles the notes of a release from fragments: every change that
// a user can notice brings a file in changelog/unreleased, so that two changes
// never fight over the same lines of CHANGELOG.md.
//
//	go run ./changelog                    print what is unreleased
//	go run ./changelog -whole             print CHANGELOG.md with it
//	go run ./changelog -release 0.2.0     move it into CHANGELOG.md
//
// A fragment is Markdown. Its first line is "Kind: what changed, in one line",
// with a kind out of kinds; after an empty line follow as many paragraphs as
// the change needs, or none.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kinds, in the order of their sections, most urgent to read first.
var kinds = []struct{ name, heading string }{
	{"Security", "Security"},
	{"Change", "Changed behavior"},
	{"Feature", "New"},
	{"Speed", "Faster"},
	{"Fix", "Fixed"},
}

// maxTitle is the length of a title in characters that still fits a line of a
// release page.
const maxTitle = 100

// fragment is one change.
type fragment struct {
	kind  string // a name out of kinds
	title string // one line, without a closing period
	body  string // paragraphs; may be empty
}

// parseFragment reads a fragment; the error says what is wrong with its form.
func parseFragment(text string) (fragment, error) {
	first, rest, _ := strings.Cut(text, "\n")
	kind, title, ok := strings.Cut(first, ": ")
	f := fragment{kind: kind, title: title, body: strings.TrimSpace(rest)}
	known := slices.ContainsFunc(kinds, func(k struct{ name, heading string }) bool { return k.name == kind })
	switch {
	case !ok || !known:
		var names []string
		for _, k := range kinds {
			names = append(names, k.name)
		}
		return f, fmt.Errorf("the first line must be \"Kind: title\", with a kind out of %s", strings.Join(names, ", "))
	case strings.TrimSpace(title) != title || title == "":
		return f, errors.New("the title is empty or has spaces around it")
	case len([]rune(title)) > maxTitle:
		return f, fmt.Errorf("the title is longer than %d characters", maxTitle)
	case strings.HasSuffix(title, "."):
		return f, errors.New("the title ends in a period")
	case f.body != "" && !strings.HasPrefix(rest, "\n"):
		return f, errors.New("an empty line must separate the title from the text")
	case strings.HasPrefix(f.body, "#") || strings.Contains(f.body, "\n#"):
		return f, errors.New("a fragment has no headings")
	case !strings.HasSuffix(text, "\n"):
		return f, errors.New("the last line is not terminated")
	}
	return f, nil
}

// readFragments reads the fragments in dir, in the order of their file names.
func readFragments(dir string) (frags []fragment, files []string, err error) {
	files, err = filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		f, err := parseFragment(string(text))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		frags = append(frags, f)
	}
	return frags, files, nil
}

// assemble writes one release as a section of CHANGELOG.md.
func assemble(heading string, frags []fragment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n", heading)
	for _, k := range kinds {
		first := true
		for _, f := range frags {
			if f.kind != k.name {
				continue
			}
			if first {
				fmt.Fprintf(&b, "\n### %s\n\n", k.heading)
				first = false
			}
			fmt.Fprintf(&b, "- **%s.**", f.title)
			if f.body != "" {
				b.WriteByte('\n')
				for line := range strings.Lines(f.body) {
					if strings.TrimSpace(line) == "" {
						b.WriteByte('\n')
						continue
					}
					b.WriteString("  " + line)
				}
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// insert puts a section in front of the newest release in the text of
// CHANGELOG.md.
func insert(log, section string) string {
	head, releases, found := strings.Cut(log, "\n## ")
	if !found {
		return strings.TrimRight(log, "\n") + "\n\n" + section
	}
	return strings.TrimRight(head, "\n") + "\n\n" + section + "\n## " + releases
}

func run() error {
	dir := flag.String("dir", filepath.Join("changelog", "unreleased"), "directory of the fragments")
	log := flag.String("log", "CHANGELOG.md", "file that holds the past releases")
	release := flag.String("release", "", "version to release; writes the log and removes the fragments")
	whole := flag.Bool("whole", false, "print the past releases, too")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "date of the release")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}

	frags, files, err := readFragments(*dir)
	if err != nil {
		return err
	}
	if *whole {
		old, err := os.ReadFile(*log)
		if err != nil {
			return err
		}
		text := string(old)
		if len(frags) > 0 {
			text = insert(text, assemble("Unreleased", frags))
		}
		fmt.Print(text)
		return nil
	}
	if *release == "" {
		fmt.Print(assemble("Unreleased", frags))
		return nil
	}
	if len(frags) == 0 {
		return fmt.Errorf("nothing to release in %s", *dir)
	}
	old, err := os.ReadFile(*log)
	if err != nil {
		return err
	}
	section := assemble(*release+" – "+*date, frags)
	if err := os.WriteFile(*log, []byte(insert(string(old), section)), 0o644); err != nil {
		return err
	}
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "changelog:", err)
		os.Exit(1)
	}
}
