package maildir_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/uidmap"
	"isync/internal/vfs/vfstest"
)

// TestValidityNeverTwice: what is lost and made again, in the same second or after
// the clock was set back, gets another UIDVALIDITY than the state or the file had.
func TestValidityNeverTwice(t *testing.T) {
	for _, alt := range []bool{false, true} {
		for _, ro := range []bool{false, true} {
			for _, past := range []time.Duration{0, time.Hour, -time.Hour} {
				t.Run(fmt.Sprint("AltMap ", alt, ", read-only ", ro, ", clock ", past), func(t *testing.T) {
					x := newFixture(t)
					x.opts.AltMap = alt
					m := x.mustOpen()
					old := m.Info().UIDValidity
					check(t, m.Close(t.Context()))
					lost := "/in/.uidvalidity"
					if alt {
						lost = "/in/" + uidmap.FileName
					}
					if _, err := x.mem.Stat(lost); err != nil {
						t.Fatal(err)
					}
					check(t, x.mem.Remove(lost))
					x.pass(-past)
					// Another process.
					m, err := x.open(store.OpenRequest{ReadOnly: ro, OldValidity: func() uint32 { return old }})
					check(t, err)
					if got := m.Info().UIDValidity; got <= old {
						t.Errorf("UIDVALIDITY %d, was %d", got, old)
					}
				})
			}
		}
	}
}

// TestValidityOfTheState: at the end of the numbers there is no higher one.
func TestValidityOfTheState(t *testing.T) {
	x := newFixture(t)
	m, err := x.open(store.OpenRequest{OldValidity: func() uint32 { return math.MaxUint32 }})
	check(t, err)
	if got := m.Info().UIDValidity; got != uint32(x.clock().Unix()) {
		t.Errorf("UIDVALIDITY %d", got)
	}
}

// TestValidityOfTheNext: a mailbox that is deleted and made again within a second is
// another one.
func TestValidityOfTheNext(t *testing.T) {
	for _, alt := range []bool{false, true} {
		now := time.Unix(1700000000, 0)
		fsys := vfstest.NewMem(nil)
		check(t, fsys.Mkdir("/mail", 0o700))
		s, err := maildir.New(maildir.Options{Name: "s", Path: "/mail/", Inbox: "/mail/in", AltMap: alt, FS: fsys, Clock: func() time.Time { return now }, NoDelay: true})
		check(t, err)
		seen := map[uint32]bool{}
		for range 5 {
			check(t, s.Create(t.Context(), "box"))
			m, err := s.Open(t.Context(), "box", store.OpenRequest{})
			check(t, err)
			if v := m.Info().UIDValidity; seen[v] {
				t.Errorf("AltMap %v: UIDVALIDITY %d twice", alt, v)
			} else {
				seen[v] = true
			}
			check(t, m.Close(t.Context()))
			check(t, s.Delete(t.Context(), "box"))
		}
	}
}
