package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"isync/internal/config"
	"isync/internal/testkit"
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
			t.Errorf("notice: %+v", n)
		}
		if len(cfg.Channels) != 1 || len(cfg.Stores) != 2 {
			t.Errorf("got %d channels and %d stores, want 1 and 2", len(cfg.Channels), len(cfg.Stores))
		}
		// The example contains the keywords that a reader may have to change.
		for _, keyword := range []string{"Provider", "User", "PassCmd"} {
			if a := cfg.Stores[0].IMAP.Account; !a.Pos(keyword).IsSet() {
				t.Errorf("%s is not given", keyword)
			}
		}
	}
	if found != 1 {
		t.Errorf("found %d configurations in README.md, want 1", found)
	}
}

// Every room is on the map.
func TestRoomsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range rooms {
		// Stores are listed together, as "internal/store/imap, …/maildir".
		short := "…/" + path.Base(name)
		if s := string(text); !strings.Contains(s, "`"+name+"`") && !strings.Contains(s, "`"+short+"`") {
			t.Errorf("docs/ARCHITECTURE.md does not tell what %s knows", name)
		}
	}
}

// The sample configuration is a good one: there is nothing to be noticed about it.
func TestSampleConfiguration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "mbsyncrc"))
	if err != nil {
		t.Fatal(err)
	}
	env := config.Env{
		Home: func(string) (string, error) { return "/home/someone", nil },
		// CertificateFile is read when the configuration is.
		ReadFile: func(string) ([]byte, error) { return testkit.NewCA(t).PEM(), nil },
	}
	cfg, notices, err := config.Parse("/home/someone/.mbsyncrc", text, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		t.Errorf("notice: %+v", n)
	}
	if len(cfg.Channels) != 6 || len(cfg.Groups) != 1 {
		t.Errorf("got %d channels and %d groups, want 6 and 1", len(cfg.Channels), len(cfg.Groups))
	}
}

// goFile matches files of the program in the map, such as `plan/new.go` or `starttls.go`.
var goFile = regexp.MustCompile("`([a-z0-9_/*]+\\.go)`")

// TestMapNamesFiles: the files that docs/ARCHITECTURE.md names exist. A name without a
// directory belongs to the directory of the name before it in the line.
func TestMapNamesFiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		dir := ""
		for _, m := range goFile.FindAllStringSubmatch(line, -1) {
			name := strings.TrimPrefix(m[1], "internal/")
			if strings.Contains(name, "/") {
				dir = path.Dir(name)
			} else {
				name = path.Join(dir, name)
			}
			files, _ := filepath.Glob(filepath.Join("..", filepath.FromSlash(name)))
			if len(files) == 0 {
				t.Errorf("docs/ARCHITECTURE.md names internal/%s, which does not exist", name)
			}
			found++
		}
	}
	if found < 30 {
		t.Errorf("only %d files are named", found)
	}
}
