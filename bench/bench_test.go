package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// bench is one run of the whole thing.
type bench struct {
	t      *testing.T
	only   []string
	rtts   []int
	rounds int
	peers  []peer
	disk   string

	servers map[string]*server
	models  map[string]model
	sites   map[string]*site
	results []result
	// versions are those of the peers, as of the beginning.
	versions map[string]string
	// copies are the users of places that share the mail of a place on another server.
	copies map[string]string
}

// model is an account, and a Maildir, to be copied.
type model struct {
	server *server
	user   string
	near   string
	fill   func(testing.TB, *server, string)
}

func TestSideBySide(t *testing.T) {
	if os.Getenv("ISYNC_BENCH") != "1" {
		t.Skip("measures for minutes; make bench runs it")
	}
	b := &bench{t: t, servers: map[string]*server{}, models: map[string]model{}, sites: map[string]*site{}, copies: map[string]string{}}
	b.readEnvironment()
	for _, s := range scenarios {
		if !b.wants(s) {
			continue
		}
		for _, rtt := range b.rtts {
			if s.at(rtt) {
				b.measure(s, rtt)
			}
		}
		if s.id == "S1p" {
			b.floors()
		}
		if s.id == "S4" {
			b.floorOfPush()
		}
		if s.id == "S1d" {
			b.count(s, flushes)
		}
		if s.calls {
			b.count(s, anyCall)
		}
	}
	printTable(os.Stdout, b.results)
	if path := os.Getenv("JSON"); path != "" {
		write(t, path, b.report())
	}
}

// list returns the words of a variable.
func list(name, preset string) []string {
	v := os.Getenv(name)
	if v == "" {
		v = preset
	}
	return strings.Split(v, ",")
}

func (b *bench) readEnvironment() {
	t := b.t
	b.only = list("BENCH", "all")
	for _, id := range b.only {
		if id != "all" && id != "scale" && !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.id == id }) {
			t.Fatalf("BENCH: there is no scenario %q", id)
		}
	}
	for _, w := range list("RTT", "0,50") {
		n, err := strconv.Atoi(w)
		if err != nil || n < 0 {
			t.Fatalf("RTT: %q is no number of milliseconds", w)
		}
		b.rtts = append(b.rtts, n)
	}
	n, err := strconv.Atoi(list("ROUNDS", "3")[0])
	if err != nil || n < 1 {
		t.Fatal("ROUNDS must be a number from 1")
	}
	b.rounds = n
	b.peers = findPeers(t, list("PEERS", "mbsync,interimap,offlineimap"))
	b.versions = make(map[string]string)
	for _, p := range b.peers {
		if v := versionOf(p); v != "" {
			b.versions[p.name] = v
		}
	}
	b.disk = os.Getenv("DISK")
	if b.disk == "" {
		b.disk = t.TempDir()
	}
}

func (b *bench) wants(s scenario) bool {
	if slices.Contains(b.only, s.id) {
		return true
	}
	if s.scale {
		return slices.Contains(b.only, "scale")
	}
	return slices.Contains(b.only, "all")
}

// bare is what a server can do that numbers no changes, tells nothing about mailboxes
// while it lists them, and does not compress.
const bare = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT THREAD=REFERENCES MULTIAPPEND UNSELECT CHILDREN NAMESPACE " +
	"UIDPLUS LIST-EXTENDED I18NLEVEL=1 ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH MOVE LITERAL+"

// serverFor returns the server that places are on.
func (b *bench) serverFor(kind string) *server {
	if b.servers[kind] != nil {
		return b.servers[kind]
	}
	var s *server
	switch kind {
	case "":
		s = startServer(b.t, testkit.DovecotConfig{})
	case "compress":
		s = startServer(b.t, testkit.DovecotConfig{Compress: true})
	case "bare":
		s = startServer(b.t, testkit.DovecotConfig{Capability: bare})
	case "large":
		// A file for each of a million messages would take longer to make than all
		// that is measured.
		s = startServer(b.t, testkit.DovecotConfig{Storage: "mdbox"})
	case "cyrus":
		s = &server{Server: testkit.StartCyrus(b.t, testkit.CyrusConfig{Trixie: true, Modern: true, Users: []string{}})}
	default:
		b.t.Fatalf("there is no server %q", kind)
	}
	b.servers[kind] = s
	return s
}

// modelOf returns what the sites of a place begin with.
func (b *bench) modelOf(name string) model {
	p := places[name]
	if p.like != "" {
		name = p.like
		p = places[name]
	}
	m, ok := b.models[name]
	if ok {
		return m
	}
	begin := time.Now()
	m.server, m.fill = b.serverFor(p.server), p.model
	m.user = m.server.newUser(b.t)
	if p.model != nil {
		p.model(b.t, m.server, m.user)
	}
	if p.near != nil {
		m.near = filepath.Join(b.memory(), "near")
		p.near(b.t, m.near)
	}
	fmt.Printf("made the mail of %q in %.1f s\n", name, time.Since(begin).Seconds())
	b.models[name] = m
	return m
}

// memory returns a new directory that is held in memory, if there is such a
// file system.
func (b *bench) memory() string {
	const shm = "/dev/shm"
	if _, err := os.Stat(shm); err != nil {
		return b.t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "isync-bench")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// newSite makes a site.
func (b *bench) newSite(name string, p peer) *site {
	pl := places[name]
	m := b.modelOf(name)
	s := &site{server: b.serverFor(pl.server), place: pl, toggled: map[byte]bool{}}
	if pl.disk {
		dir, err := os.MkdirTemp(b.disk, "site")
		if err != nil {
			b.t.Fatal(err)
		}
		s.home = dir
	} else {
		s.home = b.memory()
	}
	if pl.twin != nil {
		pl.twin(b.t, s.far())
	}
	switch {
	case pl.remoteEmpty, pl.twin != nil:
		s.user = s.server.newUser(b.t)
	case pl.shared && s.server == m.server:
		s.user = m.user
	case pl.shared:
		s.user = b.sharedUser(name, s.server, m)
	default:
		s.user = s.server.likeUser(b.t, m)
	}
	switch {
	case p.maildir && pl.near != nil:
		if err := os.MkdirAll(filepath.Dir(s.near()), 0o700); err != nil {
			b.t.Fatal(err)
		}
		copyTree(b.t, m.near, s.near())
	case !p.maildir && pl.remoteEmpty:
		s.replica = s.server.likeUser(b.t, m)
	case !p.maildir:
		s.replica = s.server.newUser(b.t)
	}
	addr := s.server.Addr()
	if pl.tls {
		addr = s.server.At().TLSAddr()
	}
	s.relay = testkit.StartRelay(b.t, addr, 0)
	return s
}

// sharedUser returns the copy of a model on another server that all programs read.
func (b *bench) sharedUser(place string, on *server, m model) string {
	if b.copies[place] == "" {
		b.copies[place] = on.likeUser(b.t, m)
	}
	return b.copies[place]
}

// siteFor returns the site of a program for a scenario, synchronized unless
// each run has a fresh one.
func (b *bench) siteFor(sc scenario, p peer) (*site, invocation) {
	pl := places[sc.place]
	key := sc.place + " " + p.name
	if s := b.sites[key]; s != nil && !pl.fresh {
		s.account = sc.account
		return s, p.prepare(b.t, p.program, s)
	}
	b.leave(sc.place)
	s := b.newSite(sc.place, p)
	s.account = sc.account
	inv := p.prepare(b.t, p.program, s)
	if !pl.fresh {
		b.sites[key] = s
		begin := time.Now()
		// Then again, a little later: what it remembers of a run may only be of use
		// after the next, and what has changed just now is not trusted yet.
		f := run(b.t, inv)
		f.Traffic = s.relay.Take()
		if pl.first != "" {
			b.results = append(b.results, b.result(result{Scenario: pl.first, Title: pl.firstTitle, Peer: p.name, figures: f, Runs: []figures{f}}))
		}
		time.Sleep(time.Second)
		run(b.t, inv)
		s.relay.Take()
		fmt.Printf("%s has synchronized %q in %.1f s\n", p.name, sc.place, time.Since(begin).Seconds())
	}
	return s, inv
}

// leave gives up the sites of other places that take a lot of room.
func (b *bench) leave(place string) {
	for key, s := range b.sites {
		if name, _, _ := strings.Cut(key, " "); name != place && (places[name].first != "" || places[name].messages >= bigMessages) {
			_ = os.RemoveAll(s.home)
			delete(b.sites, key)
		}
	}
}

// measure runs a scenario with each program in turn.
func (b *bench) measure(sc scenario, rtt int) {
	runs := map[string][]figures{}
	var peers []peer
	for _, p := range b.peers {
		if slices.Contains(sc.without, p.name) || p.name == "offlineimap" && rtt > 0 {
			continue
		}
		peers = append(peers, p)
	}
	for round := range b.rounds {
		for _, p := range peers {
			if p.name == "offlineimap" && round > 0 {
				continue // it takes a minute
			}
			s, inv := b.siteFor(sc, p)
			if sc.change != nil {
				sc.change(b.t, p, s)
			}
			s.relay.SetRTT(time.Duration(rtt) * time.Millisecond)
			s.relay.SetRate(sc.rate)
			s.relay.Take()
			f := run(b.t, inv)
			f.Traffic = s.relay.Take()
			s.relay.SetRTT(0)
			s.relay.SetRate(0)
			sc.check(b.t, p, s)
			runs[p.name] = append(runs[p.name], f)
			fmt.Printf("%-4s %3d ms  %-12s %8.3f s\n", sc.id, rtt, p.name, f.Wall)
			if places[sc.place].fresh {
				_ = os.RemoveAll(s.home)
			}
		}
	}
	for _, p := range peers {
		r := result{Scenario: sc.id, Title: sc.title, RTT: rtt, Peer: p.name, Runs: runs[p.name], figures: median(runs[p.name])}
		if theirs := runs["mbsync"]; p.name == ours && theirs != nil {
			r.Ratio, r.Target = r.Wall/median(theirs).Wall, sc.targets[rtt]
		}
		if p.name == ours && rtt > 0 {
			r.MaxBursts = sc.bursts
		}
		b.results = append(b.results, b.result(r))
	}
}

// floors measures what a bare protocol pump and a bare writer of files need.
func (b *bench) floors() {
	m := b.modelOf("pull")
	var fetch, write []figures
	for range b.rounds {
		p := newPump(b.t, m.server.Addr(), m.user)
		begin := time.Now()
		p.do(b.t, "SELECT INBOX")
		n := p.do(b.t, "UID FETCH 1:* (UID FLAGS BODY.PEEK[])")
		fetch = append(fetch, figures{Wall: time.Since(begin).Seconds(), Traffic: testkit.Traffic{Down: n, Connections: 1}})
		p.close()
		dir := b.memory()
		bodies := make([][]byte, 100)
		for i := range bodies {
			bodies[i] = bytes.Repeat([]byte("x"), mixed(i))
		}
		begin = time.Now()
		for i := range pullMessages {
			name := filepath.Join(dir, strconv.Itoa(i))
			if err := os.WriteFile(name+".tmp", bodies[i%len(bodies)], 0o600); err != nil {
				b.t.Fatal(err)
			}
			if err := os.Rename(name+".tmp", name); err != nil {
				b.t.Fatal(err)
			}
		}
		write = append(write, figures{Wall: time.Since(begin).Seconds()})
		_ = os.RemoveAll(dir)
	}
	for name, runs := range map[string][]figures{"floor: fetch": fetch, "floor: files": write} {
		b.results = append(b.results, b.result(result{Scenario: "S1p", Peer: name, Runs: runs, figures: median(runs)}))
	}
}

// floorOfPush measures what the server takes to store the messages of S4 if all of
// them are sent with one command.
func (b *bench) floorOfPush() {
	srv := b.modelOf("push").server
	var runs []figures
	for range b.rounds {
		p := newPump(b.t, srv.Addr(), srv.newUser(b.t))
		var command bytes.Buffer
		p.n++
		writeAppend(&command, p.n, "INBOX", 0, pushMessages, mixed)
		begin := time.Now()
		_, _ = command.WriteTo(p.w)
		p.await(b.t, "APPEND")
		runs = append(runs, figures{Wall: time.Since(begin).Seconds(), Traffic: testkit.Traffic{Connections: 1}})
		p.close()
	}
	b.results = append(b.results, b.result(result{Scenario: "S4", Peer: "floor: append", Runs: runs, figures: median(runs)}))
}

// count counts the calls of the system that the programs make.
func (b *bench) count(sc scenario, which string) {
	var strace string
	b.t.Run("find strace", func(t *testing.T) { strace = testkit.FindProgram(t, "strace", "strace") })
	if strace == "" {
		fmt.Println("strace is not there: calls of the system are not counted")
		return
	}
	for i := range b.results {
		r := &b.results[i]
		if r.Scenario != sc.id {
			continue
		}
		for _, p := range b.peers {
			if p.name == r.Peer {
				s, inv := b.siteFor(sc, p)
				if sc.change != nil {
					sc.change(b.t, p, s)
				}
				if n := countCalls(b.t, strace, which, inv); which == flushes {
					r.Syncs = n
				} else {
					r.Calls = n
				}
			}
		}
	}
}
