package cli

import (
	"crypto/rand"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"isync/internal/config"
	"isync/internal/discover"
	"isync/internal/vfs"
)

// Env is the world that a run sees. Tests make one of their own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Columns and Rows return the size of the terminal that Stdout is; 0: it is none.
	Columns, Rows func() int
	// Terminal opens the terminal for the questions of --setup; the caller closes it. nil:
	// there is none.
	Terminal func() (*os.File, error)
	// Discovery says whom --setup asks for the server of a mail address.
	Discovery discover.Options
	// Config is what the configuration depends on.
	Config config.Env
	// FS is the file system that Maildirs and sync states live in.
	FS vfs.FS
	// Now tells the time.
	Now func() time.Time
	// Random yields random bytes.
	Random io.Reader
	// Signals starts to deliver the signals that shall end the program, until
	// stop is called. nil: there are none.
	Signals func() (signals <-chan os.Signal, stop func())
	// Control starts to deliver the signals that control a watcher, until stop is called:
	// one for which isReload is true, or any other to synchronize now. nil: there are none.
	Control func() (signals <-chan os.Signal, stop func())
	// Exit ends the process at once.
	Exit func(code int)
	// KeepPipe makes writes to a pipe that nobody reads fail, instead of ending the
	// process. nil: they always do.
	KeepPipe func()
}

// OSEnv returns the real world.
func OSEnv() Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Columns: stdoutColumns, Rows: stdoutRows,
		Terminal: func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) },
		Config:   config.SystemEnv(),
		FS:       vfs.OS{},
		Now:      time.Now,
		Random:   rand.Reader,
		Signals:  systemSignals,
		Control:  systemControl,
		Exit:     os.Exit,
		KeepPipe: func() {
			// Not signal.Ignore: commands that are started would inherit that.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		},
	}
}

func stdoutColumns() int {
	// A terminal that does not know how to go back to the start of a line is
	// treated like a file, and so is one whose user wants plain text (no-color.org).
	if os.Getenv("TERM") == "dumb" || os.Getenv("NO_COLOR") != "" {
		return 0
	}
	w, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || w < 1 {
		return 0
	}
	return w
}

func stdoutRows() int {
	_, h, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || h < 1 {
		return 0
	}
	return h
}

func systemSignals() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}
