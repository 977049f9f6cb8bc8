package imapclient

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"isync/internal/imapwire"
	"isync/internal/transport"
)

// read is the reader goroutine.
func (c *Client) read() {
	defer close(c.readerDone)
	var r imapwire.Response
	for {
		c.cur = incoming{}
		err := c.dec.Read(&r, c.body)
		c.hs.somethingRead()
		if err == nil {
			err = c.hs.inTurn(&r, *c.queue.Load())
		}
		if err == nil {
			err = c.dispatch(&r)
		} else if c.cur.sink != nil {
			// The sink failed because its body was incomplete.
			c.cur.sink.err = nil
		}
		if err != nil {
			c.cur.drop()
			c.end(err)
			return
		}
	}
}

// end fails all commands after the connection has been lost because of err.
func (c *Client) end(err error) {
	queue := *c.queue.Load()
	var waiting Waiting
	if len(queue) > 0 {
		waiting = Waiting(queue[0].verb)
	}
	if c.bye != nil {
		// The BYE is the reason. Later errors follow from it.
		err = c.bye
	}
	c.fail(c.lost(waiting, transport.NameEnd(err)))

	c.mu.Lock()
	c.closed = true
	queue = *c.queue.Load()
	c.queue.Store(&[]*command{})
	err = c.err
	c.mu.Unlock()
	for _, cmd := range queue {
		c.finish(cmd, c.lost(Waiting(cmd.verb), err))
	}
}

// finish completes a command that is not in the queue any more.
func (c *Client) finish(cmd *command, err error) {
	cmd.err = err
	if cmd.fetch != nil {
		cmd.fetch.drop()
		if cmd.fetch.err != nil {
			cmd.err = cmd.fetch.err
		}
	}
	if cmd.ended != nil {
		cmd.ended()
	}
	c.resume(cmd)
	c.link.Done()
	close(cmd.done)
	<-c.slots
}

// dispatch passes a response to the commands and hooks concerned. Its error ends the connection.
func (c *Client) dispatch(r *imapwire.Response) error {
	switch r.Kind {
	case imapwire.KindFetch:
		c.fetched(r)
		return nil
	case imapwire.KindStatus:
		if r.Tag != "" {
			return c.tagged(r)
		}
		return c.untaggedStatus(r)
	case imapwire.KindContinuation:
		c.continuation(r)
		return nil
	case imapwire.KindUnknown:
		c.cur.drop()
		c.unknown(r.Text, r.Err)
		c.unreadable(r)
		return nil
	case imapwire.KindCapability:
		c.hs.setCaps(r.Caps)
	}
	if !c.offer(r) {
		c.unsolicited(r)
	}
	return nil
}

// unknown reports a skipped response. Its first word may be a part of a secret.
func (c *Client) unknown(what string, err error) {
	if c.opts.Hooks.Unknown == nil {
		return
	}
	if c.mask.partOfSecret(what) {
		what = mask
	}
	c.opts.Hooks.Unknown(c.mask.shown(what), errors.New(c.mask.shown(err.Error())))
}

// unreadable passes an invalid response on to the commands and hooks concerned.
func (c *Client) unreadable(r *imapwire.Response) {
	if r.Meant == imapwire.KindUnknown {
		return
	}
	for i, cmd := range c.concerned(r.Meant) {
		if cmd.garbled == nil && slices.Contains(cmd.answers, r.Meant) {
			cmd.garbled = &AnswerError{Command: cmd.verb, Err: errors.New(c.mask.shown(r.Err.Error()))}
		}
		if i == 0 && cmd.data != nil && cmd.data(r, true) {
			return // a SELECT: it is about the new mailbox
		}
	}
	switch r.Meant {
	case imapwire.KindExists, imapwire.KindExpunge, imapwire.KindVanished, imapwire.KindFetch:
		c.misled(r.Meant)
	case imapwire.KindBoxStatus, imapwire.KindList:
		if c.opts.Hooks.UnreadableBox != nil {
			c.opts.Hooks.UnreadableBox()
		}
	}
}

// A tally counts responses, and bounds how many of them count as progress.
type tally struct{ n, most uint64 }

// took notes that a command has taken data. The number of responses that count as
// progress is limited: to a usual number, or to some for each message that exists or
// existed.
func (c *Client) took(t *tally, usual uint64) {
	t.n++
	t.most = max(t.most, usual, 4*uint64(c.messages.n.Load()))
	if t.n <= t.most {
		c.link.Progress()
	}
}

// The maximum numbers of responses for a command, in addition to those about existing messages. A LIST has many.
const (
	maxTaken   = 100_000
	maxFetched = 1000
)

// aboutSelected returns the commands that a response about the selected mailbox may answer. Commands after a SELECT are
// about its mailbox. Until the server has answered the SELECT, a response may still be about the previous mailbox.
func (c *Client) aboutSelected() []*command {
	queue := *c.queue.Load()
	for i, cmd := range queue {
		if cmd.selects {
			return queue[:max(i, 1)]
		}
	}
	return queue
}

// concerned returns the commands that a response of that kind may be an answer to.
func (c *Client) concerned(kind imapwire.Kind) []*command {
	switch kind {
	case imapwire.KindExists, imapwire.KindRecent, imapwire.KindExpunge, imapwire.KindVanished, imapwire.KindFetch,
		imapwire.KindFlags, imapwire.KindSearch, imapwire.KindESearch:
		return c.aboutSelected()
	}
	return *c.queue.Load()
}

// offer passes untagged data to the first command that it belongs to.
func (c *Client) offer(r *imapwire.Response) bool {
	for i, cmd := range c.concerned(r.Kind) {
		if cmd.data != nil && cmd.data(r, i == 0) {
			if r.Kind != imapwire.KindExists { // which itself says how many may come
				c.took(&cmd.taken, maxTaken)
			}
			return true
		}
	}
	return false
}

func (c *Client) untaggedStatus(r *imapwire.Response) error {
	queue := *c.queue.Load()
	if len(queue) > 0 && queue[0].greeting {
		return c.greeted(queue[0], r)
	}
	c.statusCode(r)
	switch r.Status {
	case imapwire.StatusBye:
		c.bye = c.farewell(r)
		c.link.ExpectEnd(c.bye)
		return nil
	case imapwire.StatusPreauth:
		return nil
	}
	if c.offer(r) {
		return nil
	}
	if r.Status != imapwire.StatusOK && c.opts.Hooks.Notice != nil {
		c.opts.Hooks.Notice(r.Status, r.Code, c.mask.shown(r.Text))
	}
	return nil
}

// statusCode handles the codes that are valid in any response.
func (c *Client) statusCode(r *imapwire.Response) {
	switch r.Code.Name {
	case imapwire.CodeAlert:
		if c.opts.Hooks.Alert != nil {
			c.opts.Hooks.Alert(c.mask.shown(r.Text))
		}
	case imapwire.CodeCapability:
		c.hs.setCaps(r.Code.Caps)
	case codeOverflow:
		if c.opts.Hooks.Overflow != nil {
			c.opts.Hooks.Overflow()
		}
	}
}

// greeted completes the pseudo-command that stands for the greeting.
func (c *Client) greeted(cmd *command, r *imapwire.Response) error {
	c.statusCode(r)
	c.hs.greeted(r)
	switch r.Status {
	case imapwire.StatusBye:
		c.bye = c.farewell(r)
		return c.bye
	case imapwire.StatusPreauth, imapwire.StatusOK:
	default:
		return c.refusal(cmd, r)
	}
	c.dequeue(cmd)
	c.finish(cmd, nil)
	return nil
}

// refusal makes an error from a NO or BAD.
func (c *Client) refusal(cmd *command, r *imapwire.Response) *ResponseError {
	code := r.Code
	code.Args = c.mask.shown(code.Args)
	return &ResponseError{Command: cmd.verb, Status: r.Status, Code: code, Text: c.mask.shown(r.Text)}
}

// farewell makes an error from a BYE.
func (c *Client) farewell(r *imapwire.Response) *ByeError {
	code := r.Code
	code.Args = c.mask.shown(code.Args)
	return &ByeError{Code: code, Text: c.mask.shown(r.Text)}
}

// dequeue removes a command from the queue.
func (c *Client) dequeue(cmd *command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.queue.Load()
	i := slices.Index(old, cmd)
	queue := slices.Concat(old[:i], old[i+1:])
	c.queue.Store(&queue)
}

func (c *Client) tagged(r *imapwire.Response) error {
	queue := *c.queue.Load()
	i := slices.IndexFunc(queue, func(cmd *command) bool { return cmd.tag == r.Tag })
	if i < 0 {
		if c.Optimistic() {
			return c.hs.surprise("", &SurpriseError{What: "the server answers a command twice", Incapable: true})
		}
		c.unknown(r.Tag, errors.New("completes no command that is under way"))
		return nil
	}
	cmd := queue[i]
	if !cmd.idle {
		c.latency.note(time.Since(cmd.sent))
	}
	if !c.hs.misunderstood(cmd, r) {
		c.statusCode(r)
	}
	var err error
	if r.Status == imapwire.StatusOK {
		if cmd.fetch != nil {
			cmd.fetch.complete()
		}
		if cmd.completed != nil {
			err = cmd.completed(r)
		}
		err = cmp.Or(err, cmd.garbled)
	} else {
		err = c.refusal(cmd, r)
	}
	fatal, _ := errors.AsType[*ConnectionError](err)
	if fatal == nil && cmd.check != nil {
		if cerr := cmd.check(err, len(queue)-1); cerr != nil {
			if err == nil {
				return cerr
			}
			c.fail(cerr) // before anybody can think of sending something else
			c.dequeue(cmd)
			c.finish(cmd, err)
			return cerr
		}
	}
	if fatal != nil {
		return fatal // which completes the command, too
	}
	c.dequeue(cmd)
	c.finish(cmd, err)
	return nil
}

// continuation wakes the command that is being sent.
func (c *Client) continuation(r *imapwire.Response) {
	queue := *c.queue.Load()
	// Only the last command can be waiting: nothing is sent after it, except after a login.
	if n := len(queue); n > 0 {
		waiting := queue[n-1]
		if queue[0].last {
			waiting = queue[0]
		}
		if waiting.cont != nil {
			c.rest(waiting)
			select {
			case waiting.cont <- r.Text:
				return
			default:
			}
		}
	}
	c.unknown("+", errors.New("continues no command that is being sent"))
}
