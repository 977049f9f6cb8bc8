package cli

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"isync/internal/auth"
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/watch"
)

// localSafety is the interval at which all mailboxes of a channel without a server are polled.
const localSafety = 15 * time.Minute

// refusedFor is how long a refused password is not sent again. Runs and watching connections wait
// slightly longer after a refusal. Then one of them sends the password, and the others use the
// result.
const refusedFor = 14 * time.Minute

// watchChannels synchronizes channels until a signal ends the program.
func (r *run) watchChannels(ctx context.Context) int {
	sel, ok := r.selectWatched(r.cfg)
	if !ok {
		return exitFailure
	}
	var control <-chan os.Signal
	if r.env.Control != nil {
		signals, stop := r.env.Control()
		defer stop()
		control = signals
	}
	files, ok := r.lockWatch()
	if !ok {
		return exitFailure
	}
	defer files.close()
	stopping := context.AfterFunc(ctx, func() { r.systemd(daemon.SdNotifyStopping) })
	defer stopping()
	stopHooks := r.startHooks(ctx, sel)
	defer func() { stopHooks() }()
	for {
		next := r.watchUntil(ctx, sel, files, control)
		if next == nil {
			return exitOK
		}
		r.cfg, sel = next.cfg, next.sel
		if r.hooks == nil {
			stopHooks = r.startHooks(ctx, sel)
		} else {
			r.hooks.Replace(hooksOf(sel)) // their commands may still be running
		}
	}
}

// reloaded is a configuration that replaces the current one.
type reloaded struct {
	cfg *config.Config
	sel []channel.Selection
}

// watchUntil watches until ctx ends or the configuration is reloaded. In the latter case it
// returns the new configuration.
func (r *run) watchUntil(ctx context.Context, sel []channel.Selection, files *watchFiles, control <-chan os.Signal) *reloaded {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.metrics == nil {
		r.countMetrics()
	}
	r.refusals = &auth.Ledger{Keep: refusedFor}
	network, err := watch.NetworkChanges(ctx)
	if err != nil {
		r.debugf(event.DebugMain, "changes of the network are not noticed: %v", err)
	}
	w := watch.New(watch.Options{
		Groups:  r.watchGroups(sel),
		Events:  r.events,
		Alone:   r.takeTurns,
		Begun:   r.watchRun,
		Times:   r.watchTimes(sel),
		Network: network,
		Status: func(st watch.Status) {
			files.save(st)
			r.systemd("STATUS=" + statusLine(st))
		},
		Ready: func() { r.systemd(daemon.SdNotifyReady) },
		Idle:  debug.FreeOSMemory,
		Beat:  func() { r.systemd(daemon.SdNotifyWatchdog) },
	})
	if len(sel) != r.watched {
		r.watched = len(sel)
		r.events.Take(event.WatchBegun{Channels: len(sel)})
	}
	var next *reloaded
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-control:
				if !isReload(sig) {
					r.refusals.Forget()
					w.Now()
					continue
				}
				if next = r.reload(); next != nil {
					cancel()
					return
				}
			}
		}
	})
	wg.Go(func() { r.saveMetricsOften(ctx, r.cfg) })
	w.Run(ctx)
	cancel()
	wg.Wait()
	for range network { // ends when the channel is closed
	}
	return next
}

// watchRun reports the events of a run of the watcher.
func (r *run) watchRun(sel []channel.Selection) (ended func(channel.Summary)) {
	id := int(r.runs.Add(1))
	r.beginRun(id, event.CommandWatch, sel)
	return func(sum channel.Summary) {
		t := summaryOf(sum, r.exitCode(sum))
		t.Run = id
		r.events.Take(t)
	}
}

// reload reads the configuration again. If it cannot be used, reload reports the reason and
// returns nil.
func (r *run) reload() *reloaded {
	r.systemd(daemon.SdNotifyReloading)
	cfg, notices, err := config.Load(config.Options{File: r.c.config, Env: r.env.Config})
	r.notices(notices, false)
	if err != nil {
		r.fail(err)
		r.tellOfFile(event.Error, r.cfg.File, event.ReloadFailed{})
		r.systemd(daemon.SdNotifyReady)
		return nil
	}
	sel, ok := r.selectWatched(cfg)
	if !ok {
		r.tellOfFile(event.Error, cfg.File, event.ReloadFailed{})
		r.systemd(daemon.SdNotifyReady)
		return nil
	}
	r.tellOfFile(event.Notice, cfg.File, event.Reloaded{})
	return &reloaded{cfg, sel}
}

// systemd sends the state to systemd if systemd has started this process.
func (r *run) systemd(state string) {
	if r.env.Config.Getenv == nil || r.env.Config.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.debugf(event.DebugMain, "cannot notify systemd: %v", err)
	}
}

// selectWatched returns the channels to be watched: the named ones, or without names all channels
// except those with Watch no. It returns false after it has reported a problem.
func (r *run) selectWatched(cfg *config.Config) ([]channel.Selection, bool) {
	c := *r.c
	c.all = c.all || len(c.names) == 0
	sel, problems := selectChannels(cfg, &c)
	for _, p := range problems {
		r.events.Take(p)
	}
	if len(problems) > 0 {
		return nil, false
	}
	if c.all {
		left := leftOut(cfg)
		var kept []channel.Selection
		for _, s := range sel {
			if !left[s.Channel] {
				kept = append(kept, s)
			}
		}
		if len(kept) == 0 {
			r.tellOfFile(event.Error, cfg.File, event.NothingToWatch{Watch: r.command("--watch")})
			return nil, false
		}
		sel = kept
	}
	return sel, true
}

// leftOut returns the channels that are watched only if they are named.
func leftOut(cfg *config.Config) map[*config.Channel]bool {
	out := make(map[*config.Channel]bool)
	for _, g := range cfg.Groups {
		if g.Watch != config.No {
			continue
		}
		for _, m := range g.Members {
			if m.Channel != nil && !m.Channel.Pos("Watch").IsSet() {
				out[m.Channel] = true
			}
		}
	}
	for _, c := range cfg.Channels {
		if !c.Watch {
			out[c] = true
		}
	}
	return out
}

// watchGroups divides channels into groups that share no store and no account.
func (r *run) watchGroups(sel []channel.Selection) []watch.Group {
	var groups []watch.Group
	for _, members := range independent(sel) {
		groups = append(groups, watch.Group{
			Selections: members,
			NewRunner: func(events event.Sink) *channel.Runner {
				g := &run{env: r.env, c: r.c, cfg: r.cfg, printer: r.printer, hooks: r.hooks, refusals: r.refusals, reporter: reporter{events, r.topics}}
				return channel.NewRunner(g.channelOptions())
			},
		})
	}
	return groups
}

// independent divides channels into sets, in order. Channels of different sets have no store and
// no account in common.
func independent(sel []channel.Selection) [][]channel.Selection {
	var sets [][]channel.Selection
	owner := make(map[any]int) // a store or account: index of its set
	for _, s := range sel {
		set := len(sets)
		sets = append(sets, []channel.Selection{s})
		for _, part := range partsOf(s.Channel) {
			other, ok := owner[part]
			if !ok {
				owner[part] = set
				continue
			}
			if other == set {
				continue
			}
			from, to := max(other, set), min(other, set)
			sets[to] = append(sets[to], sets[from]...)
			sets[from] = nil
			for p, o := range owner {
				if o == from {
					owner[p] = to
				}
			}
			set = to
			owner[part] = to
		}
	}
	var out [][]channel.Selection
	for _, s := range sets {
		if s != nil {
			out = append(out, s)
		}
	}
	return out
}

// partsOf returns the parts of a channel that other channels may share.
func partsOf(c *config.Channel) []any {
	var parts []any
	for _, s := range []*config.Store{c.Far.Store, c.Near.Store} {
		parts = append(parts, s)
		if s.IMAP != nil {
			parts = append(parts, s.IMAP.Account)
		}
	}
	return parts
}

// watchTimes returns the intervals of stores.
func (r *run) watchTimes(sel []channel.Selection) func(store string) watch.Times {
	stores := make(map[string]*config.Store)
	local := make(map[string]bool) // without a server on the other side
	for _, s := range sel {
		far, near := s.Channel.Far.Store, s.Channel.Near.Store
		stores[far.Name], stores[near.Name] = far, near
		if far.IMAP == nil && near.IMAP == nil {
			local[far.Name] = true
		}
	}
	return func(name string) watch.Times {
		s := stores[name]
		if s.IMAP == nil {
			if local[name] {
				return watch.Times{Poll: localSafety, Safety: localSafety}
			}
			return watch.Times{}
		}
		a := s.IMAP.Account
		t := watch.Times{Poll: a.PollInterval, Safety: a.SafetyInterval, Keep: a.IdleRefresh, Preferred: a.WatchMailboxes}
		if t.Preferred == nil {
			t.Preferred = []string{mail.Inbox}
		}
		return t
	}
}
