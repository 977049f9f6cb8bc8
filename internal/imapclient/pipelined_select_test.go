package imapclient

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// TestPipelinedSelects: a response goes to a command about the mailbox that is selected, and
// to none behind a SELECT that was not answered.
func TestPipelinedSelects(t *testing.T) {
	for _, tt := range []struct {
		name    string
		qresync bool
		answers string
		want    []string
	}{
		{
			name:    "in order",
			answers: "sel 1|A1 OK x|* 1 FETCH (UID 1 FLAGS (\\Seen))|A2 OK x|sel 2|A3 OK x|* 1 FETCH (UID 1 FLAGS ())|A4 OK x",
			want:    []string{"select 1", "a 1 S", "a ends", "select 2", "b 1 ", "b ends"},
		},
		{
			name: "reports between",
			answers: "sel 1|A1 OK x|* 1 FETCH (UID 1 FLAGS (\\Seen))|A2 OK x|* 2 FETCH (UID 2 FLAGS (\\Flagged))|* 1 EXPUNGE|sel 2|* 1 FETCH (UID 7 FLAGS ())|A3 OK x|" +
				"* 1 FETCH (UID 1 FLAGS ())|A4 OK x",
			want: []string{"select 1", "a 1 S", "a ends", "other 2 F", "gone 1", "other 7 ", "select 2", "b 1 ", "b ends"},
		},
		{
			name:    "a report beyond what was asked for",
			answers: "sel 1|A1 OK x|* 2 FETCH (UID 7 FLAGS (\\Flagged))|A2 OK x|sel 2|A3 OK x|A4 OK x",
			want:    []string{"select 1", "other 7 F", "a ends", "select 2", "b ends"},
		},
		{
			name:    "refused",
			answers: "A1 NO none|A2 BAD nothing is selected|sel 2|A3 OK x|* 1 FETCH (UID 1 FLAGS ())|A4 OK x",
			want:    []string{"select: server refused SELECT: NO none", "a ends", "select 2", "b 1 ", "b ends"},
		},
		{
			name: "closed", qresync: true,
			answers: "sel 1|A1 OK x|A2 OK x|* 1 FETCH (UID 1 FLAGS (\\Flagged) MODSEQ (5))|* OK [CLOSED] x|sel 2|* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (6))|A3 OK x|A4 OK x",
			want:    []string{"select 1", "a ends", "changed 1 F", "closed", "changed 2 S", "select 2", "b ends"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log []string // on the reader goroutine
			note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
			hooks := Hooks{
				Fetch:   func(f *imapwire.Fetch) { note("other %d %s", f.UID, f.Flags) },
				Expunge: func(seq uint32) { note("gone %d", seq) },
			}
			c := connect(t, Options{Hooks: hooks}, "", func(p *peer) {
				var tags []string
				for range 4 {
					tag, _, _ := strings.Cut(p.line(), " ")
					tags = append(tags, tag)
				}
				for line := range strings.SplitSeq(tt.answers, "|") {
					if n, ok := strings.CutPrefix(line, "sel "); ok {
						p.send("* 2 EXISTS\n* OK [UIDVALIDITY %s] x\n* OK [UIDNEXT 9] x\n", n)
						continue
					}
					for i, tag := range tags {
						line = strings.Replace(line, fmt.Sprintf("A%d ", i+1), tag+" ", 1)
					}
					p.send("%s\n", line)
				}
				p.idle()
			})
			done := func(s *Selected, err error) {
				if err != nil {
					note("select: %v", err)
				} else {
					note("select %d", s.UIDValidity)
				}
			}
			var pending []func() error
			for i, name := range []string{"a", "b"} {
				o := SelectOptions{Done: done}
				if tt.qresync && i == 1 {
					o.QResync = QResync{
						UIDValidity: 2, ModSeq: 1, Changed: func(f *imapwire.Fetch) { note("changed %d %s", f.UID, f.Flags) },
						Closed: func() { note("closed") },
					}
				}
				s, err := c.StartSelect(t.Context(), name, o)
				if err != nil {
					t.Fatal(err)
				}
				// The first one asks for less.
				req := FetchRequest{UIDs: mail.UIDSet{{First: 1, Last: mail.UID(5 + 5*i)}}, Items: imapwire.ItemFlags, Done: func(error) { note("%s ends", name) }}
				f, err := c.StartFetch(t.Context(), req, func(m *Message) error {
					note("%s %d %s", name, m.UID, m.Flags)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				pending = append(pending, func() error {
					_, _ = s.Wait(t.Context())
					_, err := f.Wait(t.Context())
					return err
				})
			}
			for _, wait := range pending {
				_ = wait()
			}
			if !slices.Equal(log, tt.want) {
				t.Errorf("%q\nwant %q", log, tt.want)
			}
		})
	}
}
