package imap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/imap"
)

// visitAll opens and lists mailboxes at the same time, as light pairs do. Mailboxes that
// cannot be opened are nil. claimed counts the mailboxes that were opened in the usual way.
func visitAll(t *testing.T, s *imap.Store, boxes []string, last mail.UID, f func(box string, m store.Mailbox, list []mail.Meta, err error)) (claimed int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	turns := make(chan struct{}, 1) // one mailbox at a time has a session of its own
	for _, box := range boxes {
		wg.Go(func() {
			var has bool
			claim := func(context.Context) error {
				mu.Lock()
				if has {
					mu.Unlock()
					return nil
				}
				has = true
				claimed++
				mu.Unlock()
				turns <- struct{}{}
				return nil
			}
			m, err := s.Open(t.Context(), box, store.OpenRequest{Pipelined: &store.Pipelined{
				Scan: &store.Need{UIDs: mail.UIDsFrom(1), Flags: true}, Messages: 20, Last: last, New: last + 1, Claim: claim,
			}, Prefetch: 1000})
			var list []mail.Meta
			if err == nil {
				var l *store.Listing
				if l, err = m.Scan(t.Context(), everything); err == nil {
					list = l.Messages
				}
			}
			if n := len(list); err == nil && n > 0 {
				fetchLast(t, m, box, list[max(0, n-4):])
			}
			mu.Lock()
			f(box, m, list, err)
			mu.Unlock()
			if m != nil {
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if has {
				<-turns
			}
		})
	}
	wg.Wait()
	return claimed
}

// fetchLast fetches messages, and compares them with those of the server. Some may be gone, or
// the connection may be lost.
func fetchLast(t *testing.T, m store.Mailbox, box string, list []mail.Meta) {
	t.Helper()
	var items []store.FetchItem
	for _, msg := range list {
		items = append(items, store.FetchItem{UID: msg.UID, Flags: msg.Flags})
	}
	seen := map[mail.UID]bool{}
	_ = m.Fetch(t.Context(), items, func(in *store.Incoming) error {
		if in.Err != nil {
			return nil //nolint:nilerr // the server has refused it
		}
		text, err := io.ReadAll(in.Body)
		if err == nil && string(text) != bodyOf(box, in.UID) || seen[in.UID] {
			t.Errorf("%s: message %d is %q, seen %v", box, in.UID, text, seen[in.UID])
		}
		seen[in.UID] = true
		return err
	})
}

// visitFaults are the faults of manyBoxes, and whether all mailboxes can be listed
// nevertheless.
var visitFaults = map[string]bool{
	"": true, "refuses": false, "keeps": true, "bad": true, "bye": false, "no EXISTS": false, "no UIDNEXT": true,
	"unsolicited between": true, "unsolicited in SELECT": false, "unsolicited before": true, "unsolicited after": true,
	"no": false, "leaves out": false, "disorder": true,
}

func (s *manyBoxes) store(t *testing.T, dir string, change func(*imap.Options)) *imap.Store {
	o := imap.Options{
		Name: "far", HasPath: true, Delimiter: "/", MaxSessions: 2,
		Client: imapclient.Options{Host: "test", Dial: s.dial, Timeout: 5 * time.Second},
	}
	remembering(&o, dir, "account")
	if change != nil {
		change(&o)
	}
	st := imap.New(o)
	t.Cleanup(func() { _ = st.Close() })
	return st
}

var visitCaps = map[string]string{"nothing": "", "CONDSTORE": "CONDSTORE", "QRESYNC": "CONDSTORE QRESYNC ENABLE"}

// TestVisits: whatever a server does while many mailboxes are listed in a pipeline, each
// listing is that of its mailbox.
func TestVisits(t *testing.T) {
	const boxes = 12
	const rounds = 3
	for name, caps := range visitCaps {
		for fault, works := range visitFaults {
			t.Run(fmt.Sprintf("%s/%s", name, fault), func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				rng := rand.New(rand.NewPCG(seed, 0))
				s := newManyBoxes(rng, caps, boxes)
				dir := t.TempDir()
				var names []string
				for n := range s.boxes {
					names = append(names, n)
				}
				slices.Sort(names)
				listed, piped := 0, 0
				var old []string
				for range rounds {
					// One that does not exist is among them.
					asked := slices.Concat(names, []string{"none"})
					old = append(old, "---- ROUND")
					old = append(old, s.log...)
					s.begin(fault, 0)
					st := s.store(t, dir, func(o *imap.Options) { o.Debug = func(text string) { t.Log(text) } })
					claimed := visitAll(t, st, asked, 20, func(box string, m store.Mailbox, list []mail.Meta, err error) {
						switch {
						case box == "none":
							if !errors.Is(err, store.ErrNoBox) && !isStoreError(err) {
								t.Errorf("none: %v", err)
							}
						case err == nil:
							listed++
							was := t.Failed()
							s.holds(t, box, list)
							if !was && t.Failed() {
								s.mu.Lock()
								t.Logf("the connections:\n%s", strings.Join(slices.Concat(old, []string{"---- ROUND"}, s.log), "\n"))
								s.mu.Unlock()
							}
						case works:
							t.Errorf("%s: %v", box, err)
						}
					})
					piped += len(asked) - claimed
					_ = st.Close()
					for _, b := range s.boxes {
						if rng.IntN(2) == 0 {
							b.change(rng)
						}
					}
				}
				if listed == 0 {
					t.Error("nothing was listed")
				}
				t.Logf("%d listed, %d of them in a pipeline, %d commands together", listed, piped, s.together)
				if fault == "" && (piped < rounds*boxes*2/3 || s.together < 5) {
					t.Errorf("%d of %d in a pipeline, %d commands together", piped, rounds*boxes, s.together)
				}
			})
		}
	}
}

// TestVisitsCut: the connection breaks anywhere in the answers. Over time, it breaks after each
// number of bytes.
func TestVisitsCut(t *testing.T) {
	for name, caps := range visitCaps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newManyBoxes(rand.New(rand.NewPCG(1, 2)), caps, 4)
			names := []string{"box00", "box01", "box02", "box03"}
			dir := t.TempDir()
			const step = 97
			for cut := 1 + rand.IntN(step); ; cut += step {
				s.begin("", cut)
				st := s.store(t, dir, nil)
				visitAll(t, st, names, 20, func(box string, _ store.Mailbox, list []mail.Meta, err error) {
					if err != nil && !isStoreError(err) {
						t.Errorf("%s: %v", box, err)
					}
					if err == nil {
						s.holds(t, box, list)
					}
				})
				_ = st.Close()
				if s.sent < cut {
					return
				}
			}
		})
	}
}
