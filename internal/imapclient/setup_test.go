package imapclient

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"isync/internal/imapwire"
)

// TestSetup has servers that offer different extensions, and refuse some of them.
func TestSetup(t *testing.T) {
	id := []string{"name", "isync", "version", "1"}
	const hello = `ID ("name" "isync" "version" "1")`
	for _, tt := range []struct {
		name, caps string
		opts       Options
		// serve plays the server from after the greeting to the return of Setup.
		serve    func(p *peer)
		utf8, on bool
	}{
		{"nothing", "UNSELECT", Options{ID: id, Compression: CompressAlways}, func(*peer) {}, false, false},
		{"nothing wanted", "ID ENABLE COMPRESS=DEFLATE", Options{}, func(*peer) {}, false, false},
		{"an ID that is not waited for", "ID", Options{ID: id}, func(p *peer) { p.expect(hello) }, false, false},
		{
			"refused", "ID ENABLE UTF8=ACCEPT COMPRESS=DEFLATE", Options{ID: id, Compression: CompressAlways}, func(p *peer) {
				tag := p.expect(hello)
				p.send("%s BAD what?\n", tag)
				p.send("%s NO no\n", p.expect("ENABLE UTF8=ACCEPT"))
				p.send("%s NO [COMPRESSIONACTIVE] it is already\n", p.expect("COMPRESS DEFLATE"))
			}, false, false,
		},
		{"UTF-8", "ENABLE UTF8=ACCEPT", Options{}, func(p *peer) { p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n") }, true, false},
		{"UTF-8 only", "ENABLE UTF8=ONLY", Options{}, func(p *peer) { p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n") }, true, false},
		{"confirmed by nothing", "ENABLE UTF8=ACCEPT", Options{}, func(p *peer) { p.answer("ENABLE UTF8=ACCEPT", "* ENABLED\n") }, false, false},
		{"namespaces, asked without waiting", "ENABLE UTF8=ACCEPT NAMESPACE", Options{Namespace: true}, func(p *peer) {
			tag, second := p.expect("ENABLE UTF8=ACCEPT"), p.expect("NAMESPACE")
			p.send("* ENABLED UTF8=ACCEPT\n%s OK\n* NAMESPACE NIL NIL NIL\n%s OK\n", tag, second)
		}, true, false},
		{"namespaces, not offered", "UNSELECT", Options{Namespace: true}, func(*peer) {}, false, false},
		{"not confirmed", "ENABLE UTF8=ACCEPT", Options{}, func(p *peer) { p.answer("ENABLE UTF8=ACCEPT", "") }, false, false},
		{"UTF-8 disabled", "ENABLE UTF8=ACCEPT UTF8=ONLY", Options{DisableExtensions: []string{"utf8=accept"}}, func(*peer) {}, false, false},
		{"ENABLE disabled", "ENABLE UTF8=ACCEPT", Options{DisableExtensions: []string{"ENABLE"}}, func(*peer) {}, false, false},
		{"ID disabled", "ID", Options{ID: id, DisableExtensions: []string{"ID"}}, func(*peer) {}, false, false},
		{"compression disabled", "COMPRESS=DEFLATE", Options{Compression: CompressAlways, DisableExtensions: []string{"COMPRESS=DEFLATE"}}, func(*peer) {}, false, false},
		{"compression disabled in short", "COMPRESS=DEFLATE", Options{Compression: CompressAlways, DisableExtensions: []string{"COMPRESS"}}, func(*peer) {}, false, false},
		{"rev2 disabled", "IMAP4rev2 UTF8=ACCEPT", Options{DisableExtensions: []string{"IMAP4rev2"}}, func(*peer) {}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served, setUp := make(chan struct{}), make(chan struct{})
			c := connect(t, tt.opts, tt.caps, func(p *peer) {
				tt.serve(p)
				close(served)
				<-setUp
				if line := p.line(); line != "" {
					t.Errorf("server got %q", line)
				}
			})
			if err := c.Setup(testContext(t)); err != nil {
				t.Error(err)
			}
			<-served
			close(setUp)
			if c.names.utf8.Load() != tt.utf8 || c.deflate.on.Load() != tt.on {
				t.Errorf("UTF-8 %v, compression %v", c.names.utf8.Load(), c.deflate.on.Load())
			}
			_ = c.Close()
		})
	}
}

// chunks writes a text in pieces.
type chunks struct {
	text string
	size int
	err  error // at the end
}

func (c chunks) WriteTo(w io.Writer) (n int64, err error) {
	for len(c.text) > 0 {
		k, err := w.Write([]byte(c.text[:min(c.size, len(c.text))]))
		n += int64(k)
		if err != nil {
			return n, err
		}
		c.text = c.text[k:]
	}
	return n, c.err
}

// TestAppendUTF8 stores messages with all kinds of headers after ENABLE
// UTF8=ACCEPT.
func TestAppendUTF8(t *testing.T) {
	long := strings.Repeat("X-Long: "+strings.Repeat("x", 70)+"\r\n", 1000)
	for _, tt := range []struct {
		name, text string
		utf8       bool
	}{
		{"plain", "Subject: x\r\n\r\nx\r\n", false},
		{"only the body is not", "Subject: x\r\n\r\nä\r\n", false},
		{"header", "Subject: ä\r\n\r\nx\r\n", true},
		{"header that ends the message", "Subject: ä\r\n", true},
		{"header in Latin-1", "Subject: \xe4\r\n\r\nx\r\n", false},
		{"both", "Subject: ä\r\nX: \xe4\r\n\r\nx\r\n", false},
		{"no header", "\r\nä", false},
		{"empty", "", false},
		{"a long header", "Subject: ä\r\n" + long + "\r\nx", true},
		{"late", long[:60000] + "Subject: ä\r\n\r\nx", true},
		{"too late", long + "Subject: ä\r\n\r\nx", false},
		{"cut in a character", long[:maxPeek-2-12] + "\r\nSubject: \u20ac\u20ac\u20ac\u20ac\u20ac\r\n" + long, true},
	} {
		for _, size := range []int{1, 7, 64 << 10, 1 << 20} {
			for _, caps := range []string{"LITERAL+", ""} {
				t.Run(fmt.Sprint(tt.name, " ", size, " ", caps), func(t *testing.T) {
					if size < 64<<10 && len(tt.text) > 70000 {
						t.Skip("slow")
					}
					c := connect(t, Options{}, "ENABLE UTF8=ACCEPT UIDPLUS "+caps, func(p *peer) {
						p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n")
						plus, form, end := "", "{%d%s}", ""
						if caps != "" {
							plus = "+"
						}
						if tt.utf8 || tt.name == "too late" && size > maxPeek {
							form, end = "UTF8 (~{%d%s}", ")"
						}
						tag := p.expect(`APPEND "Entwürfe" () ` + fmt.Sprintf(form, len(tt.text), plus))
						if caps == "" {
							p.send("+ go\n")
						}
						if got := p.bytes(len(tt.text)); got != tt.text {
							t.Errorf("got %.100q", got)
						}
						if got := p.line(); got != end {
							t.Errorf("it ends with %q", got)
						}
						p.send("%s OK [APPENDUID 1 5] done\n", tag)
						p.idle()
					})
					if err := c.Setup(testContext(t)); err != nil {
						t.Fatal(err)
					}
					a, err := c.Append(testContext(t), "Entwürfe", AppendMessage{Size: int64(len(tt.text)), Body: chunks{tt.text, size, nil}})
					if err != nil || a.UID() != 5 {
						t.Error(a, err)
					}
				})
			}
		}
	}
}

// TestAppendUTF8Errors has sources that fail, and servers that refuse.
func TestAppendUTF8Errors(t *testing.T) {
	big := "Subject: ä\r\n\r\n" + strings.Repeat("x", 100000)
	c := connect(t, Options{}, "ENABLE UTF8=ACCEPT", func(p *peer) {
		p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n")
		p.send("%s NO [TOOBIG] too much\n", p.expect(fmt.Sprintf(`APPEND "x" () UTF8 (~{%d}`, len(big))))
		p.answer("NOOP", "")
		p.expect(fmt.Sprintf(`APPEND "x" () UTF8 (~{%d}`, len(big)+1))
		p.send("+ go\n")
		p.idle()
	})
	ctx := testContext(t)
	if err := c.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(ctx, "x", AppendMessage{Size: int64(len(big)), Body: chunks{big, 1 << 16, nil}}); !HasCode(err, "TOOBIG") {
		t.Error(err)
	}
	if err := c.Noop(ctx); err != nil {
		t.Error(err)
	}
	_, err := c.Append(ctx, "x", AppendMessage{Size: int64(len(big)) + 1, Body: chunks{big, 1 << 16, nil}})
	if b, ok := errors.AsType[*BodyError](err); !ok || b.Conn == nil {
		t.Error(err)
	}
}

// TestAmpersandsUTF8: some servers escape ampersands even after ENABLE
// UTF8=ACCEPT, others do not.
func TestAmpersandsUTF8(t *testing.T) {
	for _, tt := range []struct {
		raw, name string // of the last mailbox that is listed
		sent      string // what "A & ü" is written as afterwards
	}{
		// The first one shows how the second one is meant.
		{"&\"\n* LIST () \"/\" \"&-", "&-", "A & ü"},
		{"Q & A", "Q & A", "A & ü"},
		{"Q &- A", "Q & A", "A &- ü"},
		{"Tschüß &- ade", "Tschüß & ade", "A &- ü"},
		{"Entw&APw-rfe &- mehr", "Entwürfe & mehr", "A &- ü"},
		{"a &- b & c", "a &- b & c", "A & ü"},
		{"R&D", "R&D", "A & ü"},
		{"plain", "plain", "A & ü"},
	} {
		shared := new(Ampersands)
		c := connect(t, Options{Ampersands: shared}, "ENABLE UTF8=ACCEPT", func(p *peer) {
			p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n")
			p.answer(`LIST "" "*"`, "* LIST () \"/\" \""+tt.raw+"\"\n")
			p.answer(fmt.Sprintf(`STATUS "%s" (MESSAGES)`, tt.sent), fmt.Sprintf("* STATUS \"%s\" (MESSAGES 3)\n", tt.sent))
			p.answer(fmt.Sprintf(`SELECT "%s"`, tt.sent), "* 0 EXISTS\n* OK [UIDVALIDITY 1]\n")
			p.idle()
		})
		ctx := testContext(t)
		if err := c.Setup(ctx); err != nil {
			t.Fatal(err)
		}
		if l, err := c.List(ctx, ListRequest{Patterns: []string{"*"}}); err != nil || len(l) == 0 || l[len(l)-1].Name != tt.name {
			t.Errorf("%q: %v, %v", tt.raw, l, err)
		}
		if st, err := c.Status(ctx, "A & ü", imapwire.BoxMessages); err != nil || st.Messages != 3 {
			t.Errorf("%q: %+v, %v", tt.raw, st, err)
		}
		if _, err := c.Select(ctx, "A & ü", SelectOptions{}); err != nil {
			t.Errorf("%q: %v", tt.raw, err)
		}
		if shared.escaped() != (tt.sent == "A &- ü") {
			t.Errorf("%q: escaped: %v", tt.raw, shared.escaped())
		}
	}
}

// TestNamesUTF8: names cross as they are after ENABLE UTF8=ACCEPT.
func TestNamesUTF8(t *testing.T) {
	c := connect(t, Options{}, "ENABLE UTF8=ACCEPT", func(p *peer) {
		p.answer(`LIST "" "Entw&APw-rfe"`, "* LIST () \"/\" \"Entw&APw-rfe\"\n")
		p.answer("ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n")
		p.answer(`LIST "" "Entwürfe & mehr"`, "* LIST () \"/\" \"Entwürfe & mehr\"\n")
		p.answer(`CREATE "x & ü"`, "")
		p.answer(`LIST "" "*"`, "* LIST () \"/\" \"Entw\xfcrfe\"\n")
		p.idle()
	})
	ctx := testContext(t)
	list := func(name string) {
		t.Helper()
		l, err := c.List(ctx, ListRequest{Patterns: []string{name}})
		if err != nil || len(l) != 1 || l[0].Name != name {
			t.Error(l, err)
		}
	}
	list("Entwürfe")
	if err := c.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	list("Entwürfe & mehr")
	if err := c.Create(ctx, "x & ü"); err != nil {
		t.Error(err)
	}
	if l, err := c.List(ctx, ListRequest{Patterns: []string{"*"}}); err != nil || len(l) != 1 || l[0].Err == nil {
		t.Error(l, err)
	}
}
