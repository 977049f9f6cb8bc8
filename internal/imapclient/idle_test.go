package imapclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/transport"
)

// heard collects what hooks are told.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) hooks() Hooks {
	return Hooks{
		Exists:        func(n uint32) { h.add("%d exist", n) },
		Recent:        func(n uint32) { h.add("%d recent", n) },
		Expunge:       func(n uint32) { h.add("%d expunged", n) },
		Vanished:      func(u mail.UIDSet) { h.add("%v vanished", u) },
		Fetch:         func(f *imapwire.Fetch) { h.add("%d changed", f.Seq) },
		Unreadable:    func(imapwire.Kind) { h.add("unreadable") },
		UnreadableBox: func() { h.add("unreadable mailbox") },
		Overflow:      func() { h.add("overflow") },
		BoxStatus: func(st *imapwire.BoxStatus) {
			h.add("%s: %d messages, next %d, modseq %d", st.Name, st.Messages, st.UIDNext, st.HighestModSeq)
		},
		List: func(e *ListEntry) { h.add("%s %v %v %v", e.Name, e.Attrs, e.Delim, e.Err) },
	}
}

func (h *heard) want(t *testing.T, lines ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := cmp.Diff(lines, h.lines); d != "" {
		t.Error(d)
	}
	h.lines = nil
}

// TestIdle: however long the server says nothing, or something of no interest, the
// connection is kept. Each change goes to the hooks at once.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h heard
		c := connect(t, Options{Timeout: timeout, Hooks: h.hooks()}, "IDLE", func(p *peer) {
			p.answer("EXAMINE \"INBOX\"", "* 3 EXISTS\n")
			for range 2 {
				tag := p.expect("IDLE")
				time.Sleep(timeout / 2)
				p.send("+ idling\n")
				time.Sleep(20 * timeout)
				p.send("* 4 EXISTS\n* 1 RECENT\n")
				time.Sleep(20 * timeout)
				for range 40 {
					p.send("* OK Still here\n")
					time.Sleep(timeout / 2)
				}
				p.send("* 1 EXPUNGE\n* 2 FETCH (FLAGS (\\Seen))\n* VANISHED 7,9\n* nonsense\n* x EXISTS\n")
				p.expectLine("DONE")
				time.Sleep(timeout / 2)
				p.send("* 5 EXISTS\n%s OK\n", tag)
			}
			p.answer("NOOP", "")
			p.idle()
		})
		if _, err := c.Select(t.Context(), "INBOX", SelectOptions{ReadOnly: true}); err != nil {
			t.Fatal(err)
		}
		rtt := c.RTT()
		for range 2 {
			i, err := c.StartIdle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * timeout)
			if d := time.Since(c.Heard()); d != 10*timeout {
				t.Errorf("nothing was heard for %v", d)
			}
			time.Sleep(20 * timeout)
			if d := time.Since(c.Heard()); d > timeout {
				t.Errorf("nothing was heard for %v", d)
			}
			time.Sleep(20 * timeout)
			h.want(t, "4 exist", "1 recent", "1 expunged", "2 changed", "7,9 vanished", "unreadable")
			if err := i.End(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := i.End(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.want(t, "5 exist")
		}
		if err := c.Noop(t.Context()); err != nil {
			t.Error(err)
		}
		if c.RTT() > rtt {
			t.Error("IDLE counts as a round trip")
		}
	})
}

// expectLine expects a line that is no command.
func (p *peer) expectLine(want string) {
	p.t.Helper()
	if line := p.line(); line != want {
		p.t.Errorf("server got %q, want %q", line, want)
	}
}

// TestIdleTimeout: before the server has accepted an IDLE, and after DONE, it must answer
// in time. So must it answer to commands after an IDLE.
func TestIdleTimeout(t *testing.T) {
	for _, at := range []string{"IDLE", "DONE", "NOOP"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, Options{Timeout: timeout}, "IDLE", func(p *peer) {
					tag := p.expect("IDLE")
					if at != "IDLE" {
						p.send("+\n")
						p.expectLine("DONE")
						if at != "DONE" {
							p.send("%s OK\n", tag)
						}
					}
					p.idle()
				})
				var begin time.Time
				err := func() error {
					begin = time.Now()
					i, err := c.StartIdle(t.Context())
					if err != nil {
						return err
					}
					time.Sleep(10 * timeout)
					begin = time.Now()
					if err := i.End(t.Context()); err != nil {
						return err
					}
					return c.Noop(t.Context())
				}()
				if _, ok := errors.AsType[*transport.TimeoutError](err); !ok || time.Since(begin) != timeout {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
			})
		})
	}
}

// TestIdleLimits: the context limits the wait for each answer.
func TestIdleLimits(t *testing.T) {
	for _, accepts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := connect(t, Options{}, "IDLE", func(p *peer) {
				p.expect("IDLE")
				if accepts {
					p.send("+\n")
				}
				p.idle()
			})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			i, err := c.StartIdle(ctx)
			if accepts == (err != nil) {
				t.Fatal(err)
			}
			if accepts {
				time.Sleep(time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err = i.End(ctx)
			}
			if !errors.Is(err, context.DeadlineExceeded) || c.Err() == nil {
				t.Error(err, c.Err())
			}
		})
	}
}

// TestIdleEnds: a server may refuse an IDLE, end it by itself, or end the connection, at
// any time.
func TestIdleEnds(t *testing.T) {
	for _, tt := range []struct {
		script  string // the lines that the server sends; the first comes after IDLE
		refused bool   // by StartIdle
		err     string // of End
		lost    bool
	}{
		{script: "TAG NO not now\n", refused: true},
		{script: "TAG BAD what\n", refused: true},
		{script: "TAG OK idle enough\n"},
		{script: "+ go\nTAG OK that is enough\n"},
		{script: "+ go\n+ go\nTAG NO enough\n", err: "enough"},
		{script: "+ go\n* BYE bye\n", err: "bye", lost: true},
		{script: "* BYE bye\n", refused: true, lost: true},
	} {
		t.Run(tt.script, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, Options{Timeout: timeout}, "IDLE", func(p *peer) {
					p.send("%s", strings.ReplaceAll(tt.script, "TAG", p.expect("IDLE")))
					if !tt.lost {
						p.answer("NOOP", "")
						p.idle()
					}
				})
				i, err := c.StartIdle(t.Context())
				if tt.refused != (err != nil) {
					t.Fatal(err)
				}
				if err == nil {
					select {
					case <-i.Done():
					case <-time.After(time.Hour):
						t.Error("it has not ended")
					}
					err = i.End(t.Context())
					if err == nil != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
						t.Error(err)
					}
				}
				if err := c.Noop(t.Context()); err != nil != tt.lost {
					t.Error(err)
				}
				if tt.lost {
					return
				}
				// The link does not wait for anything: silence is no error.
				time.Sleep(10 * timeout)
				if c.Err() != nil {
					t.Error(c.Err())
				}
			})
		})
	}
}
