package watch

import "sync"

// queue passes values to the goroutine of the schedule. put never blocks.
type queue struct {
	mu    sync.Mutex
	items []any
	wake  chan struct{} // holds a token if there are items
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends a value.
func (q *queue) put(v any) {
	q.mu.Lock()
	q.items = append(q.items, v)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes and returns all values.
func (q *queue) take() []any {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
