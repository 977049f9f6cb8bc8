package mem

import (
	"context"

	"isync/internal/store"
)

var _ store.Tracer = (*Store)(nil)

// Trace implements store.Tracer.
func (s *Store) Trace(ctx context.Context, box string, was store.Identity) (store.Trace, error) {
	op := Op{Kind: OpTrace, Box: box}
	if err := s.begin(ctx, op); err != nil {
		return store.Trace{}, err
	}
	var out store.Trace
	for _, name := range s.disk.Names() {
		b, ok := s.disk.Box(name)
		if ok && name != box && was.Fits(b.UIDValidity, b.UIDNext) {
			out.Boxes = append(out.Boxes, name)
		}
	}
	return out, s.after(op)
}
