package cli

import (
	"context"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/mail"
)

// list lists the mailboxes of channels.
func (r *run) list(ctx context.Context, sel []channel.Selection, o channel.Options) int {
	code := exitOK
	for _, l := range channel.List(ctx, sel, o) {
		if l.Err != nil {
			r.events.Take(event.ChannelFailed{Channel: l.Selection.Channel.Name, Err: l.Err})
			code = exitFailure
			continue
		}
		if len(sel) > 1 {
			r.println(l.Selection.Channel.Name + ":")
		}
		for _, p := range l.Pairs {
			r.events.Take(event.PairListed{Pair: p})
			r.println(pairLine(l.Selection.Channel, p))
		}
		if len(l.Left) > 0 {
			code = exitFailure
		}
	}
	return code
}

// pairLine returns the name of a pair within its channel: one name, or those of both sides if
// they can differ.
func pairLine(c *config.Channel, p event.Pair) string {
	if len(c.Patterns) > 0 && c.Far.Box == "" && c.Near.Box == "" {
		return p.Name
	}
	name := func(e config.End) string {
		if full := e.Box + p.Name; full != "" {
			return full
		}
		return mail.Inbox
	}
	return name(c.Far) + " <=> " + name(c.Near)
}

// listStores lists the mailboxes of stores.
func (r *run) listStores(ctx context.Context) int {
	var stores []*config.Store
	code := exitOK
	for _, name := range r.c.names {
		s := r.cfg.Store(name)
		if s == nil {
			r.tell(event.Error, config.Pos{}, event.StoreUnknown{Name: name, File: r.cfg.File})
			code = exitFailure
			continue
		}
		stores = append(stores, s)
	}
	if len(r.c.names) == 0 || r.c.all {
		stores = r.cfg.Stores
	}
	if code != exitOK {
		return code
	}
	r.begin(event.CommandListStores, nil)
	w := r.workshop()
	for _, s := range stores {
		if ctx.Err() != nil {
			return exitFailure
		}
		names, err := w.listStore(ctx, s)
		if err != nil {
			r.fail(err)
			code = exitFailure
			continue
		}
		r.println("===== " + s.Name + ":")
		for _, n := range names {
			r.events.Take(event.BoxListed{Store: s.Name, Box: n})
			r.println(n)
		}
	}
	return code
}

// listStore lists the mailboxes of one store.
func (w *workshop) listStore(ctx context.Context, s *config.Store) ([]string, error) {
	st, err := w.open(s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Close() }()
	return channel.ListStore(ctx, st, listRequest(s))
}
