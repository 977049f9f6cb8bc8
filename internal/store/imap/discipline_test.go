package imap_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/storetest"
	"isync/internal/testkit"
)

// literalEnd is how a line ends that a literal follows.
var literalEnd = regexp.MustCompile(`\{(\d+)\+?\}$`)

// lines cuts a stream into lines, leaving out what is in literals.
type lines struct {
	buf  []byte
	skip int  // bytes of a literal that are still to come
	cont bool // the next line goes on with the one before
}

// add takes more of the stream and calls f for each line; cont tells that it
// goes on with the one before, behind a literal.
func (l *lines) add(p []byte, f func(line string, cont bool)) {
	l.buf = append(l.buf, p...)
	for {
		n := min(l.skip, len(l.buf))
		l.buf, l.skip = l.buf[n:], l.skip-n
		line, rest, ok := bytes.Cut(l.buf, []byte("\r\n"))
		if l.skip > 0 || !ok {
			return
		}
		cont := l.cont
		l.buf, l.cont = rest, false
		if m := literalEnd.FindSubmatch(line); m != nil {
			l.skip, _ = strconv.Atoi(string(m[1]))
			l.cont = true
		}
		f(string(line), cont)
	}
}

// watched is a connection whose conversation is looked at.
type watched struct {
	net.Conn
	command func(line string)          // complete lines that begin commands
	beside  func(line, waiting string) // a command while another is under way

	mu             sync.Mutex
	sent, received lines
	tags           map[string]string
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.sent.add(p, func(line string, cont bool) {
		tag, _, ok := strings.Cut(line, " ")
		if cont || !ok {
			return // goes on with a command, or answers a challenge
		}
		for _, other := range w.tags {
			w.beside(line, other)
		}
		w.tags[tag] = line
		w.command(line)
	})
	w.mu.Unlock()
	return w.Conn.Write(p)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.received.add(p[:n], func(line string, _ bool) {
		tag, _, _ := strings.Cut(line, " ")
		delete(w.tags, tag)
	})
	return n, err
}

// suiteWatched runs the suite with connections that are watched.
func suiteWatched(t *testing.T, change func(*imap.Options), command func(line string), beside func(line, waiting string)) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{})
	var users atomic.Int32
	storetest.Run(t, storetest.Config{
		Unmarked: true,
		Bare:     true,
		Stored:   d.Traits().Stored,
		New: func(t testing.TB) storetest.Backend {
			user := fmt.Sprintf("user%d", users.Add(1))
			d.AddUser(t, user)
			opts := options(t, d, user)
			opts.Client.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.Addr())
				return &watched{Conn: conn, command: command, beside: beside, tags: map[string]string{}}, err
			}
			change(&opts)
			return storetest.Backend{Open: func(testing.TB) store.Store { return imap.New(opts) }}
		},
	})
}

// TestOneAtATime: with a PipelineDepth of 1, whatever is done, no command is
// sent before the one before it has been answered. With more, some are.
func TestOneAtATime(t *testing.T) {
	for _, depth := range []int{1, 4} {
		t.Run(strconv.Itoa(depth), func(t *testing.T) {
			var commands, together atomic.Int32
			suiteWatched(t, func(o *imap.Options) {
				o.Client.PipelineDepth = depth
				o.Client.ID = []string{"name", "isync"}
			}, func(string) { commands.Add(1) }, func(line, waiting string) {
				together.Add(1)
				if depth == 1 {
					t.Errorf("%q is sent while %q is under way", line, waiting)
				}
			})
			if n := commands.Load(); n < 200 || depth > 1 && together.Load() == 0 {
				t.Errorf("%d commands, %d while another was under way", n, together.Load())
			}
		})
	}
}

// extensions are signs of extensions in commands.
var extensions = regexp.MustCompile(`(?i)^\S+ (ID|ENABLE|COMPRESS|NAMESPACE|UNSELECT|MOVE|UID MOVE|UID EXPUNGE|IDLE|NOTIFY|UID REPLACE)\b|` +
	`\bRETURN\b|CONDSTORE|QRESYNC|CHANGEDSINCE|UNCHANGEDSINCE|MODSEQ|VANISHED|UTF8|\+\}$|~\{|^\S+ LIST \(|^\S+ STATUS .*\bSIZE|^\S+ AUTHENTICATE \S+ \S`)

// TestDisableExtensions: what is disabled is not used, and all goes well without.
// What is not is used, or this test would not find it.
func TestDisableExtensions(t *testing.T) {
	all := strings.Fields("SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND " +
		"URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH " +
		"LIST-STATUS BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ LITERAL- NOTIFY SPECIAL-USE COMPRESS UTF8=ACCEPT")
	for _, disabled := range [][]string{nil, all} {
		t.Run(fmt.Sprint(len(disabled)), func(t *testing.T) {
			var used atomic.Int32
			suiteWatched(t, func(o *imap.Options) {
				o.Client.DisableExtensions = disabled
				o.Client.ID = []string{"name", "isync"}
				o.Client.Compression = imapclient.CompressAlways
			}, func(line string) {
				if extensions.MatchString(line) {
					used.Add(1)
					if disabled != nil {
						t.Errorf("sent %q", line)
					}
				}
			}, func(string, string) {})
			if disabled == nil && used.Load() == 0 {
				t.Error("no extension was used")
			}
		})
	}
}
