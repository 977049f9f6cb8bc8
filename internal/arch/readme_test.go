package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/config"
)

// fenced returns the code blocks of a Markdown text.
func fenced(text string) []string {
	var blocks []string
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 1 {
			_, code, _ := strings.Cut(part, "\n") // behind the language
			blocks = append(blocks, code+"\n")
		}
	}
	return blocks
}

// The configuration that the README promises to be enough is one.
func TestReadmeConfiguration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	env := config.Env{Home: func(string) (string, error) { return "/home/someone", nil }}
	found := 0
	for _, code := range fenced(string(text)) {
		if !strings.Contains(code, "\nChannel ") {
			continue
		}
		found++
		cfg, notices, err := config.Parse("README.md", []byte(code), env)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notices {
			t.Errorf("notice: %s", n)
		}
		if len(cfg.Channels) != 1 || len(cfg.Stores) != 2 {
			t.Errorf("got %d channels and %d stores, want 1 and 2", len(cfg.Channels), len(cfg.Stores))
		}
	}
	if found != 1 {
		t.Errorf("found %d configurations in README.md, want 1", found)
	}
}
