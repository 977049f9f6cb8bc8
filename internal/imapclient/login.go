package imapclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/klauspost/compress/flate"

	"isync/internal/auth"
	"isync/internal/imapwire"
)

// maxInitialResponse is the longest initial response that is sent within the
// command, so that the line stays below what servers refuse.
const maxInitialResponse = 7000

// Capability asks for the capabilities, which Caps then returns.
func (c *Client) Capability(ctx context.Context) error {
	c.asked.Store(true)
	return c.simple(ctx, imapwire.NewCommand("CAPABILITY"))
}

// ensureCaps asks for the capabilities if none are known.
func (c *Client) ensureCaps(ctx context.Context) error {
	if len(c.Caps()) > 0 {
		return nil
	}
	return c.Capability(ctx)
}

// startTLS encrypts the connection.
func (c *Client) startTLS(ctx context.Context) error {
	if err := c.ensureCaps(ctx); err != nil {
		return err
	}
	if !c.Caps().Has("STARTTLS") {
		return c.lost("", errors.New("STARTTLS is required but the server does not offer it"))
	}
	cmd := &command{completed: func(*imapwire.Response) error {
		// What came in plain text behind the OK would count as if it had been
		// encrypted; nobody honest sends anything.
		if n := len(c.dec.Buffered()); n > 0 {
			return c.lost("STARTTLS", fmt.Errorf("the server sent %d bytes of plain text behind its answer, which looks like an attack", n))
		}
		t, err := c.link.StartTLS(ctx, c.opts.TLS)
		if err != nil {
			return c.lost("the TLS handshake", err)
		}
		c.replace(t, t)
		c.secured(t)
		// Forget what was said before.
		c.caps.Store(&Caps{})
		c.asked.Store(false)
		return nil
	}}
	release, err := c.startAlone(ctx, cmd, imapwire.NewCommand("STARTTLS"))
	if err != nil {
		return err
	}
	defer release()
	return c.wait(ctx, cmd)
}

// replace puts another layer between the connection and the decoder. It is
// called on the reader goroutine while nothing is being sent.
func (c *Client) replace(rw io.ReadWriter, w io.Writer) {
	c.stream = rw
	c.dec.Reset(rw)
	c.out.Swap(w)
}

// Compress turns on COMPRESS=DEFLATE (RFC 4978), once everything under way is
// completed.
func (c *Client) Compress(ctx context.Context) error { return c.compress(ctx, c.startAlone) }

// compress turns on compression by a command that start sends.
func (c *Client) compress(ctx context.Context, start func(context.Context, *command, *imapwire.Command) (release func(), err error)) error {
	if c.deflate.Load() {
		return nil
	}
	cmd := &command{completed: func(*imapwire.Response) error {
		w, err := flate.NewWriter(c.stream, flate.DefaultCompression)
		if err != nil {
			return c.lost("COMPRESS", err)
		}
		// Some of the compressed stream may be in the decoder's buffer already.
		// zlib-based servers end what they send with partial flushes, after
		// which a reader must not wait for more.
		rest := bytes.NewReader(bytes.Clone(c.dec.Buffered()))
		r := flate.NewReaderOpts(io.MultiReader(rest, c.stream), flate.WithPartialBlock())
		c.replace(struct {
			io.Reader
			io.Writer
		}{r, w}, w)
		c.deflate.Store(true)
		return nil
	}}
	release, err := start(ctx, cmd, imapwire.NewCommand("COMPRESS").Raw("DEFLATE"))
	if err != nil {
		return err
	}
	defer release()
	return c.wait(ctx, cmd)
}

// Login logs in with LOGIN. Whether that is allowed, by LOGINDISABLED for one,
// is the caller's business. Afterwards the capabilities are known.
func (c *Client) Login(ctx context.Context, user, password string) error {
	c.addSecret(password)
	c.noteOffered()
	gen := c.capsGen.Load()
	text := imapwire.NewCommand("LOGIN").String(user).Secret(password)
	cmd := c.loginCommand(new(command))
	if err := c.start(ctx, cmd, text); err != nil {
		return err
	}
	c.loginSent()
	if err := c.wait(ctx, cmd); err != nil {
		return err
	}
	return c.loggedIn(ctx, gen)
}

// loggedIn asks for the capabilities unless they came with the login, or are
// expected.
func (c *Client) loggedIn(ctx context.Context, gen uint64) error {
	if c.Ahead() {
		return nil
	}
	told := c.capsGen.Load() != gen && !rewrites(c.Caps())
	if !told {
		if err := c.Capability(ctx); err != nil {
			return err
		}
	}
	c.noteLogin(told)
	return nil
}

// rewrites tells whether a server with these capabilities has a proxy in front
// that rewrites texts until it has seen the answer to a CAPABILITY command:
// Apple's.
func rewrites(caps Caps) bool {
	for name := range caps {
		if strings.HasPrefix(name, "XAPPLE") {
			return true
		}
	}
	return false
}

// Authenticate logs in with a SASL mechanism. The initial response is sent with
// the command if the server has SASL-IR (RFC 4959). Afterwards the capabilities
// are known. If the mechanism itself fails, its error is returned and the
// connection goes on. A mechanism that is an auth.Prover may also fail after the
// server has let us in; then the connection must not be used for anything.
func (c *Client) Authenticate(ctx context.Context, mech sasl.Client) error {
	name, ir, err := mech.Start()
	if err != nil {
		return fmt.Errorf("AUTHENTICATE %s: %w", name, err)
	}
	if err := c.ensureCaps(ctx); err != nil {
		return err
	}
	c.noteOffered()
	gen := c.capsGen.Load()
	if err := c.authenticate(ctx, mech, name, ir); err != nil {
		if r, ok := errors.AsType[*ResponseError](err); ok {
			r.Command = authCommand + name
		}
		return err
	}
	if p, ok := mech.(auth.Prover); ok {
		if err := p.Proven(); err != nil {
			return fmt.Errorf("%s%s: %w", authCommand, name, err)
		}
	}
	return c.loggedIn(ctx, gen)
}

// authCommand is the command, with a space behind it.
const authCommand = "AUTHENTICATE "

func (c *Client) authenticate(ctx context.Context, mech sasl.Client, name string, ir []byte) error {
	text := imapwire.NewCommand("AUTHENTICATE").Raw(name)
	ahead := false
	if ir != nil && len(ir) <= maxInitialResponse*3/4 && c.Caps().Has("SASL-IR") {
		enc := base64.StdEncoding.EncodeToString(ir)
		if enc == "" {
			enc = "="
		}
		c.addSecret(enc)
		c.addSecret(secretIn(ir))
		text.SecretRaw(enc)
		ir = nil
		ahead = c.Ahead() && oneStep(name)
	}
	cmd := c.loginCommand(&command{cont: make(chan string, 1), last: ahead, ended: func() { c.authing.Store(false) }})
	c.authing.Store(true)
	if ahead {
		return c.authenticateAhead(ctx, mech, cmd, text)
	}
	release, err := c.startAlone(ctx, cmd, text)
	if err != nil {
		c.authing.Store(false)
		return err
	}
	defer release()
	for {
		select {
		case challenge := <-cmd.cont:
			reply, err := respond(mech, &ir, challenge)
			if err != nil {
				return c.cancelAuth(ctx, cmd, fmt.Errorf("AUTHENTICATE %s: %w", name, err))
			}
			c.addSecret(secretIn(reply))
			if err := c.authLine(ctx, base64.StdEncoding.EncodeToString(reply)); err != nil {
				return err
			}
		case <-cmd.done:
			return cmd.err
		case <-ctx.Done():
			return c.wait(ctx, cmd)
		}
	}
}

// authenticateAhead authenticates with a command that says everything; others may
// be sent behind it at once. Should the server have a question all the same, that
// is how some tell why they refuse, it will take the next command for an answer,
// and no good one.
func (c *Client) authenticateAhead(ctx context.Context, mech sasl.Client, cmd *command, text *imapwire.Command) error {
	if err := c.start(ctx, cmd, text); err != nil {
		c.authing.Store(false)
		return err
	}
	c.loginSent()
	for {
		select {
		case challenge := <-cmd.cont:
			// The mechanism learns the reason, if it is one.
			_, _ = respond(mech, new([]byte), challenge)
		case <-cmd.done:
			select {
			case challenge := <-cmd.cont: // which came along with the refusal
				_, _ = respond(mech, new([]byte), challenge)
			default:
			}
			return cmd.err
		case <-ctx.Done():
			return c.wait(ctx, cmd)
		}
	}
}

// secretIn returns the part of a response that must not be shown: what follows
// the last NUL (PLAIN), the token (OAUTHBEARER, XOAUTH2), else all of it.
func secretIn(reply []byte) string {
	s := string(reply)
	if _, token, ok := strings.Cut(s, "Bearer "); ok {
		token, _, _ = strings.Cut(token, "\x01")
		return token
	}
	return s[strings.LastIndexByte(s, 0)+1:]
}

// respond answers a challenge. An initial response that is still to be sent
// answers the first one, which is empty.
func respond(mech sasl.Client, ir *[]byte, challenge string) ([]byte, error) {
	if *ir != nil {
		reply := *ir
		*ir = nil
		return reply, nil
	}
	dec, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
	if err != nil {
		return nil, fmt.Errorf("server's challenge: %w", err)
	}
	return mech.Next(dec)
}

// cancelAuth makes the server give up the authentication.
func (c *Client) cancelAuth(ctx context.Context, cmd *command, cause error) error {
	if err := c.authLine(ctx, "*"); err != nil {
		return err
	}
	err := c.wait(ctx, cmd)
	if _, ok := errors.AsType[*ConnectionError](err); ok {
		return err
	}
	return cause
}

// authLine sends a line of an authentication.
func (c *Client) authLine(ctx context.Context, line string) error {
	shown := line
	if line != "*" {
		shown = mask
		c.addSecret(line)
	}
	if c.opts.Hooks.Trace != nil {
		c.opts.Hooks.Trace(Sent, shown)
	}
	if err := c.out.Put(ctx, c.dead, []byte(line+"\r\n")); err != nil {
		c.fail(c.lost("AUTHENTICATE", err))
		return c.lost("AUTHENTICATE", c.Err())
	}
	return nil
}

// Enable turns on extensions (RFC 5161) and tells which of them the server
// confirmed. It may only be called before a mailbox is selected.
func (c *Client) Enable(ctx context.Context, names ...string) (Caps, error) {
	p, err := c.StartEnable(ctx, names...)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// StartEnable starts an ENABLE.
func (c *Client) StartEnable(ctx context.Context, names ...string) (*Pending[Caps], error) {
	return c.startEnable(ctx, nil, names...)
}

// startEnable starts an ENABLE. compare, if not nil, compares what was enabled
// with the past, while Ahead.
func (c *Client) startEnable(ctx context.Context, compare func(got Caps) (wrong string), names ...string) (*Pending[Caps], error) {
	got := Caps{}
	cmd := &command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindEnabled {
			return false
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		next := Caps{}
		for name := range c.enabled {
			next[name] = struct{}{}
		}
		for _, name := range r.Caps {
			got[name] = struct{}{}
			next[name] = struct{}{}
		}
		c.enabled = next
		if acceptsUTF8(got) {
			c.utf8On.Store(true)
			c.told.UTF8 = true
		}
		return true
	}}
	if compare != nil {
		cmd = c.checked(cmd, func() string { return compare(got) })
	}
	return begin(ctx, c, cmd, imapwire.NewCommand("ENABLE").Raw(strings.Join(names, " ")), &got)
}

// acceptsUTF8 tells whether UTF8=ACCEPT is among what was enabled.
func acceptsUTF8(got Caps) bool { return got.Has("UTF8=ACCEPT") || got.Has("UTF8=ONLY") }

// Enabled returns what the server has confirmed to be enabled.
func (c *Client) Enabled() Caps {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enabled
}

// ID tells the server who we are and asks the same (RFC 2971). fields are names
// and values by turns, at least one pair: some servers refuse less. The answer
// has the same form.
func (c *Client) ID(ctx context.Context, fields ...string) ([]string, error) {
	p, err := c.StartID(ctx, fields...)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// StartID starts an ID, whose answer need not be waited for. While Ahead, Confirm
// waits for it: where nothing else was sent behind the login, it shows that the
// server has not thrown that away.
func (c *Client) StartID(ctx context.Context, fields ...string) (*Pending[[]string], error) {
	text := imapwire.NewCommand("ID")
	list := []byte{'('}
	for i, f := range fields {
		if i > 0 {
			list = append(list, ' ')
		}
		list = imapwire.AppendQuoted(list, f)
	}
	text.Raw(string(append(list, ')')))
	var answer []string
	cmd := c.checked(&command{data: func(r *imapwire.Response, _ bool) bool {
		if r.Kind != imapwire.KindID {
			return false
		}
		answer = r.ID
		return true
	}}, func() string { return "" })
	return begin(ctx, c, cmd, text, &answer)
}

// Noop does nothing but give the server an opportunity to say something.
func (c *Client) Noop(ctx context.Context) error {
	return c.simple(ctx, imapwire.NewCommand("NOOP"))
}
