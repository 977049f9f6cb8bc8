package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"isync/internal/config"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// testEnv returns a world that ends at dir, which is the current directory; the
// home directory is dir/home.
func testEnv(dir string) Env {
	abs := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	return Env{
		Stdin:  strings.NewReader(""),
		Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{},
		Config: config.Env{
			Getenv: func(string) string { return "" },
			Home: func(user string) (string, error) {
				if user != "" {
					return "", errors.New("there are no others")
				}
				return filepath.Join(dir, "home"), nil
			},
			Getwd: func() (string, error) { return dir, nil },
			ReadFile: func(path string) ([]byte, error) {
				data, err := os.ReadFile(abs(path))
				var pe *fs.PathError
				if errors.As(err, &pe) {
					pe.Path = path // as it would read in that directory
				}
				return data, err
			},
			Exists: func(path string) bool {
				_, err := os.Stat(abs(path))
				return err == nil
			},
			Glob:     func(pattern string) ([]string, error) { return filepath.Glob(abs(pattern)) },
			RealPath: func(path string) (string, error) { return filepath.EvalSymlinks(abs(path)) },
		},
		FS:     vfs.OS{},
		Now:    time.Now,
		Random: counter(),
		Exit:   func(int) { panic("Exit") },
	}
}

// counter yields bytes that do not repeat soon.
func counter() *counting { return &counting{} }

// counting is for several runs at once, as the system's source of randomness is.
type counting struct {
	mu sync.Mutex
	n  uint64
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p {
		c.n = c.n*6364136223846793005 + 1442695040888963407
		p[i] = byte(c.n >> 33)
	}
	return len(p), nil
}

// TestScripts runs the scripts of testdata/script. Beside the usual commands
// they have:
//
//	mbsync CODE ARG...            runs the program, which must end with CODE
//	mdconvert CODE ARG...         runs that program
//	box DIR...                    makes Maildirs
//	mail DIR SUBJECT [FLAGS]      puts a message into a Maildir
//	mark DIR SUBJECT [FLAGS]      sets its flags
//	messages DIR...               prints what is in Maildirs
//	tree                          prints the names of all files
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		// To be looked at before it is believed.
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") == "1",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"mbsync":    scriptProgram(t, Main),
			"mdconvert": scriptProgram(t, MainConvert),
			"box":       scriptBox,
			"mail":      scriptMail,
			"mark":      scriptMark,
			"messages":  scriptMessages,
			"tree":      scriptTree,
		},
	})
}

func scriptProgram(t *testing.T, main func(Env, []string) int) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: PROGRAM CODE ARG...")
		}
		want, err := strconv.Atoi(args[0])
		ts.Check(err)
		env := testEnv(ts.MkAbs("."))
		var out bytes.Buffer
		env.Stdout, env.Stderr = io.MultiWriter(ts.Stdout(), &out), ts.Stderr()
		if got := main(env, append([]string{"program"}, args[1:]...)); got != want {
			ts.Fatalf("exit code %d", got)
		}
		if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--json") }) {
			events := testkit.Events(t, out.Bytes())
			if exit := events[len(events)-1].Number("exit"); exit != float64(want) {
				ts.Fatalf("exit code %v in the summary", exit)
			}
		}
	}
}

func scriptBox(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		for _, sub := range []string{"tmp", "new", "cur"} {
			ts.Check(os.MkdirAll(filepath.Join(ts.MkAbs(dir), sub), 0o700))
		}
	}
}

func scriptMail(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: mail DIR SUBJECT [FLAGS]")
	}
	args = append(args, "")
	cur := filepath.Join(ts.MkAbs(args[0]), "cur")
	old, err := os.ReadDir(cur)
	ts.Check(err)
	name := fmt.Sprintf("%d.%s:2,%s", 1700000000+len(old), strings.ReplaceAll(args[1], " ", "_"), args[2])
	text := "From: Penguin <penguin@example.org>\nSubject: " + args[1] + "\n\nIt is cold.\n"
	ts.Check(os.WriteFile(filepath.Join(cur, name), []byte(text), 0o600))
}

func scriptMark(ts *testscript.TestScript, _ bool, args []string) {
	args = append(args, "")
	dir := ts.MkAbs(args[0])
	for _, m := range readMaildir(ts, dir) {
		if m.subject == args[1] {
			base, _, _ := strings.Cut(filepath.Base(m.file), ":2,")
			ts.Check(os.Rename(filepath.Join(dir, m.file), filepath.Join(dir, "cur", base+":2,"+args[2])))
			return
		}
	}
	ts.Fatalf("no message %q", args[1])
}

type maildirMessage struct {
	file, subject, flags string
	uid                  int
}

func readMaildir(ts *testscript.TestScript, dir string) []maildirMessage {
	var out []maildirMessage
	for _, sub := range []string{"cur", "new"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		ts.Check(err)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, sub, e.Name()))
			ts.Check(err)
			m := maildirMessage{file: filepath.Join(sub, e.Name())}
			_, m.flags, _ = strings.Cut(e.Name(), ":2,")
			if _, rest, ok := strings.Cut(e.Name(), ",U="); ok {
				_, err = fmt.Sscanf(rest, "%d", &m.uid)
				ts.Check(err)
			}
			for line := range strings.Lines(string(text)) {
				if s, ok := strings.CutPrefix(line, "Subject: "); ok {
					m.subject = strings.TrimSpace(s)
				}
			}
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b maildirMessage) int {
		return cmp.Or(cmp.Compare(a.uid, b.uid), cmp.Compare(a.subject, b.subject))
	})
	return out
}

func scriptMessages(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		fmt.Fprintln(ts.Stdout(), dir)
		for _, m := range readMaildir(ts, ts.MkAbs(dir)) {
			fmt.Fprintf(ts.Stdout(), "  %d [%s] %s\n", m.uid, m.flags, m.subject)
		}
	}
}

func scriptTree(ts *testscript.TestScript, _ bool, _ []string) {
	root := ts.MkAbs(".")
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, path)
			if strings.Contains(rel, "/") && !strings.HasPrefix(rel, ".tmp") {
				fmt.Fprintln(ts.Stdout(), rel)
			}
		}
		return err
	}))
}
