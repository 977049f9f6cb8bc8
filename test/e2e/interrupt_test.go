//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sumLines are the numbers in the summary of a run.
var sumLines = map[string]*regexp.Regexp{
	"processed":   regexp.MustCompile(`(?m)^Processed (\d+) box\(es\)`),
	"pulled":      regexp.MustCompile(`(?m)^pulled (\d+) new message\(s\)`),
	"pushed":      regexp.MustCompile(`(?m)^pushed (\d+) new message\(s\)`),
	"unfinished":  regexp.MustCompile(`(?m)^left (?:.* and )?(\d+) box\(es\) unfinished`),
	"not started": regexp.MustCompile(`(?m)^left (?:.* and )?(\d+) box\(es\) not started`),
}

func summed(r result, what string) int {
	m := sumLines[what].FindStringSubmatch(r.stdout)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// TestInterruptedSummary interrupts runs over several mailboxes. The summary counts what
// was copied in mailboxes that were not finished as well, and how many those are.
func TestInterruptedSummary(t *testing.T) {
	t.Parallel()
	const boxes, each = 6, 120
	for _, direction := range []string{"pull", "push"} {
		t.Run(direction, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{modern: true, channel: "Patterns box*\nCreate Both"})
			for i := range boxes {
				name := fmt.Sprint("box", i)
				letters := make([]letter, each)
				for k := range letters {
					letters[k] = note(i*each+k+1, 100+k*20)
				}
				w.makeMaildir(name)
				w.send(name) // makes it
				if direction == "pull" {
					w.send(name, letters...)
				} else {
					w.deliver(name, letters...)
				}
			}
			there := func() (n int) {
				for i := range boxes {
					name := fmt.Sprint("box", i)
					if direction == "push" {
						n += len(w.far(name))
						continue
					}
					for _, sub := range []string{"cur", "new"} {
						entries, err := os.ReadDir(filepath.Join(w.boxDir(name), sub))
						if err != nil {
							t.Fatal(err)
						}
						n += len(entries)
					}
				}
				return n
			}
			l := &line{pause: 12 * time.Millisecond, piece: 2 << 10}
			w.connect(l)
			inside := 0
			for i := range 6 {
				before := there()
				run := l.startConnected(w)
				for begin := time.Now(); time.Since(begin) < time.Duration(150+100*i)*time.Millisecond && !run.ended(); {
					time.Sleep(time.Millisecond)
				}
				r := run.signal(syscall.SIGINT)
				if r.code != 128+int(syscall.SIGINT) {
					t.Skipf("interrupted too late: %d", r.code)
				}
				w.server.ForgetCommands(t)
				made, told := there()-before, summed(r, direction+"ed")
				// What a server has stored, but not yet confirmed, is not known.
				if told > made || direction == "pull" && told < made {
					t.Errorf("%d messages were copied:\n%s", made, r.stdout)
				}
				unfinished := summed(r, "unfinished")
				if told > 0 && unfinished > 0 {
					inside++
				}
				all := summed(r, "processed") + unfinished + summed(r, "not started")
				if all != boxes && !strings.Contains(r.stdout, "all box(es) of 1 channel(s) not started.") {
					t.Errorf("%d mailboxes in\n%s", all, r.stdout)
				}
				t.Logf("%d copied:\n%s%s", made, r.stdout, r.stderr)
			}
			if inside == 0 && direction == "pull" {
				t.Error("no run was interrupted while it copied")
			}
		})
	}
}
