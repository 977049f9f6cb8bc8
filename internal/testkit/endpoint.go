package testkit

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
)

// Endpoint is where a server is reached.
type Endpoint struct {
	Host    string // an IP address
	Port    int    // IMAP, with STARTTLS
	TLSPort int    // IMAPS
	CA      *CA    // which has signed the server's certificate unless that was given
}

// Addr is the address for IMAP.
func (e *Endpoint) Addr() string { return net.JoinHostPort(e.Host, fmt.Sprint(e.Port)) }

// TLSAddr is the address for IMAPS.
func (e *Endpoint) TLSAddr() string { return net.JoinHostPort(e.Host, fmt.Sprint(e.TLSPort)) }

// At returns the endpoint itself. It is what the servers have in common.
func (e *Endpoint) At() *Endpoint { return e }

// Server is a running server of whatever make.
type Server interface {
	// At tells where the server is.
	At() *Endpoint
	// Traits tells what clients have to expect.
	Traits() Traits
	// AddUser adds a user, who has Password, also while the server runs.
	AddUser(tb testing.TB, name string)
	// Client logs in with an IMAP client of another make.
	Client(tb testing.TB, user string) *imapclient.Client
	// Log returns what the server has logged.
	Log() string
	// Stop stops the server. The mail is kept until the end of the test.
	Stop() error
	// Restart starts the server again, on the same ports. It stops it first if it runs.
	Restart(tb testing.TB)
}

// Traits are what differs between servers beyond what they announce.
type Traits struct {
	// Prefix of a user's own mailboxes but the inbox, and the Separator between
	// the parts of their names.
	Prefix, Separator string
	// KeepsParents: a mailbox that has others below it cannot be deleted.
	KeepsParents bool
	// Stored returns what the server makes of a message; nil if it keeps each
	// as it is.
	Stored func(body string) string
	// Refuses reports whether the server refuses to create a mailbox of that
	// canonical name, or messages with such a text; nil if it does not.
	RefusesName, RefusesText func(string) bool
}

// needed skips a test for want of a server, or fails it where all tests have
// to run.
func needed(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("this test needs "+format, args...)
	}
	tb.Skipf("this test needs "+format, args...)
}

// Kind is a server as tests name it, with the way to start one.
type Kind struct {
	Name  string
	Start func(tb testing.TB) Server
}

// Kinds are the servers that are not the installed Dovecot, each as it comes out
// of the box.
func Kinds() []Kind {
	return []Kind{
		{"cyrus", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{}) }},
		{"cyrus-modern", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{Modern: true}) }},
		{"cyrus-3.10", func(tb testing.TB) Server { tb.Helper(); return StartCyrus(tb, CyrusConfig{Trixie: true}) }},
		{"dovecot-2.4", func(tb testing.TB) Server { tb.Helper(); return StartDovecot24(tb) }},
		{"courier", func(tb testing.TB) Server { tb.Helper(); return StartCourier(tb, CourierConfig{}) }},
	}
}

// noInboxChildren reports the names that do not exist on a server that has all
// mailboxes below the inbox: these are the inbox's children, then, so that it
// cannot have others. A separator other than the slash cannot be part of a name.
func noInboxChildren(separator string) func(name string) bool {
	return func(name string) bool {
		return strings.HasPrefix(name, "INBOX/") || separator != "/" && strings.Contains(name, separator)
	}
}
