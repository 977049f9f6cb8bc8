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

// DefaultPipelineDepth is the default of Options.PipelineDepth.
const DefaultPipelineDepth = 32

// Options describe how to connect.
type Options struct {
	// Host and Port are the address of the server, unless Dial is set. Host is also the name of the
	// server in messages.
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

	// Timeout is the longest time without progress while the client waits for something; 0: no limit.
	Timeout time.Duration

	// Ampersands, if not nil, is shared by the connections to a server.
	Ampersands *Ampersands
	// PipelineDepth is the maximum number of commands in progress. With 1, each command is completed
	// before the next one is sent. 0 is DefaultPipelineDepth.
	PipelineDepth int

	// Memo, if not nil, has the announcements of the server on an earlier connection. If the greeting
	// agrees with it, Optimistic is true after Dial.
	Memo *ServerMemo

	// DisableExtensions are capabilities to ignore, in any case.
	DisableExtensions []string

	// ID is sent by Setup (RFC 2971): names and values in turn; empty: ID is not sent.
	ID []string

	// Namespace makes Setup send NAMESPACE with its other commands, without waiting for
	// the answer, since Namespace will be called soon.
	Namespace bool

	// Compression says whether Setup turns compression on.
	Compression Compression
	// Line, if not nil, stores which network paths are slow, for CompressSlow.
	Line Line

	Hooks Hooks

	// Spool returns a temporary file for a large body that must be kept, because the server sends it
	// before the UID of the message, which is rare. The file is written and read from its beginning,
	// and closed at the end. nil: an unlinked file in the system's temporary directory.
	Spool func() (SpoolFile, error)
}

// SpoolFile is a temporary file.
type SpoolFile interface {
	io.ReadWriteSeeker
	io.Closer
}

// Direction is the sender of a traced line.
type Direction uint8

// The directions.
const (
	Sent Direction = iota
	Received
)

// Hooks receive unsolicited data. Each may be nil. They run on the reader goroutine, and must not call the Client.
type Hooks struct {
	// Trace is called with each command and response, without its line end. Secrets are masked, and
	// literals are replaced by their sizes. Commands are traced on the goroutine that sends them, so
	// Trace must be safe for concurrent use.
	Trace func(dir Direction, line string)
	// Alert is called with texts that must be shown to the user (RFC 9051 §7.1, ALERT).
	Alert func(text string)
	// Notice is called with untagged NO and BAD responses, which are warnings.
	Notice func(status imapwire.Status, code imapwire.Code, text string)
	// Unreadable is called for an invalid EXISTS, EXPUNGE, VANISHED or FETCH response
	// about the selected mailbox. The mailbox may then have changes that are not
	// known.
	Unreadable func(kind imapwire.Kind)
	// Unknown is called with the first word of each skipped response, and the reason.
	Unknown func(what string, err error)

	// Changing is called before a command is sent that may change something, on the
	// goroutine that sends it.
	Changing func()

	// Exists, Recent, Expunge, Vanished and Fetch are called with unsolicited data about the selected
	// mailbox. Fetch must not keep f.
	Exists   func(n uint32)
	Recent   func(n uint32)
	Expunge  func(seq uint32)
	Vanished func(uids mail.UIDSet)
	Fetch    func(f *imapwire.Fetch)

	// BoxStatus and List are called with unsolicited data about any mailbox; see Notify. Names are
	// decoded, or raw if they cannot be decoded. UnreadableBox is called for an invalid response of that
	// kind, and Overflow when the server ends the reports of Notify (NOTIFICATIONOVERFLOW, RFC 5465
	// §5.8).
	BoxStatus     func(st *imapwire.BoxStatus)
	List          func(e *ListEntry)
	UnreadableBox func()
	Overflow      func()
}
