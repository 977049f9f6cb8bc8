// Demo shows mbsync at work, without any account: it starts a mail server of
// its own on the loopback interface, fills it with invented mail, runs the real
// program against it, changes both sides, runs it again, and checks with means
// of its own that both sides hold the same. It exits with 1 if they do not.
//
//	make demo
//	go run ./demo -mbsync bin/mbsync -keep
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The demo must not hang together with a run, which takes less than a second.
const runTimeout = time.Minute

// options are what the command line decides.
type options struct {
	mbsync string
	dir    string
	keep   bool
}

// demo is the state of the demo.
type demo struct {
	*stage
	mbsync string // absolute path of the program
	dir    string // everything the demo writes is in here
	config string // path of the configuration file
	server *mailServer
	far    *witness
	near   localMail
}

func main() {
	var o options
	flag.StringVar(&o.mbsync, "mbsync", "bin/mbsync", "the program to show")
	flag.StringVar(&o.dir, "dir", "", "directory to work in, must be empty (default: a new temporary one)")
	flag.BoolVar(&o.keep, "keep", false, "keep the server running at the end, until Ctrl-C")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected argument %q\n", flag.Arg(0))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := perform(ctx, newStage(os.Stdout), o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// perform runs the whole demo.
func perform(ctx context.Context, s *stage, o options) (err error) {
	d := &demo{stage: s}
	if d.mbsync, err = filepath.Abs(o.mbsync); err != nil {
		return err
	}
	if _, err := os.Stat(d.mbsync); err != nil {
		return fmt.Errorf("%w (make build makes it)", err)
	}
	if d.dir, err = workDir(o.dir); err != nil {
		return err
	}
	serverLog, err := os.Create(filepath.Join(d.dir, "server.log"))
	if err != nil {
		return err
	}
	defer serverLog.Close()

	if d.server, err = startServer(log.New(serverLog, "", log.LstdFlags)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.close()) }()
	if d.far, err = d.server.witness(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.far.close()) }()

	d.near = localMail{filepath.Join(d.dir, "Mail")}
	if err := d.setUp(); err != nil {
		return err
	}
	if err := d.play(ctx); err != nil {
		return fmt.Errorf("%w\n(everything is still in %s)", err, d.dir)
	}
	return d.leave(ctx, o.keep)
}

// workDir returns an absolute, existing, empty directory.
func workDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "isync-demo-")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty", dir)
	}
	return filepath.Abs(dir)
}

// setUp makes the empty Maildir and writes the configuration.
func (d *demo) setUp() error {
	if err := os.Mkdir(d.near.root, 0o700); err != nil {
		return err
	}
	d.config = filepath.Join(d.dir, "mbsyncrc")
	text := fmt.Sprintf(`IMAPStore far
Host 127.0.0.1
Port %d
User %s
Pass %s
# Safe only because the server is on the same machine:
TLSType None
AuthMechs LOGIN

MaildirStore near
Path "%s/"
Inbox "%s"
SubFolders Verbatim

Channel demo
Far :far:
Near :near:
Patterns *
Create Near
Expunge Both
SyncState *
`, d.server.addr.Port, user, password, d.near.root, d.near.dir("INBOX"))
	return os.WriteFile(d.config, []byte(text), 0o600)
}

// run runs mbsync once and shows what it says.
func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	args := []string{"-c", d.config, "-a"}
	d.say("   %s", d.paint(green, "$ mbsync "+strings.Join(args, " ")))
	cmd := exec.CommandContext(ctx, d.mbsync, args...)
	// The run must not read or write files of the user.
	cmd.Env = append(os.Environ(),
		"HOME="+d.dir,
		"XDG_CONFIG_HOME="+filepath.Join(d.dir, ".config"),
		"XDG_STATE_HOME="+filepath.Join(d.dir, ".local", "state"),
		"XDG_CACHE_HOME="+filepath.Join(d.dir, ".cache"),
	)
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	d.indented(out.String())
	d.say("   %s", d.paint(dim, fmt.Sprintf("took %.2f s", time.Since(start).Seconds())))
	if err != nil {
		return fmt.Errorf("mbsync: %w", err)
	}
	return nil
}

// look looks at both sides.
func (d *demo) look() (far, near snapshot, err error) {
	if far, err = d.far.look(); err != nil {
		return nil, nil, fmt.Errorf("looking at the server: %w", err)
	}
	if near, err = d.near.look(); err != nil {
		return nil, nil, fmt.Errorf("looking at the Maildir: %w", err)
	}
	return far, near, nil
}

// compare fails if the sides do not agree, and says so if they do.
func (d *demo) compare(far, near snapshot) error {
	if bad := disagreements(far, near); len(bad) > 0 {
		for _, b := range bad {
			d.say("   %s %s", d.paint(bold+";"+red, "✗"), b)
		}
		return fmt.Errorf("the server and the Maildir do not agree in %s", plural(len(bad), "place"))
	}
	n, _ := far.count()
	d.say("   %s both sides have the same %s in %s, with the same flags", d.paint(bold+";"+green, "✓"),
		plural(n, "message"), plural(len(far), "mailbox"))
	d.say("     %s", d.paint(dim, "(read with another IMAP client, and compared byte by byte except for"))
	d.say("     %s", d.paint(dim, "line ends and the X-TUID line of copies)"))
	return nil
}

// play is the demo itself.
func (d *demo) play(ctx context.Context) error {
	far, near, err := d.look()
	if err != nil {
		return err
	}
	n, size := far.count()
	d.say("%s", d.paint(bold, "isync: one mailbox in two places"))
	d.say("The mail server of the demo listens on %s. It has %s in %s, %s.", d.server.addr,
		plural(n, "message"), plural(len(far), "mailbox"), megabytes(size))
	d.say("The Maildir %s is empty.", d.near.root)
	if len(near) > 0 {
		return errors.New("the Maildir is not empty before the first run")
	}

	d.step("The first run copies everything to the Maildir")
	if err := d.run(ctx); err != nil {
		return err
	}
	before := far
	if far, near, err = d.look(); err != nil {
		return err
	}
	if n := d.changed("server", before, far); n > 0 {
		return fmt.Errorf("pulling changed %s on the server", plural(n, "message"))
	}
	d.tree(d.near.root, near)
	d.say("   %s", d.paint(dim, "flags: D draft, F flagged, P forwarded, R replied, S seen"))
	if err := d.compare(far, near); err != nil {
		return err
	}

	d.step("Both sides change")
	if err := d.meddle(); err != nil {
		return err
	}
	farChanged, nearChanged, err := d.look()
	if err != nil {
		return err
	}
	d.changed("server", far, farChanged)
	d.changed("Maildir", near, nearChanged)

	d.step("The second run copies each change to the other side")
	if err := d.run(ctx); err != nil {
		return err
	}
	if far, near, err = d.look(); err != nil {
		return err
	}
	if d.changed("server", farChanged, far)+d.changed("Maildir", nearChanged, near) == 0 {
		return errors.New("the second run changed nothing")
	}
	if err := d.compare(far, near); err != nil {
		return err
	}
	return d.playAgain(ctx, far, near)
}

// meddle changes both sides: another mail program on the server, a mail reader
// in the Maildir.
func (d *demo) meddle() error {
	if err := d.far.delete("INBOX", subjectRaffle); err != nil {
		return err
	}
	if err := d.far.setFlag("INBOX", subjectOwl, seen); err != nil {
		return err
	}
	now := time.Now()
	reply := &sample{
		from: "Me <me@home.example>", subject: "Ja! Zwei Bleche, versprochen 🍰",
		body: "Ich bringe auch den Kaffee mit.\n",
	}
	id := fmt.Sprintf("%d.M%dP%d", now.Unix(), now.Nanosecond()/1000, os.Getpid())
	if err := d.near.deliver("Café ☕", id+".home", reply.text(id, now)); err != nil {
		return err
	}
	return d.near.setFlag("INBOX", subjectPenguin, 'F')
}

// playAgain shows that there is nothing left to do.
func (d *demo) playAgain(ctx context.Context, far, near snapshot) error {
	d.step("The third run has nothing to do")
	if err := d.run(ctx); err != nil {
		return err
	}
	farAfter, nearAfter, err := d.look()
	if err != nil {
		return err
	}
	if n := d.changed("server", far, farAfter) + d.changed("Maildir", near, nearAfter); n > 0 {
		return fmt.Errorf("the third run changed %s", plural(n, "message"))
	}
	d.say("   %s nothing changed", d.paint(bold+";"+green, "✓"))
	return nil
}

// leave tells where things are.
func (d *demo) leave(ctx context.Context, keep bool) error {
	d.step("Files of this demo")
	config, err := os.ReadFile(d.config)
	if err != nil {
		return err
	}
	d.say("   %s, the configuration:", d.config)
	d.indented(string(config))
	d.say("   mail       %s", d.near.root)
	d.say("   sync state .mbsyncstate in each mailbox, for example")
	d.say("              %s", filepath.Join(d.near.dir("INBOX"), ".mbsyncstate"))
	if !keep {
		d.say("\nThe server ends now. To keep it running: make demo DEMOFLAGS=-keep")
		d.say("To remove the files: rm -r %s", d.dir)
		return nil
	}
	d.say("\nThe server keeps running, user %s, password %s. Change something, then in another terminal:", user, password)
	d.say("   %s -c %s -a", d.mbsync, d.config)
	d.say("Ctrl-C ends it. To remove the files: rm -r %s", d.dir)
	<-ctx.Done()
	return nil
}
