package bench

import (
	"bytes"
	"encoding/json"
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
}

// model is an account, and a Maildir, to be copied.
type model struct {
	server *server
	user   string
	near   string
}

// result is what one program took for one scenario.
type result struct {
	Scenario string
	Title    string
	RTT      int // milliseconds
	Peer     string
	figures  // medians
	Runs     []figures
	// Ratio is our time over that of mbsync, where both were run; Target what
	// it should be.
	Ratio, Target float64 `json:",omitempty"`
}

func TestSideBySide(t *testing.T) {
	if os.Getenv("ISYNC_BENCH") != "1" {
		t.Skip("measures for minutes; make bench runs it")
	}
	b := &bench{t: t, servers: map[string]*server{}, models: map[string]model{}, sites: map[string]*site{}}
	b.readEnvironment()
	for _, s := range scenarios {
		if !b.wants(s) {
			continue
		}
		for _, rtt := range b.rtts {
			if s.id == "S1d" && rtt > 0 || s.id == "S1" && rtt > 0 {
				continue // the disk, and the server's deflating, know no distance
			}
			b.measure(s, rtt)
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
		b.writeJSON(path)
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

// serverFor returns the server that places are on.
func (b *bench) serverFor(p place) *server {
	kind := "plain"
	var cfg testkit.DovecotConfig
	switch {
	case p.compress:
		kind, cfg.Compress = "compress", true
	case p.large:
		// A file for each of a million messages would take longer to make than all
		// that is measured.
		kind, cfg.Storage = "large", "mdbox"
	}
	if b.servers[kind] == nil {
		b.servers[kind] = startServer(b.t, cfg)
	}
	return b.servers[kind]
}

// modelOf returns what the sites of a place begin with.
func (b *bench) modelOf(name string) model {
	p := places[name]
	// Places that are alike but for the disk share the mail.
	key := strings.TrimSuffix(name, "-disk")
	m, ok := b.models[key]
	if ok {
		return m
	}
	begin := time.Now()
	m.server = b.serverFor(p)
	m.user = m.server.newUser(b.t)
	if p.model != nil {
		p.model(b.t, m.server, m.user)
	}
	if p.near != nil {
		m.near = filepath.Join(b.memory(), "near")
		p.near(b.t, m.near)
	}
	fmt.Printf("made the mail of %q in %.1f s\n", key, time.Since(begin).Seconds())
	b.models[key] = m
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
	s := &site{server: m.server, all: pl.all, fsync: pl.fsync, messages: pl.messages, twin: pl.twin != nil, toggled: map[byte]bool{}}
	if pl.disk {
		dir, err := os.MkdirTemp(b.disk, "site")
		if err != nil {
			b.t.Fatal(err)
		}
		s.home = dir
	} else {
		s.home = b.memory()
	}
	if s.twin {
		pl.twin(b.t, s.far())
	}
	switch {
	case pl.remoteEmpty, s.twin:
		s.user = s.server.newUser(b.t)
	case pl.shared:
		s.user = m.user
	default:
		s.user = s.server.likeUser(b.t, m.server, m.user)
	}
	switch {
	case p.maildir && pl.near != nil:
		if err := os.MkdirAll(filepath.Dir(s.near()), 0o700); err != nil {
			b.t.Fatal(err)
		}
		copyTree(b.t, m.near, s.near())
	case !p.maildir && pl.remoteEmpty:
		s.replica = s.server.likeUser(b.t, m.server, m.user)
	case !p.maildir:
		s.replica = s.server.newUser(b.t)
	}
	s.relay = testkit.StartRelay(b.t, s.server.Addr(), 0)
	return s
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
			b.results = append(b.results, result{Scenario: pl.first, Title: pl.firstTitle, Peer: p.name, figures: f, Runs: []figures{f}})
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
		if name, _, _ := strings.Cut(key, " "); name != place && places[name].first != "" {
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
			s.relay.Take()
			f := run(b.t, inv)
			f.Traffic = s.relay.Take()
			s.relay.SetRTT(0)
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
		b.results = append(b.results, r)
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
		b.results = append(b.results, result{Scenario: "S1p", Peer: name, Runs: runs, figures: median(runs)})
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
	b.results = append(b.results, result{Scenario: "S4", Peer: "floor: append", Runs: runs, figures: median(runs)})
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

func (b *bench) writeJSON(path string) {
	data, err := json.MarshalIndent(b.results, "", "\t")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o666); err != nil {
		b.t.Fatal(err)
	}
}
