package imapclient

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// Security says how a connection is encrypted.
type Security uint8

// The ways to encrypt a connection.
const (
	// PlainText: not at all, or by the tunnel.
	PlainText Security = iota
	// StartTLS: begun with STARTTLS (RFC 9051 §6.2.1), which must succeed.
	StartTLS
	// ImplicitTLS: from the first byte (RFC 8314).
	ImplicitTLS
)

// DefaultPipelineDepth is how many commands may be under way at a time unless
// Options say otherwise.
const DefaultPipelineDepth = 32

// Options tell how to connect.
type Options struct {
	// Host and Port say where to connect to, unless Dial is set. Host is also
	// what messages call the server.
	Host string
	Port int
	// Dial opens the connection; nil dials TCP. Timeout works only with
	// connections that have deadlines. If the connection has a method Wait, it
	// is called after Close, and Client.Close returns when it has. See Tunnel.
	Dial func(ctx context.Context) (net.Conn, error)
	// IPv4, if not nil, reports whether only IPv4 is to be used. It has no effect with
	// Dial.
	IPv4 func() bool

	Security Security
	// TLS is needed unless Security is PlainText. See TLSOptions.
	TLS *tls.Config

	// Timeout is how long the connection may make no progress at all while
	// something is waited for. 0 means for ever.
	Timeout time.Duration

	// Ampersands, if not nil, is shared by the connections to a server.
	Ampersands *Ampersands
	// PipelineDepth is how many commands may be under way at a time; 1 waits
	// for each before the next is sent. 0 is DefaultPipelineDepth.
	PipelineDepth int

	// Memo, if not nil, is what the server announced on an earlier connection. If its
	// greeting agrees, Optimistic is true after Dial.
	Memo *ServerMemo

	// DisableExtensions are capabilities to ignore, in any case.
	DisableExtensions []string

	// ID is sent by Setup (RFC 2971): names and values by turns. Empty: nothing is
	// sent.
	ID []string

	// Namespace makes Setup send NAMESPACE with its other commands, without waiting for
	// the answer, since Namespace will be called soon.
	Namespace bool

	// Compression says whether Setup turns compression on.
	Compression Compression
	// Line, if not nil, keeps which network paths are slow, for CompressSlow.
	Line Line

	Hooks Hooks

	// Spool returns a temporary file for a body that must be set aside, for
	// the rare server that sends it before the message's UID. It is only used
	// for large ones, is read and written from its start, and closed in the
	// end. nil: an unlinked file in the system's temporary directory.
	Spool func() (SpoolFile, error)
}

// SpoolFile is a temporary file.
type SpoolFile interface {
	io.ReadWriteSeeker
	io.Closer
}

// Direction says who sent a traced line.
type Direction uint8

// The directions.
const (
	Sent Direction = iota
	Received
)

// Hooks are told what no command asked for. Each may be nil. They run on the
// reader goroutine and must not call the Client.
type Hooks struct {
	// Trace is shown each command and response, without its line end. Secrets
	// are masked, and of literals only the size is shown. Commands are traced
	// on the goroutine that sends them, so it must be safe for concurrent use.
	Trace func(dir Direction, line string)
	// Alert is given texts that the server wants shown to the user (RFC 9051
	// §7.1, ALERT).
	Alert func(text string)
	// Notice is given untagged NO and BAD, which are warnings.
	Notice func(status imapwire.Status, code imapwire.Code, text string)
	// Unreadable is called for an invalid EXISTS, EXPUNGE, VANISHED or FETCH response
	// about the selected mailbox. The mailbox may then have changes that are not
	// known.
	Unreadable func(kind imapwire.Kind)
	// Unknown is told about responses that were skipped: their first word, and
	// why.
	Unknown func(what string, err error)

	// Changing is called before a command is sent that may change something, on the
	// goroutine that sends it.
	Changing func()

	// Exists, Recent, Expunge, Vanished and Fetch are given unsolicited data about the
	// selected mailbox. Fetch must not keep f.
	Exists   func(n uint32)
	Recent   func(n uint32)
	Expunge  func(seq uint32)
	Vanished func(uids mail.UIDSet)
	Fetch    func(f *imapwire.Fetch)

	// BoxStatus and List are given unsolicited data about any mailbox; see Notify.
	// Names are decoded, or raw if they cannot be. UnreadableBox is called for an
	// invalid response of that kind, and Overflow when the server ends the reports of
	// Notify (NOTIFICATIONOVERFLOW, RFC 5465 §5.8).
	BoxStatus     func(st *imapwire.BoxStatus)
	List          func(e *ListEntry)
	UnreadableBox func()
	Overflow      func()
}
