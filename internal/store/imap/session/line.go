package session

import (
	"slices"
	"time"

	"isync/internal/imapclient"
)

const (
	// lineLife is the time for which a measurement of a network path is valid.
	lineLife = 24 * time.Hour
	// maxLines is the maximum number of network paths that are stored.
	maxLines = 16
)

// lineNote is the measurement of a network path to a server.
type lineNote struct {
	Path string
	Slow bool
	At   int64 // when it was measured, in seconds since 1970
}

var _ imapclient.Line = (*ServerRecord)(nil)

// Slow implements imapclient.Line. A measurement of this run is valid, whatever the clock shows.
func (m *ServerRecord) Slow(path string) (slow, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slow, known = m.lines[path]; known {
		return slow, true
	}
	m.load()
	for _, l := range m.note.Lines {
		if l.Path != path {
			continue
		}
		if age := m.opts.now().Sub(time.Unix(l.At, 0)); age < 0 || age > lineLife {
			return false, false
		}
		return l.Slow, true
	}
	return false, false
}

// Measured implements imapclient.Line. The first connection of a run that has measured a path
// decides.
func (m *ServerRecord) Measured(path string, rate float64, slow bool) {
	m.mu.Lock()
	if _, known := m.lines[path]; known {
		m.mu.Unlock()
		return
	}
	if m.lines == nil {
		m.lines = make(map[string]bool)
	}
	m.lines[path] = slow
	m.load()
	others := slices.DeleteFunc(slices.Clone(m.note.Lines), func(l lineNote) bool { return l.Path == path })
	m.note.Lines = append([]lineNote{{path, slow, m.opts.now().Unix()}}, others[:min(len(others), maxLines-1)]...)
	m.save()
	m.mu.Unlock()
	if m.opts.Measured != nil {
		m.opts.Measured(rate, slow)
	}
}
