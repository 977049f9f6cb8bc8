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
	"isync/internal/vfs"
)

// Env is the world that a run sees. Tests make one of their own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Columns returns the width of the terminal that Stdout is; 0: it is none.
	Columns func() int
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
	// Exit ends the process at once.
	Exit func(code int)
}

// OSEnv returns the real world.
func OSEnv() Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Columns: stdoutColumns,
		Config:  config.SystemEnv(),
		FS:      vfs.OS{},
		Now:     time.Now,
		Random:  rand.Reader,
		Signals: systemSignals,
		Exit:    os.Exit,
	}
}

func stdoutColumns() int {
	// A terminal that does not know how to go back to the start of a line is
	// treated like a file.
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	w, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || w < 1 {
		return 0
	}
	return w
}

func systemSignals() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c, func() { signal.Stop(c) }
}
