package cli

import (
	"context"
	"time"

	"isync/internal/channel"
	"isync/internal/event"
	"isync/internal/hook"
	"isync/internal/ui"
)

// hookPatience is how long hooks may run after a signal. Then they get SIGTERM.
const hookPatience = 500 * time.Millisecond

// startHooks makes the hooks of the channels receive events. The caller must call stop, which
// waits for the commands. They are ended hookPatience after the end of ctx.
func (r *run) startHooks(ctx context.Context, sel []channel.Selection) (stop func()) {
	if r.c.dryRun {
		return func() {}
	}
	before := r.events
	h := hook.New(hook.Options{
		Commands: hooksOf(sel),
		Objects:  ui.Objects{Now: r.env.Now, Explain: r.explain, WithCommands: r.withCommands},
		Output:   r.env.Stderr,
		Events:   before,
	})
	if h == nil {
		return func() {}
	}
	r.events, r.hooks = event.Join(before, h), h
	// The time begins with the signal, not with the end of the runs, so that the process ends
	// soon.
	ending := context.AfterFunc(ctx, func() { time.AfterFunc(hookPatience, h.End) })
	return func() {
		r.events, r.hooks = before, nil
		h.Wait()
		ending()
		h.Close()
	}
}

// hooksOf returns the commands of channels.
func hooksOf(sel []channel.Selection) map[string]hook.Commands {
	commands := make(map[string]hook.Commands)
	for _, s := range sel {
		commands[s.Channel.Name] = hook.Commands(s.Channel.Hooks)
	}
	return commands
}
