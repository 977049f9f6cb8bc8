package arch

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
	"internal/plan":      {pure: true, imports: []string{"internal/mail", "internal/syncstate"}},

	"internal/bdbhash": {pure: true},

	"internal/config": {imports: []string{"internal/mail"}, libs: true},
	"internal/vfs":    {libs: true},
	"internal/auth":   {libs: true},

	"internal/transport": {libs: true},
	"internal/imapclient": {
		imports: []string{"internal/mail", "internal/imapwire", "internal/auth", "internal/transport"},
		libs:    true,
	},

	"internal/listcache": {imports: []string{"internal/mail", "internal/vfs"}},

	"internal/store": {imports: []string{"internal/mail"}},
	"internal/store/imap": {
		imports: []string{
			"internal/mail", "internal/store", "internal/imapwire",
			"internal/imapclient", "internal/listcache", "internal/transport",
		},
		libs: true,
	},
	"internal/uidmap": {
		imports: []string{"internal/mail", "internal/bdbhash", "internal/vfs"},
		libs:    true,
	},
	"internal/store/maildir": {
		imports: []string{"internal/mail", "internal/store", "internal/uidmap", "internal/vfs"},
		libs:    true,
	},
	"internal/store/mem": {imports: []string{"internal/mail", "internal/store"}},
	"internal/store/storetest": {
		imports: []string{"internal/mail", "internal/store"},
		tests:   true,
	},

	"internal/engine": {
		imports: []string{
			"internal/mail", "internal/store", "internal/syncstate",
			"internal/plan", "internal/vfs",
		},
		libs: true,
	},
	"internal/channel": {
		imports: []string{
			"internal/mail", "internal/config", "internal/store",
			"internal/syncstate", "internal/plan", "internal/engine", "internal/vfs",
			"internal/imapwire", // only to recognize names of old
		},
		libs: true,
	},
	"internal/check": {
		imports: []string{
			"internal/mail", "internal/config", "internal/store",
			"internal/engine", "internal/channel", "internal/vfs",
		},
		libs: true,
	},
	"internal/watch": {
		imports: []string{"internal/mail", "internal/store", "internal/channel"},
		libs:    true,
	},
	"internal/ui": {
		imports: []string{"internal/mail", "internal/engine"},
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
	"github.com/creack/pty",
	"github.com/emersion/go-imap",
	"github.com/emersion/go-message",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
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
