package event

// Sinks passes each event on to several sinks, in order.
type Sinks []Sink

// Take implements Sink.
func (s Sinks) Take(e Event) {
	for _, sink := range s {
		sink.Take(e)
	}
}

// Join returns a sink that passes events on to all sinks that are not nil. If there is only
// one, it returns that one.
func Join(sinks ...Sink) Sink {
	var all Sinks
	for _, s := range sinks {
		if s != nil {
			all = append(all, s)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}
