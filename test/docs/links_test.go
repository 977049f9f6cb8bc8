package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inlineURL = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)
	notAnchor = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]`)
)

// anchors returns the anchors of the headings of a page, as GitHub and other forges make them.
func (p page) anchors() map[string]bool {
	list := map[string]bool{}
	for _, l := range p.prose() {
		text := strings.TrimLeft(l, "#")
		if text == l || !strings.HasPrefix(text, " ") {
			continue
		}
		text = inlineURL.ReplaceAllString(strings.TrimSpace(text), "$1")
		text = notAnchor.ReplaceAllString(strings.ToLower(text), "")
		list[strings.ReplaceAll(text, " ", "-")] = true
	}
	return list
}

// TestLinks: each link leads to a file, and to a heading in it if it has an anchor.
func TestLinks(t *testing.T) {
	all := map[string]page{}
	for _, p := range pages(t) {
		all[p.name] = p
	}
	links := 0
	for _, p := range all {
		for _, l := range p.prose() {
			for _, m := range link.FindAllStringSubmatch(l, -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				links++
				file, anchor, anchored := strings.Cut(m[1], "#")
				name := p.name
				if file != "" {
					name = path.Join(path.Dir(p.name), file)
				}
				if file != "" && p.fragment() {
					name = file // it becomes a part of CHANGELOG.md
				}
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Errorf("%s: the link %s leads nowhere", p.name, m[1])
					continue
				}
				if target, ok := all[name]; anchored && ok && !target.anchors()[anchor] {
					t.Errorf("%s: %s has no heading for the link %s", p.name, name, m[1])
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("found only %d links", links)
	}
}

// TestIndex: docs/index.md lists every page of docs.
func TestIndex(t *testing.T) {
	text := strings.Join(readPage(t, filepath.Join(root, "docs", "index.md")).lines, "\n")
	for _, p := range pages(t) {
		if name, ok := strings.CutPrefix(p.name, "docs/"); ok && name != "index.md" && !strings.Contains(text, "("+name+")") {
			t.Errorf("docs/index.md does not list %s", name)
		}
	}
}

// TestAnchors: how anchors are made of headings.
func TestAnchors(t *testing.T) {
	p := page{lines: []string{"## What you'll see when…", "### `Create` is *forgotten*", "## From [here](there.md), \"now\"", "```", "# no heading", "```"}}
	got := p.anchors()
	for _, want := range []string{"what-youll-see-when", "create-is-forgotten", "from-here-now"} {
		if !got[want] {
			t.Errorf("no anchor %s in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
}
