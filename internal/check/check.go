// Package check reports what a configuration means, and its problems: which servers and
// directories it uses, which mailboxes belong together, what a run would do with them, where
// their sync state is, and whether the paths can be used. It is what a user with a problem runs
// first, so the report explains each problem and says what to do about it.
//
// Nothing is changed or created. Servers are contacted only with Options.Probe. No password is
// read or shown.
//
// The findings about a channel come from a dry run of it. Messages are listed only in mailboxes
// that were synchronized before, and only if both stores can be asked. So the report has a
// failure exactly if a run fails, and for the same reason. If a server is not contacted, the
// report assumes that it has the mailboxes that it should have.
//
// The report is plain text, at most Options.Columns wide as far as its words allow: a summary
// that fits on a screen, or everything (Options.Verbose).
package check

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/vfs"
)

// Options are the settings of a check.
type Options struct {
	Config *config.Config
	// Channels are the channels to explain, with what the command line allows.
	Channels []channel.Selection
	// Stores are explained in addition to those of Channels.
	Stores []*config.Store
	// All: the whole file is explained, and unused sections are reported.
	All bool

	// Open makes a store. Only stores in the file system are listed, or all with Probe.
	Open func(*config.Store) (store.Store, error)
	// Probe connects to the server of a store and logs in; nil: servers are not contacted.
	Probe func(context.Context, *config.Store) Server
	// Command returns a command line of this program with the same configuration.
	Command func(args ...string) string
	// Text returns the text of a fact that a run would report about a pair, or a channel.
	Text func(event.Fact, event.Pair) Problem
	// Explain returns the text of an error.
	Explain func(error) []Problem

	FS  vfs.FS
	Now func() time.Time
	// Home is the home directory, which is shortened to "~" in the report; may
	// be empty.
	Home string
	// Windows: file permissions are not checked.
	Windows bool
	// Columns is the width of the report; 0: 80.
	Columns int
	// Verbose: the report has all details, section by section, instead of a summary.
	Verbose bool
	// Line takes the lines of the report.
	Line func(string)
	// Found, if not nil, takes each finding, also of a report that is not Verbose.
	Found func(event.Finding)
}

// Problem is an error as text, with advice, which may be empty. Code is that of the message
// in a run; "": unknown.
type Problem struct {
	Text, Hint string
	Code       event.Code
}

// Run writes the report. It returns whether no problem was found, and ends early
// if ctx does.
func Run(ctx context.Context, o Options) bool {
	if o.Columns <= 0 {
		o.Columns = 80
	}
	c := &checker{
		Options: o, report: report{line: o.Line, found: o.Found, columns: o.Columns, home: o.Home},
		stores: map[config.Pos]store.Store{}, failed: map[config.Pos]bool{}, sizes: map[config.Pos]int{},
	}
	if !o.Verbose {
		c.line = func(string) {}
	}
	defer c.close()
	c.file()
	for _, s := range c.order() {
		if ctx.Err() != nil {
			return false
		}
		c.store(ctx, s)
	}
	seen := newOverlaps()
	for _, s := range o.Channels {
		if ctx.Err() != nil {
			return false
		}
		c.channel(ctx, s, seen)
	}
	if ctx.Err() != nil {
		return false
	}
	if o.Verbose {
		c.blank()
		c.text("", c.verdict(c.problems, c.notes))
		c.further(&c.report, c.problems, false)
	} else {
		c.summary()
	}
	return c.problems == 0
}

// checker is the state of a check.
type checker struct {
	Options
	report
	// stores are keyed by their place in the file, because a channel with MaxSize has its own
	// copies.
	stores map[config.Pos]store.Store
	// failed are the stores that do not work.
	failed map[config.Pos]bool
	// sizes are the numbers of mailboxes in stores that were listed.
	sizes map[config.Pos]int
	// briefs are the sections in the summary.
	briefs []brief
}

func (c *checker) close() {
	for _, s := range c.stores {
		_ = s.Close()
	}
}

// order returns the stores to explain, in the order of the file.
func (c *checker) order() (out []*config.Store) {
	used := map[config.Pos]bool{}
	for _, s := range c.Stores {
		used[s.At] = true
	}
	for _, s := range c.Channels {
		used[s.Channel.Far.Store.At], used[s.Channel.Near.Store.At] = true, true
	}
	for _, s := range c.Config.Stores {
		if used[s.At] {
			out = append(out, s)
		}
	}
	return out
}

// open returns a store for listings; nil: it cannot be listed.
func (c *checker) open(s *config.Store) store.Store {
	if st := c.stores[s.At]; st != nil || c.failed[s.At] {
		return st
	}
	st, err := c.Open(s)
	if err != nil {
		c.failed[s.At] = true
		c.error(err)
		return nil
	}
	c.stores[s.At] = st
	return st
}

// error reports an error.
func (c *checker) error(err error) {
	for _, p := range c.Explain(err) {
		c.coded(p.Code).fail(p.Hint, "%s", c.tildes(p.Text))
	}
}

// file tells about the configuration file.
func (c *checker) file() {
	cfg := c.Config
	c.subject = subject{}
	c.head("Configuration file "+c.tilde(cfg.File), "")
	for _, f := range cfg.Files[1:] {
		c.field("includes", c.tilde(f.Name)+" ("+f.At.String()+")")
	}
	c.field("holds", fmt.Sprintf("%s, %s, %s", count(len(cfg.Stores), "store"), count(len(cfg.Channels), "channel"), count(len(cfg.Groups), "group")))
	if !cfg.Global.FSync {
		c.note("", "FSync no (%s): a power cut may lose or duplicate mail", cfg.Global.Pos("FSync"))
	}
	if c.All {
		c.unused()
	}
	c.secrets()
	c.metrics()
}

// metrics reports whether the directory of MetricsFile can be used.
func (c *checker) metrics() {
	path := c.Config.Global.MetricsFile
	if path == "" {
		return
	}
	at := c.Config.Global.Pos("MetricsFile")
	dir := filepath.Dir(path)
	c.code = event.MetricsNotWritten{}.Code()
	switch p := examine(c.FS, dir); {
	case p.err != nil:
		c.note("make it writable; to show its permissions: ls -ld "+c.shellPath(p.at), "MetricsFile cannot be written to %s (%s): %v", c.tilde(dir), at, p.err)
	case !p.exists:
		c.note("create it: mkdir -p "+c.shellPath(dir), "MetricsFile cannot be written, since %s does not exist (%s)", c.tilde(dir), at)
	}
	c.code = ""
}

// unused reports sections that nothing refers to.
func (c *checker) unused() {
	cfg := c.Config
	used := map[config.Pos]bool{}
	for _, ch := range cfg.Channels {
		used[ch.Far.Store.At], used[ch.Near.Store.At] = true, true
	}
	for _, s := range cfg.Stores {
		if s.IMAP != nil && !s.IMAP.Account.Inline {
			used[s.IMAP.Account.At] = true
		}
	}
	for _, s := range cfg.Stores {
		if !used[s.At] {
			c.note("", "no channel uses %s (%s)", s.Label(), s.At)
		}
	}
	for _, a := range cfg.Accounts {
		if !a.Inline && !used[a.At] {
			c.note("", "no store uses %s (%s)", a.Label(), a.At)
		}
	}
	for _, g := range cfg.Groups {
		for _, m := range g.Members {
			if m.Channel == nil {
				c.note("", "Group %q names channel %q, which does not exist (%s): a run of the group fails", g.Name, m.Name, m.Pos)
			}
		}
	}
}

// secrets reports files of the configuration with a password that others can read.
func (c *checker) secrets() {
	for _, pos := range c.Config.Passwords() {
		path := c.Config.FileOf(pos).Path
		if fi, err := c.FS.Stat(path); err == nil && !c.Windows && openToOthers(fi) {
			c.note("chmod 600 "+c.shellPath(path), "the file contains a password (%s), and other users can read it (mode %04o)", pos, fi.Mode().Perm())
		}
	}
}

// verdict is the last line of the report.
func (c *checker) verdict(problems, notes int) string {
	if problems > 0 {
		return count(problems, "problem") + " found (marked " + markFail + "), " + count(notes, "note") + "."
	}
	text := "No problems found"
	if notes > 0 {
		text += ", but " + count(notes, "note")
	}
	return text + "."
}

// further tells which commands show more than this report. The lines are not wrapped, so
// that the commands can be copied.
func (c *checker) further(r *report, problems int, details bool) {
	if problems == 0 && c.leavesUnasked() {
		r.line("No server was contacted. To check the servers, too: " + c.Command("--check", "--online"))
	}
	if details {
		r.line("To show all details: " + c.Command("--check", "-V"))
	}
}

// leavesUnasked reports whether there are servers that were not asked.
func (c *checker) leavesUnasked() bool {
	return c.Probe == nil && slices.ContainsFunc(c.order(), func(s *config.Store) bool { return s.IMAP != nil })
}

// count makes "1 store" and "2 stores".
func count(n int, what string) string {
	switch n {
	case 1:
		return "1 " + what
	case 0:
		return "no " + plural(what)
	}
	return fmt.Sprint(n) + " " + plural(what)
}

func plural(what string) string {
	if len(what) > 1 && what[len(what)-1] == 'x' {
		return what + "es"
	}
	return what + "s"
}
