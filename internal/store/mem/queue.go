package mem

import "sync"

// queue runs the items of one call: at once, or late, on a goroutine of its own
// that finish waits for. Once an item has failed the others are dropped.
type queue struct {
	lag  int
	late bool

	mu      sync.Mutex
	wake    *sync.Cond
	items   []item
	ended   bool
	err     error
	stopped chan struct{} // closed when the goroutine has ended; nil without one
}

type item struct{ effect, complete func() error }

func newQueue(o Options) *queue {
	q := &queue{lag: o.Async, late: o.LateEffects}
	if q.lag <= 0 {
		return q
	}
	q.wake = sync.NewCond(&q.mu)
	q.stopped = make(chan struct{})
	go q.run()
	return q
}

// failed returns the error that stopped the queue.
func (q *queue) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
}

// push adds an item. Its error means that the item was not accepted; with a
// queue that works at once also that it has failed.
func (q *queue) push(effect, complete func() error) error {
	if err := q.failed(); err != nil {
		return err
	}
	if q.stopped == nil || !q.late {
		if err := effect(); err != nil {
			q.fail(err)
			return err
		}
		effect = func() error { return nil }
	}
	if q.stopped == nil {
		if err := complete(); err != nil {
			q.fail(err)
			return err
		}
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, item{effect, complete})
	q.wake.Signal()
	return nil
}

// finish waits for all items.
func (q *queue) finish() error {
	if q.stopped != nil {
		q.mu.Lock()
		q.ended = true
		q.wake.Signal()
		q.mu.Unlock()
		<-q.stopped
	}
	return q.failed()
}

func (q *queue) run() {
	defer close(q.stopped)
	for {
		q.mu.Lock()
		for !q.ended && len(q.items) <= q.lag && q.err == nil {
			q.wake.Wait()
		}
		if q.err != nil || len(q.items) == 0 {
			// The goroutine may end early after an error: nothing more is accepted.
			q.mu.Unlock()
			return
		}
		it := q.items[0]
		q.items = q.items[1:]
		q.mu.Unlock()
		err := it.effect()
		if err == nil {
			err = it.complete()
		}
		if err != nil {
			q.fail(err)
		}
	}
}
