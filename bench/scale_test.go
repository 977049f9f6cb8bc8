package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The sizes of what is large.
const (
	hugeMessages = 1_000_000
	manyBoxes    = 10_000
	manyMessages = 3 // in each of them
	largeMessage = 100 << 20
)

func init() {
	for i, n := range []int{10_000, bigMessages, hugeMessages} {
		addGrowth(fmt.Sprintf("G%d", 4+i), n)
	}
	addTwin()
	addMany()
	addLargeMessage()
}

// addGrowth adds what is measured with n messages in one mailbox.
func addGrowth(id string, n int) {
	places[id] = place{
		server: "large", messages: n, model: seeded(n, small),
		first: id + "p", firstTitle: fmt.Sprintf("first pull, one mailbox of %d", n),
	}
	add := func(suffix, title string, change func(testing.TB, peer, *site)) {
		scenarios = append(scenarios, scenario{
			id: id + suffix, title: fmt.Sprintf("%s, one mailbox of %d", title, n), place: id, scale: true,
			without: []string{"interimap", "offlineimap"}, change: change, check: hasAll(n),
		})
	}
	add("", "nothing changed", nil)
	add("l", "nothing changed, near side is listed all the same", touchNear)
	add("c", "nothing changed, and nothing remembered", forget)
	if n < hugeMessages {
		return
	}
	add("r", "1,000 flags changed remotely", flagFar)
	add("f", "1,000 flags changed locally", answerNear)
	add("t", "100 expunged and 100 new remotely", turnOver)
	scenarios = append(scenarios, scenario{
		id: id + "n", title: "nothing changed, the server numbers no changes", place: id, scale: true,
		without: []string{"interimap", "offlineimap"}, account: "DisableExtensions QRESYNC CONDSTORE\n", check: hasAll(n),
	})
}

// addTwin adds what is measured with two Maildirs of many messages.
func addTwin() {
	places["twin"] = place{
		server: "large", messages: hugeMessages, first: "Tp", firstTitle: "first pull, Maildir of 1,000,000",
		twin: func(tb testing.TB, dir string) { seedMaildir(tb, dir, hugeMessages, small) },
	}
	for _, s := range []scenario{
		{id: "T", title: "nothing changed, two Maildirs of 1,000,000"},
		{id: "Tl", title: "nothing changed, near side is listed all the same, two Maildirs of 1,000,000", change: touchNear},
		{id: "Tc", title: "nothing changed, and nothing remembered, two Maildirs of 1,000,000", change: forget},
	} {
		s.place, s.scale, s.without, s.check = "twin", true, []string{"interimap", "offlineimap"}, hasAll(hugeMessages)
		scenarios = append(scenarios, s)
	}
}

// addMany adds what is measured with many mailboxes. The peers would take an
// hour.
func addMany() {
	places["many"] = place{
		boxes: true, first: "Mp", firstTitle: "first pull, 10,000 mailboxes",
		model: func(tb testing.TB, s *server, user string) { s.seedBoxes(tb, user, manyBoxes, manyMessages) },
	}
	places["many twins"] = place{
		boxes: true, first: "Dp", firstTitle: "first pull, 10,000 Maildirs",
		twin: func(tb testing.TB, inbox string) {
			for i := range manyBoxes {
				seedMaildir(tb, filepath.Join(filepath.Dir(inbox), "list", fmt.Sprintf("box%d", i)), manyMessages, small)
			}
		},
	}
	for _, s := range []scenario{
		{id: "M", title: "nothing changed, 10,000 mailboxes", place: "many"},
		{id: "Ms", title: "nothing changed, 10,000 mailboxes, no LIST-STATUS", place: "many", account: "DisableExtensions LIST-STATUS\n"},
		{id: "Mc", title: "nothing changed, and nothing remembered, 10,000 mailboxes", place: "many", change: forget},
		{id: "D", title: "nothing changed, 10,000 Maildirs on both sides", place: "many twins"},
		{id: "Dc", title: "nothing changed, and nothing remembered, 10,000 Maildirs on both sides", place: "many twins", change: forget},
	} {
		s.scale, s.calls, s.without, s.check = true, true, []string{"mbsync", "interimap", "offlineimap"}, hasBoxes(manyBoxes)
		scenarios = append(scenarios, s)
	}
}

// addLargeMessage adds what is measured with a single message of 100 MB.
func addLargeMessage() {
	one := func(int) int { return largeMessage }
	places["one down"] = place{fresh: true, shared: true, server: "large", model: seeded(1, one)}
	places["one up"] = place{
		fresh: true, remoteEmpty: true, server: "large",
		near: func(tb testing.TB, dir string) { seedMaildir(tb, dir, 1, one) },
	}
	without := []string{"interimap", "offlineimap"}
	scenarios = append(
		scenarios,
		scenario{id: "Bp", title: "first pull, one message of 100 MB", place: "one down", scale: true, without: without, check: hasAll(1)},
		scenario{id: "Bu", title: "push one message of 100 MB", place: "one up", scale: true, without: without, check: func(tb testing.TB, _ peer, s *site) {
			if n := s.search(tb, s.user, "LARGER 100000000"); n != 1 {
				tb.Fatalf("the server has %d large messages", n)
			}
		}},
	)
}

// forget removes what a program remembers for the sake of speed only.
func forget(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	if err := os.RemoveAll(filepath.Join(s.home, "cache")); err != nil {
		tb.Fatal(err)
	}
}

// touchNear makes the Maildir look as if something had happened to it.
func touchNear(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	name := filepath.Join(s.near(), "cur", ".touched")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		tb.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // mbsync waits for the end of the second
}

// TestScenarios: each can be named, and finds its place.
func TestScenarios(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenarios {
		if seen[s.id] {
			t.Errorf("there are two scenarios %s", s.id)
		}
		seen[s.id] = true
		p, ok := places[s.place]
		switch {
		case !ok:
			t.Errorf("%s: there is no place %q", s.id, s.place)
		case s.check == nil:
			t.Errorf("%s checks nothing", s.id)
		case seen[p.first]:
			t.Errorf("%s is the name of a first run, too", p.first)
		}
	}
}
