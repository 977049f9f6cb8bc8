package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/ui"
)

// completeWait is the maximum time in which mailbox names are searched. Names that are found
// later are not offered.
const completeWait = 500 * time.Millisecond

// completeBoxes lists the completions of a word "channel:mailbox,mailbox". It reads only the file
// system: it connects to no server, and writes nothing.
func completeBoxes(env Env, cfg *config.Config, word string) (out []completion) {
	name, boxes, _ := strings.Cut(word, ":")
	ch := cfg.Channel(name)
	if ch == nil || len(ch.Patterns) == 0 {
		return nil
	}
	last := strings.LastIndexByte(boxes, ',') + 1
	head, begin := name+":"+boxes[:last], boxes[last:]
	named := strings.Split(boxes[:last], ",")
	for _, box := range knownBoxes(env, cfg, ch) {
		// A name cannot contain separators.
		if strings.HasPrefix(box, begin) && !slices.Contains(named, box) && !strings.ContainsAny(box, ",\n") {
			out = append(out, completion{word: head + box})
		}
	}
	return out
}

// knownBoxes returns the names of a channel's pairs that are known without connecting to a
// server.
func knownBoxes(env Env, cfg *config.Config, ch *config.Channel) []string {
	return soon(env, cfg, func(ctx context.Context, r *run) (names []string) {
		_ = r.withStores(ch, func(stores [2]store.Store) {
			names = channel.NewPreviewer(ch, stores, cfg.Global).Known(ctx, env.FS)
		})
		return names
	})
}

// completeMessages completes a word that names a message that could not be copied. With skip, it
// lists messages that can be skipped, otherwise those that are skipped.
func completeMessages(env Env, u *unfinished, word string, skip bool) (out []completion) {
	cfg := u.quietly(env)
	if cfg == nil {
		return nil
	}
	list := soon(env, cfg, func(ctx context.Context, r *run) (list []event.PendingMessage) {
		for _, ch := range cfg.Channels {
			if name, _, ok := strings.Cut(word, ":"); !strings.HasPrefix(ch.Name, name) || ok && ch.Name != name {
				continue
			}
			noted, _ := r.noted(ctx, ch, nil)
			for _, n := range noted {
				list = append(list, pendingMessages(n)...)
			}
		}
		return list
	})
	for i := range list {
		m := &list[i]
		if w := messageWord(m.Pair, m.Side, m.UID, onBothSides(list, m)); m.Skipped != skip && strings.HasPrefix(w, word) {
			out = append(out, completion{w, m.Why})
		}
	}
	return out
}

// soon returns the result of find, or nil if find takes longer than completeWait: the file system
// may not respond. The goroutine of find then ends with the process. The run that find receives
// prints nothing.
func soon[T any](env Env, cfg *config.Config, find func(ctx context.Context, r *run) []T) []T {
	found := make(chan []T, 1)
	ctx, cancel := context.WithTimeout(context.Background(), completeWait)
	defer cancel()
	go func() {
		printer := ui.New(ui.Options{Out: io.Discard, Err: io.Discard, Level: ui.Silent})
		found <- find(ctx, &run{env: env, c: &commandLine{list: true}, cfg: cfg, printer: printer, reporter: reporter{events: printer}})
	}()
	select {
	case list := <-found:
		return list
	case <-ctx.Done():
		return nil
	}
}
