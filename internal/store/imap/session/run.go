package session

// run is what was found out about an account in the current run. It is valid for one
// run only, since the result of a run must be the same as in a new process. BeginRun
// replaces it.
type run struct {
	// number is the argument of BeginRun.
	number uint64
	// limit is the maximum number of sessions, including those in the making; 0: none.
	// It is lowered when the server refuses a further session.
	limit int
	// warned: it was reported that the server refuses further sessions.
	warned bool
	// unreached counts the failed attempts to connect, and why is the last error.
	unreached int
	why       error
	// throttled: the server limits the rate of requests, so the limit is not raised again.
	throttled bool
	// loggedIn: a login has succeeded. Until then logins are made one by one.
	loggedIn bool
	// refused is the refusal of a user name and password; nil: there was none. apart: that
	// was not the login of a store.
	refused error
	apart   bool

	questions questioning
}

// BeginRun forgets what was found out in earlier runs: that the server refused further
// sessions, that logins failed, and that optimistic commands failed, unless that is
// remembered in a file. Sessions are kept, but their data from before are not used as
// current. number identifies the run and must not be 0. Several stores may share the
// pool, so only the first call with a number has an effect. No other call may be under
// way.
func (p *Pool) BeginRun(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run.number == number {
		return
	}
	for _, s := range p.sessions {
		// Closing the pool after the run would have done the same.
		p.record.learn(s.Client.Memo())
		s.kept = true
	}
	p.learnQuestions()
	p.run = &run{number: number, limit: p.opts.MaxSessions}
	p.opts.Client.Ampersands.Forget()
	p.wantsNamespace.Store(false)
	p.record.beginRun()
	p.changed()
}

// Retry allows a store another login, unless lasting reports that the last error is
// permanent, and as many sessions as the options allow. fewer: the server limits the rate
// of requests, so only half of the sessions are allowed, but at least two, which one pair
// of mailboxes may need.
func (p *Pool) Retry(gate *LoginGate, fewer bool, lasting func(error) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gate.refused != nil && !lasting(gate.refused) {
		gate.refused = nil
	}
	limit := p.opts.MaxSessions
	if fewer || p.run.throttled {
		p.run.throttled = true
		limit = p.run.limit
		if limit == 0 {
			limit = p.live()
		}
		if fewer {
			limit /= 2
		}
		limit = max(limit, 2)
		if p.opts.MaxSessions > 0 {
			limit = min(limit, p.opts.MaxSessions)
		}
	}
	p.run.limit = limit
	p.changed()
}

// A LoginGate decides whether a store may log in. It closes when a login of that store
// has failed, and stays closed until the run ends, or Retry opens it. Another store of the
// account has a gate of its own, since its login may have a different secret.
type LoginGate struct {
	// Guarded by the mutex of the pool:
	refused error
	in      *run // in which it was refused
}

// close closes the gate for the rest of the run.
func (g *LoginGate) close(r *run, err error) { g.refused, g.in = err, r }

// closed returns why the gate is closed, nil if it is open.
func (g *LoginGate) closed(r *run) error {
	if g.in != r {
		return nil
	}
	return g.refused
}
