package engine_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/testkit/notation"
)

// TestLate: a server stores what a killed run had sent only some time later: while the
// next run begins, while it looks for copies, or after it has copied everything again.
// Nothing comes back to where it was, and what is there twice is marked as deleted.
func TestLate(t *testing.T) {
	for _, rules := range []string{"sync", "sync expunge-far expunge-near", "push-new push-flags pull-new"} {
		for _, kills := range []int{1, 2} {
			for _, when := range []string{"before", "looking", "listing", "after", "much later"} {
				t.Run(fmt.Sprintf("%s, %d kills, %s", rules, kills, when), func(t *testing.T) {
					c := notation.ParseRules(t, rules)
					sc := scenario{far: "1:X", near: "1:X 2:A 3:B 4:C 5:D", state: "pulled=1 pushed=1 1-1"}
					w := sc.setup(t, c)
					sent := map[string]string{} // texts by temporary id
					for i := range kills {
						lost := func(op mem.Op) error {
							if op.Kind == mem.OpPutItem && !op.After {
								return &store.StoreError{Store: "far", Err: errors.New("killed")}
							}
							return nil
						}
						if _, _, err := w.run(c, modes[0], &killer{}, uint64(i+1), setFar(w, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: lost})); err == nil {
							t.Fatal("not killed")
						}
						for id, text := range w.journaledCopies(t) {
							sent[id] = text
						}
					}
					arrive := func() {
						for id, text := range sent {
							w.far.Deliver("box", mem.Message{Body: strings.Replace(text, "Subject", "X-TUID: "+id+"\r\nSubject", 1)})
							delete(sent, id)
						}
					}
					if when == "before" {
						arrive()
					}
					scans := 0
					hook := func(op mem.Op) error {
						if op.Kind == mem.OpScan && !op.After {
							scans++
							if when == "looking" && op.Need.TUIDs && scans == 2 || when == "listing" && !op.Need.TUIDs {
								arrive()
							}
						}
						return nil
					}
					for i := range 2 {
						_, _, err := w.run(c, modes[0], &killer{}, uint64(10+i), func(p *engine.Pair) {
							p.Store[0] = mem.New(w.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: hook})
							p.LateWait = 1
						})
						if err != nil {
							t.Fatal(err)
						}
						if when == "after" {
							arrive()
						}
					}
					arrive()
					for i := range 3 {
						if _, _, err := w.run(c, modes[0], &killer{}, uint64(20+i)); err != nil {
							t.Fatal(err)
						}
					}
					if n := len(w.names(1)); n != 5 {
						t.Errorf("near: %s", sideText(w.near, "box"))
					}
					box, _ := w.far.Box("box")
					left := map[string]int{}
					for _, m := range box.Messages {
						if !m.Flags.Has(mail.FlagDeleted) {
							left[notation.NameOf(m.Body)]++
						} else if strings.Contains(rules, "expunge") {
							t.Errorf("%s is marked, but not expunged", notation.NameOf(m.Body))
						}
					}
					for name, n := range w.names(1) {
						if n != 1 || left[name] != 1 {
							t.Errorf("%s: near %d times, far %d times\nfar:  %s\nnear: %s", name, n, left[name], sideText(w.far, "box"), sideText(w.near, "box"))
						}
					}
				})
			}
		}
	}
}

var journaledTUID = regexp.MustCompile(`(?m)^# 0 (\d+) (\S{12})$`)

// journaledCopies returns the texts of near messages that were being copied, by the
// temporary ids in the journal.
func (w *pairWorld) journaledCopies(t *testing.T) map[string]string {
	t.Helper()
	data, err := readFile(w.fs, statePath+".journal")
	if err != nil {
		t.Fatal(err)
	}
	box, _ := w.near.Box("box")
	out := map[string]string{}
	for _, m := range journaledTUID.FindAllStringSubmatch(string(data), -1) {
		for _, msg := range box.Messages {
			if fmt.Sprint(msg.UID) == m[1] {
				out[m[2]] = notation.Body(notation.NameOf(msg.Body), "\r\n")
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no copies in the journal:\n%s", data)
	}
	return out
}
