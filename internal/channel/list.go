package channel

import (
	"context"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/memo"
	"isync/internal/store"
)

// Listed are the pairs of mailboxes of a selection.
type Listed struct {
	Selection Selection
	Pairs     []event.Pair // in the order they are worked on
	// Known says for each pair which of its mailboxes were listed.
	Known [][2]engine.Presence
	// Left holds the reasons why selected mailboxes are left out: Run would fail for
	// them. Each was also sent to Events, as a warning.
	Left []error
	// Err is the reason why the pairs are not known.
	Err error
}

// List returns, for each selection, the pairs that Run would synchronize. It opens no
// mailbox and changes nothing. It uses only the options Open and Events. Mailboxes that
// are left out are sent to Events, if it is not nil, as warnings.
func List(ctx context.Context, sel []Selection, o Options) []Listed {
	runner := NewRunner(o)
	defer runner.Close()
	r := runner.begin()
	var out []Listed
	for _, s := range sel {
		if ctx.Err() != nil {
			break
		}
		l := Listed{Selection: s}
		targets, err := r.pairs(ctx, s, &quiet{Pairs: new(memo.Pairs)})
		if err != nil {
			r.note(s.Channel, err)
			l.Err = err
		}
		for _, t := range targets {
			if t.err != nil {
				r.warn(s.Channel, t.err)
				l.Left = append(l.Left, t.err)
				continue
			}
			l.Pairs = append(l.Pairs, t.Pair)
			l.Known = append(l.Known, t.known)
		}
		out = append(out, l)
	}
	return out
}

// ListStore returns the names of the mailboxes of a store, as they are in the
// store, the inbox first.
func ListStore(ctx context.Context, st store.Store, req store.ListRequest) ([]string, error) {
	boxes, err := st.List(ctx, req)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(boxes))
	for i, b := range boxes {
		names[i] = b.Name
	}
	sortNames(names)
	return names, nil
}
