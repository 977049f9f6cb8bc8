package channel

import (
	"context"
	"io"
	"sync"

	"isync/internal/config"
	"isync/internal/store"
)

// Runner synchronizes channels any number of times. Between runs it keeps only the
// stores, with their connections. Everything else is made anew in each run, so that the
// result is the same as in a new process: stores that have failed are tried again, and
// stores forget what they have found out about their servers (store.RunBeginner).
//
// Close must be called at the end.
type Runner struct {
	opts Options

	runs   uint64     // so far
	opened sync.Mutex // guards stores
	stores map[*config.Store]store.Store
}

// NewRunner returns a Runner. It does not open any store yet.
func NewRunner(o Options) *Runner {
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	if o.TUIDs != nil {
		o.TUIDs = &sharedReader{r: o.TUIDs}
	}
	return &Runner{opts: o, stores: map[*config.Store]store.Store{}}
}

// Run makes one run with a new Runner.
func Run(ctx context.Context, sel []Selection, o Options) Summary {
	r := NewRunner(o)
	defer r.Close()
	return r.Run(ctx, sel)
}

// Run synchronizes the selected channels. It returns when all of them have ended, or
// soon after ctx is canceled. Runs must not overlap.
func (r *Runner) Run(ctx context.Context, sel []Selection) Summary {
	return r.begin().synchronize(ctx, sel)
}

// begin begins a run.
func (r *Runner) begin() *run {
	r.runs++
	if r.opts.BeginRun != nil {
		r.opts.BeginRun()
	}
	r.forget()
	return newRun(r)
}

// forget makes all stores forget what they have found out in the last run.
func (r *Runner) forget() {
	r.opened.Lock()
	defer r.opened.Unlock()
	for _, s := range r.stores {
		if b, ok := store.As[store.RunBeginner](s); ok {
			b.BeginRun(r.runs)
		}
	}
}

// Forget releases the memory that stores use for what they have found out in the last run.
// The next run would do so at its beginning. No run may be in progress.
func (r *Runner) Forget() {
	r.runs++
	r.forget()
}

// open returns the store of a section. It is opened when it is used for the first time.
func (r *Runner) open(section *config.Store) (store.Store, error) {
	r.opened.Lock()
	defer r.opened.Unlock()
	if s := r.stores[section]; s != nil {
		return s, nil
	}
	s, err := r.opts.Open(section)
	if err != nil {
		return nil, err
	}
	r.stores[section] = s
	return s, nil
}

// Stores returns the stores of a channel, the far one first. They belong to the Runner. If
// one of them fails to open, so does a run of the channel, which reports it.
func (r *Runner) Stores(c *config.Channel) (st [2]store.Store, err error) {
	for t, e := range ends(c) {
		if st[t], err = r.open(e.Store); err != nil {
			return st, err
		}
	}
	return st, nil
}

// Rest closes the connections that the stores keep between runs. The next run connects
// again. No run may be in progress.
func (r *Runner) Rest() {
	r.opened.Lock()
	defer r.opened.Unlock()
	var wg sync.WaitGroup
	for _, s := range r.stores {
		if i, ok := store.As[store.Rester](s); ok {
			wg.Go(i.Rest)
		}
	}
	wg.Wait()
}

// Close ends the sessions of all stores at the same time. The Runner must not be used
// afterwards.
func (r *Runner) Close() {
	r.opened.Lock()
	defer r.opened.Unlock()
	var wg sync.WaitGroup
	for _, s := range r.stores {
		wg.Go(func() { _ = s.Close() })
	}
	wg.Wait()
	clear(r.stores)
}

// sharedReader is a reader for several goroutines.
type sharedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (s *sharedReader) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.Read(b)
}
