//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// A crowd is 24 runs that begin at about the same time. They run different channels, which
// have the same mailboxes and share their states, and do not do the same with them: some pull only,
// or push only, or synchronize flags only. One channel has a Maildir store and states of its own.

const (
	crowdRuns   = 3 * stressRuns
	crowdRounds = 20
	// stressLimit is how long rounds in the same directories go on.
	stressLimit = 100 * time.Second
)

// runs is how many runs meet.
func (s stress) runs() int {
	if s.crowd {
		return crowdRuns
	}
	return stressRuns
}

// says is what runs say of channels that overlap.
func (s stress) says() []string {
	if s.kills {
		// A run that was killed may not have recorded that it has changed flags.
		return []string{"conflicting changes: "}
	}
	if s.crowd {
		return []string{"the channels synchronize it one after the other"}
	}
	return nil
}

func crowds() []stress {
	oneC := func(a, b program) bool { return !isOurs(a) && !isOurs(b) }
	return []stress{
		{name: "crowd of ours", crowd: true},
		{name: "crowd of ours, CONDSTORE", crowd: true, capability: noQResync},
		{name: "crowd of ours, plain", crowd: true, capability: noneAtAll},
		{name: "crowd with 1.5.1, one C at a time", crowd: true, others: crowdRuns / 2, other: theirs15, lenient: true, apart: oneC},
		{name: "crowd with 1.5.1", crowd: true, others: crowdRuns / 2, other: theirs15, lenient: true},
		{name: "crowd of C 1.5.1 alone", crowd: true, others: crowdRuns, other: theirs15, lenient: true, control: true},
	}
}

// TestCrowd is a small part of TestSweepCrowd.
func TestCrowd(t *testing.T) {
	t.Parallel()
	crowds()[0].try(t, 1)
}

// TestSweepCrowd lets crowds meet, in all ways in turns, for as long as ISYNC_SWEEP says.
func TestSweepCrowd(t *testing.T) {
	d := sweep(t)
	sums := make([]tally, len(crowds()))
	for begin, n := time.Now(), 0; n == 0 || time.Since(begin) < d && !t.Failed(); n++ {
		for i, s := range crowds() {
			t.Run(fmt.Sprintf("%s/%d", s.name, n+1), func(t *testing.T) { sums[i].add(s.try(t, crowdRounds)) })
		}
	}
	var all tally
	for i, s := range crowds() {
		t.Logf("%s: %s", s.name, sums[i])
		all.add(sums[i])
	}
	t.Logf("%d rounds of %d runs at a time", all.rounds, crowdRuns)
}

// overlapping returns the other channels.
func (a *arena) overlapping() string {
	out := "MaildirStore near2\nInbox " + a.path("inbox2") + "\nPath " + a.path("near2") + "/\nSubFolders Verbatim\n\n"
	for _, c := range []string{
		"inbox\nFar :far:INBOX\nNear :near:INBOX\nCreate Both\nExpunge Both",
		"up\nFar :far:\nNear :near:\nPatterns *\nSync Push\nCreate Both\nExpunge Both",
		"down\nFar :far:\nNear :near:\nPatterns *\nSync Pull\nCreate Both\nExpunge Both",
		"flags\nFar :far:\nNear :near:\nPatterns *\nSync Flags\nCreate Both\nExpunge None",
		"new\nFar :far:\nNear :near:\nPatterns *\nSync New\nCreate Both\nExpunge None",
		"two\nFar :far:\nNear :near2:\nPatterns INBOX *\nCreate Both\nExpunge Both",
	} {
		out += "Channel " + c + "\n\n"
	}
	return out + "Group ways\nChannels up down\n\nGroup overlap\nChannels inbox c\n"
}

// args returns what a run of the round is to do.
func (a *arena) args() []string {
	if !a.crowd {
		return []string{"-a"}
	}
	ways := [][]string{
		{"c"},
		{"c"},
		{"c"},
		{"c:INBOX"},
		{"c:one,two"},
		{"inbox"},
		{"up"},
		{"down"},
		{"flags"},
		{"new"},
		{"two"},
		{"two"},
		{"ways"},
		{"overlap"},
		{"-a"},
	}
	return ways[a.rnd.IntN(len(ways))]
}

// compareReplica compares the store that the mail reader does not know.
func (a *arena) compareReplica(boxes []string) (bad []string) {
	a.tb.Helper()
	for _, box := range boxes {
		dir := a.path("near2", box)
		if box == "INBOX" {
			dir = a.path("inbox2")
		}
		got := map[int][]string{}
		for _, f := range readMaildir(a.tb, dir) {
			n := numberOf(f.text)
			if n == 0 || n > len(a.reader.pieces) || f.text != normal(a.reader.pieces[n-1].text) {
				a.tb.Errorf("%s is something else: %.200s", filepath.Base(f.file), f.text)
				continue
			}
			got[n] = append(got[n], f.flags)
		}
		for _, m := range a.reader.pieces {
			want := 0
			if !m.dead && m.box == box {
				want = 1
			}
			switch flags := got[m.number]; {
			case m.noticed:
			case len(flags) != want:
				m.noticed = true
				bad = append(bad, fmt.Sprintf("message %d is %d times in %s of the other store, want %d", m.number, len(flags), box, want)+m.story())
			case want == 1 && flags[0] != m.flags:
				bad = append(bad, fmt.Sprintf("message %d in %s of the other store has flags %q, want %q", m.number, box, flags[0], m.flags)+m.story())
			}
		}
	}
	return bad
}
