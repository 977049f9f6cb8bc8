package testkit

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
)

// Endpoint is the address of a server.
type Endpoint struct {
	Host    string // an IP address
	Port    int    // IMAP, with STARTTLS
	TLSPort int    // IMAPS
	CA      *CA    // issuer of the server's certificate, unless the test has set another one
}

// Addr returns the address for IMAP.
func (e *Endpoint) Addr() string { return net.JoinHostPort(e.Host, fmt.Sprint(e.Port)) }

// TLSAddr returns the address for IMAPS.
func (e *Endpoint) TLSAddr() string { return net.JoinHostPort(e.Host, fmt.Sprint(e.TLSPort)) }

// At returns the endpoint itself. It implements Server.
func (e *Endpoint) At() *Endpoint { return e }

// Server is a running server of any kind.
type Server interface {
	// At returns the address of the server.
	At() *Endpoint
	// Traits returns the peculiarities of the server.
	Traits() Traits
	// AddUser adds a user with Password. The server may be running.
	AddUser(tb testing.TB, name string)
	// Client logs in with an independent IMAP client.
	Client(tb testing.TB, user string) *imapclient.Client
	// Log returns what the server has logged.
	Log() string
	// Stop stops the server. The mail is kept until the end of the test.
	Stop() error
	// Restart starts the server again on the same ports. It stops a running server first.
	Restart(tb testing.TB)
}

// Traits are differences between servers that capabilities do not announce.
type Traits struct {
	// Prefix is the prefix of a user's mailboxes except the inbox, and Separator the hierarchy
	// delimiter.
	Prefix, Separator string
	// KeepsParents: a mailbox with children cannot be deleted.
	KeepsParents bool
	// Stored returns a message as the server stores it; nil: messages are unchanged.
	Stored func(body string) string
	// RefusesName reports whether the server refuses to create a mailbox with this canonical
	// name, and RefusesText whether it refuses such a message; nil: it refuses none.
	RefusesName, RefusesText func(string) bool
}

// needed skips a test that needs a missing server, or fails it if all tests must run.
func needed(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("this test needs "+format, args...)
	}
	tb.Skipf("this test needs "+format, args...)
}

// Kind is a kind of server with the function that starts it.
type Kind struct {
	Name  string
	Start func(tb testing.TB) Server
}

// Kinds returns all servers except the installed Dovecot, each in its default configuration.
func Kinds() []Kind {
	return []Kind{
		{"cyrus", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{}) }},
		{"cyrus-modern", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{Modern: true}) }},
		{"cyrus-3.10", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{Trixie: true}) }},
		{"dovecot-2.4", func(tb testing.TB) Server { tb.Helper(); return StartDovecot24(tb) }},
		{"courier", func(tb testing.TB) Server { tb.Helper(); return StartCourier(tb, CourierConfig{}) }},
	}
}

// noInboxChildren reports the names that are invalid on a server whose mailboxes are all below
// the inbox. There, all mailboxes are children of the inbox, so it cannot have others. A
// separator other than "/" cannot be part of a name.
func noInboxChildren(separator string) func(name string) bool {
	return func(name string) bool {
		return strings.HasPrefix(name, "INBOX/") || separator != "/" && strings.Contains(name, separator)
	}
}
