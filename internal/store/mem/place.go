package mem

import "isync/internal/store"

// If the store was given a place, it replaces the store of that place.

// Identity implements store.Place.
func (s *Store) Identity(box string) (id string, certain bool) {
	if s.opts.Place != nil {
		return s.opts.Place.Identity(box)
	}
	return s.Name() + "\x00" + box, true
}

// Region implements store.Place.
func (s *Store) Region(box string, renamed bool) store.Region {
	if s.opts.Place != nil {
		return s.opts.Place.Region(box, renamed)
	}
	return store.Region{Place: s.Name(), Name: box, Many: renamed}
}

// Regions implements store.Place.
func (s *Store) Regions() []store.Region {
	if s.opts.Place != nil {
		return s.opts.Place.Regions()
	}
	return []store.Region{{Place: s.Name(), Many: true}}
}

// Terms implements store.Place.
func (s *Store) Terms() string {
	if s.opts.Place != nil {
		return s.opts.Place.Terms()
	}
	return ""
}

// Sessions implements store.Place.
func (s *Store) Sessions() store.Sessions {
	if s.opts.Place != nil {
		return s.opts.Place.Sessions()
	}
	return store.Sessions{}
}
