//go:build linux

package setup

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"isync/internal/setup"
	"isync/internal/testkit"
)

// make generate sets it.
var update = flag.Bool("update", false, "write the recordings into docs/setup.md")

var page = filepath.Join("..", "..", "docs", "setup.md")

// screen returns what a person sees after a session, without what differs from run to run.
func (s *session) screen() string {
	s.w.tb.Helper()
	t := testkit.NewTerminal(s.w.tb, 80, 50)
	_, _ = t.Write([]byte(s.String()))
	lines := t.Text()
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
		if list, ok := strings.CutPrefix(lines[i], "New mail in "); ok {
			boxes := strings.Split(strings.TrimSuffix(list, "."), ", ")
			slices.Sort(boxes)
			lines[i] = "New mail in " + strings.Join(boxes, ", ") + "."
		}
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Took ") }) // of a busy machine
	text := strings.TrimSpace(strings.Join(lines, "\n"))
	ports := strings.NewReplacer(s.w.home, "~", fmt.Sprint(s.w.server.TLSPort), "993", fmt.Sprint(s.w.server.Port), "143")
	return regexp.MustCompile(`(?m)^ *Port 993\n`).ReplaceAllString(ports.Replace(text), "")
}

// recorded compares a recording with the one in the page, or replaces that.
func recorded(t *testing.T, name, text string) {
	t.Helper()
	inPage(t, "<!-- recording: "+name+" -->\n```\n", "```\n", text+"\n")
}

// inPage compares a part of the page, between two texts, or replaces it.
func inPage(t *testing.T, from, to, want string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), from)
	got, tail, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("docs/setup.md has no %q", from)
	}
	if got == want {
		return
	}
	if !*update {
		t.Fatalf("docs/setup.md is not up to date (make generate); there it is\n%s\nnow it is\n%s", got, want)
	}
	if err := os.WriteFile(page, []byte(head+from+want+to+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRecording: docs/setup.md shows what really happens, from the address to mail on disk.
func TestRecording(t *testing.T) {
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); err == nil {
		t.Skip("this session has a keyring")
	}
	w := found(t)
	s := w.start("--setup", "user@example.org")
	s.answers(w.questions()...)
	s.want(0, "pulled 3 new message(s)")
	recorded(t, "password", "$ mbsync --setup user@example.org\n"+s.screen())
}

// TestOAuthRecording: the same with OAuth.
func TestOAuthRecording(t *testing.T) {
	w, idp := tokens(t)
	s := w.start("--setup", "user@example.org")
	s.answers(w.consenting(idp)...)
	s.answers(common...)
	s.want(0, "pulled 3 new message(s)")
	text := s.screen()
	text = strings.ReplaceAll(text, idp.Issuer, "https://login.example.org")
	text = regexp.MustCompile(`https://login\.example\.org/\S*`).ReplaceAllString(text, "https://login.example.org/authorize?client_id=...")
	recorded(t, "oauth", "$ mbsync --setup user@example.org\n"+text)
}

// TestQuestionsInPage: the page has all questions.
func TestQuestionsInPage(t *testing.T) {
	var b strings.Builder
	for _, q := range setup.Questions() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", q.Name, strings.ReplaceAll(q.Values, "|", `\|`), q.Help)
	}
	inPage(t, "| question | answer | meaning |\n|---|---|---|\n", "\n## ", b.String())
}
