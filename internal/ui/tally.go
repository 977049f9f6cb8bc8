package ui

import (
	"time"

	"isync/internal/event"
)

// tally adds up the progress of a run. It is not safe for concurrent use.
type tally struct {
	pairs map[pairKey]*pairTally
	// active are the pairs that were begun and have not ended, in order.
	active []*pairTally
	// boxes is the number of pairs that are known, and ended the number of those that
	// have ended.
	boxes, ended int
	past         progress // of the pairs that have ended
	whole        speed
}

// pairTally is the progress of a pair: what is planned and what is done, by kind and
// side.
type pairTally struct {
	name          event.Pair
	begun         time.Time
	planned, done [4][2]int
	// bytes were written. planBytes are to be written, if sized is true.
	bytes, planBytes int64
	sized            bool
	speed            speed
}

// progress is the progress of a pair or a run.
type progress struct {
	done, total int   // changes
	bytes       int64 // that were written
	// totalBytes is the number of bytes in total; 0: not known.
	totalBytes int64
}

// pairKey identifies a pair in events.
type pairKey struct {
	channel string
	box     [2]string
}

func keyOf(n event.Pair) pairKey { return pairKey{n.Channel, n.Box} }

func newTally() tally { return tally{pairs: make(map[pairKey]*pairTally)} }

// take counts an event.
func (t *tally) take(e event.Event, now time.Time) {
	switch e := e.(type) {
	case event.ChannelBegun:
		t.boxes += e.Pairs
	case event.PairBegun:
		p := &pairTally{name: e.Pair, begun: now, sized: true}
		t.pairs[keyOf(e.Pair)] = p
		t.active = append(t.active, p)
	case event.PairSkipped:
		t.ended++
	case event.PairEnded:
		t.end(e.Pair)
	case event.PairRetried:
		if p := t.pairs[keyOf(e.Pair)]; p != nil {
			p.planned, p.planBytes = p.done, p.bytes // the rest is planned again
		}
	case event.Planned:
		if p := t.pairs[keyOf(e.Pair)]; p != nil {
			p.planned[e.Change][e.Side] += e.Count
			p.planBytes += e.Bytes
			p.sized = p.sized && (e.Bytes > 0 || e.Change != event.New || e.Count == 0)
		}
	case event.Transferred:
		t.count(e.Pair, now, func(p *pairTally) { p.bytes += e.Bytes })
	case event.Done:
		t.count(e.Pair, now, func(p *pairTally) {
			p.done[e.Change][e.Side] += max(e.Count, 1)
			p.bytes += e.Bytes
		})
	}
}

func (t *tally) count(n event.Pair, now time.Time, add func(*pairTally)) {
	p := t.pairs[keyOf(n)]
	if p == nil {
		return
	}
	if p.speed.samples == nil {
		p.speed.note(now, p.progress())
	}
	if t.whole.samples == nil {
		t.whole.note(now, t.progress())
	}
	add(p)
	p.speed.note(now, p.progress())
	if t.whole.due(now) {
		t.whole.note(now, t.progress())
	}
}

func (t *tally) end(n event.Pair) {
	t.ended++
	p := t.pairs[keyOf(n)]
	if p == nil {
		return
	}
	delete(t.pairs, keyOf(n))
	for i, o := range t.active {
		if o == p {
			t.active = append(t.active[:i], t.active[i+1:]...)
			break
		}
	}
	g := p.progress()
	t.past.done += g.done
	t.past.total += g.done
	t.past.bytes += g.bytes
}

// progress returns the progress of a pair.
func (p *pairTally) progress() progress {
	g := progress{bytes: p.bytes}
	for kind := range p.planned {
		for side, planned := range p.planned[kind] {
			g.done += min(p.done[kind][side], planned)
			g.total += planned
		}
	}
	if p.sized {
		g.totalBytes = max(p.planBytes, p.bytes)
	}
	return g
}

// progress returns the progress of the run.
func (t *tally) progress() progress {
	g := t.past
	sized := true
	for _, p := range t.active {
		o := p.progress()
		g.done += o.done
		g.total += o.total
		g.bytes += o.bytes
		g.totalBytes += o.totalBytes
		sized = sized && (o.totalBytes > 0 || o.total == 0)
	}
	if sized {
		g.totalBytes += t.past.bytes
	} else {
		g.totalBytes = 0
	}
	return g
}

// allBegun reports whether no more pairs will begin, so that the totals are final.
func (t *tally) allBegun() bool { return t.ended+len(t.active) >= t.boxes }

const (
	// sampleEvery is the interval of samples, and sampleAge the time over which a rate is
	// measured.
	sampleEvery = 200 * time.Millisecond
	sampleAge   = 5 * time.Second
)

// speed measures changes and bytes per second.
type speed struct{ samples []sample }

type sample struct {
	at    time.Time
	done  int
	bytes int64
}

// due reports whether it is time for another sample.
func (s *speed) due(now time.Time) bool {
	n := len(s.samples)
	return n == 0 || now.Sub(s.samples[n-1].at) >= sampleEvery
}

// note takes a sample if it is due.
func (s *speed) note(now time.Time, g progress) {
	if !s.due(now) {
		return
	}
	old := 0
	for len(s.samples)-old > 2 && now.Sub(s.samples[old].at) > sampleAge {
		old++
	}
	s.samples = append(s.samples[old:], sample{now, g.done, g.bytes})
}

// rates returns the changes and the bytes per second; 0: unknown.
func (s *speed) rates(now time.Time, g progress) (changes, bytes float64) {
	if len(s.samples) == 0 {
		return 0, 0
	}
	first := s.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds < sampleEvery.Seconds() {
		return 0, 0
	}
	return float64(g.done-first.done) / seconds, float64(g.bytes-first.bytes) / seconds
}

// maxLeft bounds an estimated time.
const maxLeft = 100 * time.Hour

// left estimates the time until the end; ok is false if that is not possible.
func (s *speed) left(now time.Time, g progress) (left time.Duration, ok bool) {
	changes, bytes := s.rates(now, g)
	var seconds float64
	switch {
	case g.totalBytes > 0 && bytes > 0:
		seconds = float64(g.totalBytes-g.bytes) / bytes
	case changes > 0 && g.total > 0:
		seconds = float64(g.total-g.done) / changes
	default:
		return 0, false
	}
	if seconds > maxLeft.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
