package oauth

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"isync/internal/auth"
	"isync/internal/event"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// fileStore returns a store in a private directory.
func fileStore(t *testing.T) *FileStore {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tokens")
	return &FileStore{FS: vfs.OS{}, Path: filepath.Join(dir, "account")}
}

// put saves a grant.
func put(t *testing.T, s Store, g *Grant) {
	t.Helper()
	room, err := s.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Save(t.Context(), g); err != nil {
		t.Fatal(err)
	}
}

// world is an account whose token is in a file.
type world struct {
	idp   *idp
	store *FileStore
	now   func() time.Time

	mu    sync.Mutex
	facts []event.Fact
}

// newWorld makes an account. Its access token expires in a while.
func newWorld(t *testing.T, expires time.Duration) *world {
	t.Helper()
	w := &world{idp: newIDP(t), store: fileStore(t)}
	put(t, w.store, w.idp.issue(w.idp.client(), expires))
	return w
}

// source returns what a process would have.
func (w *world) source() *Source {
	return NewSource(SourceOptions{
		Account: "IMAPAccount \"a\"", Command: "mbsync --auth a", Client: w.idp.client(), Store: w.store,
		Lock: &Lock{FS: w.store.FS, Path: w.store.Path + ".lock"}, Now: w.now,
		Warn: func(f event.Fact) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.facts = append(w.facts, f)
		},
	})
}

// stored returns the stored grant.
func (w *world) stored(t *testing.T) *Grant {
	t.Helper()
	g, err := w.store.Load(t.Context())
	if err != nil || g == nil {
		t.Fatalf("stored: %v, %v", g, err)
	}
	return g
}

func token(t *testing.T, s *Source) string {
	t.Helper()
	got, err := s.Token(t.Context())
	if err != nil {
		noSecret(t, "error", err.Error())
		t.Fatal(err)
	}
	return got.Secret
}

// failure returns the error of a Source, and whether it is a passing one.
func failure(t *testing.T, s *Source) (err error, passing bool) { //nolint:revive // the error is the result
	t.Helper()
	_, err = s.Token(t.Context())
	e, ok := errors.AsType[*auth.UnavailableError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	noSecret(t, "error", err)
	return err, e.Passing
}

func TestFreshToken(t *testing.T) {
	w := newWorld(t, time.Hour)
	s := w.source()
	want := w.stored(t).Access
	for range 3 {
		if got := token(t, s); got != want {
			t.Errorf("got another token")
		}
	}
	if n := w.idp.count("refresh_token"); n != 0 {
		t.Errorf("refreshed %d times", n)
	}
}

// TestRefresh: a token is refreshed five minutes before it expires, and saved before it is
// used.
func TestRefresh(t *testing.T) {
	w := newWorld(t, 4*time.Minute)
	before := w.stored(t)
	s := w.source()
	got, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := w.stored(t)
	if got.Secret == before.Access || got.Secret != after.Access || after.Refresh == before.Refresh {
		t.Error("the new token was not saved")
	}
	if left := time.Until(got.Expires); left < 50*time.Minute || left > 56*time.Minute {
		t.Errorf("to be refreshed in %v", left)
	}
	if token(t, s) != after.Access || token(t, w.source()) != after.Access || w.idp.count("refresh_token") != 1 {
		t.Error("refreshed again")
	}
	if fi, err := os.Stat(w.store.Path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if fi, err := os.Stat(filepath.Dir(w.store.Path)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v, %v", fi.Mode(), err)
	}
}

// TestShortLife: a token with a short lifetime is not refreshed all the time.
func TestShortLife(t *testing.T) {
	w := newWorld(t, -time.Second)
	w.idp.lifetime = 120
	s := w.source()
	first := token(t, s)
	if token(t, s) != first || token(t, w.source()) != first {
		t.Error("refreshed at once")
	}
	w.now = func() time.Time { return time.Now().Add(65 * time.Second) }
	if token(t, w.source()) == first {
		t.Error("not refreshed after half of its life")
	}
}

// TestRefused: if the mail server refuses the token, it is refreshed once, unless another
// process has done so.
func TestRefused(t *testing.T) {
	w := newWorld(t, time.Hour)
	one, two := w.source(), w.source()
	first := token(t, one)
	if token(t, two) != first {
		t.Fatal("different tokens")
	}
	if !one.Invalidate(first) || !two.Invalidate(first) {
		t.Error("not renewable")
	}
	second := token(t, one)
	if second == first || token(t, two) != second || w.idp.count("refresh_token") != 1 {
		t.Errorf("refreshed %d times", w.idp.count("refresh_token"))
	}
}

// TestFamily: many processes refresh the same token at the same time, and the family of
// refresh tokens survives.
func TestFamily(t *testing.T) {
	w := newWorld(t, -time.Second)
	for round := range 5 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[string]bool{}
		for range 8 {
			wg.Go(func() {
				tok, err := w.source().Token(t.Context())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[tok.Secret] = true
			})
		}
		wg.Wait()
		if len(got) != 1 || w.idp.count("refresh_token") != round+1 || len(w.idp.revoked) > 0 {
			t.Fatalf("%d tokens, %d requests, revoked: %v", len(got), w.idp.count("refresh_token"), w.idp.revoked)
		}
		g := w.stored(t)
		g.Expires = time.Now().Add(-time.Second)
		put(t, w.store, g)
	}
}

// TestRevoked: after invalid_grant the user has to log in, and nothing is sent again until
// the stored token changes.
func TestRevoked(t *testing.T) {
	w := newWorld(t, -time.Second)
	w.idp.mu.Lock()
	clear(w.idp.valid)
	w.idp.mu.Unlock()
	s := w.source()
	for range 3 {
		err, passing := failure(t, s)
		e, ok := errors.AsType[*ConsentError](err)
		if passing || !ok || e.Reason != Rejected || !strings.Contains(err.Error(), "invalid_grant (Token[2J has been revoked)") {
			t.Errorf("got %v, passing %v", err, passing)
		}
	}
	if n := w.idp.count("refresh_token"); n != 1 {
		t.Errorf("%d requests", n)
	}
	put(t, w.store, w.idp.issue(w.idp.client(), -time.Second))
	token(t, s)
}

// TestTroubleAtProvider: whatever goes wrong on the way to the provider passes, and the
// stored token stays.
func TestTroubleAtProvider(t *testing.T) {
	page := func(status int, kind, text string) func(http.ResponseWriter, url.Values) bool {
		return func(w http.ResponseWriter, _ url.Values) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
			return true
		}
	}
	const html = "<html>access-" + secretMark + "</html>"
	for _, tt := range []struct {
		name    string
		answer  func(http.ResponseWriter, url.Values) bool
		passing bool
		text    string
	}{
		{"HTML", page(200, "text/html", html), true, "the answer is not an OAuth response"},
		{"HTML as text", page(200, "text/plain", html), true, "the answer is not an OAuth response"},
		{"HTML 403", page(403, "text/html", html), true, "the answer has status 403 and is not an OAuth response"},
		{"503", page(503, "text/html", html), true, "the answer has status 503"},
		{"500 with a code", page(500, "application/json", `{"error":"invalid_grant"}`), true, "invalid_grant"},
		{"empty", page(200, "application/json", ""), true, "the answer is not an OAuth response"},
		{"no token", page(200, "application/json", `{"token_type":"bearer"}`), true, "the answer is not an OAuth response"},
		{"half", page(200, "application/json", `{"access_token":"`+secretMark), true, "the answer is not an OAuth response"},
		{"odd token", page(200, "application/json", `{"access_token":"a\nb`+secretMark+`"}`), true, "characters that a token cannot have"},
		{"busy", page(400, "application/json", `{"error":"temporarily_unavailable"}`), true, "temporarily_unavailable"},
		{"too many", page(429, "application/json", `{"error":"over_query"}`), true, "over_query"},
		{"wrong client", page(401, "application/json", `{"error":"invalid_client","error_description":"\u001b]0;x\u0007unknown"}`), false, "invalid_client (]0;xunknown)"},
		{"odd code", page(400, "application/json", `{"error":"<b>`+secretMark+`"}`), true, "the answer has status 400 and is not an OAuth response"},
		{"redirect", func(w http.ResponseWriter, _ url.Values) bool {
			w.Header().Set("Location", "/elsewhere?x="+secretMark)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return true
		}, true, "the answer has status 307"},
		{"closed", func(http.ResponseWriter, url.Values) bool { panic(http.ErrAbortHandler) }, true, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, -time.Second)
			w.idp.answer = tt.answer
			before := w.stored(t)
			s := w.source()
			err, passing := failure(t, s)
			if passing != tt.passing || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, passing %v", err, passing)
			}
			if after := w.stored(t); *after != *before {
				t.Error("the stored token has changed")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(w.store.Path), "*.new")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			w.idp.mu.Lock()
			w.idp.answer = nil
			w.idp.mu.Unlock()
			token(t, s) // it works again
		})
	}
}

// TestSlowProvider: the limit of time counts as trouble on the way.
func TestSlowProvider(t *testing.T) {
	w := newWorld(t, -time.Second)
	stop := make(chan struct{})
	w.idp.answer = func(http.ResponseWriter, url.Values) bool {
		<-stop
		return true
	}
	defer close(stop)
	s := w.source()
	s.o.Client.Timeout = 200 * time.Millisecond
	if err, passing := failure(t, s); !passing || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("got %v, passing %v", err, passing)
	}
}

// TestProviderDown: nobody listens. A token that has not expired yet is used meanwhile.
func TestProviderDown(t *testing.T) {
	w := newWorld(t, 2*time.Minute)
	first := w.stored(t).Access
	w.idp.Close()
	s := w.source()
	got, err := s.Token(t.Context())
	if err != nil || got.Secret != first || time.Until(got.Expires) > pauseAfter {
		t.Errorf("got %v until %v", err, got.Expires)
	}
	s.Invalidate(first)
	if err, passing := failure(t, s); !passing || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, passing %v", err, passing)
	}
}

// TestForeignGrant: the tokens of one client or provider are not sent to another.
func TestForeignGrant(t *testing.T) {
	w := newWorld(t, -time.Second)
	g := w.stored(t)
	g.User = "me@example.org"
	put(t, w.store, g)
	for _, change := range []func(*Client){
		func(c *Client) { c.ID = "other" },
		func(c *Client) { c.Token = "http://127.0.0.1:9/token" },
		func(c *Client) { c.Provider = Google },
		func(c *Client) { c.User = "other@example.org" },
	} {
		s := w.source()
		change(s.o.Client)
		err, passing := failure(t, s)
		if e, ok := errors.AsType[*ConsentError](err); passing || !ok || e.Reason != OtherClient {
			t.Errorf("got %v", err)
		}
	}
	if n := w.idp.count("refresh_token"); n > 0 {
		t.Error("the refresh token was sent")
	}
	s := w.source()
	s.o.Client.User = "Me@example.org"
	token(t, s)
}

func TestNoToken(t *testing.T) {
	w := newWorld(t, -time.Second)
	g := w.stored(t)
	g.Refresh = ""
	put(t, w.store, g)
	err, _ := failure(t, w.source())
	if e, ok := errors.AsType[*ConsentError](err); !ok || e.Reason != NoRefresh {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(w.store.Path, []byte("{\"access_token\": \""+secretMark+"\""), 0o600); err != nil {
		t.Fatal(err)
	}
	err, _ = failure(t, w.source())
	if e, ok := errors.AsType[*ConsentError](err); !ok || e.Reason != Damaged {
		t.Errorf("got %v", err)
	}
	if err := w.store.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	err, _ = failure(t, w.source())
	if e, ok := errors.AsType[*ConsentError](err); !ok || e.Reason != NoToken {
		t.Errorf("got %v", err)
	}
}

// TestFullDisk: if there is no room for the new token, the refresh token is not used. If the
// room is lost in between, the new token is used, and saved as soon as that is possible.
// Until then no other process can send the former one.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, -time.Second)
	fault := vfstest.NewFault(vfs.OS{})
	w.store.FS = fault
	s := w.source()
	fault.Inject(vfstest.Rule{Ops: vfstest.OpWrite, Nth: 1, Err: syscall.ENOSPC})
	if err, passing := failure(t, s); passing || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if n := w.idp.count("refresh_token"); n > 0 {
		t.Error("the refresh token was sent although a new one cannot be saved")
	}

	before := w.stored(t)
	fault.Inject(vfstest.Rule{Ops: vfstest.OpRename, Nth: 1, Every: true, Err: syscall.ENOSPC})
	first := token(t, s)
	if len(w.facts) != 1 || w.stored(t).Access != before.Access {
		t.Fatalf("facts %v", w.facts)
	}
	noSecret(t, "fact", w.facts[0])
	other := w.source()
	other.o.Lock.Wait = 100 * time.Millisecond
	if err, passing := failure(t, other); !passing || !errors.Is(err, ErrBusy) {
		t.Errorf("another process: %v", err)
	}
	if token(t, s) != first {
		t.Error("another token")
	}
	fault.Inject(vfstest.Rule{})
	if token(t, s) != first || w.stored(t).Access != first || token(t, other) != first {
		t.Error("the token was not saved when it was possible")
	}
	if n := w.idp.count("refresh_token"); n != 1 || len(w.facts) != 1 {
		t.Errorf("%d requests, facts %v", n, w.facts)
	}
}

// TestFlush: the end of the program is the last occasion to save a token.
func TestFlush(t *testing.T) {
	for _, lost := range []bool{false, true} {
		w := newWorld(t, -time.Second)
		fault := vfstest.NewFault(vfs.OS{})
		w.store.FS = fault
		s := w.source()
		fault.Inject(vfstest.Rule{Ops: vfstest.OpRename, Nth: 1, Every: true, Err: syscall.EIO})
		got := token(t, s)
		if !lost {
			fault.Inject(vfstest.Rule{})
		}
		s.Flush(t.Context())
		if saved := w.stored(t).Access == got; saved == lost {
			t.Errorf("lost %v: saved %v", lost, saved)
		}
		if _, told := w.facts[len(w.facts)-1].(event.TokenLost); told != lost {
			t.Errorf("facts %v", w.facts)
		}
	}
}

// TestInterrupted: an interrupted run does not lose the answer of the provider.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, -time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	w.idp.answer = func(http.ResponseWriter, url.Values) bool {
		cancel()
		time.Sleep(50 * time.Millisecond)
		return false
	}
	before := w.stored(t)
	_, _ = w.source().Token(ctx)
	if after := w.stored(t); after.Refresh == before.Refresh || len(w.idp.revoked) > 0 {
		t.Error("the new refresh token is lost")
	}
}

// TestPowerCut: whenever the power is cut, or the process is killed, what is stored can be
// read. It is the former grant if the provider was not asked yet, and the new one as soon as
// it was flushed.
func TestPowerCut(t *testing.T) {
	p := newIDP(t)
	mem := vfstest.NewMem(time.Now)
	store := &FileStore{FS: mem, Path: "/state/isync/tokens/a", Shared: true}
	old := p.issue(p.client(), -time.Second)
	put(t, store, old)
	mem.SyncAll()

	type cut struct {
		op    vfstest.Op
		name  string
		clone *vfstest.Mem
		asked bool
	}
	var cuts []cut
	fault := vfstest.NewFault(mem)
	fault.Before(func(op vfstest.Op, name string) {
		cuts = append(cuts, cut{op, name, mem.CrashClone(50, rand.New(rand.NewPCG(1, uint64(len(cuts))))), p.count("refresh_token") > 0})
	})
	store.FS = fault
	s := NewSource(SourceOptions{Client: p.client(), Store: store, Lock: &Lock{FS: fault, Path: store.Path + ".lock"}})
	fresh := token(t, s)
	cuts = append(cuts, cut{clone: mem.CrashClone(50, rand.New(rand.NewPCG(1, 0))), asked: true})

	flushed, window := false, 0
	for i, c := range cuts {
		after := &FileStore{FS: c.clone, Path: store.Path, Shared: true}
		if err := after.Recover(t.Context()); err != nil {
			t.Fatalf("cut %d: %v", i, err)
		}
		g, err := after.Load(t.Context())
		if err != nil || g == nil {
			t.Fatalf("cut %d: %v, %v", i, g, err)
		}
		if c.op == vfstest.OpRename {
			flushed = true
		}
		switch {
		case !c.asked && g.Refresh != old.Refresh:
			t.Errorf("cut %d: the former token is lost", i)
		case flushed && g.Access != fresh:
			t.Errorf("cut %d: the new token is lost", i)
		case c.asked && !flushed:
			window++
		}
		if names, _ := c.clone.ReadNames("/state/isync/tokens"); len(names) > 2 {
			t.Errorf("cut %d: left behind %v", i, names)
		}
	}
	// Write, truncate, flush, and close.
	if !flushed || window == 0 || window > 6 {
		t.Errorf("%d operations between the answer of the provider and the flush", window)
	}
}

// killed leaves what a process leaves that is killed before it renames the new file.
func killed(t *testing.T, s *FileStore, g *Grant) {
	t.Helper()
	room, err := s.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := room.(*reservedFile)
	if err := r.write(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	r.f.Close()
}

// TestLeftGrant: a grant that a process was about to save when it was killed is newer than the
// saved one, whatever the clock has shown. One that the user has obtained afterwards is newer
// still. One that was forgotten does not come back.
func TestLeftGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, -time.Second)
	left := w.idp.issue(w.idp.client(), time.Hour)
	left.Obtained = w.stored(t).Obtained.Add(-24 * time.Hour)
	killed(t, w.store, left)
	if token(t, w.source()) != left.Access || w.idp.count("refresh_token") != 0 {
		t.Error("the grant that was left is not used")
	}

	left = w.idp.issue(w.idp.client(), -time.Second)
	killed(t, w.store, left)
	latest := w.idp.issue(w.idp.client(), -time.Second)
	latest.Obtained = left.Obtained.Add(-24 * time.Hour)
	put(t, w.store, latest)
	token(t, w.source())
	if last := w.idp.requests[len(w.idp.requests)-1]; last.Get("refresh_token") != latest.Refresh {
		t.Error("the former refresh token was sent")
	}

	killed(t, w.store, left)
	if err := w.store.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	err, _ := failure(t, w.source())
	if e, ok := errors.AsType[*ConsentError](err); !ok || e.Reason != NoToken {
		t.Errorf("a forgotten token: %v", err)
	}
	if names, _ := w.store.FS.ReadNames(filepath.Dir(w.store.Path)); len(names) > 1 { // the lock
		t.Errorf("left behind: %v", names)
	}
}

// TestLeftUnreadable: if it is not known what was left, the former refresh token is not sent,
// and nothing is removed.
func TestLeftUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, -time.Second)
	left := w.idp.issue(w.idp.client(), time.Hour)
	asked, broken := 0, errors.New("the agent does not answer")
	w.store.Key = func(context.Context) (string, error) {
		if asked++; asked == 2 {
			return "", broken
		}
		return "key", nil
	}
	killed(t, w.store, left) // what is saved is not encrypted yet
	if err, _ := failure(t, w.source()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if token(t, w.source()) != left.Access || w.idp.count("refresh_token") != 0 {
		t.Error("the grant that was left is lost")
	}
}

// TestExposed: a file that others can read is refused, with the way to change it.
func TestExposed(t *testing.T) {
	w := newWorld(t, time.Hour)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o644} {
		if err := os.Chmod(w.store.Path, mode); err != nil {
			t.Fatal(err)
		}
		err, _ := failure(t, w.source())
		if e, ok := errors.AsType[*ExposedError](err); !ok || e.Mode != mode || e.Owner {
			t.Errorf("%v: %v", mode, err)
		}
	}
	_ = os.Chmod(w.store.Path, 0o600)
	_ = os.Chmod(filepath.Dir(w.store.Path), 0o777)
	err, _ := failure(t, w.source())
	if e, ok := errors.AsType[*ExposedError](err); !ok || !e.Directory {
		t.Errorf("got %v", err)
	}
	// Before the user is asked for consent.
	fresh := &FileStore{FS: w.store.FS, Path: w.store.Path + "2"}
	if _, err := fresh.Reserve(t.Context()); err == nil {
		t.Error("a token would be saved where others can replace it")
	}
	if os.Geteuid() != 0 {
		return
	}
	_ = os.Chmod(filepath.Dir(w.store.Path), 0o700)
	if err := os.Chown(w.store.Path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	err, _ = failure(t, w.source())
	if e, ok := errors.AsType[*ExposedError](err); !ok || !e.Owner {
		t.Errorf("got %v", err)
	}
}
