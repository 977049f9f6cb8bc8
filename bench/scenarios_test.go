package bench

import (
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
	// bursts is how often we may wait for the server, where there is a round trip time; 0: there is no target.
	bursts int
	// place names what is there to begin with; scenarios with the same place
	// share it, in the order of the list.
	place string
	// rtts: only with these round trip times.
	rtts []int
	// rate limits the line, in bits per second.
	rate int64
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

// at reports whether the scenario is measured with a round trip time.
func (sc *scenario) at(rtt int) bool { return sc.rtts == nil || slices.Contains(sc.rtts, rtt) }

// The sizes of the mailboxes.
const (
	pullMessages  = 10_000
	bigMessages   = 100_000
	boxCount      = 200
	boxMessages   = 100
	pushMessages  = 2_000
	flagChanges   = 1_000
	turnover      = 100
	newInBoxes    = 50 // mailboxes that get a message
	lineMessages  = 1_000
	cyrusMessages = 10_000
	cyrusBoxed    = 10 // messages in each mailbox
)

// others are the peers that are only compared where they shine.
var others = []string{"interimap", "offlineimap"}

var scenarios = []scenario{
	{
		id: "S1", title: "first pull, 10,000 messages, COMPRESS offered", place: "pull-compress",
		targets: map[int]float64{0: 0.17, 50: 0.17}, without: others,
		check: hasAll(pullMessages),
	},
	{
		id: "S1p", title: "first pull, 10,000 messages", place: "pull",
		targets: map[int]float64{0: 0.75, 50: 0.6}, without: []string{"interimap"},
		check: hasAll(pullMessages),
	},
	{
		id: "S1d", title: "first pull onto a disk, FSync", place: "pull-disk", rtts: []int{0}, without: others,
		check: hasAll(pullMessages),
	},
	{
		id: "S1t", title: "first pull, 10,000 messages, TLS", place: "pull-tls", without: others,
		check: hasAll(pullMessages),
	},
	{
		id: "S1k", title: "first pull, 100,000 messages of 1 kB", place: "pull-small", rtts: []int{0},
		targets: map[int]float64{0: 0.3}, without: others,
		check: hasAll(bigMessages),
	},
	{
		id: "S2", title: "nothing changed, one mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 1. / 6, 50: 0.2}, bursts: 2, without: []string{"offlineimap"},
		check: hasAll(bigMessages),
	},
	{
		id: "S5", title: "1,000 flags changed remotely, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 0.33, 50: 0.25}, without: []string{"offlineimap"},
		change: flagFar,
		check:  hasFlags('F'),
	},
	{
		id: "S5l", title: "1,000 flags changed locally, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 0.3, 50: 0.25}, without: []string{"offlineimap"},
		change: answerNear, check: hasAnswered,
	},
	{
		id: "S6", title: "100 expunged and 100 new remotely, mailbox of 100,000", place: "big",
		targets: map[int]float64{0: 0.33, 50: 0.33}, bursts: 4, without: []string{"offlineimap"},
		change: turnOver,
		check:  hasAll(bigMessages),
	},
	{
		id: "S2b", title: "as S2, without Patterns", place: "big-literal", without: others,
		targets: map[int]float64{0: 1. / 6, 50: 1. / 4},
		check:   hasAll(bigMessages),
	},
	{
		id: "S5b", title: "as S5, without Patterns", place: "big-literal", without: others,
		targets: map[int]float64{0: 1. / 3, 50: 1. / 3},
		change:  flagFar, check: hasFlags('F'),
	},
	{
		id: "S6b", title: "as S6, without Patterns", place: "big-literal", without: others,
		targets: map[int]float64{0: 1 / 2.5, 50: 1. / 3},
		change:  turnOver, check: hasAll(bigMessages),
	},
	{
		id: "S2t", title: "as S2, TLS", place: "big-tls", without: others,
		check: hasAll(bigMessages),
	},
	{
		id: "S6t", title: "as S6, TLS", place: "big-tls", without: others,
		change: turnOver, check: hasAll(bigMessages),
	},
	{
		id: "S3", title: "nothing changed, 200 mailboxes of 100", place: "boxes",
		targets: map[int]float64{0: 0.15, 50: 0.005}, bursts: 2, without: []string{"offlineimap"},
		check: hasBoxes(boxCount),
	},
	{
		id: "S3c", title: "as S3, our caches are lost", place: "boxes",
		targets: map[int]float64{50: 0.04}, bursts: 12, without: others,
		change: forget, check: hasBoxes(boxCount),
	},
	{
		id: "S8", title: "200 mailboxes, one new message in each of 50", place: "boxes",
		targets: map[int]float64{50: 0.03}, without: others,
		change: deliver, check: delivered,
	},
	{
		id: "S3t", title: "as S3, TLS", place: "boxes-tls", without: others,
		check: hasBoxes(boxCount),
	},
	{
		id: "S7", title: "as S3, no CONDSTORE, LIST-STATUS, QRESYNC, COMPRESS", place: "boxes-bare",
		targets: map[int]float64{50: 0.04}, without: others,
		check: hasBoxes(boxCount),
	},
	{
		id: "S9", title: "as S2, no CONDSTORE, LIST-STATUS, QRESYNC, COMPRESS", place: "big-bare", without: others,
		check: hasAll(bigMessages),
	},
	{
		id: "L9", title: "as S9, 8 Mbit/s", place: "big-bare", rtts: []int{50}, rate: 8_000_000, without: others,
		check: hasAll(bigMessages),
	},
	{
		id: "S4", title: "push 2,000 messages, 50 MB", place: "push",
		targets: map[int]float64{0: 0.25, 50: 0.12}, without: []string{"offlineimap"},
		check: pushed(pushMessages),
	},
	{
		id: "L8", title: "first pull, 1,000 messages, 24 MB, 8 Mbit/s, COMPRESS offered", place: "line-compress",
		targets: map[int]float64{50: 1}, rtts: []int{50}, rate: 8_000_000, without: others,
		check: hasAll(lineMessages),
	},
	{
		id: "L8p", title: "as L8, COMPRESS not offered", place: "line", rtts: []int{50}, rate: 8_000_000, without: others,
		check: hasAll(lineMessages),
	},
	{
		id: "L50", title: "as L8, 50 Mbit/s", place: "line-compress", rtts: []int{50}, rate: 50_000_000, without: others,
		targets: map[int]float64{50: 1},
		check:   hasAll(lineMessages),
	},
	{
		id: "L50p", title: "as L50, COMPRESS not offered", place: "line", rtts: []int{50}, rate: 50_000_000, without: others,
		check: hasAll(lineMessages),
	},
	{
		id: "C1", title: "Cyrus 3.10: first pull, 1,000 messages, 24 MB", place: "cyrus-pull", without: others,
		check: hasAll(lineMessages),
	},
	{
		id: "C2", title: "Cyrus 3.10: nothing changed, one mailbox of 10,000", place: "cyrus", without: others,
		check: hasAll(cyrusMessages),
	},
	{
		id: "C5", title: "Cyrus 3.10: 1,000 flags changed remotely, mailbox of 10,000", place: "cyrus", without: others,
		change: flagFar, check: hasFlags('F'),
	},
	{
		id: "C6", title: "Cyrus 3.10: 100 expunged and 100 new remotely, mailbox of 10,000", place: "cyrus", without: others,
		change: turnOver, check: hasAll(cyrusMessages),
	},
	{
		id: "C3", title: "Cyrus 3.10: nothing changed, 200 mailboxes of 10", place: "cyrus-boxes", without: others,
		check: hasBoxes(boxCount),
	},
	{
		id: "C4", title: "Cyrus 3.10: push 1,000 messages, 24 MB", place: "cyrus-push", without: others,
		check: pushed(lineMessages),
	},
}

// place is what scenarios find. The sites of the programs are made when they
// are first needed.
type place struct {
	// fresh: each run has a site of its own, on which nothing was synchronized.
	fresh bool
	// boxes: the mail is in mailboxes below list, else in the inbox.
	boxes bool
	// literal: the channel names one mailbox; else it has Patterns *.
	literal bool
	tls     bool
	disk    bool
	fsync   bool
	// server names the server of serverFor.
	server string
	// like names a place whose mail this one has.
	like string
	// model makes the account that is copied for each site.
	model func(tb testing.TB, s *server, user string)
	// near makes what is on the near side, if anything.
	near func(tb testing.TB, dir string)
	// shared: all use the account of the model, which is only read.
	shared bool
	// remoteEmpty: the account is empty, and the model is that of the replica.
	remoteEmpty bool
	// first names the scenario of the first run, which is measured; "": it is not.
	first, firstTitle string
	// messages is how many there are in the inbox.
	messages int
	// twin makes a Maildir that is the far side instead of an account.
	twin func(tb testing.TB, dir string)
}

var places = map[string]place{
	"pull":          {fresh: true, shared: true, model: seeded(pullMessages, mixed)},
	"pull-compress": {fresh: true, shared: true, server: "compress", like: "pull"},
	"pull-disk":     {fresh: true, shared: true, disk: true, fsync: true, like: "pull"},
	"pull-tls":      {fresh: true, shared: true, tls: true, like: "pull"},
	"pull-small":    {fresh: true, shared: true, model: seeded(bigMessages, kilobyte)},
	"line":          {fresh: true, shared: true, model: seeded(lineMessages, mixed)},
	"line-compress": {fresh: true, shared: true, server: "compress", like: "line"},
	"big":           {messages: bigMessages, model: seeded(bigMessages, small)},
	"big-literal":   {messages: bigMessages, literal: true, like: "big"},
	"big-bare":      {messages: bigMessages, server: "bare", like: "big"},
	"big-tls":       {messages: bigMessages, tls: true, like: "big"},
	"boxes":         {boxes: true, model: boxed(boxCount, boxMessages)},
	"boxes-tls":     {boxes: true, tls: true, like: "boxes"},
	"boxes-bare":    {boxes: true, server: "bare", like: "boxes"},
	"push":          pushing(pushMessages, ""),
	"cyrus-pull":    {fresh: true, shared: true, server: "cyrus", model: seeded(lineMessages, mixed)},
	"cyrus":         {messages: cyrusMessages, server: "cyrus", model: seeded(cyrusMessages, small)},
	"cyrus-boxes":   {boxes: true, shared: true, server: "cyrus", model: boxed(boxCount, cyrusBoxed)},
	"cyrus-push":    pushing(lineMessages, "cyrus"),
}

// pushing is a place with n messages in the Maildir only.
func pushing(n int, server string) place {
	return place{
		fresh: true, remoteEmpty: true, server: server, model: seeded(n, mixed),
		near: func(tb testing.TB, dir string) { seedMaildir(tb, dir, n, mixed) },
	}
}

func boxed(boxes, each int) func(testing.TB, *server, string) {
	return func(tb testing.TB, s *server, user string) { s.seedBoxes(tb, user, boxes, each) }
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
		got := 0
		for _, e := range entries { // some servers have a mailbox list as well
			if strings.HasPrefix(e.Name(), "box") {
				got++
			}
		}
		if got != n {
			tb.Fatalf("%s: near side has %d mailboxes, want %d", p.name, got, n)
		}
	}
}

// pushed checks that the far side has so many messages.
func pushed(want int) func(testing.TB, peer, *site) {
	return func(tb testing.TB, p peer, s *site) {
		tb.Helper()
		if n := s.search(tb, s.user, "ALL"); n != want {
			tb.Fatalf("%s: far side has %d messages, want %d", p.name, n, want)
		}
	}
}
