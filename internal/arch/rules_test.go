package arch

import "regexp"

// room is what one package of the module may do. The zero value allows the
// standard library and nothing else.
type room struct {
	// imports are the packages of this module it may import, relative to the
	// module ("internal/mail"). "*" allows every room but those that are for
	// tests only.
	imports []string
	// libs: libraries from outside the module may be imported, except those in
	// testLibs.
	libs bool
	// pure: same input, same output. No file, no network, no clock, no
	// randomness, no output, no context.
	pure bool
	// tests: only tests may import the room, and it may use testLibs.
	tests bool
	// mayExit: the room may end the process.
	mayExit bool
}

// rooms is the table of docs/ARCHITECTURE.md. A package that is not in it
// fails the test: give it a line here and there, and think about its arrows.
var rooms = map[string]room{
	"cmd/mbsync":    {imports: []string{"internal/cli"}, mayExit: true},
	"cmd/mdconvert": {imports: []string{"internal/cli"}, mayExit: true},

	"internal/cli": {imports: []string{"*"}, libs: true, mayExit: true},

	// Pure rooms: what is decided, never how it is done.
	"internal/mail":      {pure: true},
	"internal/imapwire":  {pure: true, imports: []string{"internal/mail"}},
	"internal/syncstate": {pure: true, imports: []string{"internal/mail"}},
	"internal/event":     {pure: true, imports: []string{"internal/mail", "internal/syncstate"}},
	"internal/plan":      {pure: true, imports: []string{"internal/mail", "internal/syncstate", "internal/event"}},

	"internal/bdbhash": {pure: true},

	// A table: what mail providers say about their servers.
	"internal/provider": {pure: true},

	"internal/config": {imports: []string{"internal/mail", "internal/event", "internal/provider"}, libs: true},
	"internal/vfs":    {libs: true},
	"internal/auth":   {imports: []string{"internal/event"}, libs: true},

	// The dialogue of --setup; what it does is done by internal/cli.
	"internal/setup": {imports: []string{"internal/config", "internal/discover", "internal/provider"}},

	"internal/discover": {imports: []string{"internal/provider"}, libs: true},
	// It asks providers, and keeps what they grant; it knows nothing of mail.
	"internal/oauth": {imports: []string{"internal/auth", "internal/event", "internal/vfs"}, libs: true},

	"internal/transport": {libs: true},
	"internal/imapclient": {
		imports: []string{"internal/mail", "internal/imapwire", "internal/auth", "internal/transport"},
		libs:    true,
	},

	"internal/memo": {imports: []string{"internal/mail", "internal/vfs"}},

	"internal/store": {imports: []string{"internal/mail"}},
	"internal/store/imap": {
		imports: []string{
			"internal/mail", "internal/store", "internal/event", "internal/imapwire", "internal/auth",
			"internal/imapclient", "internal/memo", "internal/transport",
			"internal/store/imap/listing", "internal/store/imap/session", "internal/store/imap/watching",
		},
		libs: true,
	},
	// It evaluates responses of the server, and sends no commands.
	"internal/store/imap/listing": {
		imports: []string{
			"internal/mail", "internal/store", "internal/imapwire", "internal/imapclient",
			"internal/memo",
		},
	},
	"internal/store/imap/session": {
		imports: []string{
			"internal/mail", "internal/store", "internal/imapwire", "internal/auth",
			"internal/imapclient", "internal/memo",
		},
	},
	"internal/store/imap/watching": {
		imports: []string{
			"internal/mail", "internal/store", "internal/imapwire", "internal/auth",
			"internal/imapclient", "internal/transport", "internal/store/imap/session",
		},
	},
	"internal/uidmap": {
		imports: []string{"internal/mail", "internal/bdbhash", "internal/vfs"},
		libs:    true,
	},
	"internal/store/maildir": {
		imports: []string{"internal/mail", "internal/store", "internal/event", "internal/uidmap", "internal/vfs"},
		libs:    true,
	},
	"internal/store/mem": {imports: []string{"internal/mail", "internal/store"}, tests: true},
	"internal/store/storetest": {
		imports: []string{"internal/mail", "internal/store"},
		tests:   true,
	},

	"internal/engine": {
		imports: []string{
			"internal/mail", "internal/store", "internal/syncstate",
			"internal/plan", "internal/event", "internal/vfs",
		},
		libs: true,
	},
	"internal/channel": {
		imports: []string{
			"internal/mail", "internal/config", "internal/store",
			"internal/syncstate", "internal/plan", "internal/engine", "internal/event", "internal/memo", "internal/vfs",
			"internal/imapwire", // only to recognize names of old
		},
		libs: true,
	},
	"internal/check": {
		imports: []string{
			"internal/mail", "internal/config", "internal/store", "internal/syncstate",
			"internal/engine", "internal/event", "internal/channel", "internal/vfs", "internal/provider",
		},
		libs: true,
	},
	"internal/hook": {imports: []string{"internal/event", "internal/ui"}},
	"internal/watch": {
		imports: []string{"internal/mail", "internal/event", "internal/store", "internal/channel"},
		libs:    true,
	},
	"internal/ui": {
		imports: []string{"internal/mail", "internal/event"},
		libs:    true,
	},

	"internal/vfs/vfstest": {imports: []string{"internal/vfs"}, libs: true, tests: true},

	"internal/testkit": {imports: []string{"*"}, tests: true},
	"internal/arch":    {tests: true},
	"changelog":        {mayExit: true},
	"packaging":        {mayExit: true},
	// Neither knows the inside of the program: both run the real binary.
	"demo":  {tests: true, mayExit: true},
	"bench": {imports: []string{"internal/testkit"}, tests: true, mayExit: true},
	"test":  {imports: []string{"*"}, tests: true},
}

// families are rooms of which there may be many: a package below the name
// follows the rules of the name.
var families = []string{"internal/testkit", "bench", "test"}

// testLibs are libraries for tests and the demo, by import path prefix. The
// program itself does not link them.
var testLibs = []string{
	"github.com/chromedp",
	"github.com/creack/pty",
	"github.com/emersion/go-imap",
	"github.com/emersion/go-message",
	"github.com/go-jose/go-jose",
	"github.com/google/go-cmp",
	"github.com/miekg/dns",
	"github.com/prometheus",
	"github.com/rogpeppe/go-internal",
	"github.com/santhosh-tekuri/jsonschema",
	"github.com/zitadel/oidc",
	"go.uber.org/goleak",
	"pgregory.net/rapid",
}

// impurePackages of the standard library are closed to pure rooms, with
// everything below them.
var impurePackages = []string{
	"context", "crypto/rand", "io/ioutil", "log", "math/rand", "net", "os",
	"plugin", "syscall", "testing",
}

// impureCalls are closed to pure rooms although their package is not.
var impureCalls = map[string][]string{
	"time": {
		"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep",
		"Tick", "Until",
	},
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// testingPackages of the standard library are closed to the program, with everything
// below them.
var testingPackages = []string{"net/http/httptest", "testing"}

// seams are parts of the program that only its test controls (-T) use. They are the one
// way for a test into the program, and only these rooms may mention them.
var (
	seams = map[string][]string{
		module + "/internal/engine": {"Controls", "Steps"},
	}
	seamRooms = []string{"internal/cli", "internal/channel"}
)

// testDouble matches names of types that replace another type in tests. They belong in
// packages for tests.
var testDouble = regexp.MustCompile(`(?i)^(fake|mock|stub|dummy|faulty)|(fake|mock|stub|dummy)$`)

// exits end the process, which only the rooms that say so may do: everybody
// else returns an error, so that state is closed and goroutines are waited for.
var exits = map[string][]string{
	"os":      {"Exit"},
	"log":     {"Fatal", "Fatalf", "Fatalln"},
	"syscall": {"Exit"},
}

// emptyNames say nothing about what is inside, so everything ends up there.
var emptyNames = []string{
	"base", "common", "core", "helper", "helpers", "lib", "misc", "shared",
	"stuff", "tools", "types", "util", "utils",
}
