package channel_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/plan"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/store/mem"
	"isync/internal/syncstate"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// vanishing is a pair of a server and a Maildir to which something happens before a
// certain operation of a run.
type vanishing struct {
	t      *testing.T
	dir    string
	far    *mem.Disk
	inside bool // the state is in the Maildir
	alt    bool
	seed   byte

	mu        sync.Mutex // held also while it strikes, so that all others wait
	count, at int
	strike    func()
}

func (v *vanishing) box() string { return filepath.Join(v.dir, "near", "box") }

func (v *vanishing) step() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count++
	if v.count == v.at {
		v.strike()
	}
}

// run synchronizes; if at is not 0 it strikes before that operation.
func (v *vanishing) run(at int) error {
	v.seed++
	v.count, v.at = 0, at
	fsys := vfstest.NewFault(vfs.OS{})
	fsys.Before(func(vfstest.Op, string) { v.step() })
	near, err := maildir.New(maildir.Options{
		Name: "near", Path: v.dir + "/near/", Inbox: v.dir + "/inbox", FS: fsys, NoDelay: true, AltMap: v.alt, Pid: int(v.seed), Host: "h",
	})
	if err != nil {
		v.t.Fatal(err)
	}
	far := mem.New(v.far, mem.Options{Name: "far", Caps: mem.IMAPCaps, Hook: func(mem.Op) error { v.step(); return nil }})
	p := &engine.Pair{
		Channel: "c", Store: [2]store.Store{far, near}, Box: [2]string{"box", "box"}, Create: [2]bool{true, true},
		ExpireSide: syncstate.Near, StatePath: v.dir + "/state", FS: fsys, TUIDs: rand.NewChaCha8([32]byte{v.seed}),
		Events: nobody{},
	}
	if v.inside {
		p.StatePath = v.box() + "/.mbsyncstate"
	}
	all := plan.Ops{New: true, Gone: true, Flags: true, Expunge: true}
	p.Rules.Ops = [2]plan.Ops{all, all}
	v.step()
	_, err = engine.Sync(context.Background(), p)
	v.step()
	return err
}

type nobody struct{}

// Take implements event.Sink.
func (nobody) Take(event.Event) {}

func body(name, eol string) string {
	return "Subject: " + name + eol + "Message-Id: <" + name + "@x>" + eol + eol + "text" + eol
}

// deliver puts messages into the Maildir.
func (v *vanishing) deliver(from, to int) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(v.box(), sub), 0o700); err != nil {
			v.t.Fatal(err)
		}
	}
	for i := from; i < to; i++ {
		if err := os.WriteFile(filepath.Join(v.box(), "new", fmt.Sprintf("%d.1_1.h", 1000+i)), []byte(body(fmt.Sprintf("n%d", i), "\n")), 0o600); err != nil {
			v.t.Fatal(err)
		}
	}
}

// farNames counts the messages on the server.
func (v *vanishing) farNames() map[string]int {
	out := map[string]int{}
	b, _ := v.far.Box("box")
	for _, m := range b.Messages {
		_, s, _ := strings.Cut(m.Body, "Subject: ")
		s, _, _ = strings.Cut(s, "\r\n")
		out[s]++
	}
	return out
}

// TestMaildirVanishes: while a run goes on the Maildir is removed, replaced, or loses a
// directory. The run fails unless it was over, and whatever is run afterwards,
// nothing is doubled on the server, and nothing is deleted there.
func TestMaildirVanishes(t *testing.T) {
	strikes := map[string]func(v *vanishing){
		"removed": func(v *vanishing) { _ = os.RemoveAll(v.box()) },
		"renamed": func(v *vanishing) { _ = os.Rename(v.box(), v.box()+".away") },
		"replaced": func(v *vanishing) {
			if os.Rename(v.box(), v.box()+".away") == nil {
				v.deliver(0, 0)
			}
		},
		"cur": func(v *vanishing) { _ = os.RemoveAll(filepath.Join(v.box(), "cur")) },
	}
	points := 0
	for what, strike := range strikes {
		for _, inside := range []bool{false, true} {
			for _, first := range []bool{false, true} {
				t.Run(fmt.Sprint(what, ", state inside ", inside, ", first run ", first), func(t *testing.T) {
					stride := 1
					if os.Getenv("ISYNC_SWEEP") == "" {
						stride = 9
					}
					for at := 1 + rand.IntN(stride); ; at += stride {
						v := &vanishing{t: t, dir: t.TempDir(), far: mem.NewDisk(), inside: inside, alt: rand.IntN(3) == 0}
						v.strike = func() { strike(v) }
						if err := os.Mkdir(filepath.Join(v.dir, "near"), 0o700); err != nil {
							t.Fatal(err)
						}
						var b mem.BoxState
						for i := range 6 {
							f := mail.Flags(0)
							if i%2 == 0 {
								f = mail.FlagSeen // goes to cur
							}
							b.Messages = append(b.Messages, mem.Message{Flags: f, Body: body(fmt.Sprintf("f%d", i), "\r\n")})
						}
						v.far.Set("box", b)
						v.deliver(0, 3)
						if !first {
							if err := v.run(0); err != nil {
								t.Fatal(err)
							}
							v.far.Deliver("box", mem.Message{Body: body("f6", "\r\n")})
							v.far.Deliver("box", mem.Message{Flags: mail.FlagSeen, Body: body("f7", "\r\n")})
							v.far.SetFlags("box", 1, mail.FlagFlagged, 0)
							v.deliver(3, 5)
						}
						before := v.farNames()
						err := v.run(at)
						if v.count < at {
							return
						}
						points++
						for range 3 {
							_ = v.run(0)
						}
						after := v.farNames()
						for name, n := range after {
							if n > 1 {
								t.Fatalf("at %d of %d (%v): %s is doubled", at, v.count, err, name)
							}
						}
						for name := range before {
							if after[name] == 0 {
								t.Fatalf("at %d (%v): %s was deleted", at, err, name)
							}
						}
					}
				})
			}
		}
	}
	t.Logf("%d points", points)
}
