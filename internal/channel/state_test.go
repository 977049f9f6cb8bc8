package channel_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStatePath looks where the state of a pair is, in all three kinds.
func TestStatePath(t *testing.T) {
	for _, c := range []struct {
		name, rc string
		dir      string
		want     []string
	}{
		{
			"global", "SyncState /state/\n" + stores + "Channel c\nFar :far:x/\nNear :near:\nPatterns * INBOX\nCreate Near",
			"/state",
			[]string{":far:x!a!b_:near:a!b", ":far:x!a_:near:a"},
		},
		{
			"global, with a part of a name", "SyncState /state/mail\n" + stores + "Channel c\nFar :far:\nNear :near:x/y\nCreate Near",
			"/state",
			[]string{"mail:far:INBOX_:near:x!y"},
		},
		{
			"global, with a delimiter", "SyncState /state/\nFieldDelimiter ;\n" + stores + "Channel c\nFar :far:x/a\nNear :near:\nCreate Near",
			"/state",
			[]string{";far;x!a_;near;INBOX"},
		},
		{
			"of the channel", "Channel c\nFar :far:x/\nNear :near:y/\nPatterns *\nCreate Near\nSyncState /mine/p-",
			"/mine",
			[]string{"p-y!a", "p-y!a!b"},
		},
		{
			"of the channel, the inbox", "Channel c\nFar :far:x/a\nNear :near:\nCreate Near\nSyncState /mine/",
			"/mine",
			[]string{"INBOX"},
		},
		{
			"in the mailbox", "Channel c\nFar :far:x/\nNear :near:\nPatterns a\nCreate Near\nSyncState *",
			"/local/a",
			[]string{".mbsyncstate"},
		},
		{
			"in the inbox", "Channel c\nFar :far:x/a\nNear :near:\nCreate Near\nSyncState *",
			"/local/INBOX",
			[]string{".mbsyncstate"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.rc)
			w.local["near"] = true
			w.boxes("far", "INBOX", "x/a", "x/a/b")
			if sum := w.run(t.Context()); sum.Failed {
				t.Fatalf("%v %v", w.obs.errs, w.obs.failed)
			}
			if d := cmp.Diff(c.want, w.states(c.dir)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if sum := w.run(t.Context()); sum.Failed || sum.Counts[0].New+sum.Counts[1].New != 0 {
				t.Errorf("the second run: %+v", sum)
			}
		})
	}
}

// TestStateNotLocal: there is no place for the state within a mailbox that has
// no place in the file system. It is no matter whether the far one has.
func TestStateNotLocal(t *testing.T) {
	w := newWorld(t, "Channel c\nFar :far:\nNear :near:\nPatterns *\nSyncState *")
	w.local["far"] = true
	w.boxes("far", "a")
	w.boxes("near", "a")
	sum := w.run(t.Context())
	if err := w.obs.errs["a"]; !sum.Failed || err == nil || !strings.Contains(err.Error(), `MaildirStore "near" is not`) {
		t.Errorf("%+v, %v", sum, err)
	}
	if got := w.subjects("near", "a"); len(got) != 1 {
		t.Errorf("it was synchronized: %q", got)
	}
}

// TestStateShared: pairs must not share a state file, whether in one channel or
// in two; but a pair may be in several channels.
func TestStateShared(t *testing.T) {
	for _, c := range []struct {
		name, rc string
		far      []string
		failed   []string // pairs, with their channels
		clash    string   // in the error
	}{
		{
			"names", "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near",
			[]string{"a!b", "a/b", "c"},
			[]string{"c a/b"},
			"'/state/:far:a!b_:near:a!b' is also the one of :far:a!b and :near:a!b in channel 'c'",
		},
		{
			"prefixes", `
Channel one
Far :far:a
Near :near:x
Create Near
SyncState /mine/

Channel two
Far :far:b
Near :third:x
Create Near
SyncState /mine/
`,
			[]string{"a", "b"},
			[]string{"two "},
			"'/mine/x' is also the one of :far:a and :near:x in channel 'one'",
		},
		{
			"files beside a state", `
Channel one
Far :far:a
Near :near:x
Create Near
SyncState /mine/

Channel two
Far :far:b
Near :third:x.isync
Create Near
SyncState /mine/
`,
			[]string{"a", "b"},
			[]string{"two "},
			"'/mine/x.isync' and the sync state '/mine/x' of :far:a and :near:x in channel 'one' would share a file",
		},
		{
			"a state beside files", `
Channel one
Far :far:a
Near :near:x.journal
Create Near
SyncState /mine/

Channel two
Far :far:b
Near :third:x
Create Near
SyncState /mine/
`,
			[]string{"a", "b"},
			[]string{"two "},
			"'/mine/x' and the sync state '/mine/x.journal' of",
		},
		{
			"in a mailbox", `
Channel one
Far :far:a
Near :near:x
Create Near
SyncState *

Channel two
Far :far:b
Near :near:x
Create Near
SyncState *
`,
			[]string{"a", "b"},
			[]string{"two "},
			"'/local/x/.mbsyncstate'",
		},
		{
			"the same pair", `
Channel one
Far :far:a
Near :near:x
Create Near
Sync PullNew

Channel two
Far :far:a
Near :near:x
Sync Full
`,
			[]string{"a"},
			nil, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.rc)
			w.local["near"] = true
			w.boxes("far", c.far...)
			sum := w.run(t.Context())
			var failed []string
			for _, ch := range w.cfg.Channels {
				for name, err := range w.obs.errs {
					if w.obs.channel != ch.Name {
						continue
					}
					failed = append(failed, ch.Name+" "+name)
					if !strings.Contains(err.Error(), c.clash) {
						t.Errorf("%v does not say %q", err, c.clash)
					}
				}
			}
			if d := cmp.Diff(c.failed, failed); d != "" || sum.Failed != (len(c.failed) > 0) {
				t.Errorf("failed (-want +got):\n%s\n%+v", d, sum)
			}
			if want := len(c.far) - len(c.failed); sum.Counts[1].New != want {
				t.Errorf("%d messages copied, not %d", sum.Counts[1].New, want)
			}
		})
	}
}
