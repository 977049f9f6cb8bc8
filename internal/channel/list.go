package channel

import (
	"context"

	"isync/internal/engine"
	"isync/internal/store"
)

// Listed are the pairs of mailboxes that a selection is about.
type Listed struct {
	Selection Selection
	Pairs     []engine.PairName // in the order they are worked on
	// Known tells of each pair what the listings say about both sides.
	Known [][2]engine.Presence
	// Left are the reasons for which selected mailboxes are left out: Run would
	// fail for them. The Observer was warned of each.
	Left []error
	// Err says why they cannot be told.
	Err error
}

// List finds out, for each selection, which pairs Run would synchronize. It
// looks at no mailbox and changes nothing. Of the options it needs Open only; the
// Observer, if there is one, is warned of mailboxes that are left out.
func List(ctx context.Context, sel []Selection, o Options) []Listed {
	r := newRunner(o)
	defer r.close()
	var out []Listed
	for _, s := range sel {
		if ctx.Err() != nil {
			break
		}
		l := Listed{Selection: s}
		targets, err := r.pairs(ctx, s, &quiet{})
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
			l.Pairs = append(l.Pairs, t.PairName)
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
