package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

const completeConfig = `MaildirStore far-store
Path far/
Inbox far/INBOX

MaildirStore near-store
Path near/
Inbox near/INBOX

Channel work
Far :far-store:
Near :near-store:

Channel "two words"
Far :far-store:a
Near :near-store:a

Channel both
Far :far-store:b
Near :near-store:b

Group everything work both

Group both work

Group broken nowhere
`

// asMbsync is the variable that makes the test binary the program (TestMain).
const asMbsync = "ISYNC_TEST_AS_MBSYNC"

func TestCompleteNames(t *testing.T) {
	w := newWorld(t, "")
	w.write("rc", completeConfig)
	w.write("bad", "Chanel x\n")
	for _, c := range []struct {
		what string
		args []string
		code int
		want string
	}{
		{"channels", []string{"-c", "rc"}, 0, "work\ntwo words\nboth\n"},
		{"groups", []string{"-ac", "rc"}, 0, "everything\nboth\nbroken\n"},
		{"stores", []string{"--config=rc", "-Q"}, 0, "far-store\nnear-store\n"},
		{"channels", nil, 1, ""},
		{"channels", []string{"-c", "bad"}, 1, ""},
		{"channels", []string{"-c", "nothing"}, 1, ""},
		{"channels", []string{"-c"}, 1, ""},
	} {
		w.out.Reset()
		w.err.Reset()
		if got := Main(w.env, append([]string{"mbsync", "--complete=" + c.what}, c.args...)); got != c.code {
			t.Errorf("%s %q: exit code %d", c.what, c.args, got)
		}
		if w.out.String() != c.want || w.err.Len() > 0 {
			t.Errorf("%s %q: %q, %q", c.what, c.args, &w.out, &w.err)
		}
	}
	// The configuration may also be named first.
	w.run(0, "--complete=stores")
	w.says(&w.out, "far-store\nnear-store\n")
	w.run(1, "--complete=everything")
	w.says(&w.err, "--complete lists channels, groups, stores, word")
}

func TestCompleteWord(t *testing.T) {
	w := newWorld(t, "")
	w.write("rc", completeConfig)
	for _, c := range []struct{ line, want string }{
		{"-c|rc|", "everything both broken work two words"},
		{"-c|rc|w", "work"},
		{"-c|rc|b", "both broken"},
		{"-c|rc|work|", "everything both broken two words"},
		{"-c|rc|work:", ""},
		{"-c|rc|-a|", ""},
		{"-c|rc|-ls|", "far-store near-store"},
		{"-lsc|rc|f", "far-store"},
		{"-c|rc|--check|", "everything both broken work two words far-store near-store"},
		{"-c", "-c"},
		{"-c|", ":files"},
		{"-ac|", ":files"},
		{"--config|x", ":files"},
		{"--config=x", ":files\t--config="},
		{"--all=x", ""},
		{"--nonsense|-c|rc|w", "work"},
		{"-c|rc|--|-", ""},
		{"-c|rc|--|w", "work"},
		{"-c|missing|w", ""},
		{"-c|rc|--allow-deletions=", "--allow-deletions=everything --allow-deletions=both --allow-deletions=broken --allow-deletions=work --allow-deletions=two words"},
		{"-c|rc|-a|--restore-deleted=w", "--restore-deleted=work"},
		{"-c|rc|work|--restore-deleted=w", "--restore-deleted=work"},
		{"-c|rc|--check|--restore-deleted=f", ""},
		{"-c|rc|--restore-deleted|w", "work"},
		{"--adopt=", "--adopt=copy"},
		{"--json=m", "--json=messages"},
		{"--adopt|c", "copy"},
		{"--conf", "--config"},
		{"--pull-", "--pull-new --pull-old --pull-upgrade --pull-gone --pull-flags --pull-full"},
		{"--no-", "--no-browser --no-create --no-remove --no-expunge --no-expunge-solo"},
		{"--create", "--create --create-far --create-near"},
		{"--complete", ""},
		{"-D", "-D -DC -Dd -DD -Dm -DM -Dn -DN -Ds"},
		{"-DNs", "-DNs -DNsC -DNsd -DNsD -DNsm -DNsM -DNsn"},
		{"-DZ", ""},
		{"-Q", ""},
		{"-T", ""},
		{"-aTz", ""},
	} {
		var got []string
		for _, w := range completeLine(w.env, strings.Split(c.line, "|")) {
			text := w.word
			if text == completeFiles && w.help != "" {
				text += "\t" + w.help
			}
			got = append(got, text)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.line, g, c.want)
		}
	}
}

// Whatever is offered for an option is understood, and what the table has is
// offered.
func TestCompleteOptions(t *testing.T) {
	offered := map[string]bool{}
	var offer func(word string, depth int)
	offer = func(word string, depth int) {
		for _, c := range completeLine(Env{}, []string{word}) {
			words := []string{c.word}
			if c.word == "-c" || c.word == "--config" || c.word == "--get-cert" || strings.HasSuffix(c.word, "y-failed") || strings.HasSuffix(c.word, "p-failed") || strings.HasSuffix(c.word, "c") && c.word[1] != '-' {
				words = append(words, "file")
			}
			if c.word == "--adopt" {
				words = append(words, "copy")
			}
			if c.word == "--auth" || c.word == "--auth-forget" {
				words = append(words, "account")
			}
			if c.word == "--device" || c.word == "--no-browser" {
				words = append(words, "--auth", "account")
			}
			if c.word == "--online" {
				words = append(words, "--check")
			}
			if c.word == "--answer" {
				words = append(words, "run=no")
			}
			if c.word == "--answer" || c.word == "--offline" {
				words = append(words, "--setup")
			}
			if c.word == "--write" {
				words = append(words, "--fix-config")
			}
			got, err := scan(words)
			if err != nil || len(got.notices) > 0 {
				t.Errorf("%s is offered for %s: %v", c.word, word, err)
			}
			if c.help == "" {
				t.Errorf("%s is not explained", c.word)
			}
			if offered[c.word] {
				continue
			}
			offered[c.word] = true
			if depth > 0 && !strings.HasPrefix(c.word, "--") {
				offer(c.word, depth-1)
			}
		}
	}
	offer("-", 3)
	offer("--", 0)
	for _, s := range Spellings() {
		for _, form := range []string{s.Short, s.Long} {
			if form != "" && offered[form] == (s.Deprecated || s.Internal) {
				t.Errorf("%s: offered %v", form, offered[form])
			}
		}
	}
}

// FuzzComplete: whatever stands on the line, completing does not fail, and
// offers only what begins like the word.
func FuzzComplete(f *testing.F) {
	for _, s := range []string{"", "-", "-Lnf", "-c\nrc\nw", "--config=x", "-c\n", "--\n-", "-D", "-DNsz", "-ls\n", "-\xff", "-Tz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words := strings.Split(s, "\n")
		word := words[len(words)-1]
		for _, c := range completeLine(Env{}, words) {
			if c.word != completeFiles && !strings.HasPrefix(c.word, word) {
				t.Errorf("%q: %q", s, c.word)
			}
		}
	})
}

// shellWorld is a directory with a configuration and a program mbsync that,
// when it is not asked to complete, shows how it was called.
type shellWorld struct{ dir, bin string }

func newShellWorld(t *testing.T) *shellWorld {
	t.Helper()
	w := &shellWorld{dir: t.TempDir()}
	w.bin = filepath.Join(w.dir, "bin")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"rc":             completeConfig,
		"home/.mbsyncrc": "MaildirStore s\n\nChannel usual\nFar :s:a\nNear :s:b\n",
		"home/other.rc":  "MaildirStore s\n\nChannel elsewhere\nFar :s:a\nNear :s:b\n",
		"home/boxes.rc":  "MaildirStore f\nPath far/\nInbox far/INBOX\nSubFolders Verbatim\n\nMaildirStore s\nPath mail/\nInbox mail/INBOX\nSubFolders Verbatim\n\nChannel m\nFar :f:\nNear :s:\nPatterns *\nSyncState *\n",
		"bin/mbsync": "#!/bin/sh\ncase $1 in\n--complete=*) " + asMbsync + "=1 exec '" + self + "' \"$@\" ;;\nesac\n" +
			"printf RAN; printf '<%s>' \"$@\"; echo\n",
	} {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, box := range []string{"INBOX", "Sent", "Two Words", "Entwürfe", "Archive/2024"} {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(w.dir, "home/mail", box, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

// environ is the environment of a shell.
func (w *shellWorld) environ() []string {
	return []string{
		"PATH=" + w.bin + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(w.dir, "home"), "TERM=xterm", "LC_ALL=C.UTF-8",
		"XDG_CONFIG_HOME=" + filepath.Join(w.dir, "config"), "XDG_DATA_HOME=" + filepath.Join(w.dir, "data"),
	}
}

// terminal is a shell on a terminal.
type terminal struct {
	t   *testing.T
	tty *os.File
	mu  sync.Mutex
	out bytes.Buffer
}

// start starts a shell, whose package has its name.
func (w *shellWorld) start(t *testing.T, name string, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(testkit.FindProgram(t, name, name), args...)
	cmd.Dir, cmd.Env = w.dir, w.environ()
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	s := &terminal{t: t, tty: tty}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			s.mu.Lock()
			s.out.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = tty.Close()
		<-done
	})
	return s
}

func (s *terminal) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, text); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until the terminal shows all texts, and forgets what it has shown.
func (s *terminal) expect(texts ...string) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s.mu.Lock()
		got := s.out.String()
		missing := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return strings.Contains(got, text) })
		if len(missing) == 0 {
			s.out.Reset()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if time.Now().After(deadline) {
			s.t.Fatalf("%q is not in %q", missing, got)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// What is typed, where tab is the key that completes, and what the program is
// called with then.
var typed = []struct{ keys, want string }{
	{"mbsync us\t", "<usual>"},
	{"mbsync -c rc wo\t", "<-c><rc><work>"},
	{"mbsync -c rc -lsa ne\t", "<-c><rc><-lsa><near-store>"},
	{"mbsync -Vc rc tw\t", "<-Vc><rc><two words>"},
	{"mbsync --config=rc every\t", "<--config=rc><everything>"},
	{"mbsync -c ~/other.rc els\t", "<-c><HOME/other.rc><elsewhere>"},
	{"mbsync --conf\trc wo\t", "<--config><rc><work>"},
	{"mbsync --pull-n\t --push-g\tus\t", "<--pull-new><--push-gone><usual>"},
	{"mbsync -c r\two\t", "<-c><rc><work>"},
	{"mbsync --config=r\t wo\t", "<--config=rc><work>"},
	{"mbsync -c rc work:INBOX wo\t", "<-c><rc><work:INBOX><work>"},
	{"mbsync -c ~/boxes.rc m:Se\t", "<-c><HOME/boxes.rc><m:Sent>"},
	{"mbsync -c ~/boxes.rc m:Tw\t", "<-c><HOME/boxes.rc><m:Two Words>"},
	{"mbsync -c ~/boxes.rc m:Sent,En\t", "<-c><HOME/boxes.rc><m:Sent,Entwürfe>"},
	{"mbsync -c ~/boxes.rc m:Arch\t", "<-c><HOME/boxes.rc><m:Archive/2024>"},
	{"mbsync -c ~/boxes.rc --allow-deletions=m:Arch\t", "<-c><HOME/boxes.rc><--allow-deletions=m:Archive/2024>"},
	{"mbsync -c ~/boxes.rc --restore-deleted=m:Tw\t", "<-c><HOME/boxes.rc><--restore-deleted=m:Two Words>"},
	{"mbsync -c rc --restore-deleted=wo\t", "<-c><rc><--restore-deleted=work>"},
}

func (w *shellWorld) testTyped(t *testing.T, s *terminal) {
	t.Helper()
	for _, c := range typed {
		s.typed(c.keys, strings.ReplaceAll(c.want, "HOME", filepath.Join(w.dir, "home")))
	}
}

// typed types a command, and checks what it gets.
func (s *terminal) typed(keys, want string) {
	s.t.Helper()
	for part := range strings.SplitAfterSeq(keys, "\t") {
		s.send(part)
		time.Sleep(100 * time.Millisecond) // keys that come at once are taken for pasted text
	}
	s.send("\r")
	s.expect("RAN" + want)
}

func completionFile(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../completions", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBashCompletion(t *testing.T) {
	w := newShellWorld(t)
	s := w.start(t, "bash", "--norc", "--noprofile", "-i")
	s.send("bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source '" + completionFile(t, "mbsync.bash") + "'; echo read''y\r")
	s.expect("ready")
	w.testTyped(t, s)
	s.send("mbsync -c rc b\t\t\t")
	s.expect("both", "broken")
	s.send("\x15mbsync -L\t\t\t")
	s.expect("-Ln", "-Lf")
	s.send("\x15mbsync --create\t\t\t")
	s.expect("--create-far", "--create-near")
}

func TestZshCompletion(t *testing.T) {
	w := newShellWorld(t)
	s := w.start(t, "zsh", "-f", "-i")
	s.send("fpath=('" + filepath.Dir(completionFile(t, "_mbsync")) + "' $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; PS1='$ '; echo read''y\r")
	s.expect("ready")
	w.testTyped(t, s)
	s.send("mbsync -c rc b\t\t")
	s.expect("both", "broken", "group")
	s.send("\x15mbsync -L\t\t")
	s.expect("-Ln", "new messages", "-Lf")
}

func TestFishCompletion(t *testing.T) {
	fish := testkit.FindProgram(t, "fish", "fish")
	w := newShellWorld(t)
	for _, c := range []struct {
		line string
		want []string
	}{
		{"mbsync us", []string{"usual\tchannel"}},
		{"mbsync -c rc ", []string{"both\tgroup", "broken\tgroup", "everything\tgroup", "two words\tchannel", "work\tchannel"}},
		{"mbsync -c rc -lsa ne", []string{"near-store\tstore"}},
		{`mbsync -c rc two\ w`, []string{"two words\tchannel"}},
		{"mbsync --config=rc every", []string{"everything\tgroup"}},
		{"mbsync -c ~/other.rc els", []string{"elsewhere\tchannel"}},
		{"mbsync -c r", []string{"rc"}},
		{"mbsync --config=r", []string{"--config=rc"}},
		{"mbsync --pull-n", []string{"--pull-new\tnew messages"}},
		{"mbsync -c rc --restore-deleted=wo", []string{"--restore-deleted=work\tchannel"}},
		{"mbsync -Cn", nil}, // see below
	} {
		cmd := exec.Command(fish, "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", completionFile(t, "mbsync.fish"), c.line)
		cmd.Dir, cmd.Env = w.dir, w.environ()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", c.line, err)
		}
		got := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
		if c.want == nil {
			if len(got) == 0 || !strings.HasPrefix(got[0], "-Cn\tcreate missing mailboxes, on the near side only") {
				t.Errorf("%s: %q", c.line, got)
			}
			continue
		}
		slices.Sort(got)
		for i := range got {
			got[i] = strings.TrimRight(got[i], "\t ")
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, d)
		}
	}
}
