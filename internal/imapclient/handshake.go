package imapclient

import (
	"context"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// A handshake is the beginning of a connection: from the greeting until the login has
// succeeded and the capabilities are known. It records what the server has announced,
// and decides whether the client must wait for an answer. It sends nothing; the methods
// of Client do.
//
// Normally the client waits for each answer. With Options.Memo the handshake may be
// optimistic: the client sends commands behind the login without waiting for its
// answer, based on what the server announced on an earlier connection. It compares each
// answer that these commands depend on with the memo, on the reader goroutine and
// therefore before a later answer is used. A difference ends the connection. No command
// that changes anything may be sent before Confirm has returned.
//
// phase is the state of the handshake:
//
//	phaseWaiting ──expect──▶ phaseOptimistic ──Confirm──▶ phaseConfirmed
//	                               │
//	                               └──different answer, or broken off──▶ phaseSurprised
//
// A handshake that is not optimistic stays in phaseWaiting. If the connection is lost
// for a reason that has nothing to do with the memo, the phase does not change.
type handshake struct {
	host     string
	disabled Caps          // not used, even if the server announces them
	end      func(error)   // ends the connection
	phase    atomic.Int32  // a handshakePhase
	memo     *ServerMemo   // the expected announcements; nil: none
	expected Caps          // the capabilities of memo after the login
	sent     chan struct{} // closed when the last line of the login was sent
	sentOnce sync.Once

	// Set with the greeting:
	preauth bool // the greeting was PREAUTH
	deaf    bool // see discardsInput
	rewinds bool // see rewindsInput

	// namespace is a NAMESPACE that Setup has sent and whose answer was not used yet.
	namespace atomic.Pointer[Pending[*imapwire.Namespace]]
	// answered is the latest answer to a NAMESPACE.
	answered atomic.Pointer[imapwire.Namespace]

	// caps are the capabilities that Client.Caps returns. lists is the number of
	// capability lists that the server has sent. asked: it sent them only when asked.
	caps  atomic.Pointer[Caps]
	lists atomic.Uint64
	asked atomic.Bool

	mu      sync.Mutex
	told    ServerMemo // what the server has announced on this connection
	enabled Caps       // by ENABLE
	heard   *Caps      // the latest capabilities, as long as they must not be used
	login   *command   // nil until it is about to be sent, and if nothing is expected
	checks  []*command // whose answers are compared with the memo

	// Of the reader goroutine:
	loggedIn bool
	grace    *time.Timer // ends the connection if nothing follows the answer to the login
}

// handshakePhase is the state of a handshake.
type handshakePhase int32

const (
	// phaseWaiting: no command is sent before the answers it depends on are known.
	phaseWaiting handshakePhase = iota
	// phaseOptimistic: commands are sent before the answer to the login is known.
	phaseOptimistic
	// phaseConfirmed: the server has answered as expected.
	phaseConfirmed
	// phaseSurprised: an answer was different, or the connection was broken off. The
	// connection is lost.
	phaseSurprised
)

// discardsInput matches the greetings of servers that discard the input they have
// received when a login succeeds. Nothing can be sent behind a login there.
var discardsInput = regexp.MustCompile(`^Courier-IMAP\b`)

// rewindsInput matches the greetings of servers that, after an AUTHENTICATE, read their
// input buffer from the beginning again. They execute the AUTHENTICATE twice, and lose
// the same number of bytes at the end. Nothing is sent behind an AUTHENTICATE there.
// LOGIN is not affected.
var rewindsInput = regexp.MustCompile(`\bCyrus IMAP\b`)

// behindLoginGrace is how long the client waits, after the answer to the login, for an
// answer to the commands sent behind it. A server that takes longer may have discarded
// them.
const behindLoginGrace = 5 * time.Second

func newHandshake(opts *Options, disabled Caps, end func(error)) *handshake {
	h := &handshake{
		host: opts.Host, disabled: disabled, end: end,
		memo: opts.Memo, sent: make(chan struct{}), enabled: Caps{},
	}
	if opts.PipelineDepth == 1 {
		h.memo = nil // commands are sent one by one
	}
	h.caps.Store(&Caps{})
	h.phase.Store(int32(phaseWaiting))
	return h
}

func (h *handshake) in() handshakePhase { return handshakePhase(h.phase.Load()) }

// unconfirmed reports whether the commands sent depend on expectations that have not
// been confirmed.
func (h *handshake) unconfirmed() bool {
	p := h.in()
	return p == phaseOptimistic || p == phaseSurprised
}

// expectation returns the expected announcements; nil if the client waits for answers
// or they have been confirmed.
func (h *handshake) expectation() *ServerMemo {
	if h.unconfirmed() {
		return h.memo
	}
	return nil
}

// greeted records what a greeting says about the server.
func (h *handshake) greeted(r *imapwire.Response) {
	h.deaf, h.rewinds = discardsInput.MatchString(r.Text), rewindsInput.MatchString(r.Text)
	h.preauth = r.Status == imapwire.StatusPreauth
}

// expect makes the handshake optimistic if there is a memo that agrees with the
// greeting. If the connection is not encrypted, the server must have sent its
// capabilities before a password is sent. ask says that the client must ask for them,
// but need not wait for the answer.
func (h *handshake) expect(encrypted bool) (ask bool) {
	memo := h.memo
	if memo == nil || h.preauth || h.deaf {
		return false
	}
	offered, after := parseCaps(memo.Offered), parseCaps(memo.Caps)
	if rewrites(offered) || rewrites(after) {
		return false
	}
	known := *h.caps.Load()
	switch {
	case len(known) > 0:
		if !memo.Greeted || known.String() != memo.Offered {
			return false
		}
	case memo.Greeted || !encrypted:
		return false
	default:
		ask = true
		h.caps.Store(&offered)
		h.asked.Store(true)
	}
	h.expected = after
	h.phase.Store(int32(phaseOptimistic))
	return ask
}

// setCaps records a capability list that the server has sent.
func (h *handshake) setCaps(list []string) {
	caps := newCaps(list, h.disabled)
	h.mu.Lock()
	if h.unconfirmed() {
		h.heard = &caps
	} else {
		h.caps.Store(&caps)
	}
	h.mu.Unlock()
	h.lists.Add(1)
}

// forget drops what the server sent before the connection was encrypted.
func (h *handshake) forget() {
	h.caps.Store(&Caps{})
	h.asked.Store(false)
}

// compareCaps compares the capabilities that the server has sent with the expected ones
// and drops them; h.mu must be held. It returns the difference; "": none.
func (h *handshake) compareCaps(want string) (wrong string) {
	heard := h.heard
	h.heard = nil
	switch {
	case heard == nil:
		return "the server does not report its capabilities"
	case heard.String() != want:
		return "the server has other capabilities than before"
	}
	return ""
}

// compareNamespace compares an answer to NAMESPACE with the expected one.
func (h *handshake) compareNamespace(ns *imapwire.Namespace) (wrong string) {
	if !reflect.DeepEqual(ns, h.memo.Namespace) {
		return "the server has other namespaces than before"
	}
	return ""
}

// verified arranges that the answer to a command is compared with the memo, if the
// handshake is optimistic. compare is called with h.mu held and returns the difference.
func (h *handshake) verified(cmd *command, compare func() (wrong string)) *command {
	if !h.unconfirmed() {
		return cmd
	}
	cmd.check = func(error, int) error {
		h.mu.Lock()
		wrong := compare()
		h.mu.Unlock()
		if wrong != "" {
			return h.surprise(Waiting(cmd.verb), &SurpriseError{What: wrong})
		}
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, cmd)
	return cmd
}

// loginBegins records the capabilities before a login. It returns the number of
// capability lists received.
func (h *handshake) loginBegins() (lists uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told.Offered, h.told.Greeted = h.caps.Load().String(), !h.asked.Load()
	return h.lists.Load()
}

// loginCommand marks a command as the login that other commands are sent behind, if the
// handshake is optimistic.
func (h *handshake) loginCommand(cmd *command) *command {
	if !h.unconfirmed() {
		return cmd
	}
	cmd.check = func(err error, others int) error { return h.loginAnswered(cmd, err, others) }
	h.mu.Lock()
	defer h.mu.Unlock()
	h.login = cmd
	return cmd
}

// loginAnswered handles the answer to the login. others is the number of other commands
// under way.
func (h *handshake) loginAnswered(cmd *command, err error, others int) error {
	if err != nil {
		// The answers to the other commands would be misleading.
		return lostTo(h.host, "", ErrNotLoggedIn)
	}
	h.loggedIn = true
	h.mu.Lock()
	wrong := ""
	if h.memo.Told || h.heard != nil {
		wrong = h.compareCaps(h.memo.Caps)
	}
	h.mu.Unlock()
	if wrong != "" {
		return h.surprise(Waiting(cmd.verb), &SurpriseError{What: wrong})
	}
	if others > 0 {
		h.grace = time.AfterFunc(behindLoginGrace, func() {
			h.end(h.surprise("", &SurpriseError{What: "the server does not answer the commands that were sent with the login", Incapable: true}))
		})
	}
	return nil
}

// misunderstood reports whether an answer to the login is about a command that was sent
// after it. A server that refuses a token sends a challenge, and reads the next command as the
// response to it. Dovecot answers that with an ALERT.
func (h *handshake) misunderstood(cmd *command, r *imapwire.Response) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return cmd == h.login && h.unconfirmed() && r.Status == imapwire.StatusBad
}

// loginSent notes that the login needs nothing more to be sent.
func (h *handshake) loginSent() { h.sentOnce.Do(func() { close(h.sent) }) }

// loginDone records the capabilities after the login, and whether they were sent with
// its answer.
func (h *handshake) loginDone(told bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told.Caps, h.told.Told = h.caps.Load().String(), told
}

// assume makes the client use the expected capabilities. It returns the memo, nil if
// the handshake is not optimistic.
func (h *handshake) assume() *ServerMemo {
	memo := h.expectation()
	if memo != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.caps.Store(&h.expected)
	}
	return memo
}

// somethingRead stops the grace period. It is called on the reader goroutine.
func (h *handshake) somethingRead() {
	if h.grace != nil {
		h.grace.Stop()
		h.grace = nil
	}
}

// inTurn checks each response before it is dispatched, on the reader goroutine: no
// command may be answered before the login that it was sent behind. Its error ends the
// connection.
func (h *handshake) inTurn(r *imapwire.Response, queue []*command) error {
	if h.loggedIn || !h.unconfirmed() || r.Kind != imapwire.KindStatus || r.Tag == "" {
		return nil
	}
	h.mu.Lock()
	login := h.login
	h.mu.Unlock()
	for _, cmd := range queue {
		switch {
		case cmd.tag == r.Tag:
			return nil
		case cmd == login:
			return h.surprise("", &SurpriseError{What: "the server does not wait for the login to be finished", Incapable: true})
		}
	}
	return nil
}

func (h *handshake) surprise(waiting Waiting, err *SurpriseError) error {
	return lostTo(h.host, waiting, err)
}

// connectionLost returns the error of a lost connection, given its cause. In
// phaseOptimistic it is a *SurpriseError unless another reason is known.
func (h *handshake) connectionLost(err error) error {
	if h.in() != phaseOptimistic {
		return err
	}
	err = brokenOff(err)
	if _, surprised := errors.AsType[*SurpriseError](err); surprised {
		h.phase.Store(int32(phaseSurprised))
	}
	return err
}

// confirm ends the optimistic phase: all answers were as expected.
func (h *handshake) confirm() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase.Store(int32(phaseConfirmed))
	if h.heard != nil {
		h.caps.Store(h.heard)
	}
	told := *h.memo
	if told.Namespace == nil {
		told.Namespace = h.told.Namespace // which was not asked for before
	}
	h.told = told
}

// pendingChecks returns the commands whose answers are compared with the memo.
func (h *handshake) pendingChecks() []*command {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.checks)
}

// expect begins the optimistic phase if it is possible.
func (c *Client) expect(ctx context.Context) error {
	if ask := c.hs.expect(c.Secure()); !ask {
		return nil
	}
	return c.verifyCaps(ctx, c.hs.memo.Offered)
}

// verifyCaps asks for the capabilities without waiting for the answer, which is
// compared with the expected ones.
func (c *Client) verifyCaps(ctx context.Context, want string) error {
	cmd := c.hs.verified(new(command), func() string { return c.hs.compareCaps(want) })
	return c.start(ctx, cmd, imapwire.NewCommand("CAPABILITY"))
}

// Preauth reports whether the greeting was PREAUTH: no login is needed.
func (c *Client) Preauth() bool { return c.hs.preauth }

// Optimistic reports whether commands are sent without waiting for the answer to the
// login, based on Options.Memo. This ends when Confirm returns.
func (c *Client) Optimistic() bool { return c.hs.unconfirmed() }

// LoginSent is closed, while Optimistic, as soon as the last line of the login was
// sent. Some mechanisms need an answer of the server first.
func (c *Client) LoginSent() <-chan struct{} { return c.hs.sent }

// Confirm waits until the server has confirmed everything that was expected. It
// must be called, after the login has succeeded, before anything is sent that
// changes something.
func (c *Client) Confirm(ctx context.Context) error {
	if !c.hs.unconfirmed() {
		return nil
	}
	for _, cmd := range c.hs.pendingChecks() {
		if cmd.done == nil {
			return c.lost(Waiting(cmd.verb), transport.ErrClosed) // it was not even sent
		}
		// What was refused has been compared as well.
		if err := tolerate(c.wait(ctx, cmd)); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.lost("", c.err)
	}
	c.hs.confirm()
	return nil
}
