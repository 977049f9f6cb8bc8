package channel

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
)

// Retries says how a store is tried again after a failure that may pass.
type Retries struct {
	// Of identifies the account; it must be comparable. All that use it count failures
	// and wait together. nil: the store is not tried again.
	Of any
	// Count is the maximum number of tries in a row, after the first one, that change
	// nothing.
	Count int
	// Max is the maximum of the waits between the tries, unless the server asks for a
	// longer one.
	Max time.Duration
}

const (
	// firstWait is the first wait, and each further one is waitFactor times as long.
	firstWait  = time.Second
	waitFactor = 3
	// waitAfterProgress is the wait after a try that has changed something.
	waitAfterProgress = 100 * time.Millisecond
	// maxThrottle is the maximum wait that a server may ask for.
	maxThrottle = 10 * time.Minute
	// maxTries bounds the tries of a pair, for servers on which each try seems to
	// change something.
	maxTries = 10_000
)

// wait returns the wait after a number of failures in a row that changed nothing.
func (r Retries) wait(failed int) time.Duration {
	if failed == 0 {
		return min(waitAfterProgress, r.Max)
	}
	d := firstWait
	for i := 1; i < failed && d < r.Max; i++ {
		d *= waitFactor
	}
	d = min(d, r.Max)
	return d + time.Duration((rand.Float64()-0.5)/2*float64(d)) // ±25 %
}

// account counts the failures of an account in a run. If a server is down, all its mailboxes
// fail. They wait together, and as long as a single mailbox would.
type account struct {
	Retries

	mu sync.Mutex
	// failed is the number of failures in a row without a change in between.
	failed int
	// round is the number of counted failures. Tries that fail at the same time count once:
	// of all tries that began in a round, only the first failure ends the round.
	round int
	// until is the end of the current wait: no try begins before it.
	until time.Time
}

// attempts are the tries of an operation in a channel: of a pair, or of listing mailboxes.
type attempts struct {
	run      *run
	accounts [2]*account // of the sides; nil: the store is not tried again
	names    [2]string   // of the stores
	stores   [2]store.Store

	tries  int
	failed int       // in a row, without a change in between
	rounds [2]int    // of the accounts, when the current try was begun
	until  time.Time // nothing is tried before
	// refusals is the number of tries after which messages were left that were refused.
	refusals int
}

// attempts returns the tries of something in a channel.
func (r *run) attempts(c *config.Channel, stores [2]store.Store) *attempts {
	a := &attempts{run: r, stores: stores}
	for t, e := range ends(c) {
		a.names[t], a.accounts[t] = e.Store.Name, r.account(e.Store)
	}
	return a
}

// account returns the counters of the account of a store; nil if it is not tried again.
func (r *run) account(s *config.Store) *account {
	if r.Retries == nil {
		return nil
	}
	retries := r.Retries(s)
	if retries.Of == nil || retries.Count == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	acc := r.accounts[retries.Of]
	if acc == nil {
		acc = &account{Retries: retries}
		r.accounts[retries.Of] = acc
	}
	return acc
}

// delay returns how long the next try must wait. If it need not, it begins now.
func (a *attempts) delay() time.Duration {
	until := a.until
	for t, acc := range a.accounts {
		if acc == nil {
			continue
		}
		acc.mu.Lock()
		a.rounds[t] = acc.round
		if acc.until.After(until) {
			until = acc.until
		}
		acc.mu.Unlock()
	}
	if until.IsZero() {
		return 0
	}
	return time.Until(until)
}

// wait waits until the next try may begin.
func (a *attempts) wait(ctx context.Context) error {
	for {
		d := a.delay()
		if d <= 0 {
			return ctx.Err()
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// repeat runs f until it succeeds, or must not be tried again. f changes nothing.
func (a *attempts) repeat(ctx context.Context, f func() error) error {
	for {
		if err := a.wait(ctx); err != nil {
			return err
		}
		err := f()
		if err == nil {
			a.worked()
			return nil
		}
		if !a.again(ctx, err, false) {
			return err
		}
	}
}

// worked notes that a try has succeeded.
func (a *attempts) worked() {
	for _, acc := range a.accounts {
		if acc != nil {
			acc.mu.Lock()
			acc.failed = 0
			acc.mu.Unlock()
		}
	}
}

// exhausted reports whether an account has failed so often that there are no more tries.
func (a *attempts) exhausted() bool {
	for _, acc := range a.accounts {
		if acc != nil && acc.exhausted() {
			return true
		}
	}
	return false
}

func (acc *account) exhausted() bool {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	return acc.failed > acc.Count
}

// again reports whether there will be another try after err. changed: the failed try has
// changed something.
func (a *attempts) again(ctx context.Context, err error, changed bool) bool {
	failures := a.failures(err)
	if len(failures) == 0 || ctx.Err() != nil {
		return false
	}
	a.tries++
	a.failed++
	if changed {
		a.failed = 0
	}
	// Each failure counts, even if one of them is final.
	again := a.tries < maxTries
	for _, f := range failures {
		again = a.count(f, changed) && again
	}
	return again
}

// most returns the highest Retries.Count of the accounts; 0: nothing is tried again.
func (a *attempts) most() (n int) {
	for _, acc := range a.accounts {
		if acc != nil {
			n = max(n, acc.Count)
		}
	}
	return n
}

// refused prepares another try of a pair whose only failures are messages that were refused
// for a temporary reason. It reports whether there is another try; the engine limits their
// number. The account works, so only this pair waits.
func (a *attempts) refused(ctx context.Context, pair event.Pair, why error) bool {
	if a.tries++; ctx.Err() != nil || a.tries >= maxTries {
		return false
	}
	a.refusals++
	var d time.Duration
	for _, acc := range a.accounts {
		if acc != nil {
			d = max(d, acc.wait(a.refusals))
		}
	}
	a.until = time.Now().Add(d)
	a.run.Events.Take(event.Message{Severity: event.Notice, Pair: pair, Fact: event.TryingAgain{Wait: d, Err: why}})
	return true
}

// failure is an error of a store that may pass.
type failure struct {
	side  int
	whole bool // it concerns the store, not only the mailbox
	kind  store.Kind
	wait  time.Duration // that the server asks for
	err   error
}

// failures returns the failures that an error consists of; nil unless all of them are
// temporary and all their stores are tried again.
func (a *attempts) failures(err error) []failure {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []failure
		for _, e := range joined.Unwrap() {
			found := a.failures(e)
			if found == nil {
				return nil
			}
			out = append(out, found...)
		}
		return out
	}
	f := failure{side: -1, err: err}
	f.kind, f.wait = store.KindOf(err)
	if f.kind != store.Passing && f.kind != store.Throttled {
		return nil
	}
	name := ""
	if se, ok := errors.AsType[*store.StoreError](err); ok {
		name, f.whole = se.Store, true
	} else if be, ok := errors.AsType[*store.BoxError](err); ok {
		name = be.Store
	}
	for t := range a.names {
		if a.names[t] == name && a.accounts[t] != nil {
			f.side = t
		}
	}
	if f.side < 0 {
		return nil
	}
	return []failure{f}
}

// count counts a failure, and reports whether there is another try.
func (a *attempts) count(f failure, changed bool) bool {
	acc := a.accounts[f.side]
	wait := func(failed int) time.Duration {
		return max(acc.wait(failed), min(f.wait, maxThrottle))
	}
	if a.failed > acc.Count {
		return false
	}
	d := wait(a.failed)
	if f.whole || f.kind == store.Throttled {
		first, exhausted := acc.count(a.rounds[f.side], changed, wait)
		switch {
		case exhausted:
			return false
		case !first:
			return true
		}
		d = max(d, acc.left())
		a.prepare(f)
	}
	a.until = time.Now().Add(d)
	a.tell(f, d)
	return true
}

// count counts a failure of a try that began in a round. first: it is the first one of that
// round.
func (acc *account) count(round int, changed bool, wait func(failed int) time.Duration) (first, exhausted bool) {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	if changed {
		acc.failed = 0
	}
	if first = round == acc.round; first {
		acc.round++
		if !changed {
			acc.failed++
		}
		if acc.failed <= acc.Count {
			acc.until = time.Now().Add(wait(acc.failed))
		}
	}
	return first, acc.failed > acc.Count
}

// left returns the rest of the current wait.
func (acc *account) left() time.Duration {
	acc.mu.Lock()
	defer acc.mu.Unlock()
	return time.Until(acc.until)
}

// prepare resets the failures that the store remembers for the run, such as a failed login.
func (a *attempts) prepare(f failure) {
	if r, ok := store.As[store.Retrier](a.stores[f.side]); ok {
		r.Retry(f.kind == store.Throttled && !errors.Is(f.err, store.ErrCrowded))
	}
}

// tell reports that there will be another try.
func (a *attempts) tell(f failure, wait time.Duration) {
	if a.run.Events == nil {
		return
	}
	fact := event.TryingAgain{Wait: wait, Throttled: f.kind == store.Throttled, Err: f.err}
	if se, ok := errors.AsType[*store.StoreError](f.err); ok {
		fact.Err = se.Err
	} else if be, ok := errors.AsType[*store.BoxError](f.err); ok {
		fact.Box, fact.Err = be.Box, be.Err
	}
	a.run.Events.Take(event.Message{Severity: event.Notice, Store: a.names[f.side], Fact: fact})
}
