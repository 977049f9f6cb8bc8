//go:build linux

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"isync/internal/testkit"
)

// burstCase is a run that has something to do.
type burstCase struct {
	name   string
	change func(w *homeWorld, round int)
	// bursts, with the greeting and LOGOUT, and lines that are sent, literals included.
	bursts int
	lines  int64
	// commands that there must be, by their names, with UID.
	commands map[string]int
}

// burstMessages is how many messages there are to begin with.
const burstMessages = 60

// burstCases begin after each other with what the one before has left.
func burstCases() []burstCase {
	return []burstCase{
		{
			name: "flags are changed on the server", bursts: 3, lines: 8,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 0, "UID STORE": 0},
			change: func(w *homeWorld, round int) {
				w.flagFar(round%2 == 0, imap.FlagFlagged, 20)
			},
		},
		{
			name: "flags are changed in the Maildir", bursts: 4, lines: 9,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 0, "UID STORE": 1},
			change: func(w *homeWorld, round int) {
				for _, f := range w.near("INBOX")[:20] {
					w.mark(f, []string{"R", "RS"}[round%2])
				}
			},
		},
		{
			name: "messages are new on the server", bursts: 4, lines: 9,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 1, "UID STORE": 0},
			change: func(w *homeWorld, round int) {
				w.seedFar(1000+100*round, 20)
			},
		},
		{
			name: "messages are gone and new on the server", bursts: 4, lines: 9,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 1, "UID EXPUNGE": 0, "EXPUNGE": 0},
			change: func(w *homeWorld, round int) {
				w.flagFar(true, imap.FlagDeleted, 10)
				w.seedFar(2000+100*round, 10)
			},
		},
		{
			name: "messages are gone in the Maildir", bursts: 5, lines: 10,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 0, "UID STORE": 1, "UID EXPUNGE": 1},
			change: func(w *homeWorld, _ int) {
				for _, f := range w.near("INBOX")[:5] {
					w.remove(f)
				}
			},
		},
		{
			name: "messages are new in the Maildir", bursts: 4, lines: 5000,
			commands: map[string]int{"SELECT": 1, "UID FETCH": 0, "APPEND": 1},
			change: func(w *homeWorld, round int) {
				for i := range 20 {
					w.deliver("INBOX", note(3000+100*round+i, 300))
				}
			},
		},
	}
}

// seedFar puts messages into the inbox on the server.
func (w *homeWorld) seedFar(first, n int) {
	w.tb.Helper()
	var mails []testkit.Mail
	for i := range n {
		mails = append(mails, testkit.Mail{Body: note(first+i, 300).crlf()})
	}
	w.at.At().Seed(w.tb, w.user, "INBOX", mails...)
}

// flagFar sets or removes a flag of the first n messages on the server. Those that are
// marked as deleted are expunged.
func (w *homeWorld) flagFar(set bool, flag imap.Flag, n uint32) {
	w.tb.Helper()
	c := w.at.Client(w.tb, w.user)
	op := imap.StoreFlagsDel
	if set {
		op = imap.StoreFlagsAdd
	}
	_, err := c.Select("INBOX", nil).Wait()
	if err == nil {
		err = c.Store(imap.SeqSet{{Start: 1, Stop: n}}, &imap.StoreFlags{Op: op, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
	}
	if err == nil && flag == imap.FlagDeleted {
		err = c.Expunge().Close()
	}
	if err == nil {
		err = c.Logout().Wait()
	}
	if err != nil {
		w.tb.Fatal(err)
	}
}

// TestBursts: a run waits for the server no more often, and asks no more, than what it has
// to do takes.
func TestBursts(t *testing.T) {
	c := oneBurst{rest: "\nChannel c\nFar :far:\nNear :near:\nCreate Near\nExpunge Both\nPatterns *\n", boxes: []string{"INBOX"}}
	w := c.world(t)
	w.seedFar(1, burstMessages)
	relay := testkit.StartRelay(t, w.at.At().Addr(), 0)
	w.configure(c.config(w, relay.Port()))
	for range 3 {
		w.run(ours(), "-a")
		time.Sleep(150 * time.Millisecond) // what has changed just now is looked at once more
	}
	relay.Take()
	relay.SetRTT(100 * time.Millisecond)
	for _, b := range burstCases() {
		t.Run(b.name, func(t *testing.T) {
			var problems []string
			for round := range 4 { // a busy machine may make the program look as if it waited
				b.change(w, round)
				time.Sleep(50 * time.Millisecond)
				w.server.ForgetCommands(t)
				if r := w.run(ours(), "-a"); r.code != 0 {
					t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
				}
				if problems = b.check(relay.Take(), w.server.Commands(t, w.user)); problems == nil {
					return
				}
			}
			t.Error(strings.Join(problems, "\n"))
		})
	}
}

// check returns what is not as it should be.
func (b *burstCase) check(got testkit.Traffic, commands []string) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if got.Bursts > b.bursts {
		complain("%d bursts, want %d", got.Bursts, b.bursts)
	}
	if got.Lines > b.lines {
		complain("%d lines are sent, want %d", got.Lines, b.lines)
	}
	if got.Connections != 1 {
		complain("%d connections, want 1", got.Connections)
	}
	for name, want := range b.commands {
		n := 0
		for _, c := range commands {
			if strings.HasPrefix(c, name+" ") || c == name {
				n++
			}
		}
		if n != want {
			complain("%d commands %s, want %d", n, name, want)
		}
	}
	if problems != nil {
		complain("%q", slices.Clone(commands))
	}
	return problems
}
