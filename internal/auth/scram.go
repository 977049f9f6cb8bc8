package auth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// maxIterations is the largest iteration count that is computed for a server. It
// takes some seconds; what real servers want is below a million. The smallest is
// that of RFC 5802 §5.1, 4096, below which a proof could be guessed from.
const maxIterations = 10_000_000

// ErrImpostor reports that a server did not prove that it knows the password. It may have
// received a proof from this client, but not the password.
var ErrImpostor = errors.New("the server does not prove that it knows the password: it is not the real server, or this is a man-in-the-middle attack")

// SCRAMError is an error sent by the server (RFC 5802 §7, server-error-value).
type SCRAMError struct{ Value string }

func (e *SCRAMError) Error() string { return "the server says " + shown(e.Value) }

// The values of a SCRAMError that are about channel binding or for a while.
const (
	SCRAMBindingDiffers     = "channel-bindings-dont-match"
	SCRAMBindingType        = "unsupported-channel-binding-type"
	SCRAMBindingUnsupported = "channel-binding-not-supported"
	SCRAMDowngrade          = "server-does-support-channel-binding"
	SCRAMNoResources        = "no-resources"
)

// gs2 is the channel binding part of a SCRAM client's first message (RFC 5802 §7).
type gs2 struct {
	scram.ChannelBinding // for -PLUS
	// able: the client supports channel binding, but the server did not offer it. A server that
	// did offer it then detects that the offer was changed.
	able bool
}

// Bindings returns the bindings to a TLS connection that are safe, the best one
// first: tls-exporter (RFC 9266) with TLS 1.3; before that tls-unique (RFC 5929),
// if the handshake is bound to the master secret (RFC 7627), since otherwise
// somebody in the middle could make two connections look the same; and
// tls-server-end-point for servers that know nothing else. state may be nil.
func Bindings(state *tls.ConnectionState) []scram.ChannelBinding {
	if state == nil || !state.HandshakeComplete {
		return nil
	}
	var list []scram.ChannelBinding
	if state.Version >= tls.VersionTLS13 {
		if cb, err := scram.NewTLSExporterBinding(state); err == nil {
			list = append(list, cb)
		}
	} else if _, err := scram.NewTLSExporterBinding(state); err == nil && len(state.TLSUnique) > 0 {
		// Exporting fails without RFC 7627, and so tells whether it is used.
		list = append(list, scram.NewTLSUniqueBinding(state.TLSUnique))
	}
	if cb, err := scram.NewTLSServerEndpointBinding(state); err == nil {
		list = append(list, cb)
	}
	return list
}

// Keys remembers the keys that SCRAM derives from a password, which is costly,
// for the further connections of a run. The zero value is empty. It is safe for
// concurrent use.
type Keys struct {
	mu      sync.Mutex
	clients map[keyID]*scram.Client
}

type keyID struct{ hash, user, password string }

// client returns the scram.Client, which has them.
func (k *Keys) client(id keyID) *scram.Client {
	if k == nil {
		return newSCRAMClient(id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.clients[id]
	if c == nil {
		c = newSCRAMClient(id)
		if k.clients == nil {
			k.clients = make(map[keyID]*scram.Client)
		}
		k.clients[id] = c
	}
	return c
}

func newSCRAMClient(id keyID) *scram.Client {
	hash := scram.SHA256
	if id.hash == scramSHA1 {
		hash = scram.SHA1
	}
	c, err := hash.NewClient(id.user, id.password, "")
	if err != nil {
		// SASLprep (RFC 4013) refuses what was unknown to Unicode 3.2, such as
		// emoji. A server that takes such a password does not prepare it.
		c, _ = hash.NewClientUnprepped(id.user, id.password, "") // it has no errors
	}
	return c
}

// scramClient is one conversation of SCRAM (RFC 5802, RFC 7677).
type scramClient struct {
	name string
	conv *scram.ClientConversation
	step int
}

var _ Prover = (*scramClient)(nil)

func newSCRAM(hash string, plus bool) func(Login) sasl.Client {
	return func(l Login) sasl.Client {
		c := l.Keys.client(keyID{hash, l.User, l.Password})
		switch {
		case plus:
			return &scramClient{name: hash + plusSuffix, conv: c.NewConversationWithChannelBinding(l.binding.ChannelBinding)}
		case l.binding.able:
			return &scramClient{name: hash, conv: c.NewConversationAdvertisingChannelBinding()}
		}
		return &scramClient{name: hash, conv: c.NewConversation()}
	}
}

func (c *scramClient) Start() (mech string, ir []byte, err error) {
	first, err := c.conv.Step("")
	return c.name, []byte(first), err
}

func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	text := string(challenge)
	c.step++
	if value, ok := strings.CutPrefix(text, "e="); ok && c.step <= 2 {
		value, _, _ = strings.Cut(value, ",")
		return nil, &SCRAMError{value}
	}
	switch c.step {
	case 1:
		if err := checkIterations(text); err != nil {
			return nil, err
		}
		final, err := c.conv.Step(text)
		if err != nil {
			return nil, fmt.Errorf("the server's first message is not valid: %s", shown(err.Error()))
		}
		return []byte(final), nil
	case 2:
		if _, err := c.conv.Step(text); err != nil {
			return nil, ErrImpostor
		}
		return []byte{}, nil
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// Proven implements Prover: the server's signature must have come, and be right.
func (c *scramClient) Proven() error {
	if !c.conv.Valid() {
		return ErrImpostor
	}
	return nil
}

// checkIterations refuses a first message of the server that would keep us busy
// for long.
func checkIterations(first string) error {
	for field := range strings.SplitSeq(first, ",") {
		count, ok := strings.CutPrefix(field, "i=")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(count)
		if err != nil || n > maxIterations {
			return fmt.Errorf("the server requires %s hash iterations; the limit is %d", shown(count), maxIterations)
		}
	}
	return nil
}

// maxShown is how much of a text of the server is shown, in bytes.
const maxShown = 200

// shown makes a text of the server fit to be shown.
func shown(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}
