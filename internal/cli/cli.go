// Package cli is the command line of mbsync: it parses the options, makes the stores and channels
// of a run, diagnoses errors, and determines the exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"isync/internal/auth"
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/hook"
	"isync/internal/store/imap"
	"isync/internal/ui"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	// These are added with --ext-exit.
	exitFarChanged  = 32
	exitNearChanged = 64
	// exitSignal is added to the number of the signal that ended the run.
	exitSignal = 128
)

// Main runs the program and returns the exit code. args are the words of the command line,
// beginning with the name of the program.
func Main(env Env, args []string) int {
	c, err := scan(args[min(1, len(args)):])
	if err != nil {
		invalid := event.CommandLineInvalid{Program: "mbsync", Err: err}
		if u, ok := errors.AsType[*usageError](err); ok {
			invalid.Joined = u.joined
		}
		ui.New(ui.Options{Out: env.Stdout, Err: env.Stderr}).Take(event.Message{Severity: event.Error, Fact: invalid})
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
	if c.debug&event.DebugCrash != 0 {
		debug.SetTraceback("all")
	}
	r := &run{env: env, c: c}
	o := ui.Options{
		Out: env.Stdout, Err: env.Stderr, Columns: env.Columns, Rows: env.Rows, Now: env.Now,
		Level: c.level(), Debug: c.debug, DryRun: c.dryRun, Watch: c.watch,
		Explain: r.explain, WithCommands: r.withCommands,
	}
	if c.watch {
		spool := ui.NewSpool(ui.SpoolOptions{Dropped: ui.DroppedText})
		defer spool.Close(outputPatience)
		o.Out, o.Err = spool.Writer(env.Stdout), spool.Writer(env.Stderr)
	}
	if !c.json {
		r.printer = ui.New(o)
		r.reporter = reporter{r.printer, r.c.debug}
		return r.main()
	}
	return r.mainJSON(o)
}

// outputPatience is how long a watcher that ends waits until its output is read.
const outputPatience = 300 * time.Millisecond

// mainJSON is main with --json: JSON objects are written to the output, and text to the error
// stream.
func (r *run) mainJSON(o ui.Options) int {
	if r.env.KeepPipe != nil {
		r.env.KeepPipe()
	}
	o.Out, o.Columns = io.Discard, nil
	if r.c.verbose || r.c.debug != 0 {
		o.Out = o.Err
	}
	r.printer = ui.New(o)
	out := r.env.Stdout
	if r.c.watch {
		spool := ui.NewSpool(ui.SpoolOptions{
			Full:    func() { r.printer.Take(event.Message{Severity: event.Warning, Fact: event.OutputDropped{}}) },
			Dropped: func(lines int) []byte { return ui.DroppedObject(r.env.Now(), lines) },
		})
		defer spool.Close(outputPatience)
		out = spool.Writer(out)
	}
	r.json = ui.NewJSON(ui.JSONOptions{
		Out:     out,
		Objects: ui.Objects{Now: r.env.Now, Explain: r.explain, WithCommands: r.withCommands, Messages: r.c.jsonDetail == "messages", DryRun: r.c.dryRun},
		Lost: func(err error) {
			r.printer.Take(event.Message{Severity: event.Error, Fact: event.OutputLost{Err: err}})
		},
	})
	r.reporter = reporter{event.Join(r.printer, r.json), r.c.debug}
	code := r.main()
	if err := r.json.Close(); err != nil && code == exitOK {
		code = exitFailure
	}
	return code
}

// level returns the level of output.
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

// run is a run of the program.
type run struct {
	env Env
	c   *commandLine
	cfg *config.Config // nil: not loaded
	reporter
	// printer is the sink that writes to the terminal.
	printer *ui.Printer
	json    *ui.JSON     // nil: no --json
	metrics *ui.Metrics  // nil: no MetricsFile
	hooks   *hook.Hooks  // nil: no hooks
	tokens  tokenSources // shared by all runs
	ended   atomic.Int32 // the signal that ended the run
	runs    atomic.Int32 // number of runs of the watcher
	// refusals are the refused passwords of a watcher; nil: there is no watcher.
	refusals *auth.Ledger
	watched  int // number of channels in the last WatchBegun
}

// main runs the command and returns the exit code.
func (r *run) main() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer r.watch(cancel)()
	for _, n := range r.c.notices {
		r.tell(event.Notice, config.Pos{}, n)
	}
	if r.c.hasGetCert {
		return r.unlessSignalled(r.getCert(ctx))
	}
	if r.c.setup {
		return r.unlessSignalled(r.setupAccount(ctx))
	}
	if r.c.fixConfig {
		return r.unlessSignalled(r.fixConfig())
	}
	code, told := r.do(ctx)
	r.tokens.flush()
	code = r.unlessSignalled(code)
	if !told {
		r.events.Take(event.CommandEnded{Exit: code})
	}
	return code
}

// do runs a command that needs the configuration. told: a summary was reported.
func (r *run) do(ctx context.Context) (code int, told bool) {
	if !r.c.authorizes() && !r.c.listStores && !r.c.check && !r.c.listFailed && !r.c.watch && !r.c.status && len(r.c.edits) == 0 && !r.c.all && len(r.c.names)+len(r.c.allow.words)+len(r.c.restore.words) == 0 {
		// This check comes before loading, because there may be no configuration yet.
		r.tell(event.Error, config.Pos{}, event.NoChannelNamed{})
		return exitFailure, false
	}
	if !r.load() {
		return exitFailure, false
	}
	defer r.printer.End()
	switch {
	case r.c.authorizes():
		return r.runAuth(ctx), false
	case r.c.check:
		return r.check(ctx), false
	case r.c.listStores:
		return r.listStores(ctx), false
	case r.c.listFailed:
		return r.listFailed(ctx), false
	case len(r.c.edits) > 0:
		r.begin(event.CommandEditFailed, nil)
		return r.editFailed(ctx), false
	case r.c.status:
		return r.watchStatus(), false
	case r.c.watch:
		return r.watchChannels(ctx), false
	}
	return r.channels(ctx)
}

// begin reports the beginning of a command.
func (r *run) begin(c event.Command, sel []channel.Selection) { r.beginRun(0, c, sel) }

// beginRun is begin for one of several runs.
func (r *run) beginRun(id int, c event.Command, sel []channel.Selection) {
	e := event.RunBegun{Run: id, Version: Version(), Command: c}
	for _, s := range sel {
		e.Channels = append(e.Channels, s.Channel.Name)
		for _, st := range []*config.Store{s.Channel.Far.Store, s.Channel.Near.Store} {
			if st.IMAP != nil && !slices.Contains(e.Accounts, st.IMAP.Account.Name) {
				e.Accounts = append(e.Accounts, st.IMAP.Account.Name)
			}
		}
	}
	r.events.Take(e)
}

// unlessSignalled returns code, or the exit code of the signal that ended the run.
func (r *run) unlessSignalled(code int) int {
	if sig := r.ended.Load(); sig != 0 && !r.c.watch {
		return exitSignal + int(sig)
	}
	return code
}

// watch ends the run on the first signal, and the process on the second. The caller must call
// stop.
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
				if r.json != nil {
					r.json.Hurry()
				}
				if r.c.setup {
					continue // it reports its own results
				}
				if r.c.watch {
					continue // the usual way to end a watcher
				}
				// A separate goroutine: writing to a stopped terminal blocks, and must not delay
				// the second signal.
				told := event.Message{Severity: event.Warning, Fact: event.Interrupted{Signal: sig.String()}}
				if r.json != nil {
					r.json.Take(told)
				}
				telling.Go(func() { r.printer.Take(told) })
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
		r.fail(err)
		return false
	}
	r.cfg = cfg
	r.warnExposed()
	if words > 0 {
		r.tellOfFile(event.Notice, cfg.File, event.DeprecatedWords{Count: words, Command: r.fixCommand()})
	}
	r.debugf(event.DebugMain, "configuration file %s", cfg.File)
	r.countMetrics()
	return true
}

// notices prints the notices about the configuration. Those about deprecated words are printed
// only if outdated is set. It returns the number of such words.
func (r *run) notices(notices []config.Notice, outdated bool) (words int) {
	for _, n := range notices {
		words += n.Outdated
		if n.Severity == event.Warning || outdated || n.Outdated == 0 {
			r.tell(n.Severity, n.Pos, n.Fact)
		}
	}
	return words
}

// workshop returns the workshop of the configuration.
func (r *run) workshop() *workshop {
	w := &workshop{
		env: r.env, fs: r.fs(), cfg: r.cfg, controls: r.c.controls, reporter: r.reporter,
		readOnly: r.c.dryRun || r.c.list || r.c.listStores || r.c.check || r.c.listFailed || len(r.c.edits) > 0,
		checks:   r.c.check, configFile: r.c.config,
		refusals: r.refusals,
		prompts:  make(map[*config.Account]*prompts),
		tokens:   &r.tokens,
		ipv4:     make(map[*config.Account]bool),
		accounts: make(map[*config.Account]*imap.Sessions),
	}
	w.beginRun()
	w.terminal = &auth.Terminal{
		Prompt: askTerminal,
		Suspend: func() func() {
			r.printer.Hold()
			return r.printer.Release
		},
	}
	return w
}

// channels synchronizes channels, or lists their mailboxes. told: a summary was reported.
func (r *run) channels(ctx context.Context) (code int, told bool) {
	if r.c.all && len(r.c.names) > 0 {
		r.tell(event.Warning, config.Pos{}, event.NamesIgnored{Name: r.c.names[0]})
	}
	sel, problems := selectChannels(r.cfg, r.c)
	for _, p := range problems {
		r.events.Take(p)
	}
	if len(problems) > 0 {
		return exitFailure, false
	}
	switch {
	case r.c.list:
		r.begin(event.CommandList, sel)
	case r.c.dryRun:
		r.begin(event.CommandDryRun, sel)
	default:
		r.begin(event.CommandRun, sel)
	}
	for _, s := range sel {
		r.debugf(event.DebugMain, "channel %s: pull %s, push %s", s.Channel.Name, s.Ops.On[config.Pull], s.Ops.On[config.Push])
	}
	if r.c.list {
		return r.list(ctx, sel, r.channelOptions()), false
	}
	stopHooks := sync.OnceFunc(r.startHooks(ctx, sel))
	defer stopHooks()
	o := r.channelOptions()
	runner := channel.NewRunner(o)
	defer runner.Close()
	sum := runner.Run(ctx, sel)
	if r.json != nil {
		// Closing may cause messages of servers and failures of hooks. The summary must be the
		// last object.
		runner.Close()
		stopHooks()
	}
	code = r.exitCode(sum)
	summary := summaryOf(sum, r.unlessSignalled(code))
	if r.metrics != nil {
		r.metrics.Take(summary)
		r.saveMetrics(r.cfg)
	}
	r.events.Take(summary)
	return code, true
}

// summaryOf returns the summary event of a run.
func summaryOf(sum channel.Summary, exit int) event.Summary {
	return event.Summary{
		Boxes: sum.Boxes, Channels: sum.Channels, Counts: sum.Counts, Bytes: sum.Bytes,
		Failed: sum.FailedMessages, Held: sum.HeldDeletions,
		Unfinished: sum.Unfinished, NotBegun: sum.NotBegun, NotListed: sum.NotListed,
		Exit: exit,
	}
}

// channelOptions returns the options of a runner.
func (r *run) channelOptions() channel.Options {
	w := r.workshop()
	o := channel.Options{
		Global: r.cfg.Global, Open: w.open, BeginRun: w.beginRun, FS: r.fs(),
		DryRun: r.c.dryRun, AdoptCopy: r.c.adopt == "copy", Preview: r.c.dryRun && (r.c.level() >= ui.Verbose || r.c.jsonDetail != ""),
		Details: r.c.jsonDetail != "" || r.hooks != nil,
		Explain: r.debugs(event.DebugSync | event.DebugMain), LogImplied: r.c.controls.logImplied,
		Controls: r.c.controls.engineControls(r.c.debug != 0, r.env.Stdout, r.env.Exit),
		TUIDs:    r.env.Random, Events: r.events,
		MemoryKey: r.configPath(), Now: r.env.Now,
	}
	if dir, err := r.env.Config.CacheDir(); err == nil {
		o.Memory = dir
	}
	if o.Controls == nil {
		o.Retries = retriesOf
	} else {
		// Steps are counted, so their order must be deterministic.
		o.Parallel = 1
	}
	return o
}

// retriesOf returns the retry settings for a store. Only IMAP stores are retried: most failures
// of the local file system are permanent.
func retriesOf(s *config.Store) channel.Retries {
	if s.IMAP == nil {
		return channel.Retries{}
	}
	a := s.IMAP.Account
	return channel.Retries{Of: a, Count: a.Retries, Max: a.RetryMax}
}

// exitCode returns the exit code for the result of a run.
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
