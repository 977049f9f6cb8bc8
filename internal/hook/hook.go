// Package hook runs the user's commands after mailboxes were synchronized: OnChange, OnNew and
// OnError of the configuration.
//
// Hooks is a sink of events. It collects the changes of each pair. When the pair has ended, its
// changes are durable, and Hooks starts the command of the channel. The commands of a channel run
// one after the other. Changes of further pairs are collected for the next call. Take never waits
// for a command, and Replace does not end one.
package hook

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"isync/internal/event"
	"isync/internal/ui"
)

// Commands are the commands of a channel, for "sh -c"; "": none.
type Commands struct {
	OnChange, OnNew, OnError string
}

// Options are the settings of Hooks.
type Options struct {
	// Commands has the commands of each channel, by name.
	Commands map[string]Commands
	// Objects makes the JSON objects of the commands' input.
	Objects ui.Objects
	// Env is added to the environment of the commands. Output receives their standard output and
	// standard error.
	Env    []string
	Output io.Writer
	// Events receives warnings about failed commands.
	Events event.Sink
	// Limit is the maximum duration of a command; 0: DefaultLimit.
	Limit time.Duration
}

const (
	// DefaultLimit is the default maximum duration of a command.
	DefaultLimit = time.Minute
	// maxInput is the maximum input of a call in bytes. Objects that do not fit are left out.
	maxInput = 16 << 20
	// endDelay is the time between SIGTERM and SIGKILL.
	endDelay = 500 * time.Millisecond
)

// kind is a kind of hook.
type kind int

// The kinds, in the order in which they are called.
const (
	onChange kind = iota
	onNew
	onError
	kinds
)

func (k kind) String() string { return [...]string{"change", "new", "error"}[k] }

// keyword returns the keyword in the configuration.
func (k kind) keyword() string { return [...]string{"OnChange", "OnNew", "OnError"}[k] }

func (c Commands) of(k kind) string { return [...]string{c.OnChange, c.OnNew, c.OnError}[k] }

// Hooks runs commands. It is safe for concurrent use.
type Hooks struct {
	o      Options
	ctx    context.Context //nolint:containedctx // context of the commands; End cancels it
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	pairs    map[pairKey]*batch  // pairs that have not ended
	channels map[string]*channel // channels that have commands
	failed   map[string]bool     // failures that were reported
}

// pairKey identifies a pair. All events of a pair have these fields.
type pairKey struct {
	channel string
	box     [2]string
}

// channel is the state of a channel that has commands. waiting is the input of its next call.
type channel struct {
	commands Commands
	waiting  batch
	running  bool
}

// batch is the input of a call, by kind, and the names of the near mailboxes.
type batch struct {
	input [kinds]bytes.Buffer
	boxes [kinds][]string
	news  int // new messages on the near side
}

// New returns hooks that receive events; nil: there are no commands. The caller must call Close.
func New(o Options) *Hooks {
	h := &Hooks{o: o, pairs: make(map[pairKey]*batch), channels: make(map[string]*channel), failed: make(map[string]bool)}
	h.Replace(o.Commands)
	if len(h.channels) == 0 {
		return nil
	}
	if h.o.Limit == 0 {
		h.o.Limit = DefaultLimit
	}
	h.o.Objects.Messages = true
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Replace replaces the commands of all channels. Running commands continue. Changes that wait for
// the next call are passed to the new commands.
func (h *Hooks) Replace(commands map[string]Commands) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, c := range h.channels {
		c.commands = commands[name]
	}
	for name, c := range commands {
		if c != (Commands{}) && h.channels[name] == nil {
			h.channels[name] = &channel{commands: c}
		}
	}
}

// Take implements event.Sink.
func (h *Hooks) Take(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.o.Objects.Lines(e)
	switch e := e.(type) {
	case event.MessageChanged:
		h.takeChange(e, lines)
	case event.Message:
		if e.Severity == event.Error && e.Pair.Channel != "" {
			h.takeError(e.Pair, lines)
		}
	case event.ChannelFailed:
		h.takeError(event.Pair{Channel: e.Channel}, lines)
	case event.PairEnded:
		if e.Err != nil && !e.Reported {
			h.takeError(e.Pair, lines)
		}
		h.takeEnd(e.Pair)
	case event.ChannelEnded:
		if c := h.channels[e.Channel]; c != nil {
			h.start(e.Channel, c)
		}
	}
}

// batchOf returns the batch in which the changes of a pair are collected until it ends.
func (h *Hooks) batchOf(p event.Pair) *batch {
	key := pairKey{p.Channel, p.Box}
	if h.pairs[key] == nil {
		h.pairs[key] = new(batch)
	}
	return h.pairs[key]
}

// takeChange adds the change of a message to its pair.
func (h *Hooks) takeChange(e event.MessageChanged, lines [][]byte) {
	c := h.channels[e.Pair.Channel]
	if c == nil {
		return
	}
	b := h.batchOf(e.Pair)
	if c.commands.OnChange != "" {
		b.add(onChange, e.Pair, lines)
	}
	if e.Change == event.New && e.Side == 1 {
		b.news++
		if c.commands.OnNew != "" {
			b.add(onNew, e.Pair, lines)
		}
	}
}

// takeError adds an error. An error of a pair is kept until the pair ends.
func (h *Hooks) takeError(p event.Pair, lines [][]byte) {
	c := h.channels[p.Channel]
	if c == nil || c.commands.OnError == "" {
		return
	}
	b := &c.waiting
	if p.Box != [2]string{} {
		b = h.batchOf(p)
	}
	for _, line := range lines {
		if bytes.Contains(line, []byte(`"type":"error"`)) {
			b.add(onError, p, [][]byte{line})
		}
	}
}

// add adds the objects of a pair.
func (b *batch) add(k kind, p event.Pair, lines [][]byte) {
	for _, line := range lines {
		b.addLines(k, line)
	}
	b.addBox(k, p.Box[1])
}

// addLines adds input lines, as far as they fit.
func (b *batch) addLines(k kind, lines []byte) {
	for line := range bytes.Lines(lines) {
		if b.input[k].Len()+len(line) <= maxInput {
			b.input[k].Write(line)
		}
	}
}

// addBox adds the name of a near mailbox; "": it has no name.
func (b *batch) addBox(k kind, box string) {
	if box != "" && !slices.Contains(b.boxes[k], box) {
		b.boxes[k] = append(b.boxes[k], box)
	}
}

// takeEnd passes the batch of a pair to its channel.
func (h *Hooks) takeEnd(p event.Pair) {
	key := pairKey{p.Channel, p.Box}
	b := h.pairs[key]
	delete(h.pairs, key)
	c := h.channels[p.Channel]
	if c == nil || b == nil || b.isEmpty() {
		return // no hook needs this event
	}
	for k := range kinds {
		c.waiting.addLines(k, b.input[k].Bytes())
		for _, box := range b.boxes[k] {
			c.waiting.addBox(k, box)
		}
	}
	c.waiting.news += b.news
	h.start(p.Channel, c)
}

// start starts the commands of a channel, unless they are running or there is no input.
func (h *Hooks) start(name string, c *channel) {
	if c.running || c.waiting.isEmpty() || h.ctx.Err() != nil {
		return
	}
	c.running = true
	h.wg.Go(func() {
		for {
			b, commands := h.next(c)
			if b == nil {
				return
			}
			for k := range kinds {
				if command := commands.of(k); command != "" && b.input[k].Len() > 0 {
					h.call(name, k, command, b)
				}
			}
		}
	})
}

func (b *batch) isEmpty() bool {
	for k := range kinds {
		if b.input[k].Len() > 0 {
			return false
		}
	}
	return true
}

// next returns the input of the next call and the commands of the channel. If there is none, it
// returns nil, and the goroutine of the channel must end.
func (h *Hooks) next(c *channel) (*batch, Commands) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.waiting.isEmpty() || h.ctx.Err() != nil {
		c.running = false
		return nil, Commands{}
	}
	b := c.waiting
	c.waiting = batch{}
	return &b, c.commands
}

// call runs a command, and reports its failure unless the same failure was reported before.
func (h *Hooks) call(name string, k kind, command string, b *batch) {
	env := append(append(os.Environ(), h.o.Env...),
		"MBSYNC_CHANNEL="+name, "MBSYNC_EVENT="+k.String(), "MBSYNC_NEW="+strconv.Itoa(b.news),
		"MBSYNC_BOXES="+strings.Join(b.boxes[k], "\n"))
	ctx, cancel := context.WithTimeout(h.ctx, h.o.Limit)
	defer cancel()
	err := run(ctx, command, env, &b.input[k], h.o.Output)
	if err == nil || h.ctx.Err() != nil {
		return
	}
	f := event.HookFailed{Keyword: k.keyword(), Command: command, Err: err}
	if ctx.Err() != nil {
		f.Limit, f.Err = h.o.Limit, nil
	}
	h.mu.Lock()
	key := name + k.String() + f.Limit.String() + err.Error()
	again := h.failed[key]
	h.failed[key] = true
	h.mu.Unlock()
	if !again {
		h.o.Events.Take(event.Message{Severity: event.Warning, Pair: event.Pair{Channel: name}, Fact: f})
	}
}

// End ends the running commands without waiting for them. Afterwards no command is started.
func (h *Hooks) End() { h.cancel() }

// Wait waits until all commands have ended.
func (h *Hooks) Wait() { h.wg.Wait() }

// Close ends the running commands and waits for them.
func (h *Hooks) Close() {
	h.End()
	h.Wait()
}
