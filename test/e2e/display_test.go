//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"isync/internal/testkit"
)

// TestProgressDisplay: on a terminal, a run that takes long shows its progress, in windows of
// usual sizes. At the end, only the summary is left.
func TestProgressDisplay(t *testing.T) {
	t.Parallel()
	const each = 40
	for _, boxes := range []int{1, 3, 20} {
		t.Run(fmt.Sprint(boxes), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, channel: "Patterns box*\nCreate Both"})
			for i := range boxes {
				letters := make([]letter, each)
				for k := range letters {
					letters[k] = note(i*each+k, 3000)
				}
				w.send(fmt.Sprint("box", i), letters...)
			}
			relay := testkit.StartRelay(t, w.server.Addr(), 450*time.Millisecond)
			direct := fmt.Sprintf("Port %d\n", w.server.Port)
			config := w.config()
			if !strings.Contains(config, direct) {
				t.Fatal(config)
			}
			config = strings.Replace(config, direct, fmt.Sprintf("Port %d\n", relay.Port()), 1)
			for _, columns := range []int{60, 80, 200} {
				v := w.replica()
				v.configure(strings.ReplaceAll(config, w.dir, v.dir))
				shown := v.watchDisplay(columns, 24)
				lines := regexp.MustCompile(`(?m)^c:box\d+ `).FindAllString(shown, -1)
				if len(lines) == 0 || !strings.Contains(shown, fmt.Sprintf("/%d mailboxes", boxes)) {
					t.Errorf("%d columns: no progress was shown:\n%s", columns, shown)
				}
			}
		})
	}
}

// watchDisplay runs the program on a terminal, and returns what was on the screen while it
// ran. The window is resized twice in between.
func (w *homeWorld) watchDisplay(columns, rows int) string {
	w.tb.Helper()
	cmd := exec.Command(binary, "-c", w.rcFile(), "-a")
	cmd.Env, cmd.Dir = append(w.env(), "TERM=xterm"), w.dir
	size := func(columns int) *pty.Winsize { return &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)} }
	master, err := pty.StartWithSize(cmd, size(columns))
	if err != nil {
		w.tb.Skipf("no pseudo terminals: %v", err)
	}
	defer master.Close()
	screen := testkit.NewTerminal(w.tb, columns, rows)
	begin := time.Now()
	var shown strings.Builder
	resized := 0
	buf := make([]byte, 1<<16)
	for {
		n, err := master.Read(buf)
		if err != nil {
			break // the other end is closed
		}
		_, _ = screen.Write(buf[:n])
		text := screen.Text()
		fmt.Fprintln(&shown, strings.Join(text, "\n"))
		for _, l := range text[max(len(text)-rows, 0):] {
			if len(l) >= columns && (strings.HasPrefix(l, "c:box") || strings.Contains(l, " mailboxes")) {
				w.tb.Errorf("%d columns: %q", columns, l)
			}
		}
		if screen.Drawn > 3*(resized+1) && resized < 2 {
			resized++
			other := []int{columns + 30, columns}[resized-1]
			screen.Resize(other, true)
			if err := pty.Setsize(master, size(other)); err != nil {
				w.tb.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		w.tb.Errorf("%v\n%s", err, &shown)
	}
	if took := time.Since(begin).Seconds(); float64(screen.Drawn) > 10*took+2 {
		w.tb.Errorf("drawn %d times in %.1f s", screen.Drawn, took)
	}
	text := screen.Text()
	rest := strings.Join(text, "\n")
	for _, want := range []string{"Processed", "New mail in c:box", "Took "} {
		if !strings.Contains(rest, want) {
			w.tb.Errorf("nothing about %q: %s", want, rest)
		}
	}
	for _, l := range text {
		if l != "" && !harmless.MatchString(l) && !strings.HasPrefix(l, "New mail in ") && !strings.HasPrefix(l, "Took ") {
			w.tb.Errorf("%d columns: left on the screen: %q", columns, l)
		}
	}
	return shown.String()
}

// TestPlainOutput: where there is no terminal, or one that shall get plain text, the output
// consists of plain lines.
func TestPlainOutput(t *testing.T) {
	t.Parallel()
	for _, plain := range []string{"TERM=dumb", "NO_COLOR=1"} {
		w := newWorld(t, setup{modern: true, channel: "Create Both"})
		w.send("INBOX", note(1, 100))
		cmd := exec.Command(binary, "-c", w.rcFile(), "-a")
		cmd.Env, cmd.Dir = append(w.env(), "TERM=xterm", plain), w.dir
		master, err := pty.Start(cmd)
		if err != nil {
			t.Skipf("no pseudo terminals: %v", err)
		}
		out, _ := io.ReadAll(master) // fails at the end
		master.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if text := string(out); strings.Contains(text, "\x1b") || !strings.Contains(text, "pulled 1 new message(s)") || strings.Contains(text, "New mail") {
			t.Errorf("%s: %q", plain, text)
		}
	}
}
