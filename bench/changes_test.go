package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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
	p.do(tb, fmt.Sprintf("STORE %s %sFLAGS.SILENT (%s)", spread(s.place.messages, flagChanges), sign, name))
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
	p.do(tb, fmt.Sprintf(`STORE %s +FLAGS.SILENT (\Deleted)`, spread(s.place.messages, turnover)))
	p.do(tb, "EXPUNGE")
	p.appendAll(tb, "INBOX", s.place.messages, turnover, small)
}

// search counts messages on the server.
func (s *site) search(tb testing.TB, user, criteria string) int {
	tb.Helper()
	p := newPump(tb, s.server.Addr(), user)
	defer p.close()
	p.do(tb, "SELECT INBOX")
	return p.count(tb, "SEARCH RETURN (COUNT) "+criteria)
}

// deliver puts a new message into each of some mailboxes.
func deliver(tb testing.TB, _ peer, s *site) {
	tb.Helper()
	p := newPump(tb, s.server.Addr(), s.user)
	defer p.close()
	for i := range newInBoxes {
		p.appendAll(tb, deliveredTo(i), boxMessages+s.deliveries, 1, small)
	}
	s.deliveries++
}

// deliveredTo is the mailbox that gets message i of those that deliver stores.
func deliveredTo(i int) string { return fmt.Sprintf("list/box%d", i*(boxCount/newInBoxes)) }

// delivered checks that the near side has what deliver has stored.
func delivered(tb testing.TB, p peer, s *site) {
	tb.Helper()
	for i := range newInBoxes {
		n, _ := files(tb, filepath.Join(filepath.Dir(s.near()), deliveredTo(i)), 0)
		if want := boxMessages + s.deliveries; n != want {
			tb.Fatalf("%s: mailbox %s has %d messages on the near side, want %d", p.name, deliveredTo(i), n, want)
		}
	}
}
