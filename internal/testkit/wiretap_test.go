package testkit

import (
	"slices"
	"strings"
	"testing"
)

// TestWiretap lets a Wiretap hear conversations, whole and byte by byte.
func TestWiretap(t *testing.T) {
	const login = "C: 1 LOGIN u p|S: 1 OK|"
	for _, tt := range []struct {
		name, talk string
		want       []Sign
	}{
		{"nothing special", login + "C: 2 SELECT box|S: 2 OK|C: 3 UID FETCH 1:* (FLAGS)|S: 3 OK|", nil},
		{"two at a time", login + "C: 2 NOOP|C: 3 NOOP|S: 2 OK|S: 3 OK|", []Sign{Pipelined}},
		{"ahead", "C: 1 CAPABILITY|C: 2 LOGIN u p|S: 1 OK|C: 3 ID NIL|S: 2 OK|S: 3 OK|", []Sign{Optimistic, Pipelined}},
		{"an APPEND", login + "C: 2 SELECT box|S: 2 OK|C: 3 APPEND box {3}|S: + go|C: xyz|S: 3 OK|", []Sign{Asked}},
		{"not asked", login + "C: 2 SELECT box|S: 2 OK|C: 3 APPEND box {3+}|C: xyz|S: 3 OK|", []Sign{Unasked}},
		{"two in one", login + "C: 2 SELECT box|S: 2 OK|C: 3 APPEND box {3+}|C: xyz {2+}|C: ab|S: 3 OK|", []Sign{MultiAppend, Unasked}},
		{"outside", login + "C: 2 APPEND box {3+}|C: xyz|S: 2 OK|", []Sign{StoredOutside, Unasked}},
		{"not wanted", login + "C: 2 SELECT box|S: 2 OK|C: 3 APPEND box {3}|S: 3 NO|C: 4 UID MOVE 1 x|S: 4 OK|", []Sign{Asked, Moved}},
		{"in a literal", login + "C: 2 SELECT box|S: 2 OK|C: 3 APPEND box {18+}|C: \r\n4 UID MOVE 1 x\r\n|S: 3 OK|", []Sign{Unasked}},
		{"QRESYNC", login + "C: 2 SELECT box (QRESYNC (1 2 1:3))|S: 2 OK|C: 3 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 3)|S: 3 OK|", []Sign{ChangedSince, Resync}},
		{"not the first time", login + "C: 2 SELECT box (CONDSTORE)|S: 2 OK|", nil},
		{"lists", login + `C: 2 LIST "" "*" RETURN (SUBSCRIBED STATUS (UIDNEXT))|S: 2 OK|C: 3 STATUS box (UIDNEXT)|S: 3 OK|`, []Sign{ListStatus, Statuses}},
		{"expunges", login + "C: 2 EXPUNGE|S: 2 OK|", nil},
		{"expunges some", login + "C: 2 UID EXPUNGE 3|S: 2 OK|", []Sign{UIDExpunge}},
		{"compressed", login + "C: 2 COMPRESS DEFLATE|S: 2 OK|C: 3 UID MOVE 1 x|C: 4 UID MOVE 1 x|", []Sign{Compressed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{1, 1000} {
				var w Wiretap
				e := w.listen()
				for line := range strings.SplitSeq(tt.talk, "|") {
					side, text, _ := strings.Cut(line, ": ")
					for p := range slices.Chunk([]byte(text+"\r\n"), piece) {
						switch side {
						case "C":
							e.up(p)
						case "S":
							e.down(p)
						}
					}
				}
				var got []Sign
				for s := range w.signs {
					got = append(got, s)
				}
				slices.Sort(got)
				slices.Sort(tt.want)
				if !slices.Equal(got, tt.want) {
					t.Errorf("in pieces of %d bytes: %q, want %q", piece, got, tt.want)
				}
			}
		})
	}
}

// TestWiretapLogins counts the connections of a run.
func TestWiretapLogins(t *testing.T) {
	var w Wiretap
	login := func() *ear {
		e := w.listen()
		e.up([]byte("1 LOGIN u p\r\n"))
		return e
	}
	login()
	w.NextRun()
	login()
	if w.Seen(Several) > 0 {
		t.Error("two runs are taken for one")
	}
	login().over()
	if w.Seen(Several) != 1 || w.Count("LOGIN") != 3 {
		t.Errorf("%d signs, %d logins", w.Seen(Several), w.Count("LOGIN"))
	}
	w.NextRun()
	login().over()
	login()
	if w.Seen(Several) != 1 {
		t.Error("a connection that takes the place of another is taken for a further one")
	}
}
