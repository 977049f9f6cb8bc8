package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
	"isync/internal/ui"
)

// completeWait is how long a shell waits for the names of mailboxes at most. What is
// not known by then is not offered.
const completeWait = 500 * time.Millisecond

// completeBoxes lists what a word "channel:mailbox,mailbox" can become, from what is
// in the file system: no server is asked, and nothing is written.
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
		// What separates names cannot be part of one.
		if strings.HasPrefix(box, begin) && !slices.Contains(named, box) && !strings.ContainsAny(box, ",\n") {
			out = append(out, completion{word: head + box})
		}
	}
	return out
}

// knownBoxes returns the names of a channel's pairs that are known without a server.
func knownBoxes(env Env, cfg *config.Config, ch *config.Channel) []string {
	found := make(chan []string, 1)
	ctx, cancel := context.WithTimeout(context.Background(), completeWait)
	defer cancel()
	// A file system that does not answer must not keep the user from typing: the
	// process ends soon.
	go func() {
		printer := ui.New(ui.Options{Out: io.Discard, Err: io.Discard, Level: ui.Silent})
		r := &run{env: env, c: &commandLine{list: true}, cfg: cfg, printer: printer}
		w := r.workshop()
		var stores [2]store.Store
		for t, s := range []*config.Store{ch.Far.Store, ch.Near.Store} {
			st, err := w.open(s)
			if err != nil {
				found <- nil
				return
			}
			stores[t] = st
			defer func() { _ = st.Close() }()
		}
		found <- channel.NewPreviewer(ch, stores, cfg.Global).Known(ctx, env.FS)
	}()
	select {
	case names := <-found:
		return names
	case <-ctx.Done():
		return nil
	}
}
