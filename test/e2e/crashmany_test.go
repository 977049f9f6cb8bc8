//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestKillMany cuts off runs that work on several mailboxes at a time, in both
// directions, at random times. Nothing is ever there twice, and in the end
// everything is there once.
func TestKillMany(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			killMany(t, sig, testkit.Variant{})
		})
	}
}

func killMany(t *testing.T, sig syscall.Signal, v testkit.Variant) {
	t.Helper()
	const boxes, each = 6, 80
	w := newWorld(t, setup{modern: true, variant: v, channel: "Patterns box*\nCreate Both\nExpunge Both"})
	all := map[string][]letter{}
	for i := range boxes {
		name := fmt.Sprint("box", i)
		letters := make([]letter, each)
		for k := range letters {
			letters[k] = note(i*each+k+1, 100+k*20)
		}
		w.send(name, letters[:each/2]...)
		w.makeMaildir(name)
		w.deliver(name, letters[each/2:]...)
		all[name] = letters
	}
	l := &line{pause: 12 * time.Millisecond, piece: 2 << 10}
	if v.Compresses() {
		l.piece /= 16
	}
	w.connect(l)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	cut, atOnce := 0, 0
	enough := func() bool {
		several := atOnce > 0 && (w.tap == nil || w.tap.Seen(testkit.Several) > 0)
		return cut > 1 && (several || v.Connections == 1)
	}
	for i := 0; i < 16 || i < 64 && !enough(); i++ {
		run := l.startConnected(w)
		// On a busy machine it takes longer to get to the point.
		wait := time.Duration(20+rnd.IntN(120))*time.Millisecond*time.Duration(1+i/16) + 20*v.RTT
		for begin := time.Now(); time.Since(begin) < wait && !run.ended(); {
			time.Sleep(time.Millisecond)
		}
		journals, err := filepath.Glob(filepath.Join(w.path("state"), "*.journal"))
		if err != nil {
			t.Fatal(err)
		}
		early := !run.ended()
		r := run.signal(sig)
		switch {
		case early && r.code != 0 && r.code != 1:
			cut++
			if len(journals) > 1 {
				atOnce++
			}
			if sig == syscall.SIGINT && r.code != 128+int(sig) {
				t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		case r.code == 1 && sig == syscall.SIGINT, r.code > 1:
			t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		if sig == syscall.SIGINT {
			w.quiet(ours(), r, []string{"run mbsync again to continue", "left "})
		}
		w.server.ForgetCommands(t)
		for name, letters := range all {
			known := lettersAsContents(letters)
			lists := [][]found{w.far(name)}
			if _, err := os.Stat(filepath.Join(w.boxDir(name), "cur")); err == nil {
				lists = append(lists, w.near(name))
			}
			for _, list := range lists {
				for key, flags := range contentsOf(list) {
					if len(flags) > 1 || known[key] == nil {
						t.Fatalf("after cut %d: in %s, %s is there %d times", i, name, key, len(flags))
					}
				}
			}
		}
	}
	t.Logf("%d runs cut off, %d with several journals", cut, atOnce)
	if !enough() {
		t.Error("that is not often enough")
	}
	if w.tap != nil {
		if v.RTT == 0 || !v.Compresses() { // these mailboxes have too little for a slow line
			v.Check(t, w.tap, testkit.Several, testkit.Pipelined)
		}
	}
	w.configure(w.config())
	for range 2 { // torn journals are told, once
		r := w.run(ours(), "-a")
		if r.code > 1 {
			t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	w.sync(ours())
	for name, letters := range all {
		w.agree(name, letters)
	}
}
