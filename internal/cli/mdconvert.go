package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/ui"
)

// convertOption is a row of the table of options of mdconvert, which works for
// --help, and for the test of the manual page, too.
type convertOption struct {
	letter byte
	name   string
	help   string
	set    func(c *convertLine)
}

// convertLine is what the command line of mdconvert says.
type convertLine struct {
	alt, help, version bool
	boxes              []string
}

var convertOptions = []convertOption{
	{'a', "alt", "put the UIDs into a database", func(c *convertLine) { c.alt = true }},
	{'n', "native", "put the UIDs into the names of files (default)", func(c *convertLine) { c.alt = false }},
	{'h', "help", "show this", func(c *convertLine) { c.help = true }},
	{'v', "version", "show the version", func(c *convertLine) { c.version = true }},
}

const tryConvertHelp = "'mdconvert --help' lists the options, mdconvert(1) explains them"

// scanConvert reads the command line of mdconvert. Options come first, one per
// word.
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

Moves the UIDs of Maildir mailboxes, which are directories, from a database into
the names of their files, or the other way. The UIDs stay the same.

`)
	for _, o := range convertOptions {
		fmt.Fprintf(&b, "  -%c, --%-9s%s\n", o.letter, o.name, o.help)
	}
	b.WriteString(`
Exit code: 0 if all mailboxes were converted, else 1; 128 + n after signal n.
mdconvert(1) tells more.
`)
	return b.String()
}

// MainConvert runs mdconvert with the words of its command line, the name of the
// program first, and returns the exit code.
func MainConvert(env Env, args []string) int {
	r := &run{env: env}
	r.printer = ui.New(ui.Options{Program: "mdconvert", Out: env.Stdout, Err: env.Stderr, Now: env.Now, Explain: r.explain})
	c, err := scanConvert(args[min(1, len(args)):])
	if err != nil {
		r.printer.Problem(ui.Problem{Text: err.Error(), Hint: tryConvertHelp})
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
		r.printer.Problem(ui.Problem{Text: "no mailbox named", Hint: "name directories of mailboxes; " + tryConvertHelp})
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
			for _, p := range r.explain(err) {
				p.Text = "'" + box + "': " + p.Text
				r.printer.Problem(p)
			}
		}
	}
	if sig := r.ended.Load(); sig != 0 {
		return exitSignal + int(sig)
	}
	return code
}

// convertError is why a mailbox was not converted, with advice.
type convertError struct {
	err  error
	hint string
}

func (e *convertError) Error() string { return e.err.Error() }
func (e *convertError) Unwrap() error { return e.err }

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
		Notice: func(text string) { r.printer.Notice("", text) },
		Warn:   func(text, hint string) { r.printer.Caution(ui.Problem{Text: text, Hint: hint}) },
	}
	fail := func(text, hint string) error { return &convertError{errors.New(text), hint} }
	if fi, err := o.FS.Stat(dir); err == nil && !fi.IsDir() || box == "" || errors.Is(err, os.ErrNotExist) {
		return fail("this is no Maildir mailbox", "name the directory that has the sub-directories cur, new, and tmp")
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
			r.printer.Println(fmt.Sprintf("%s: %d UID(s) are in %s now", box, n, where))
		}
		return nil
	case errors.Is(err, store.ErrNoBox):
		return fail("this is no Maildir mailbox", "name the directory that has the sub-directories cur, new, and tmp")
	case errors.Is(err, maildir.ErrAlready):
		return fail("it has its UIDs in "+where+" already, nothing was changed", "")
	case errors.Is(err, maildir.ErrNoUIDs):
		return fail("it has no UIDs, nothing was changed", "mbsync gives them when it synchronizes the mailbox; AltMap says where to put them")
	case errors.Is(err, maildir.ErrInUse):
		return fail("another program is using it, nothing was changed", "try again when no mbsync is running")
	case ctx.Err() != nil:
		return fail("interrupted; it is in order", "run the same command again to complete what was begun")
	}
	return err
}
