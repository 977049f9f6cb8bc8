package imap

import (
	"context"
	"sync"

	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap/session"
)

// A pipeline lists mailboxes in shared sessions. A visit is the SELECT of a mailbox with the commands that
// list it. Visits are sent without waiting for the answers to earlier ones, within PipelineDepth. They
// change nothing.
//
// A line is a session for visits. It is taken from the pool for the first visit, and given back after the
// last one. A line only waits for its server, so a mailbox that waits for the session gets it. Another
// session is used if more visits wait than fit into the existing lines.
//
// It belongs to an account, and is safe for concurrent use.
type pipeline struct {
	pool  *session.Pool
	depth int // commands under way in a session

	mu      sync.Mutex
	lines   []*line
	taking  int // lines in the making
	waiting int // visits that wait for a place
	budget  int64
	changed chan struct{} // closed, and replaced, when a place may have become free
}

const (
	// maxLines is the maximum number of sessions that are used at a time.
	maxLines = 3
	// maxPipelined is the maximum number of mailboxes that are opened in this way at a
	// time, each of which holds a lock and a sync state.
	maxPipelined = 64
	// maxPrefetched is the maximum size of all messages that are requested together with listings,
	// in bytes.
	maxPrefetched = 8 << 20
)

func newPipeline(pool *session.Pool, depth int) *pipeline {
	if depth < 1 {
		depth = imapclient.DefaultPipelineDepth
	}
	return &pipeline{pool: pool, depth: depth, budget: maxPrefetched, changed: make(chan struct{})}
}

var _ store.Pipeliner = (*Store)(nil)

// Pipelines implements store.Pipeliner.
func (s *Store) Pipelines() int {
	p := s.opts.Sessions.pipeline
	if p.depth == 1 || !s.pool.Record().Pipelines() {
		return 0
	}
	return maxPipelined
}

// A line is a session that is used for visits.
type line struct {
	p    *pipeline
	sess *session.Session
	// sending is held while the commands of a visit are sent.
	sending sync.Mutex
	// enabling is held while ENABLE is sent, and while its answer is waited for.
	enabling sync.Mutex

	// Guarded by the mutex of the pipeline:
	used  int // commands under way
	users int // visits
	// closing: there are no further visits.
	closing bool

	mu sync.Mutex
	// last is the last visit that was sent.
	last *visit
	// selected is the name on the server of the mailbox that is selected; "": unknown.
	selected string
	// quiet stands for the changes that the server has reported until the end of the last
	// visit that has ended.
	quiet session.Snapshot
	// disorder: commands were answered in another order, so no answer can be attributed
	// with certainty.
	disorder bool
}

// join returns a line with room for that number of commands. leave must be called at the end.
func (p *pipeline) join(ctx context.Context, gate *session.LoginGate, commands int) (*line, error) {
	p.mu.Lock()
	p.waiting++
	defer func() {
		p.waiting--
		p.mu.Unlock()
	}()
	sessionsUsed := false // there is no further session
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !p.pool.Record().Pipelines() {
			return nil, errSerial
		}
		if l := p.room(commands); l != nil {
			l.used += commands
			l.users++
			l.sess.Use()
			return l, nil
		}
		n := len(p.lines) + p.taking
		if n == 0 || n < maxLines && !sessionsUsed && p.waiting > p.depth/2 {
			p.taking++
			p.mu.Unlock()
			l, err := p.take(ctx, gate, n == 0)
			p.mu.Lock()
			p.taking--
			p.wake()
			if err != nil {
				p.pool.Record().SuspectPipelining(err, false) // or all others would try, too
				return nil, err
			}
			if l != nil {
				p.lines = append(p.lines, l)
			}
			sessionsUsed = l == nil
			continue
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
}

// room returns the line with the fewest commands, if it has room for more; p.mu is held.
func (p *pipeline) room(commands int) (best *line) {
	for _, l := range p.lines {
		if l.closing || l.sess.Lost() || l.used > 0 && l.used+commands > p.depth {
			continue
		}
		if best == nil || l.used < best.used {
			best = l
		}
	}
	return best
}

// take makes a line. It waits for a session only if wait is set; else the line may be nil.
func (p *pipeline) take(ctx context.Context, gate *session.LoginGate, wait bool) (*line, error) {
	want := session.Want{Exclusive: true, Changes: true}
	sess := p.pool.Spare(ctx, gate, want)
	if sess == nil && wait {
		var err error
		if sess, _, err = p.pool.Take(ctx, gate, want, func(*session.Session) error { return nil }); err != nil {
			return nil, err
		}
	}
	if sess == nil {
		return nil, nil
	}
	return &line{p: p, sess: sess, quiet: sess.Snapshot().With(0)}, nil
}

// leave ends the use of a line by a visit, all of whose commands have ended. The last one
// gives the session back.
func (l *line) leave(commands int) {
	p := l.p
	p.mu.Lock()
	l.used -= commands
	l.users--
	last := l.users == 0
	if last {
		for i := range p.lines {
			if p.lines[i] == l {
				p.lines = append(p.lines[:i:i], p.lines[i+1:]...)
				break
			}
		}
	}
	p.wake()
	p.mu.Unlock()
	if last {
		l.mu.Lock()
		l.sess.Selected = l.selected
		l.mu.Unlock()
		p.pool.Put(l.sess, session.Want{Exclusive: true})
	}
}

// unselect waits until no line has the mailbox selected, by its name on the server.
func (p *pipeline) unselect(ctx context.Context, name string) {
	for ctx.Err() == nil {
		p.mu.Lock()
		some := false
		for _, l := range p.lines {
			l.mu.Lock()
			here := l.selected == name
			l.mu.Unlock()
			l.closing = l.closing || here
			some = some || here
		}
		changed := p.changed
		p.mu.Unlock()
		if !some {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// wake wakes the visits that wait for a place; p.mu is held.
func (p *pipeline) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// reserve reserves memory for messages that are requested together with a listing. It reports whether it
// was available.
func (p *pipeline) reserve(bytes int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes > p.budget {
		return false
	}
	p.budget -= bytes
	return true
}

// release gives back what was reserved, and sets it to 0.
func (p *pipeline) release(reserved *int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget += *reserved
	*reserved = 0
}
