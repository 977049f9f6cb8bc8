package mem

import (
	"context"

	"isync/internal/store"
)

var _ store.RenameFinder = (*Store)(nil)

// FindRenamed implements store.RenameFinder.
func (s *Store) FindRenamed(ctx context.Context, box string, was store.LastKnown) (store.Whereabouts, error) {
	op := Op{Kind: OpFindRenamed, Box: box}
	if err := s.begin(ctx, op); err != nil {
		return store.Whereabouts{}, err
	}
	var out store.Whereabouts
	for _, name := range s.disk.Names() {
		b, ok := s.disk.Box(name)
		if ok && name != box && was.Fits(b.UIDValidity, b.UIDNext) {
			out.Boxes = append(out.Boxes, name)
		}
	}
	return out, s.after(op)
}
