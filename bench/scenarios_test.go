package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scenario is something to be measured.
type scenario struct {
	id, title string
	// targets: our time over that of mbsync, by round trip time in milliseconds.
	targets map[int]float64
	// place names what is there to begin with; scenarios with the same place
	// share it, in the order of the list.
	place string
	// peers that are left out.
	without []string
	// scale: it takes long, and is measured only if it is named, or all of its
	// kind are.
	scale bool
	// account are further lines for the account in our configuration.
	account string
	// calls: the calls of the system are counted in one more run.
	calls bool
	// change is what happens before each run, check what must be so after it.
	change, check func(tb testing.TB, p peer, s *site)
}

// The sizes of the mailboxes.
const (
	pullMessages = 10_000
	bigMessages  = 100_000
	boxCount     = 200
	boxMessages  = 100
	pushMessages = 2_000
	flagChanges  = 1_000
	turnover     = 100
)

var scenarios = []scenario{
	{
		id: "S1", title: "first pull, 10,000 messages, COMPRESS offered", place: "pull-compress",
		targets: map[int]float64{0: 1. / 6}, without: []string{"interimap", "offlineimap"},
		check: hasAll(pullMessages),
	},
	{
		id: "S1p", title: "first pull, 10,000 messages", place: "pull",
		targets: map[int]float64{0: 0.8, 50: 0.6}, without: []string{"interimap"},
		check: hasAll(pullMessages),
	},
	{
		id: "S1d", title: "first pull onto a disk, FSync", place: "pull-disk",
		without: []string{"interimap", "offlineimap"},
		check:   hasAll(pullMessages),
	},
	{
		id: "S2", title: "nothing changed, one mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 1. / 6, 50: 1. / 4}, without: []string{"offlineimap"},
		check: hasAll(bigMessages),
	},
	{
		id: "S3", title: "nothing changed, 200 mailboxes of 100", place: "boxes",
		targets: map[int]float64{0: 1. / 5, 50: 1. / 90}, without: []string{"offlineimap"},
		check: hasBoxes(boxCount),
	},
	{
		id: "S4", title: "push 2,000 messages, 50 MB", place: "push",
		targets: map[int]float64{0: 1 / 2.5, 50: 1. / 6}, without: []string{"offlineimap"},
		check: pushed,
	},
	{
		id: "S5", title: "1,000 flags changed remotely, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 1. / 3, 50: 1. / 3}, without: []string{"offlineimap"},
		change: flagFar,
		check:  hasFlags('F'),
	},
	{
		id: "S5l", title: "1,000 flags changed locally, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 1 / 2.5, 50: 1 / 2.5}, without: []string{"offlineimap"},
		change: answerNear, check: hasAnswered,
	},
	{
		id: "S6", title: "100 expunged and 100 new remotely, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 1 / 2.5, 50: 1. / 3}, without: []string{"offlineimap"},
		change: turnOver,
		check:  hasAll(bigMessages),
	},
}

// place is what scenarios find. The sites of the programs are made when they
// are first needed.
type place struct {
	// fresh: each run has a site of its own, on which nothing was synchronized.
	fresh bool
	all   bool
	disk  bool
	fsync bool
	// model makes the account that is copied for each site.
	compress bool
	model    func(tb testing.TB, s *server, user string)
	// models makes what is on the near side, if anything.
	near func(tb testing.TB, dir string)
	// shared: all use the account of the model, which is only read.
	shared bool
	// remoteEmpty: the account is empty, and the model is that of the replica.
	remoteEmpty bool
	// large: the account is on the server for many messages.
	large bool
	// first names the scenario of the first run, which is measured; "": it is not.
	first, firstTitle string
	// messages is how many there are in the inbox.
	messages int
	// twin makes a Maildir that is the far side instead of an account.
	twin func(tb testing.TB, dir string)
}

var places = map[string]place{
	"pull":          {fresh: true, shared: true, model: seeded(pullMessages, mixed)},
	"pull-compress": {fresh: true, shared: true, compress: true, model: seeded(pullMessages, mixed)},
	"pull-disk":     {fresh: true, shared: true, disk: true, fsync: true, model: seeded(pullMessages, mixed)},
	"big":           {messages: bigMessages, model: seeded(bigMessages, small)},
	"boxes":         {all: true, model: func(tb testing.TB, s *server, user string) { s.seedBoxes(tb, user, boxCount, boxMessages) }},
	"push": {
		fresh: true, remoteEmpty: true, model: seeded(pushMessages, mixed),
		near: func(tb testing.TB, dir string) { seedMaildir(tb, dir, pushMessages, mixed) },
	},
}

func seeded(n int, size func(int) int) func(testing.TB, *server, string) {
	return func(tb testing.TB, s *server, user string) { s.seedBox(tb, user, "INBOX", n, size) }
}

// hasAll checks that the near side has so many messages.
func hasAll(n int) func(testing.TB, peer, *site) {
	return func(tb testing.TB, p peer, s *site) {
		tb.Helper()
		var got int
		if p.maildir {
			got, _ = files(tb, s.near(), 0)
		} else {
			got = s.search(tb, s.replica, "ALL")
		}
		if got != n {
			tb.Fatalf("%s: near side has %d messages, want %d", p.name, got, n)
		}
	}
}

// hasFlags checks that the near side has the flags that were changed.
func hasFlags(flag byte) func(testing.TB, peer, *site) {
	return func(tb testing.TB, p peer, s *site) {
		tb.Helper()
		var want, got int
		if s.toggled[flag] {
			want = flagChanges
		}
		if p.maildir {
			_, got = files(tb, s.near(), flag)
		} else {
			got = s.search(tb, s.replica, "FLAGGED")
		}
		if got != want {
			tb.Fatalf("%s: %d messages have flag %c on the near side, want %d", p.name, got, flag, want)
		}
	}
}

// hasBoxes checks that the near side has so many mailboxes.
func hasBoxes(n int) func(testing.TB, peer, *site) {
	return func(tb testing.TB, p peer, s *site) {
		tb.Helper()
		if !p.maildir {
			return
		}
		entries, err := os.ReadDir(filepath.Join(s.home, "mail", "list"))
		if err != nil {
			tb.Fatal(err)
		}
		if len(entries) != n {
			tb.Fatalf("%s: near side has %d mailboxes, want %d", p.name, len(entries), n)
		}
	}
}

func pushed(tb testing.TB, p peer, s *site) {
	tb.Helper()
	if n := s.search(tb, s.user, "ALL"); n != pushMessages {
		tb.Fatalf("%s: far side has %d messages, want %d", p.name, n, pushMessages)
	}
}

// spread is a set of UIDs or sequence numbers: so many of all there are.
func spread(all, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", 1+i*(all/n))
	}
	return b.String()[1:]
}

// flagFar changes the flags of some messages on the server.
func flagFar(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	s.toggleFar(tb, s.user, 'F', `\Flagged`)
}

// answerNear changes the flags of some messages on the near side.
func answerNear(tb testing.TB, p peer, s *site) {
	tb.Helper()
	if p.maildir {
		s.toggleNear(tb, 'R')
	} else {
		s.toggleFar(tb, s.replica, 'R', `\Answered`)
	}
}

// hasAnswered checks that the server has the flags that were changed.
func hasAnswered(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	want := 0
	if s.toggled['R'] {
		want = flagChanges
	}
	if n := s.search(tb, s.user, "ANSWERED"); n != want {
		tb.Fatalf("%d messages are answered on the server, want %d", n, want)
	}
}

// toggleFar sets or clears a flag of some messages on the server.
func (s *site) toggleFar(tb testing.TB, user string, flag byte, name string) {
	tb.Helper()
	sign := "+"
	if s.toggled[flag] {
		sign = "-"
	}
	s.toggled[flag] = !s.toggled[flag]
	p := newPump(tb, s.server.Addr(), user)
	defer p.close()
	p.do(tb, "SELECT INBOX")
	p.do(tb, fmt.Sprintf("STORE %s %sFLAGS.SILENT (%s)", spread(s.messages, flagChanges), sign, name))
}

// toggleNear sets or clears a flag of some messages in the Maildir.
func (s *site) toggleNear(tb testing.TB, flag byte) {
	tb.Helper()
	set := !s.toggled[flag]
	s.toggled[flag] = set
	cur := filepath.Join(s.near(), "cur")
	entries, err := os.ReadDir(cur)
	if err != nil {
		tb.Fatal(err)
	}
	left := flagChanges
	for _, e := range entries {
		name, info, _ := strings.Cut(e.Name(), ":2,")
		has := strings.IndexByte(info, flag) >= 0
		if has == set || left == 0 {
			continue
		}
		left--
		flags := []byte(info)
		if set {
			flags = append(flags, flag)
			slices.Sort(flags)
		} else {
			flags = slices.DeleteFunc(flags, func(c byte) bool { return c == flag })
		}
		if err := os.Rename(filepath.Join(cur, e.Name()), filepath.Join(cur, name+":2,"+string(flags))); err != nil {
			tb.Fatal(err)
		}
	}
	if left != 0 {
		tb.Fatalf("only %d files could be changed in %s", flagChanges-left, cur)
	}
}

// turnOver replaces some messages on the server by new ones.
func turnOver(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	p := newPump(tb, s.server.Addr(), s.user)
	defer p.close()
	p.do(tb, "SELECT INBOX")
	p.do(tb, fmt.Sprintf(`STORE %s +FLAGS.SILENT (\Deleted)`, spread(s.messages, turnover)))
	p.do(tb, "EXPUNGE")
	p.appendAll(tb, "INBOX", s.messages, turnover, small)
}

// search counts messages on the server.
func (s *site) search(tb testing.TB, user, criteria string) int {
	tb.Helper()
	p := newPump(tb, s.server.Addr(), user)
	defer p.close()
	p.do(tb, "SELECT INBOX")
	return p.count(tb, "SEARCH RETURN (COUNT) "+criteria)
}
