package channel_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"isync/internal/channel"
	"isync/internal/engine"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
)

const server = `IMAPStore far
Host h

MaildirStore near
Path /near/
Inbox /nearbox

`

// usesWorld is a world whose far store is on a server. Its mailboxes have a message each.
func usesWorld(t *testing.T, rc string, uses map[string]string) *world {
	t.Helper()
	w := newWorld(t, server+rc)
	w.uses = map[string]map[string]string{"far": uses}
	for box := range uses {
		w.disk["far"].Set(box, mem.BoxState{Messages: []mem.Message{{Body: "Message-ID: <" + box + ">\n" + message(box)}}})
	}
	return w
}

var gmail = map[string]string{"[Gmail]/Gesendet": "sent", "[Gmail]/Alle": "all", "[Gmail]/Spam": "junk", "Liste": "", "Spam2": "junk"}

// TestUsePatterns: in Patterns, a use stands for all mailboxes with it. At least one must
// have it.
func TestUsePatterns(t *testing.T) {
	for _, tt := range []struct {
		ends, patterns, boxes string
		want, err             string
	}{
		{patterns: "Special:Sent", want: "[Gmail]/Gesendet"},
		{patterns: "special:SENT Liste", want: "Liste [Gmail]/Gesendet"},
		{patterns: "* !Special:All", want: "Liste Spam2 [Gmail]/Gesendet [Gmail]/Spam"},
		{patterns: "* !Special:All !Special:Junk", want: "Liste [Gmail]/Gesendet"},
		{patterns: "Special:Junk", want: "Spam2 [Gmail]/Spam"},
		{patterns: "* !Special:Sent [Gmail]/*", want: "Liste Spam2 [Gmail]/Alle [Gmail]/Gesendet [Gmail]/Spam"},
		{patterns: "* !Special:Trash", err: `no mailbox of IMAPStore "far" has the special use Trash`},
		{patterns: "Special:Trash", err: `no mailbox of IMAPStore "far" has the special use Trash`},
		{patterns: "Special::Sent", want: ""},
		// The names are those without the prefix of the side. What is outside is not selected.
		{ends: "Far :far:[Gmail]/\nNear :near:", patterns: "Special:Sent", want: "Gesendet"},
		{ends: "Far :far:[Gmail]/\nNear :near:", patterns: "* !Special:Junk", want: "Alle Gesendet"},
		{ends: "Far :far:other/\nNear :near:", patterns: "Special:Sent", want: ""},
		{patterns: "*", boxes: "Sent,Liste,[Gmail]/Gesendet", want: "Liste [Gmail]/Gesendet"},
		{patterns: "*", boxes: "Trash", err: `no mailbox of IMAPStore "far" has the special use Trash`},
		// The near side may be the server.
		{ends: "Far :near:\nNear :far:", patterns: "Special:Sent", want: "[Gmail]/Gesendet"},
	} {
		if tt.ends == "" {
			tt.ends = "Far :far:\nNear :near:"
		}
		w := usesWorld(t, "Channel c\n"+tt.ends+"\nPatterns "+tt.patterns+"\nCreate Both\n", gmail)
		sel := w.selection("c")
		if tt.boxes != "" {
			sel = w.selection("c:" + tt.boxes)
			sel[0].Uses, sel[0].Boxes = sel[0].Boxes[:1], sel[0].Boxes[1:]
		}
		l := channel.List(t.Context(), sel, w.options())[0]
		var names []string
		for _, p := range l.Pairs {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != tt.want || fmt.Sprint(l.Err) != cmpOr(tt.err) {
			t.Errorf("%s %s %s: %q, %v; want %q, %q", tt.ends, tt.patterns, tt.boxes, got, l.Err, tt.want, tt.err)
		}
	}
}

func cmpOr(text string) string {
	if text == "" {
		return "<nil>"
	}
	return text
}

// If the server cannot tell, nothing is done.
func TestUsesUnknown(t *testing.T) {
	w := usesWorld(t, "Channel c\nFar :far:\nNear :near:\nPatterns * !Special:All\nCreate Near\n", gmail)
	w.usesErr = errors.New("try later")
	sum := w.run(t.Context())
	if !sum.Failed || len(w.disk["near"].Names()) != 0 || !errors.Is(w.obs.failed["c"], w.usesErr) {
		t.Errorf("%+v, %v, %v", sum, w.disk["near"].Names(), w.obs.failed)
	}
}

// useStep is a change of the server, and what a run then says. An empty text: all went well.
type useStep struct {
	name   string
	change func(w *world)
	err    string
	notice string
	// near is how many messages the near mailbox has afterwards.
	near int
}

// rename renames a mailbox, which keeps its UIDVALIDITY and its use.
func rename(w *world, from, to string) {
	b, _ := w.disk["far"].Box(from)
	w.disk["far"].Drop(from)
	w.disk["far"].Set(to, b)
	w.uses["far"][to] = w.uses["far"][from]
	delete(w.uses["far"], from)
}

// TestUseMoves: the state of a channel belongs to the mailbox that had the use in the last
// run. Whatever becomes of the use, nothing of another mailbox gets into the near one, and
// nothing is deleted.
func TestUseMoves(t *testing.T) {
	give := func(box, use string) func(*world) { return func(w *world) { w.uses["far"][box] = use } }
	both := func(fs ...func(*world)) func(*world) {
		return func(w *world) {
			for _, f := range fs {
				f(w)
			}
		}
	}
	const (
		another = "the mailbox with the special use Sent on the far side, 'B', is another one than in the last run"
		moved   = "the special use Sent on the far side belonged to mailbox 'A' in the last run, and belongs to 'B' now"
		nobody  = `no mailbox of IMAPStore "far" has the special use Sent`
	)
	sameValidity := func(w *world) {
		a, _ := w.disk["far"].Box("A")
		w.disk["far"].Update("B", func(b *mem.BoxState) { b.UIDValidity = a.UIDValidity })
	}
	for _, steps := range [][]useStep{
		{
			{"first run", nil, "", "", 1},
			{"the use is withdrawn", give("A", ""), nobody + "; it was 'A' in the last run", "", 1},
			{"another mailbox has it", give("B", "sent"), moved, "", 1},
			{"both have it", give("A", "sent"), `several mailboxes of IMAPStore "far" have the special use Sent: 'A', 'B'`, "", 1},
			{"it is back", give("B", ""), "", "", 1},
			{"there is new mail", func(w *world) { w.disk["far"].Deliver("A", mem.Message{Body: message("new")}) }, "", "", 2},
		},
		{
			{"first run", nil, "", "", 1},
			{"another one with the same UIDVALIDITY", both(sameValidity, give("A", ""), give("B", "sent")), moved, "", 1},
			{"the first one is gone, and the other has no more messages", func(w *world) {
				w.disk["far"].Drop("A")
				w.disk["far"].Update("B", func(b *mem.BoxState) { b.UIDNext, b.Messages = 1, nil })
			}, moved, "", 1},
		},
		{
			{"first run", nil, "", "", 1},
			// Mailboxes that were created in the same second may have the same UIDVALIDITY.
			{"the first one is gone, and the other has the same UIDVALIDITY", both(sameValidity, func(w *world) { w.disk["far"].Drop("A") }, give("B", "sent")), moved, "", 1},
		},
		{
			{"first run", nil, "", "", 1},
			{"the notes are lost, and another mailbox has the same UIDVALIDITY", both(sameValidity, func(w *world) {
				mustRemove(w, "/state/:far:Special:Sent_:near:S"+engine.NotesSuffix)
			}, give("A", ""), give("B", "sent")), another, "", 1},
		},
		{
			{"first run", nil, "", "", 1},
			{"renamed", func(w *world) { rename(w, "A", "C") }, "", "the far side mailbox with the special use Sent is called 'C' now, and was 'A' in the last run; its messages are the same", 1},
			{"there is new mail", func(w *world) { w.disk["far"].Deliver("C", mem.Message{Body: message("new")}) }, "", "", 2},
			{"replaced", both(func(w *world) { w.disk["far"].Drop("C") }, give("B", "sent")), strings.ReplaceAll(moved, "'A'", "'C'"), "", 2},
		},
		{
			{"no use yet", both(give("A", "")), nobody, "", -1},
			{"first run", give("A", "sent"), "", "", 1},
			{"the mailbox is gone", func(w *world) { w.disk["far"].Drop("A") }, nobody + "; it was 'A' in the last run", "", 1},
		},
		{
			{"first run", nil, "", "", 1},
			{"the notes are lost", func(w *world) { mustRemove(w, "/state/:far:Special:Sent_:near:S"+engine.NotesSuffix) }, "", "", 1},
			{
				"lost, and another mailbox", both(func(w *world) { mustRemove(w, "/state/:far:Special:Sent_:near:S"+engine.NotesSuffix) }, give("A", ""), give("B", "sent")),
				another, "", 1,
			},
		},
	} {
		w := usesWorld(t, "Channel c\nFar :far:Special:Sent\nNear :near:S\nSync All\nCreate Both\nRemove Both\nExpunge Both\nMaxDelete 100%\n", map[string]string{"A": "sent", "B": ""})
		for _, s := range steps {
			if s.change != nil {
				s.change(w)
			}
			before := fmt.Sprint(w.disk["far"].State(), w.disk["near"].State())
			for _, dry := range []bool{true, false, false} {
				w.dry = dry
				w.run(t.Context())
				w.dry = false
				err := w.obs.errs[""]
				if (err == nil) != (s.err == "") || err != nil && !strings.HasSuffix(err.Error(), s.err) {
					t.Fatalf("%s (dry run: %v): %v, want %q", s.name, dry, err, s.err)
				}
				if s.err != "" || dry {
					if after := fmt.Sprint(w.disk["far"].State(), w.disk["near"].State()); after != before {
						t.Fatalf("%s: changed from\n%s to\n%s", s.name, before, after)
					}
				}
				if told := slices.ContainsFunc(w.obs.notices, func(text string) bool { return strings.Contains(text, s.notice) }); dry && s.notice != "" && !told {
					t.Errorf("%s: not told %q in %q", s.name, s.notice, w.obs.notices)
				}
			}
			near := -1
			if b, ok := w.disk["near"].Box("S"); ok {
				near = len(b.Messages)
			}
			if near != s.near {
				t.Fatalf("%s: the near mailbox has %d messages, want %d", s.name, near, s.near)
			}
		}
		if b, ok := w.disk["far"].Box("B"); ok && len(b.Messages) > 1 {
			t.Errorf("the other mailbox got mail: %+v", b)
		}
	}
}

func mustRemove(w *world, name string) {
	w.tb.Helper()
	if err := w.fs.Remove(name); err != nil {
		w.tb.Fatal(err)
	}
}

// A run that is cut off has noted the mailbox before it changes anything.
func TestUseNotedFirst(t *testing.T) {
	w := usesWorld(t, "Channel c\nFar :far:Special:Sent\nNear :near:S\nCreate Both\n", map[string]string{"A": "sent", "B": ""})
	errCut := errors.New("cut off")
	w.hook["near"] = func(op mem.Op) error {
		if op.Kind == mem.OpPutItem {
			return &store.BoxError{Store: "near", Box: "S", Err: errCut}
		}
		return nil
	}
	w.run(t.Context())
	if err := w.obs.errs[""]; !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	notes, err := engine.ReadNotes(w.fs, "/state/:far:Special:Sent_:near:S")
	if err != nil || notes.Box != [2]string{"A", ""} {
		t.Errorf("%+v, %v", notes, err)
	}
}

// TestUseTrash: the mailbox for trash is found by its use, or nothing is expunged.
func TestUseTrash(t *testing.T) {
	rc := strings.Replace(server, "Host h\n", "Host h\nTrash Special:Trash\n", 1) + "Channel c\nFar :far:A\nNear :near:S\nCreate Both\nExpunge Both\nMaxDelete 100%\n"
	w := newWorld(t, rc)
	w.uses = map[string]map[string]string{"far": {}}
	w.boxes("far", "A", "Bin")
	w.run(t.Context())
	if err := w.obs.failed["c"]; err == nil || !strings.Contains(err.Error(), "has the special use Trash") {
		t.Fatal(err)
	}
	w.uses["far"]["Bin"] = "trash"
	w.run(t.Context())
	b, _ := w.disk["near"].Box("S")
	w.disk["near"].SetFlags("S", b.Messages[0].UID, mail.FlagDeleted, 0)
	w.run(t.Context())
	a, _ := w.disk["far"].Box("A")
	bin, _ := w.disk["far"].Box("Bin")
	if len(a.Messages) != 0 || len(bin.Messages) != 2 {
		t.Errorf("A has %d messages, Bin %d\n%v", len(a.Messages), len(bin.Messages), fmt.Sprint(w.obs.log, w.disk["far"].State(), w.disk["near"].State(), w.obs.results))
	}
}

// TestUseOfBothSides: the mailbox of a use is missing on one of two servers. It is not taken
// for a mailbox with that name.
func TestUseOfBothSides(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "IMAPStore far\nHost h\n\nIMAPStore near\nHost i\n\nChannel c\nFar :far:Special:Sent\nNear :near:Special:Sent\nCreate Both\n")
	w.uses = map[string]map[string]string{"far": {}, "near": {"B": "sent"}}
	w.boxes("far", "Special:Sent")
	w.boxes("near", "B")
	w.run(t.Context())
	if err := w.obs.errs[""]; err == nil || !strings.Contains(err.Error(), `no mailbox of IMAPStore "far" has the special use Sent`) {
		t.Errorf("got %v", err)
	}
	if b, _ := w.disk["near"].Box("B"); len(b.Messages) != 1 {
		t.Errorf("got mail: %+v", b)
	}
}
