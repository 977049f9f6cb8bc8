// Package cli is the command line of mbsync: the grammar of its options, the
// parts that make up a run, and what becomes of errors at the end of it, which
// are told here and nowhere else, with a line "hint:" where there is good
// advice, and an exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"

	"isync/internal/auth"
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store/imap"
	"isync/internal/ui"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	// With --ext-exit these are added.
	exitFarChanged  = 32
	exitNearChanged = 64
	// exitSignal is added to the number of the signal that ended the run.
	exitSignal = 128
)

// Main runs the program with the words of the command line, the name of the
// program first, and returns the exit code.
func Main(env Env, args []string) int {
	c, err := scan(args[min(1, len(args)):])
	if err != nil {
		hint := tryHelp
		if u, ok := errors.AsType[*usageError](err); ok && u.hint != "" {
			hint = u.hint
		}
		ui.New(ui.Options{Out: env.Stdout, Err: env.Stderr}).Problem(ui.Problem{Text: err.Error(), Hint: hint})
		return exitFailure
	}
	switch {
	case c.completes:
		return complete(env, c)
	case c.help:
		_, _ = fmt.Fprint(env.Stdout, help())
		return exitOK
	case c.version:
		_, _ = fmt.Fprint(env.Stdout, versionText("isync"))
		return exitOK
	}
	if c.debug&ui.DebugCrash != 0 {
		debug.SetTraceback("all")
	}
	r := &run{env: env, c: c}
	r.printer = ui.New(ui.Options{
		Out: env.Stdout, Err: env.Stderr, Columns: env.Columns, Now: env.Now,
		Level: c.level(), Debug: c.debug, DryRun: c.dryRun,
		Explain: r.explain,
	})
	return r.main()
}

// level is how much is to be told.
func (c *commandLine) level() ui.Level {
	switch {
	case c.quiet > 1:
		return ui.Silent
	case c.quiet == 1:
		return ui.Quiet
	case c.verbose:
		return ui.Verbose
	}
	return ui.Normal
}

// run is one run of the program.
type run struct {
	env     Env
	c       *commandLine
	cfg     *config.Config // nil: not loaded yet
	printer *ui.Printer
	ended   atomic.Int32 // the signal that ended it
}

func (r *run) main() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer r.watch(cancel)()
	for _, n := range r.c.notices {
		r.printer.Notice("", n)
	}
	if r.c.hasGetCert {
		return r.unlessSignalled(r.getCert(ctx))
	}
	if r.c.fixConfig {
		return r.unlessSignalled(r.fixConfig())
	}
	if !r.c.listStores && !r.c.check && !r.c.all && len(r.c.names) == 0 {
		// Not a matter of the configuration, which may not even be there yet.
		r.printer.Problem(noChannelNamed)
		return exitFailure
	}
	if !r.load() {
		return exitFailure
	}
	var code int
	switch {
	case r.c.check:
		code = r.check(ctx)
	case r.c.listStores:
		code = r.listStores(ctx)
	default:
		code = r.channels(ctx)
	}
	r.printer.End()
	return r.unlessSignalled(code)
}

// unlessSignalled returns the code, or that of the signal that ended the run.
func (r *run) unlessSignalled(code int) int {
	if sig := r.ended.Load(); sig != 0 {
		return exitSignal + int(sig)
	}
	return code
}

// watch ends the run when a signal comes, and the process when there is another
// one. The caller must call stop.
func (r *run) watch(cancel context.CancelFunc) (stop func()) {
	if r.env.Signals == nil {
		return func() {}
	}
	signals, stopSignals := r.env.Signals()
	quit, done := make(chan struct{}), make(chan struct{})
	var telling sync.WaitGroup
	go func() {
		defer close(done)
		for {
			select {
			case sig := <-signals:
				n := signalNumber(sig)
				if !r.ended.CompareAndSwap(0, n) {
					r.env.Exit(exitSignal + int(n))
					return
				}
				cancel()
				// Aside, since a terminal that was stopped takes nothing, and
				// the second signal must get through all the same.
				telling.Go(func() { r.printer.Warn("", fmt.Sprintf("%s: stopping; the next run goes on from here", sig)) })
			case <-quit:
				return
			}
		}
	}()
	return func() {
		stopSignals()
		close(quit)
		<-done
		telling.Wait()
	}
}

func signalNumber(sig os.Signal) int32 {
	if n, ok := sig.(syscall.Signal); ok {
		return int32(n)
	}
	return int32(syscall.SIGTERM)
}

// load loads the configuration.
func (r *run) load() bool {
	cfg, notices, err := config.Load(config.Options{File: r.c.config, Env: r.env.Config})
	words := r.notices(notices, r.c.check)
	if err != nil {
		r.printer.Error(err)
		return false
	}
	r.cfg = cfg
	r.warnExposed()
	if words > 0 {
		r.printer.Notice(cfg.File, fmt.Sprintf("%s; `%s` prints the new file, `%s --write` replaces this one",
			wordsText(words), r.fixCommand(), r.fixCommand()))
	}
	r.printer.Debugf(ui.DebugMain, "configuration file %s", cfg.File)
	return true
}

// notices prints the notices about the configuration, those of deprecated words only
// if outdated is true. It returns the number of such words.
func (r *run) notices(notices []config.Notice, outdated bool) (words int) {
	for _, n := range notices {
		words += n.Outdated
		text := noticeText(n)
		switch {
		case n.Severity == config.Warning:
			r.printer.Caution(ui.Problem{Place: n.Pos.String(), Text: text, Hint: n.Hint})
		case outdated || n.Outdated == 0:
			r.printer.Notice(n.Pos.String(), text)
		}
	}
	return words
}

// workshop returns what makes stores.
func (r *run) workshop() *workshop {
	w := &workshop{
		env: r.env, fs: r.fs(), cfg: r.cfg, controls: r.c.controls, printer: r.printer,
		readOnly: r.c.dryRun || r.c.list || r.c.listStores || r.c.check,
		checks:   r.c.check,
		logins:   make(map[*config.Account]*accountLogin),
		accounts: make(map[*config.Account]*imap.Sessions),
	}
	w.terminal = &auth.Terminal{
		Prompt: askTerminal,
		Suspend: func() func() {
			r.printer.Hold()
			return r.printer.Release
		},
	}
	return w
}

// channels synchronizes channels, or lists their mailboxes.
func (r *run) channels(ctx context.Context) int {
	if r.c.all && len(r.c.names) > 0 {
		r.printer.Warn("", fmt.Sprintf("-a stands for all channels; '%s' is ignored", r.c.names[0]))
	}
	sel, problems := selectChannels(r.cfg, r.c)
	for _, p := range problems {
		r.printer.Problem(p)
	}
	if len(problems) > 0 {
		return exitFailure
	}
	for _, s := range sel {
		r.printer.Debugf(ui.DebugMain, "channel %s: pull %s, push %s", s.Channel.Name, s.Ops.On[config.Pull], s.Ops.On[config.Push])
	}
	o := channel.Options{
		Global: r.cfg.Global, Open: r.workshop().open, FS: r.fs(),
		DryRun: r.c.dryRun, Preview: r.c.dryRun && r.printer.Verbose(),
		Explain: r.printer.Debugs(ui.DebugSync | ui.DebugMain), LogImplied: r.c.controls.logImplied,
		Controls: r.c.controls.engineControls(r.c.debug != 0, r.env.Stdout, r.env.Exit),
		TUIDs:    r.env.Random, Observer: r.printer,
		MemoryKey: r.cfg.File, Now: r.env.Now,
	}
	if dir, err := r.env.Config.CacheDir(); err == nil {
		o.Memory = dir
	}
	if o.Controls != nil {
		// Steps are counted: they have to come in the same order each time.
		o.Parallel = 1
	}
	if r.c.list {
		return r.list(ctx, sel, o)
	}
	sum := channel.Run(ctx, sel, o)
	r.printer.Summary(ui.Totals{
		Boxes: sum.Boxes, Channels: sum.Channels, Counts: sum.Counts,
		Unfinished: sum.Unfinished, NotBegun: sum.NotBegun, NotListed: sum.NotListed,
	})
	return r.exitCode(sum)
}

// exitCode tells how a run has come out.
func (r *run) exitCode(sum channel.Summary) int {
	code := exitOK
	if sum.Failed {
		code = exitFailure
	}
	if r.c.extExit {
		for t, bit := range []int{exitFarChanged, exitNearChanged} {
			c := sum.Counts[t]
			if c.New+c.Flags+c.Trashed+c.Expunged > 0 {
				code += bit
			}
		}
	}
	return code
}
