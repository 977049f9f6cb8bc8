package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..")

// page is a Markdown file.
type page struct {
	name  string // relative to the root of the repository
	lines []string
}

// block is a fenced block of a page.
type block struct {
	language string
	note     string // of the comment right above it, such as "run: new"
	first    int    // index of the first line within the fence
	lines    []string
}

// pages returns all pages that belong to the project.
func pages(t *testing.T) []page {
	t.Helper()
	var list []page
	for _, pattern := range []string{"*.md", "docs/*.md", "changelog/unreleased/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			list = append(list, readPage(t, f))
		}
	}
	if len(list) < 20 {
		t.Fatalf("found only %d pages", len(list))
	}
	return list
}

func readPage(t *testing.T, file string) page {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(root, file)
	if err != nil {
		t.Fatal(err)
	}
	return page{filepath.ToSlash(name), strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
}

// fragment reports whether a page is a part of the changelog.
func (p page) fragment() bool { return strings.HasPrefix(p.name, "changelog/") }

// blocks returns the fenced blocks of a page.
func (p page) blocks() []block {
	var list []block
	for i := 0; i < len(p.lines); i++ {
		indent := len(p.lines[i]) - len(strings.TrimLeft(p.lines[i], " "))
		language, ok := strings.CutPrefix(p.lines[i][indent:], "```")
		if !ok {
			continue
		}
		b := block{language: language, first: i + 1}
		for i++; i < len(p.lines) && !strings.HasPrefix(strings.TrimSpace(p.lines[i]), "```"); i++ {
			b.lines = append(b.lines, strings.TrimPrefix(p.lines[i], strings.Repeat(" ", indent)))
		}
		b.note = p.noteAbove(b.first - 1)
		list = append(list, b)
	}
	return list
}

// noteAbove returns the text of a comment that ends right above a line.
func (p page) noteAbove(line int) string {
	end := line - 1
	if end < 0 || !strings.HasSuffix(p.lines[end], "-->") {
		return ""
	}
	for i := end; i >= 0; i-- {
		if strings.HasPrefix(p.lines[i], "<!--") {
			text := strings.Join(p.lines[i:end+1], "\n")
			return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "<!--"), "-->"))
		}
	}
	return ""
}

// prose returns the lines of a page with empty lines in place of blocks and comments.
func (p page) prose() []string {
	lines := make([]string, len(p.lines))
	copy(lines, p.lines)
	for _, b := range p.blocks() {
		for i := b.first - 1; i <= min(b.first+len(b.lines), len(lines)-1); i++ {
			lines[i] = ""
		}
	}
	comment := false
	for i, l := range lines {
		if strings.HasPrefix(l, "<!--") {
			comment = true
		}
		if comment {
			comment = !strings.HasSuffix(l, "-->")
			lines[i] = ""
		}
	}
	return lines
}
