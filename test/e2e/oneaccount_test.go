//go:build linux

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/testkit"
)

// oneAccount is a world in which both stores of the channel are the same account,
// below "left" and "right".
func oneAccount(t *testing.T, start func(testing.TB) testkit.Server, lines string) *homeWorld {
	t.Helper()
	w := newWorld(t, setup{other: start, modern: true})
	w.configure(w.oneAccountConfig(lines))
	return w
}

// oneAccountConfig has these lines for the account.
func (w *homeWorld) oneAccountConfig(lines string) string {
	rc := "SyncState state/\n\nIMAPAccount acc\n" + strings.Join(w.accountLines("TLSType"), "\n") + "\n" + lines + "\n\n"
	for _, side := range []string{"left", "right"} {
		path := strings.TrimSuffix(w.remote(side+"/x"), "x")
		rc += fmt.Sprintf("IMAPStore %s\nAccount acc\nPath %s\n\n", side, path)
	}
	return rc + "Channel c\nFar :left:\nNear :right:\nPatterns * !INBOX*\nCreate Both\nExpunge Both\n"
}

// bothHold checks what is in a mailbox on both sides.
func (w *homeWorld) bothHold(box string, letters ...letter) {
	w.tb.Helper()
	for _, side := range []string{"left", "right"} {
		if d := cmp.Diff(lettersAsContents(letters), contentsOf(w.far(side+"/"+box))); d != "" {
			w.tb.Errorf("%s/%s (-want +got):\n%s", side, box, d)
		}
	}
}

func allServers() []testkit.Kind {
	return append(servers(), testkit.Kind{Name: "dovecot", Start: func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{})
	}})
}

// TestOneAccount synchronizes mailboxes of an account with others of the same
// account, which takes a connection for either side.
func TestOneAccount(t *testing.T) {
	for _, k := range allServers() {
		variants := []string{"Connections 2"}
		if k.Name == "dovecot" {
			variants = append(variants, "", "Connections 2\nPipelineDepth 1")
		}
		for _, lines := range variants {
			t.Run(k.Name+"/"+lines, func(t *testing.T) {
				t.Parallel()
				w := oneAccount(t, k.Start, lines)
				l := notes(1, 12)
				w.sendAll(map[string][]letter{"left/a": l[:4], "left/b": l[4:6], "right/a": l[6:9], "right/c": l[9:10]})
				w.sync(ours())
				w.bothHold("a", slices.Concat(l[:4], l[6:9])...)
				w.bothHold("b", l[4:6]...)
				w.bothHold("c", l[9:10]...)

				at := func(box string, l letter) uint32 { return w.pick(w.far(box), l).uid }
				w.farMark("left/a", "FR", at("left/a", l[0]))
				w.farMark("right/a", "S", at("right/a", l[1]))
				w.farMark("left/a", "RS", at("left/a", l[7]))
				w.farRemove("left/a", at("left/a", l[2]))
				w.farRemove("right/a", at("right/a", l[6]))
				w.farMark("right/a", "T", at("right/a", l[3]))
				w.farRemove("right/b", at("right/b", l[4]))
				w.sendAll(map[string][]letter{"left/b": l[10:11], "right/a": l[11:]})
				w.sync(ours())
				w.bothHold("a", flagged(l[0], "FR"), flagged(l[1], "S"), flagged(l[7], "RS"), l[8], l[11])
				w.bothHold("b", l[5], l[10])
				w.bothHold("c", l[9])

				boxes := []string{"left/a", "left/b", "left/c", "right/a", "right/b", "right/c"}
				before := w.farAll(boxes...)
				w.sync(ours())
				if d := cmp.Diff(before, w.farAll(boxes...), cmp.AllowUnexported(found{}, letter{})); d != "" {
					t.Errorf("a run with nothing to do (-before +after):\n%s", d)
				}
			})
		}
	}
}

// TestOneAccountBelowInbox: where the mailboxes are below INBOX, that name leads to
// them in either store as well. As these are the same mailboxes they are refused, and
// the others are synchronized.
func TestOneAccountBelowInbox(t *testing.T) {
	t.Parallel()
	w := oneAccount(t, func(tb testing.TB) testkit.Server {
		tb.Helper()
		return testkit.StartDovecot(tb, testkit.DovecotConfig{Separator: ".", Prefix: "INBOX."})
	}, "")
	w.configure(strings.Replace(w.oneAccountConfig(""), " !INBOX*", "", 1))
	l := notes(1, 5)
	w.sendAll(map[string][]letter{"INBOX": l[:1], "left/a": l[1:3], "right/a": l[3:]})
	for range 2 {
		r := w.run(ours(), "-a")
		refused := strings.Count(r.stderr, "far and near side are the same mailbox")
		if r.code != 1 || refused != 3 || strings.Count(r.stderr, "error: ") != refused {
			t.Errorf("exit code %d, %d mailboxes refused\n%s%s", r.code, refused, r.stdout, r.stderr)
		}
		w.bothHold("a", l[1:]...)
		if d := cmp.Diff(lettersAsContents(l[:1]), contentsOf(w.far("INBOX"))); d != "" {
			t.Errorf("INBOX (-want +got):\n%s", d)
		}
	}
}

// TestOneAccountCrowded: where there can be but one connection the program says
// so, once and in time, and touches nothing. As soon as there can be two it does
// what it should.
func TestOneAccountCrowded(t *testing.T) {
	for _, tt := range []struct {
		name, lines, extra string
		says               string
		limit              time.Duration
	}{
		{"Connections 1", "Connections 1", "", "channel 'c': too few sessions: far and near side are in the same account", 5 * time.Second},
		// It waits 20 s, and again 20 s alone, for the other connection. Either side may be the one without.
		{"the server grants one", "", "mail_max_userip_connections = 1\n", "': too few sessions: no more than 1 connection", 55 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := oneAccount(t, func(tb testing.TB) testkit.Server {
				tb.Helper()
				return testkit.StartDovecot(tb, testkit.DovecotConfig{Extra: tt.extra})
			}, tt.lines)
			l := notes(1, 8)
			w.sendAll(map[string][]letter{"left/a": l[:2], "right/a": l[2:4], "left/b": l[4:6], "right/b": l[6:]})
			begin := time.Now()
			r := w.run(ours(), "-a")
			if took := time.Since(begin); took > tt.limit {
				t.Errorf("it took %v", took)
			}
			if r.code != 1 || strings.Count(r.stderr, "mbsync: error: ") != 1 || !strings.Contains(r.stderr, tt.says) ||
				!strings.Contains(r.stderr, "\nhint: raise Connections in the section of the account") {
				t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			for box, want := range map[string][]letter{"left/a": l[:2], "right/a": l[2:4], "left/b": l[4:6], "right/b": l[6:]} {
				if d := cmp.Diff(lettersAsContents(want), contentsOf(w.far(box))); d != "" {
					t.Errorf("%s (-want +got):\n%s", box, d)
				}
			}
			if tt.extra != "" {
				return
			}
			w.configure(w.oneAccountConfig("Connections 2"))
			w.sync(ours())
			w.bothHold("a", l[:4]...)
			w.bothHold("b", l[4:]...)
		})
	}
}
