//go:build linux

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// maxHostileMemory is how much more memory a run may need for what a server makes up, than
// for an honest server.
const maxHostileMemory = 64 << 20

// endless is an answer that goes on for ever. next returns its i-th piece.
type endless struct {
	stage string // the command that it answers, or "greeting"
	head  string
	next  func(i int) string
}

// flood is how much of an endless answer is sent at most.
const flood = 128 << 20

func repeat(piece string) func(int) string {
	if !strings.Contains(piece, "%d") {
		piece = strings.Repeat(piece, max(1, 16<<10/len(piece)))
		return func(int) string { return piece }
	}
	return func(i int) string {
		var b strings.Builder
		for j := range 500 {
			b.WriteString(strings.ReplaceAll(piece, "%d", fmt.Sprint(i*500+j+1)))
		}
		return b.String()
	}
}

// hostileAnswers are answers that would need memory without bounds.
var hostileAnswers = map[string]endless{
	"greeting, line":            {"greeting", "* OK ", repeat("x")},
	"greeting, lines":           {"greeting", "", repeat("* NO x\r\n")},
	"greeting, literal":         {"greeting", "* OK {4294967295}\r\n", repeat("x")},
	"capability, line":          {"CAPABILITY", "* CAPABILITY", repeat(" X%d")},
	"capability, lines":         {"CAPABILITY", "", repeat("* CAPABILITY X%d\r\n")},
	"login, status text":        {"LOGIN", "A1 OK ", repeat("x")},
	"login, continuations":      {"LOGIN", "", repeat("+ x\r\n")},
	"list, mailboxes":           {"LIST", "", repeat("* LIST () \"/\" box%d\r\n")},
	"list, attributes":          {"LIST", "* LIST (", repeat("\\A%d ")},
	"list, long name":           {"LIST", "* LIST () \"/\" \"", repeat("x")},
	"list, literal name":        {"LIST", "* LIST () \"/\" {4294967295}\r\n", repeat("x")},
	"select, flags":             {"SELECT", "* FLAGS (", repeat("K%d ")},
	"select, permanent flags":   {"SELECT", "* OK [PERMANENTFLAGS (", repeat("K%d ")},
	"select, parentheses":       {"SELECT", "* XYZ ", repeat("(")},
	"select, alerts":            {"SELECT", "", repeat("* OK [ALERT] full %d\r\n")},
	"select, exists":            {"SELECT", "", repeat("* %d EXISTS\r\n")},
	"select, vanished":          {"SELECT", "* VANISHED (EARLIER) 1", repeat(",1%d")},
	"listing, same message":     {"UID FETCH", "", repeat("* 1 FETCH (UID 1 FLAGS ())\r\n")},
	"listing, keywords":         {"UID FETCH", "* 1 FETCH (UID 1 FLAGS (", repeat("K%d ")},
	"listing, unknown items":    {"UID FETCH", "* 1 FETCH (UID 1", repeat(" X%d (a)")},
	"listing, parentheses":      {"UID FETCH", "* 1 FETCH (UID 1 ENVELOPE ", repeat("(")},
	"listing, bodies":           {"UID FETCH", "", repeat("* %d FETCH (UID %d BODY[] {3}\r\nabc)\r\n")},
	"listing, more than told":   {"UID FETCH", "", repeat("* %d FETCH (UID %d FLAGS ())\r\n")},
	"listing, body of 4 GB":     {"UID FETCH", "* 1 FETCH (UID 1 BODY[] {4294967295}\r\n", repeat("x")},
	"body, unknown message":     {"BODY", "* 2 FETCH (UID 77 BODY[] {4294967295}\r\n", repeat("x")},
	"body, other section":       {"BODY", "* 1 FETCH (UID 1 BODY[TEXT] {4294967295}\r\n", repeat("x")},
	"body, quoted":              {"BODY", "* 1 FETCH (UID 1 BODY[] \"", repeat("x")},
	"body, header without end":  {"BODY", "* 1 FETCH (UID 1 BODY[] {4294967295}\r\n", repeat("X-A: b\r\n")},
	"body, line without end":    {"BODY", "* 1 FETCH (UID 1 BODY[] {4294967295}\r\nSubject: ", repeat("x")},
	"body, flags behind":        {"BODY", "* 1 FETCH (UID 1 BODY[] {3}\r\nabc FLAGS (", repeat("K%d ")},
	"body, small messages":      {"BODY", "", repeat("* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n")},
	"append, untagged":          {"APPEND", "", repeat("* OK [APPENDUID 7 %d] x\r\n")},
	"append, response code":     {"APPEND", "* OK [", repeat("x")},
	"append, set in the answer": {"APPEND", "* OK [APPENDUID 7 1", repeat(",1%d")},
}

// TestHostileMemory: no answer of a server makes a run need much memory, however long it is.
// Nothing is written outside of the mailbox, the state and the cache, and the run ends when
// the server does.
func TestHostileMemory(t *testing.T) {
	names := []string{"greeting, line", "select, parentheses", "body, unknown message", "body, header without end"}
	if os.Getenv("ISYNC_SWEEP") != "" {
		names = nil
		for name := range hostileAnswers {
			names = append(names, name)
		}
	}
	honest := hostileRun(t, endless{})
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			used := hostileRun(t, hostileAnswers[name])
			t.Logf("%d MB, %d MB with an honest server", used>>20, honest>>20)
			if used > honest+maxHostileMemory {
				t.Errorf("the run needed %d MB, %d MB with an honest server", used>>20, honest>>20)
			}
		})
	}
}

// TestSweepHostileMemory tries all answers.
func TestSweepHostileMemory(t *testing.T) {
	if os.Getenv("ISYNC_SWEEP") == "" {
		t.Skip("a long sweep: set ISYNC_SWEEP")
	}
	TestHostileMemory(t)
}

// hostileRun runs a process against a server, and returns the most memory that it has used.
func hostileRun(t *testing.T, e endless) (most int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var poured atomic.Bool
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveHostile(conn, e, &poured) })
		}
	})
	defer wg.Wait()
	defer l.Close()
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	rc := fmt.Sprintf("FSync no\n\nIMAPStore far\nHost 127.0.0.1\nPort %d\nUser me\nPass x\nTLSType None\nAuthMechs LOGIN\nTimeout 5\nRetries 0\n\n"+
		"MaildirStore near\nInbox near\nPath boxes/\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n", l.Addr().(*net.TCPAddr).Port)
	for name, text := range map[string]string{
		"home/rc": rc, "home/near/cur/1.x:2,S": "Subject: x\n\nx\n", "home/boxes/x": "",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"ISYNC_TEST_ARGS=mbsync\n-c\n" + filepath.Join(home, "rc") + "\nc", "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "ISYNC_TEST_STATUS=" + filepath.Join(home, "status")}
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 1 || strings.Contains(string(out), "goroutine ") {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if !poured.Load() && e.next != nil {
		t.Errorf("the server was not asked for its answer to %s: %s", e.stage, out)
	}
	if len(out) > 100<<10 {
		t.Errorf("the run has written %d bytes: %.200s", len(out), out)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was written elsewhere: %v", entries)
	}
	// Not that of getrusage, which includes the memory of the process that has forked.
	status, err := os.ReadFile(filepath.Join(home, "status"))
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok && err == nil {
		_, err = fmt.Sscan(rest, &most)
	}
	if err != nil || most == 0 {
		t.Fatalf("the memory is unknown: %v", err)
	}
	return most << 10
}

// serveHostile answers like a server with one message, but for one command. It notes when
// that came.
func serveHostile(conn net.Conn, e endless, poured *atomic.Bool) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	go func() { <-time.After(61 * time.Second); _ = conn.Close() }()
	w := bufio.NewWriterSize(conn, 64<<10)
	pour := func() {
		poured.Store(true)
		n, _ := w.WriteString(e.head)
		for i := 0; n < flood; i++ {
			k, err := w.WriteString(e.next(i))
			if err != nil {
				return
			}
			n += k
		}
		_ = w.Flush()
	}
	if e.stage == "greeting" {
		pour()
		return
	}
	const caps = "IMAP4rev1 UIDPLUS LITERAL+ ENABLE CONDSTORE QRESYNC"
	r := bufio.NewReader(conn)
	greet := caps
	if e.stage == "CAPABILITY" {
		fmt.Fprint(conn, "* OK hi\r\n")
	} else {
		fmt.Fprintf(conn, "* OK [CAPABILITY %s] hi\r\n", greet)
	}
	honest := &noisyServer{caps: caps, next: 1, modSeq: 1}
	honest.add("")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, cmd, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		for appendSize.MatchString(cmd) {
			var n int64
			_, _ = fmt.Sscan(appendSize.FindStringSubmatch(cmd)[1], &n)
			if _, err := io.CopyN(io.Discard, r, n); err != nil {
				return
			}
			more, _ := r.ReadString('\n')
			cmd = appendSize.ReplaceAllString(cmd, "") + strings.TrimRight(more, "\r\n")
		}
		stage := strings.Fields(cmd)[0]
		if stage == "UID" {
			stage += " " + strings.Fields(cmd)[1]
		}
		if strings.Contains(cmd, "BODY.PEEK[]") {
			stage = "BODY"
		}
		if stage == e.stage {
			if strings.HasPrefix(e.head, "A1 ") {
				e.head = tag + e.head[2:]
			}
			pour()
			return
		}
		for _, l := range honest.answer(cmd) {
			fmt.Fprintf(w, "%s\r\n", l)
		}
		status := "OK done"
		if stage == "APPEND" {
			status = "OK [APPENDUID 7 9] done"
		}
		fmt.Fprintf(w, "%s %s\r\n", tag, status)
		if w.Flush() != nil || stage == "LOGOUT" {
			return
		}
	}
}
