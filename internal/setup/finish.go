package setup

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// write shows the configuration, asks, and writes it, the password first.
func (d *dialogue) write(ctx context.Context) error {
	for {
		if err := d.world.Complete(&d.plan); err != nil {
			return err
		}
		d.print("\n%s\n", textShown)
		for line := range strings.Lines(d.plan.Text()) {
			d.print("    %s", strings.TrimSuffix(line, "\n"))
		}
		name, exists := d.world.File()
		q := query{name: askWrite, text: "Write it", what: "whether to write the configuration", def: "yes", hasDef: true, explicit: true}
		what := "becomes the new file"
		if exists {
			q.text, what = "Add it", "is added to"
		}
		d.print("\nIt %s %s.", what, name)
		ok, err := d.yes(ctx, q)
		switch {
		case err != nil:
			return err
		case !ok:
			return ErrDeclined
		}
		undo, err := d.world.Keep(ctx, &d.plan, d.password)
		if err == nil {
			return d.writeFile(undo)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d.world.Report(err)
		if d.plan.OAuth != "" {
			return ErrDeclined
		}
		places := slices.DeleteFunc(slices.Clone(d.world.Keepers()), func(k Keeper) bool { return k == d.plan.Keeper })
		if err := d.keepIn(ctx, places); err != nil {
			return err
		}
	}
}

func (d *dialogue) writeFile(undo func()) error {
	backup, err := d.world.Write(&d.plan)
	if err != nil {
		undo()
		return err
	}
	name, _ := d.world.File()
	d.print("  %s was written.", name)
	if backup != "" {
		d.print("  Backup of the former file: %s", backup)
	}
	return nil
}

// offers offers what comes after that.
func (d *dialogue) offers(ctx context.Context) error {
	command := d.world.Command(d.plan.Name)
	if !d.world.Online() {
		if d.plan.OAuth != "" {
			d.print("To log in: %s", d.world.Command("--auth "+d.plan.Name))
		}
		d.print("To synchronize: %s", command)
		return nil
	}
	run, err := d.yes(ctx, query{name: askRun, text: "Synchronize now", def: "yes", hasDef: true})
	if err != nil {
		d.print("The account is set up. To synchronize: %s", command)
		return err
	}
	var failed error
	if run {
		failed = d.world.Run(ctx, d.plan.Name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := d.service(ctx); err != nil {
		return errors.Join(failed, err)
	}
	d.print("To synchronize: %s", command)
	return failed
}

// The units of systemd, by the answers.
var units = map[string]string{"timer": "mbsync.timer", "watch": "mbsync-watch.service"}

// service offers to synchronize from time to time, or always.
func (d *dialogue) service(ctx context.Context) error {
	if d.plan.OAuth == "" && d.plan.Keeper == Nowhere {
		return nil // a service cannot ask
	}
	if reload := d.world.Reload(); reload != "" {
		d.print("To make the running mbsync-watch.service synchronize this account, too: %s", reload)
		return nil
	}
	have := d.world.Services()
	words := []string{"no"}
	for _, answer := range []string{"timer", "watch"} {
		if slices.Contains(have, units[answer]) {
			words = append(words, answer)
		}
	}
	if len(words) == 1 {
		d.print("To synchronize whenever something changes: %s", d.world.Command("--watch"))
		return nil
	}
	d.print("systemd can synchronize all channels from now on: every five minutes (timer), or\nwhenever something changes (watch).")
	answer, err := d.ask(ctx, query{name: askService, text: "Enable", what: "which systemd unit to enable", def: "no", hasDef: true, check: oneOf(words...)})
	if err != nil || answer == "no" {
		return err
	}
	if err := d.world.Enable(ctx, units[answer]); err != nil {
		d.world.Report(err)
		return err
	}
	d.print("  %s is enabled and started.", units[answer])
	return nil
}
