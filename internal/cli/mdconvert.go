package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/ui"
)

// convertOption is a row of the table of mdconvert's options. --help and the test of the manual
// page use it, too.
type convertOption struct {
	letter byte
	name   string
	help   string
	set    func(c *convertLine)
}

// convertLine is a parsed command line of mdconvert.
type convertLine struct {
	alt, help, version bool
	boxes              []string
}

var convertOptions = []convertOption{
	{'a', "alt", "move the UIDs into a database", func(c *convertLine) { c.alt = true }},
	{'n', "native", "move the UIDs into the file names (default)", func(c *convertLine) { c.alt = false }},
	{'h', "help", "show this help", func(c *convertLine) { c.help = true }},
	{'v', "version", "show the version", func(c *convertLine) { c.version = true }},
}

// scanConvert parses the command line of mdconvert. Options come first, one per word.
func scanConvert(args []string) (*convertLine, error) {
	c := &convertLine{}
	for i, arg := range args {
		if arg == "--" {
			c.boxes = args[i+1:]
			return c, nil
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			c.boxes = args[i:]
			return c, nil
		}
		found := false
		for _, o := range convertOptions {
			if arg == "-"+string(rune(o.letter)) || arg == "--"+o.name {
				o.set(c)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown option '%s'", arg)
		}
	}
	return c, nil
}

// convertHelp returns the text of mdconvert --help.
func convertHelp() string {
	var b strings.Builder
	b.WriteString(`Usage:
  mdconvert [-a | -n] mailbox ...

Moves the UIDs of Maildirs from a database into the file names, or from the
file names into a database. The UIDs do not change.

`)
	for _, o := range convertOptions {
		fmt.Fprintf(&b, "  -%c, --%-9s%s\n", o.letter, o.name, o.help)
	}
	b.WriteString(`
Exit code: 0 if all mailboxes were converted, 1 if not, 128 + n after signal n.
See mdconvert(1) for details.
`)
	return b.String()
}

// MainConvert runs mdconvert and returns the exit code. args are the words of the command line,
// beginning with the name of the program.
func MainConvert(env Env, args []string) int {
	r := &run{env: env}
	r.printer = ui.New(ui.Options{Program: "mdconvert", Out: env.Stdout, Err: env.Stderr, Now: env.Now, Explain: r.explain})
	r.reporter = reporter{events: r.printer}
	c, err := scanConvert(args[min(1, len(args)):])
	if err != nil {
		r.tell(event.Error, config.Pos{}, event.CommandLineInvalid{Program: "mdconvert", Err: err})
		return exitFailure
	}
	switch {
	case c.help:
		_, _ = fmt.Fprint(env.Stdout, convertHelp())
		return exitOK
	case c.version:
		_, _ = fmt.Fprint(env.Stdout, versionText("mdconvert"))
		return exitOK
	case len(c.boxes) == 0:
		r.tell(event.Error, config.Pos{}, event.NoMailboxNamed{})
		return exitFailure
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer r.watch(cancel)()
	code := exitOK
	for _, box := range c.boxes {
		if ctx.Err() != nil {
			break
		}
		if err := r.convert(ctx, box, c.alt); err != nil {
			code = exitFailure
			m := event.Message{Severity: event.Error, Path: box, Err: err}
			if why, ok := errors.AsType[*convertError](err); ok {
				m.Fact = why.fact
			}
			r.events.Take(m)
		}
	}
	if sig := r.ended.Load(); sig != 0 {
		return exitSignal + int(sig)
	}
	return code
}

// convertError is the reason why a mailbox was not converted, as a fact.
type convertError struct{ fact event.Fact }

func (e *convertError) Error() string {
	text, _ := ui.Text(e.fact)
	return text
}

// convert converts one mailbox.
func (r *run) convert(ctx context.Context, box string, alt bool) error {
	dir := box
	if !filepath.IsAbs(dir) {
		wd, err := r.env.Config.Getwd()
		if err != nil {
			return err
		}
		dir = filepath.Join(wd, dir)
	}
	o := maildir.Options{
		Name: "mdconvert", Inbox: dir, FSync: true, FS: r.env.FS, Clock: r.env.Now,
	}
	tell := func(severity event.Severity) func(event.Fact) {
		return func(f event.Fact) { r.events.Take(event.Message{Severity: severity, Store: o.Name, Fact: f}) }
	}
	o.Notice, o.Warn = tell(event.Notice), tell(event.Warning)
	fail := func(f event.Fact) error { return &convertError{f} }
	if fi, err := o.FS.Stat(dir); err == nil && !fi.IsDir() || box == "" || errors.Is(err, os.ErrNotExist) {
		return fail(event.NotAMaildir{})
	}
	s, err := maildir.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	n, err := s.Convert(ctx, alt)
	where := "the names of its files"
	if alt {
		where = "a database"
	}
	switch {
	case err == nil:
		if r.env.Columns != nil && r.env.Columns() > 0 {
			r.println(fmt.Sprintf("%s: %d UID(s) are in %s now", box, n, where))
		}
		return nil
	case errors.Is(err, store.ErrNoBox):
		return fail(event.NotAMaildir{})
	case errors.Is(err, maildir.ErrAlready):
		return fail(event.UIDsThereAlready{Database: alt})
	case errors.Is(err, maildir.ErrNoUIDs):
		return fail(event.NoUIDs{})
	case errors.Is(err, maildir.ErrInUse):
		return fail(event.MailboxInUse{})
	case ctx.Err() != nil:
		return fail(event.ConversionInterrupted{})
	}
	return err
}
