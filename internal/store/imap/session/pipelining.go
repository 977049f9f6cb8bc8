package session

import "time"

// pipelining is what was found out in a run about selecting mailboxes without waiting for
// the answers. A failure ends it for the run. If the server then works without it, it was
// the reason, and that is remembered for some time.
type pipelining struct {
	off       bool
	suspicion error // nil: the failure is not to be remembered
}

// Pipelines reports whether mailboxes may be selected without waiting for the answers about
// those before.
func (m *ServerRecord) Pipelines() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	left := time.Unix(m.note.SerialUntil, 0).Sub(m.opts.now())
	return !m.pipelining.off && (left <= 0 || left > cautionAfterFailure)
}

// SuspectPipelining ends pipelining for the run. lasting: it is also the reason in later
// runs, unless the server turns out not to work at all.
func (m *ServerRecord) SuspectPipelining(why error, lasting bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.pipelining.off {
		m.opts.debugf("selecting mailboxes one by one in the rest of the run: %v", why)
	}
	m.pipelining.off = true
	if lasting && m.pipelining.suspicion == nil {
		m.pipelining.suspicion = why
	}
}

// SelectedAlone notes that a mailbox was selected and listed without pipelining, after that
// had failed with pipelining.
func (m *ServerRecord) SelectedAlone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pipelining.suspicion == nil {
		return
	}
	m.load()
	m.note.SerialUntil = m.opts.now().Add(cautionAfterFailure).Unix()
	m.save()
	m.pipelining.suspicion = nil
}

// ResumePipelining ends the effect of SuspectPipelining, since the failure had another
// reason.
func (m *ServerRecord) ResumePipelining() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pipelining = pipelining{}
}
