package imapclient

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// TestLongAnswers: what is kept of an answer is bounded, whatever makes it long.
func TestLongAnswers(t *testing.T) {
	attrs := make([]string, 900)
	for i := range attrs {
		attrs[i] = fmt.Sprintf(`\A%d`, i)
	}
	for name, list := range map[string]imapwire.List{
		"names":      {Name: strings.Repeat("x", 1000), Delim: "/"},
		"attributes": {Name: "x", Delim: "/", Attrs: attrs},
		"delimiters": {Name: "x", Delim: strings.Repeat("/", 1000)},
		"mailboxes":  {Name: "x", Delim: "/"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &listing{c: newClient(nil, Options{}), kind: imapwire.KindList}
			size := len(list.Name) + len(list.Delim) + entryBytes
			for _, a := range list.Attrs {
				size += len(a) + attrBytes
			}
			for range maxListBytes / size {
				l.data(&imapwire.Response{Kind: imapwire.KindList, List: list}, true)
			}
			if l.err != nil || len(l.entries) != maxListBytes/size {
				t.Fatalf("%d mailboxes: %v", len(l.entries), l.err)
			}
			for range 2 {
				l.data(&imapwire.Response{Kind: imapwire.KindList, List: list}, true)
			}
			if l.err == nil || l.entries != nil {
				t.Errorf("%d mailboxes: %v", len(l.entries), l.err)
			}
		})
	}
}

// TestLongSearch: a SEARCH that finds more than there is fails, in however many responses
// that comes.
func TestLongSearch(t *testing.T) {
	for name, c := range map[string]struct {
		caps, form string
	}{"SEARCH": {"", "* SEARCH"}, "ESEARCH": {"ESEARCH", "* ESEARCH (TAG \"A2\") UID ALL"}} {
		for _, n := range []int{someFound + 5, someFound + 6} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				cl := connect(t, Options{}, c.caps, func(p *peer) {
					tag := p.expect("NOOP")
					p.send("* 5 EXISTS\n%s OK\n", tag)
					p.line()
					for i := range n {
						p.send("%s %d\n", c.form, 2*i+1)
					}
					p.send("A2 OK\n")
					p.idle()
				})
				if err := cl.Noop(t.Context()); err != nil {
					t.Fatal(err)
				}
				found, err := cl.Search(t.Context(), "ALL")
				if n == someFound+5 {
					if err != nil || found.Len() != uint64(n) {
						t.Errorf("%d found: %v", found.Len(), err)
					}
				} else if _, ok := errors.AsType[*AnswerError](err); !ok || !mail.UIDSet.Empty(found) {
					t.Errorf("%d found: %v", found.Len(), err)
				}
			})
		}
	}
}
