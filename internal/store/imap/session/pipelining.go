package session

import "time"

// pipelining says whether mailboxes are selected without waiting for the answers. A failure ends that for
// the run. If the server then works without it, pipelining was the reason, and that is stored for some
// time.
type pipelining struct {
	off       bool
	suspicion error // nil: the failure is not to be remembered
}

// Pipelines reports whether a mailbox may be selected before the answers about the previous one.
func (m *ServerRecord) Pipelines() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	left := time.Unix(m.note.SerialUntil, 0).Sub(m.opts.now())
	return !m.pipelining.off && (left <= 0 || left > cautionAfterFailure)
}

// SuspectPipelining ends pipelining for the run. lasting: it stays off in later runs as well, unless the
// server does not work at all.
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
