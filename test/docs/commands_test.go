package docs

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// TestCommands runs the commands of all blocks with the language "console" and compares what they
// print with the page. A comment right above the block begins with "run: new" for a new home
// directory, or with "run: go on" for that of the block before. Further lines of the comment are
// prepared first (see home.prepare). The comment "file: NAME" above another block writes it to a
// file of the next new home. "add: NAME" adds the block to the end of such a file instead. In the
// output of a page, "…" stands for any text in its line, and a line "…" for any lines.
func TestCommands(t *testing.T) {
	for _, dir := range []string{"cmd", "internal"} {
		// go test notes what a test looks at, but not what its children do.
		_ = filepath.WalkDir(filepath.Join(root, dir), func(string, fs.DirEntry, error) error { return nil })
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "./cmd/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: specialUses})
	found := 0
	for _, p := range pages(t) {
		if !slices.ContainsFunc(p.blocks(), func(b block) bool { return b.language == "console" }) {
			continue
		}
		found++
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			runPage(t, srv, bin, p)
		})
	}
	if found < 3 {
		t.Errorf("only %d pages have commands", found)
	}
}

func runPage(t *testing.T, srv *testkit.Dovecot, bin string, p page) {
	var h *home
	files := map[string]string{}
	shift := 0
	lines := slices.Clone(p.lines)
	for i, b := range p.blocks() {
		text := strings.Join(b.lines, "\n") + "\n"
		if name, ok := strings.CutPrefix(b.note, "file: "); ok {
			files[name] = text
			continue
		}
		if name, ok := strings.CutPrefix(b.note, "add: "); ok {
			if files[name] == "" {
				files[name] = standard
			}
			files[name] += text
			continue
		}
		if b.language != "console" {
			continue
		}
		rest, ok := strings.CutPrefix(b.note, "run: ")
		if !ok {
			t.Fatalf("%s:%d: no comment says how to run this block", p.name, b.first)
		}
		how := strings.Split(rest, "\n")
		switch how[0] {
		case "new":
			name := strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r
				}
				return -1
			}, strings.ToLower(p.name))
			h = newHome(t, srv, bin, fmt.Sprintf("docs%s%d", name, i))
			for name, text := range files {
				h.write(name, text)
			}
			clear(files)
		case "go on":
		default:
			t.Fatalf("%s:%d: the comment says %q", p.name, b.first, how[0])
		}
		for _, line := range how[1:] {
			h.prepare(line)
		}
		got := h.session(b.lines)
		if matches(b.lines, got) {
			continue
		}
		if os.Getenv("UPDATE_DOCS") == "1" {
			lines = slices.Replace(lines, b.first+shift, b.first+shift+len(b.lines), got...)
			shift += len(got) - len(b.lines)
			continue
		}
		t.Errorf("%s:%d: the commands print\n%s\nthe page shows\n%s\nUPDATE_DOCS=1 updates it", p.name, b.first, strings.Join(got, "\n"), text)
	}
	if !slices.Equal(lines, p.lines) {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(p.name)), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSessionsAreRun: a block with a prompt is run, or says why not.
func TestSessionsAreRun(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks() {
			prompt := slices.ContainsFunc(b.lines, func(l string) bool { return strings.HasPrefix(l, "$ ") })
			run := b.language == "console" || strings.HasPrefix(b.note, "not run: ") || strings.HasPrefix(b.note, "recording: ")
			if prompt && !run {
				t.Errorf("%s:%d: a block with the prompt $ needs the language console, or the comment \"not run: REASON\"", p.name, b.first)
			}
		}
	}
}

// session runs the commands of a block and returns the block as it should be.
func (h *home) session(lines []string) []string {
	var got []string
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			continue
		}
		got = append(got, lines[i])
		for ; strings.HasSuffix(lines[i], `\`) && i+1 < len(lines); i++ {
			command += "\n" + lines[i+1]
			got = append(got, lines[i+1])
		}
		if out := strings.TrimSuffix(h.run(command), "\n"); out != "" {
			got = append(got, strings.Split(out, "\n")...)
		}
	}
	return got
}

// matches reports whether the output is as a page shows it.
func matches(want, got []string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, l := range want {
		if l == "…" {
			pattern.WriteString(`(.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(l), "…", ".*") + `\n`)
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String()).MatchString(strings.Join(got, "\n") + "\n")
}

// TestMatches: what "…" stands for.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"$ a\nb", "$ a\nb", true},
		{"$ a\nb", "$ a\nc", false},
		{"$ a", "$ a\nc", false},
		{"$ a\nuid …, new", "$ a\nuid 17, new", true},
		{"$ a\n…\nend", "$ a\n1\n2\nend", true},
		{"$ a\n…\nend", "$ a\n1\n2", false},
	} {
		if got := matches(strings.Split(c.want, "\n"), strings.Split(c.got, "\n")); got != c.ok {
			t.Errorf("matches(%q, %q) = %v", c.want, c.got, got)
		}
	}
}
