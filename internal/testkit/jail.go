package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// rootLayout is the version of the directory layout that jails need. tools/roots.sh has the same
// number.
const rootLayout = 1

// UnpackedVersion returns the version of the Debian package that tools/roots.sh has unpacked for
// a server; "": none.
func UnpackedVersion(server, pkg string) string {
	data, err := os.ReadFile(filepath.Join(rootCache(), fmt.Sprintf("%s-%d", server, rootLayout), "versions"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if version, ok := strings.CutPrefix(line, pkg+"="); ok {
			return strings.TrimSpace(version)
		}
	}
	return ""
}

// rootCache returns the directory of tools/roots.sh.
func rootCache() string {
	if dir := os.Getenv("ISYNC_TEST_CACHE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "isync-test")
	}
	home := os.Getenv("HOME")
	if home == "" {
		home = "/var/tmp"
	}
	return filepath.Join(home, ".cache", "isync-test")
}

// jail is a server in a private copy of its programs, which run with chroot. stop ends all of its
// processes, including daemons.
type jail struct {
	dir   string
	owner account
	log   systemLog
	procs []*process
}

// newJail makes a jail for a server. tools/roots.sh must have unpacked it.
func newJail(tb testing.TB, server string) *jail {
	tb.Helper()
	if err := canJail(); err != nil {
		needed(tb, "%s: %v", server, err)
	}
	root := filepath.Join(rootCache(), fmt.Sprintf("%s-%d", server, rootLayout))
	if _, err := os.Stat(filepath.Join(root, "versions")); err != nil {
		needed(tb, "%s, which \"make servers\" prepares: %v", server, err)
	}
	j := &jail{}
	// The directory is not below the temporary directory: the programs must be executable, and
	// hard links to them must be possible.
	run := filepath.Join(rootCache(), "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp(run, server+"-")
	if err != nil {
		tb.Fatal(err)
	}
	j.dir = dir
	tb.Cleanup(func() {
		err := j.stop()
		said := j.Log()
		if err = errors.Join(err, j.log.close(), os.RemoveAll(dir)); err != nil {
			tb.Errorf("%s: %v", server, err)
		}
		if tb.Failed() {
			tb.Logf("log of %s:\n%s", server, said)
		}
	})
	if j.owner, err = mailOwner(); err == nil {
		err = j.furnish(root)
	}
	if err != nil {
		tb.Fatalf("%s: %v", server, err)
	}
	return j
}

// furnish adds the files that every server needs.
func (j *jail) furnish(root string) error {
	if err := os.Chmod(j.dir, 0o755); err != nil {
		return err
	}
	if err := linkTree(root, j.dir); err != nil {
		return err
	}
	if err := j.mkdir("etc", "dev", "tmp"); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"etc/passwd": fmt.Sprintf("mail:x:%[1]d:%[2]d::/:/bin/false\ncourier:x:%[1]d:%[2]d::/:/bin/false\n", j.owner.uid, j.owner.gid),
		"etc/group":  fmt.Sprintf("mail:x:%[1]d:\ncourier:x:%[1]d:\n", j.owner.gid),
	} {
		if err := j.write(name, text); err != nil {
			return err
		}
	}
	// Only root can make devices, and not on every file system. For these programs, a regular
	// file is sufficient.
	if err := makeNull(j.path("dev/null")); err != nil {
		if err := j.write("dev/null", ""); err != nil {
			return err
		}
		if err := os.Chmod(j.path("dev/null"), 0o666); err != nil {
			return err
		}
	}
	return j.log.listen(j.path("dev"), "log")
}

// linkTree copies a directory with hard links to its files, which are never written to.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			if err := os.Mkdir(dest, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, dest)
		}
		return os.Link(path, dest)
	})
}

func (j *jail) path(name string) string { return filepath.Join(j.dir, name) }

// mkdir makes directories that the server owns.
func (j *jail) mkdir(names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(j.path(name), 0o755); err != nil {
			return err
		}
		if err := j.own(name); err != nil {
			return err
		}
	}
	return nil
}

// own changes the owner of a file or directory to the server.
func (j *jail) own(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(j.path(name), j.owner.uid, j.owner.gid)
}

// write makes a file that the server owns.
func (j *jail) write(name, text string) error {
	if err := os.WriteFile(j.path(name), []byte(text), 0o600); err != nil {
		return err
	}
	return j.own(name)
}

// command returns a command that runs a program in the jail as the server's user. For speed, a
// preloaded library disables fsync.
func (j *jail) command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Env = []string{"PATH=/usr/bin:/usr/sbin", "TMPDIR=/tmp", "LD_PRELOAD=libeatmydata.so"}
	cmd.Dir = "/"
	cmd.SysProcAttr = jailAttr(j.dir, j.owner)
	return cmd
}

// run runs a program in the jail and waits for its end.
func (j *jail) run(stdin, path string, args ...string) error {
	cmd := j.command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, bytes.TrimSpace(out))
	}
	return nil
}

// start starts a program in the jail. It runs until stop.
func (j *jail) start(cmd *exec.Cmd) (*process, error) {
	// The output is a file, because children would keep a pipe open after the end of the program.
	out, err := os.OpenFile(j.path("out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	p, err := start(cmd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	j.procs = append(j.procs, p)
	return p, nil
}

// Log returns the log and the output of the server.
func (j *jail) Log() string {
	return j.output() + j.log.text()
}

// output returns what the programs in the jail have printed.
func (j *jail) output() string {
	data, err := os.ReadFile(j.path("out"))
	if err != nil {
		return ""
	}
	return string(data)
}

// stop ends all processes in the jail.
func (j *jail) stop() error {
	var err error
	for _, p := range j.procs {
		err = errors.Join(err, p.kill())
	}
	j.procs = nil
	return errors.Join(err, endInmates(j.dir))
}

// Stop stops the server. It first sends SIGTERM, so that the mail is consistent. The mail is kept
// until the end of the test.
func (j *jail) Stop() error {
	for _, pid := range inmates(j.dir) {
		terminate(pid)
	}
	for deadline := time.Now().Add(3 * time.Second); len(inmates(j.dir)) > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	return j.stop()
}

// restart starts the server again, on the same ports.
func (j *jail) restart(tb testing.TB, e *Endpoint, run func() (*process, error)) {
	tb.Helper()
	err := j.Stop()
	if err == nil {
		var proc *process
		if proc, err = run(); err == nil {
			err = answers(e.Addr(), proc)
		}
	}
	if err != nil {
		tb.Fatalf("%v\n%s", err, j.Log())
	}
}

// systemLog receives the messages to syslog.
type systemLog struct {
	conn *net.UnixConn
	done chan struct{} // closed after the last message
	mu   sync.Mutex
	buf  bytes.Buffer
}

// listen makes the socket. One goroutine reads from it until close.
func (l *systemLog) listen(dir, name string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// This path is never too long for a socket.
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name), Net: "unixgram"})
	if err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(dir, name), 0o777); err != nil {
		return errors.Join(err, conn.Close())
	}
	l.conn, l.done = conn, make(chan struct{})
	go func() {
		defer close(l.done)
		line := make([]byte, 64<<10)
		for {
			n, err := conn.Read(line)
			if err != nil {
				return
			}
			// This message is logged for every new password.
			if text := bytes.TrimRight(line[:n], "\x00\n"); !bytes.Contains(text, []byte("error deleting entry from sasldb")) {
				l.mu.Lock()
				fmt.Fprintf(&l.buf, "%s\n", text)
				l.mu.Unlock()
			}
		}
	}()
	return nil
}

func (l *systemLog) close() error {
	if l.conn == nil {
		return nil
	}
	err := l.conn.Close()
	<-l.done
	return err
}

func (l *systemLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
