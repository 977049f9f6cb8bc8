package imap_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/vfs"
)

// narrowServer is a server that takes only short command lines.
type narrowServer struct {
	limit   int
	refusal string // BAD, NO, or "" to hang up
	// noUIDExpunge: it announces UIDPLUS, and refuses UID EXPUNGE.
	noUIDExpunge bool

	mu       sync.Mutex
	msgs     []mail.Meta
	refused  int // commands
	expunges []string
}

func (s *narrowServer) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	w := bufio.NewWriter(conn)
	fmt.Fprint(w, "* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS] hi\r\n")
	for {
		w.Flush()
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		tag, cmd, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if len(line) > s.limit {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			if s.refusal == "" {
				return
			}
			fmt.Fprintf(w, "%s %s what is that\r\n", tag, s.refusal)
			continue
		}
		if s.answer(w, cmd) {
			fmt.Fprintf(w, "%s OK done\r\n", tag)
		} else {
			fmt.Fprintf(w, "%s NO not possible\r\n", tag)
		}
	}
}

func (s *narrowServer) answer(w io.Writer, cmd string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := strings.Fields(cmd)
	switch {
	case word[0] == "SELECT":
		fmt.Fprintf(w, "* FLAGS (\\Seen \\Deleted)\r\n* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] x\r\n* %d EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT %d] x\r\n", len(s.msgs), s.msgs[len(s.msgs)-1].UID+1)
	case strings.HasPrefix(cmd, "UID FETCH"):
		set := mustSet(word[2])
		for i, m := range s.msgs {
			if !set.Contains(m.UID) {
				continue
			}
			fmt.Fprintf(w, "* %d FETCH (UID %d FLAGS (%s)", i+1, m.UID, flagNames(m.Flags))
			if strings.Contains(cmd, "BODY") {
				body := fmt.Sprintf("S: %d\r\n\r\n", m.UID)
				fmt.Fprintf(w, " INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE %d BODY[] {%d}\r\n%s", len(body), len(body), body)
			}
			fmt.Fprint(w, ")\r\n")
		}
	case strings.HasPrefix(cmd, "UID STORE"):
		set := mustSet(word[2])
		for i := range s.msgs {
			if set.Contains(s.msgs[i].UID) && strings.Contains(cmd, "Deleted") {
				s.msgs[i].Flags |= mail.FlagDeleted
			}
		}
	case strings.HasPrefix(cmd, "UID EXPUNGE"):
		s.expunges = append(s.expunges, "UID EXPUNGE")
		if s.noUIDExpunge {
			return false
		}
		s.expunge(w, mustSet(word[2]))
	case word[0] == "EXPUNGE":
		s.expunges = append(s.expunges, cmd)
		s.expunge(w, mail.UIDsFrom(1))
	}
	return true
}

func (s *narrowServer) expunge(w io.Writer, set mail.UIDSet) {
	kept := s.msgs[:0]
	for _, m := range s.msgs {
		if set.Contains(m.UID) && m.Flags&mail.FlagDeleted != 0 {
			fmt.Fprintf(w, "* %d EXPUNGE\r\n", len(kept)+1)
			continue
		}
		kept = append(kept, m)
	}
	s.msgs = kept
}

func flagNames(f mail.Flags) string {
	if f&mail.FlagDeleted != 0 {
		return `\Deleted`
	}
	return ""
}

func mustSet(text string) mail.UIDSet {
	set, err := imapwire.ParseUIDSet(text)
	if err != nil {
		panic(err)
	}
	return set
}

// open returns a store on the server.
func (s *narrowServer) open(t *testing.T, cache *memo.Dir) *imap.Store {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	addr := l.Addr().(*net.TCPAddr)
	st := imap.New(imap.Options{
		Name: "far", Client: imapclient.Options{Host: "127.0.0.1", Port: addr.Port}, HasPath: true, Delimiter: "/",
		Listings: cache, Server: "narrow",
	})
	t.Cleanup(func() {
		_ = st.Close()
		_ = l.Close()
		wg.Wait()
	})
	return st
}

// fetchSome lists and fetches those messages, and notes what has arrived.
func fetchSome(t *testing.T, st *imap.Store, uids mail.UIDSet, got map[mail.UID]int) error {
	t.Helper()
	m, err := st.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		return err
	}
	defer m.Close(t.Context())
	l, err := m.Scan(t.Context(), store.Need{UIDs: uids, Flags: true})
	if err != nil {
		return err
	}
	var items []store.FetchItem
	for _, msg := range l.Messages {
		items = append(items, store.FetchItem{UID: msg.UID})
	}
	if len(items) != int(uids.Len()) {
		return fmt.Errorf("%d of %d messages are listed", len(items), uids.Len())
	}
	return m.Fetch(t.Context(), items, func(in *store.Incoming) error {
		if in.Err != nil {
			return in.Err
		}
		data, err := io.ReadAll(in.Body)
		if err == nil && !strings.HasPrefix(string(data), fmt.Sprintf("S: %d", in.UID)) {
			err = errors.New("wrong body")
		}
		got[in.UID]++
		return err
	})
}

// TestNarrowLines: servers that take only short lines get short lines, as soon as
// they have refused a long one, also in later runs.
func TestNarrowLines(t *testing.T) {
	const n = 3000
	for _, limit := range []int{1000, 2000, 4000, 8000} {
		for _, refusal := range []string{"BAD", "NO", ""} {
			t.Run(fmt.Sprintf("%d %s", limit, refusal), func(t *testing.T) {
				s := &narrowServer{limit: limit, refusal: refusal}
				var uids mail.UIDSet
				for i := range n {
					u := mail.UID(100000 + 7*i)
					uids.Add(u)
					s.msgs = append(s.msgs, mail.Meta{UID: u})
				}
				cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "c"))
				got := make(map[mail.UID]int)
				runs := 1
				err := fetchSome(t, s.open(t, cache), uids, got)
				if refusal == "" && limit < 8000 {
					if err == nil {
						t.Fatal("no failure at first")
					}
					runs++
					err = fetchSome(t, s.open(t, cache), uids, got)
				}
				if err != nil || len(got) != n {
					t.Fatalf("%d messages after %d runs, %v", len(got), runs, err)
				}
				for u, times := range got {
					if times != 1 {
						t.Fatalf("message %d came %d times", u, times)
					}
				}
				refusals := s.refused
				if limit == 8000 && refusals != 0 {
					t.Errorf("%d commands were longer than 8000 bytes", refusals)
				}
				// What was learned lasts.
				clear(got)
				st := s.open(t, cache)
				if err := fetchSome(t, st, uids, got); err != nil || s.refused != refusals {
					t.Errorf("the next run: %v, %d more refusals", err, s.refused-refusals)
				}
				s.changeAll(t, s.open(t, cache), uids)
				if refusal == "" {
					return
				}
				// Each kind of command finds it out by itself.
				s.msgs = nil
				for u := range uids.All() {
					s.msgs = append(s.msgs, mail.Meta{UID: u})
				}
				s.changeAll(t, s.open(t, nil), uids)
			})
		}
	}
}

// changeAll marks each second message and expunges those.
func (s *narrowServer) changeAll(t *testing.T, st *imap.Store, uids mail.UIDSet) {
	t.Helper()
	m, err := st.Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	var changes []store.FlagChange
	var gone mail.UIDSet
	i := 0
	for u := range uids.All() {
		if i++; i%2 == 0 {
			changes = append(changes, store.FlagChange{UID: u, Add: mail.FlagDeleted})
			gone.Add(u)
		}
	}
	err = m.SetFlags(t.Context(), changes, func(i int, err error) {
		if err != nil {
			t.Errorf("marking %d: %v", i, err)
		}
	})
	if err == nil {
		err = m.Remove(t.Context(), store.RemoveRequest{UIDs: gone})
	}
	if left := len(s.msgs); err != nil || left != int(uids.Len()-gone.Len()) {
		t.Fatalf("%d messages are left, %v", left, err)
	}
}

// TestExpungeRefused: UID EXPUNGE is replaced by EXPUNGE only if nothing else is
// marked as deleted at that moment.
func TestExpungeRefused(t *testing.T) {
	s := &narrowServer{limit: 8000, noUIDExpunge: true, msgs: []mail.Meta{
		{UID: 1}, {UID: 2}, {UID: 3}, {UID: 4}, {UID: 5}, {UID: 6},
	}}
	m, err := s.open(t, nil).Open(t.Context(), "INBOX", store.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	mark := func(uids ...int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, u := range uids {
			for i := range s.msgs {
				if int(s.msgs[i].UID) == u {
					s.msgs[i].Flags ^= mail.FlagDeleted
				}
			}
		}
	}
	remove := func(uids ...mail.UID) error {
		s.expunges = nil
		return m.Remove(t.Context(), store.RemoveRequest{UIDs: mail.NewUIDSet(uids...)})
	}
	// Another program marks a message after everything has been listed.
	if _, err := m.Scan(t.Context(), everything); err != nil {
		t.Fatal(err)
	}
	mark(1, 2, 5)
	err = remove(1, 2)
	others, ok := asType[*imap.OthersMarkedError](err)
	if !ok || !isBoxError(err) || others.N != 1 || others.First != 5 || len(s.msgs) != 6 || !strings.Contains(err.Error(), "UID EXPUNGE") {
		t.Fatalf("Remove = %v; %d messages are left", err, len(s.msgs))
	}
	mark(5)
	if err := remove(1, 2, 6); err != nil || len(s.msgs) != 4 {
		t.Fatalf("Remove = %v; %d messages are left", err, len(s.msgs))
	}
	// That it is refused is remembered.
	mark(3)
	if err := remove(3); err != nil || len(s.msgs) != 3 || fmt.Sprint(s.expunges) != "[EXPUNGE]" {
		t.Fatalf("Remove = %v; %d messages are left; %v", err, len(s.msgs), s.expunges)
	}
	mark(4)
	if err := remove(6); err == nil || len(s.msgs) != 3 || len(s.expunges) != 0 {
		t.Fatalf("Remove = %v; %d messages are left; %v", err, len(s.msgs), s.expunges)
	}
	// Nothing is marked any more.
	mark(4)
	if err := remove(6); err != nil || len(s.msgs) != 3 || len(s.expunges) != 0 {
		t.Fatalf("Remove = %v; %d messages are left; %v", err, len(s.msgs), s.expunges)
	}
}
