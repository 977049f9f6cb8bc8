//go:build unix

package maildir_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/mail"
	"isync/internal/store"
)

// oddInfos are what programs have put behind the UID, and random ones like it.
// There is no T among them: the mailbox is expunged.
func oddInfos() []string {
	infos := []string{
		":2,:2,S", ":2,S:2,R", ":2,S,F", ":2,1S", ":2, S", ":2,SS", ":2,RFD", ":2,aSbF", ":2,XS", ":1,x:2,S", ":2,S:1,F",
		":2,S,F=12", ":2,.S", ":2,S.1", ":2,\tS", ":2,S\n:2,R", ":2,\xff\xfeP", ":2", ":2,", ";2,S", ":S", ":3,S", "x:2,S", ":x:2,F", ":2,s", "",
	}
	const parts = "SRFDP:2, ;1ax"
	rnd := rand.New(rand.NewPCG(3, 9))
	for range 150 {
		var b strings.Builder
		for range rnd.IntN(9) {
			b.WriteByte(parts[rnd.IntN(len(parts))])
		}
		infos = append(infos, ":2,"+b.String(), "x"+b.String())
	}
	return infos
}

// TestOddFlagsAsRival: both programs see the same flags in odd names, and the
// other one sees what we have changed; afterwards the names are clean.
func TestOddFlagsAsRival(t *testing.T) {
	r := newRival(t)
	ctx := context.Background()
	infos := oddInfos()
	for i, info := range infos {
		r.deliver("far", fmt.Sprintf("cur/%d.1_1.h,U=%d%s", 1000+i, i+1, info))
	}
	check(t, os.WriteFile(filepath.Join(r.dir, "far/.uidvalidity"), []byte("7\n1000\n"), 0o600))
	r.sync()
	flags := func(side string) []string {
		m := r.open(side)
		defer m.Close(ctx)
		l, err := m.Scan(ctx, store.Need{UIDs: mail.UIDsFrom(1), Flags: true})
		check(t, err)
		if len(l.Messages) != len(infos) {
			t.Fatalf("%s: %d messages of %d", side, len(l.Messages), len(infos))
		}
		var out []string
		for i, meta := range l.Messages {
			out = append(out, fmt.Sprintf("%q %s", infos[i], meta.Flags))
		}
		return out
	}
	// It writes clean names on the near side.
	if d := cmp.Diff(flags("near"), flags("far")); d != "" {
		t.Fatalf("-mbsync +ours: %s", d)
	}

	far := r.open("far")
	defer far.Close(ctx)
	var changes []store.FlagChange
	for i := range infos {
		c := store.FlagChange{UID: mail.UID(i + 1), Add: mail.FlagAnswered}
		if i%2 == 1 {
			c = store.FlagChange{UID: mail.UID(i + 1), Remove: mail.FlagSeen}
		}
		changes = append(changes, c)
	}
	check(t, far.SetFlags(ctx, changes, func(_ int, err error) { check(t, err) }))
	r.sync()
	if d := cmp.Diff(flags("near"), flags("far")); d != "" {
		t.Errorf("after changes, -mbsync +ours: %s", d)
	}
	for i, line := range flags("far") {
		if got := strings.Contains(line[strings.LastIndex(line, " "):], "R"); i%2 == 0 && !got {
			t.Errorf("%s: the flag was not added", line)
		}
		if got := strings.Contains(line[strings.LastIndex(line, " "):], "S"); i%2 == 1 && got {
			t.Errorf("%s: the flag was not removed", line)
		}
	}
}
