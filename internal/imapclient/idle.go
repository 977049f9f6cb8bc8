package imapclient

import (
	"context"

	"isync/internal/imapwire"
)

// Idle is an IDLE command in progress (RFC 2177). The server reports changes of the selected mailbox at once, through
// the hooks. No other command can be sent until End returns. It is not safe for concurrent use.
type Idle struct {
	c       *Client
	cmd     *command
	release func() // the line; nil once it was released
}

// StartIdle waits until nothing is under way, sends an IDLE, and waits until the server
// has accepted it. From then on, until End, Options.Timeout does not apply; see Heard. A
// refusal is a *ResponseError. The caller must call End.
func (c *Client) StartIdle(ctx context.Context) (*Idle, error) {
	cmd := &command{idle: true, cont: make(chan string, 1)}
	release, err := c.startAlone(ctx, cmd, imapwire.NewCommand("IDLE"))
	if err != nil {
		return nil, err
	}
	i := &Idle{c: c, cmd: cmd, release: release}
	select {
	case <-cmd.cont:
		return i, nil
	case <-cmd.done:
	case <-ctx.Done():
		c.fail(c.lost(Waiting(cmd.verb), context.Cause(ctx)))
		<-cmd.done
	}
	if cmd.err == nil {
		return i, nil // it has ended at once, as End will tell
	}
	i.free()
	return nil, cmd.err
}

// Done is closed when the server has ended the IDLE by itself, or the connection is lost.
// End must be called nevertheless.
func (i *Idle) Done() <-chan struct{} { return i.cmd.done }

// End ends the IDLE and waits for the answer. If ctx ends first, the connection is closed.
// Changes that the server reports before the answer go to the hooks, too. A second call
// does nothing.
func (i *Idle) End(ctx context.Context) error {
	if i.release == nil {
		return i.cmd.err
	}
	defer i.free()
	if i.c.resume(i.cmd) {
		if i.c.opts.Hooks.Trace != nil {
			i.c.opts.Hooks.Trace(Sent, "DONE")
		}
		if err := i.c.out.Put(ctx, i.c.dead, []byte("DONE\r\n")); err != nil {
			i.c.fail(i.c.lost(Waiting(i.cmd.verb), err))
		}
	}
	return i.c.wait(ctx, i.cmd)
}

func (i *Idle) free() {
	i.release()
	i.release = nil
}

// rest ends the wait for an answer to an IDLE, since the server has accepted it. It is
// called on the reader goroutine.
func (c *Client) rest(cmd *command) {
	if cmd.idle && !cmd.accepted {
		cmd.accepted = true
		cmd.resting.Store(true)
		c.link.Done()
	}
}

// resume begins to wait for the answer to an IDLE again. It reports whether the command
// was resting.
func (c *Client) resume(cmd *command) bool {
	if !cmd.resting.Swap(false) {
		return false
	}
	c.link.Expect()
	return true
}
