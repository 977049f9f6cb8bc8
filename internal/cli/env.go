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

// Env is the environment of a run. Tests use their own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Columns and Rows return the size of the terminal Stdout; 0: Stdout is not a terminal.
	Columns, Rows func() int
	// Terminal opens the terminal for the questions of --setup. The caller closes it. nil: there
	// is none.
	Terminal func() (*os.File, error)
	// Discovery determines how --setup finds the server of a mail address.
	Discovery discover.Options
	// Config is the environment of the configuration.
	Config config.Env
	// FS is the file system of Maildirs and sync states.
	FS vfs.FS
	// Now returns the current time.
	Now func() time.Time
	// Random returns random bytes.
	Random io.Reader
	// Signals returns the signals that end the program, until stop is called; nil: there are
	// none.
	Signals func() (signals <-chan os.Signal, stop func())
	// Control returns the signals that control a watcher, until stop is called: reload if
	// isReload is true for it, otherwise synchronize now. nil: there are none.
	Control func() (signals <-chan os.Signal, stop func())
	// Exit ends the process at once.
	Exit func(code int)
	// KeepPipe makes writes to a closed pipe fail instead of ending the process; nil: they always
	// fail.
	KeepPipe func()
}

// OSEnv returns the environment of this process.
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
			// signal.Ignore would be inherited by commands that this process starts.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
		},
	}
}

func stdoutColumns() int {
	// A terminal that cannot return to the start of a line is treated like a file. The same
	// applies if the user wants plain text (no-color.org).
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
