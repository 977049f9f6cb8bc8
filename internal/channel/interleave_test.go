package channel_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/maildir"
	"isync/internal/store/mem"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// Two runs over the same pairs may meet at any point. These tests stop a run
// before its i-th operation, let another one run as a whole, and let the first
// one go on, for each i. Both stores and the file system are shared; everything
// else is the process's own.

// terms are the conditions of a meeting.
type terms struct {
	rc string
	// snapshot: the first listing after opening a mailbox is as old as the
	// opening. marks: the stores tell marks. remember: the runs remember which
	// pairs had nothing to do. local: the near store has directories; files: it
	// is a Maildir.
	snapshot, marks, remember, local, files bool
	parallel                                int
	// reader is after how many operations a mail reader moves what is in new to
	// cur; 0: there is none.
	reader int
}

func (c terms) String() string {
	return fmt.Sprintf("snapshot %v, marks %v, remember %v, local %v, files %v, parallel %d, reader %d\n%s",
		c.snapshot, c.marks, c.remember, c.local, c.files, c.parallel, c.reader, c.rc)
}

// place is what processes share.
type place struct {
	terms
	cfg  *config.Config
	disk map[string]*mem.Disk
	fs   *vfstest.Mem
	tick func() time.Time
}

func newPlace(tb testing.TB, c terms) *place {
	w := newWorld(tb, c.rc)
	delete(w.disk, "third")
	// No two operations happen at the same time, and a directory that was
	// changed need not be waited for.
	var ticks atomic.Int64
	tick := func() time.Time { return time.Unix(1_700_000_000, 1+ticks.Add(int64(20*time.Millisecond))) }
	p := &place{terms: c, cfg: w.cfg, disk: w.disk, fs: vfstest.NewMem(tick), tick: tick}
	if c.files {
		delete(p.disk, "near")
		p.must(p.fs.Mkdir("/near", 0o700))
	}
	return p
}

func (p *place) must(err error) {
	if err != nil {
		panic(err)
	}
}

func (p *place) clone() *place {
	n := *p
	n.disk = map[string]*mem.Disk{}
	for name, d := range p.disk {
		n.disk[name] = d.Clone()
	}
	n.fs = p.fs.CrashClone(100, nil)
	return &n
}

// process is one run of the program.
type process struct {
	*place
	seed byte

	mu    sync.Mutex
	count int
	hold  int           // stop before this operation, counted from 1; 0: never
	held  chan struct{} // closed when it has stopped
	on    chan struct{} // closed when it may go on
	what  string        // the operation it was stopped before
	last  string        // the last operation that was begun
	ended chan struct{}
	fails []string
}

func (p *place) process(seed byte, hold int) *process {
	return &process{
		place: p, seed: seed, hold: hold,
		held: make(chan struct{}), on: make(chan struct{}), ended: make(chan struct{}),
	}
}

// step is called before each operation. All goroutines of a process that was
// stopped stop at their next one.
func (p *process) step(what string) {
	p.mu.Lock()
	p.count++
	p.last = what
	if p.files && p.reader > 0 && p.count%p.reader == 0 {
		p.moveNew()
	}
	switch {
	case p.hold == 0 || p.count < p.hold:
		p.mu.Unlock()
		return
	case p.count == p.hold:
		p.what = what
		close(p.held)
	}
	p.mu.Unlock()
	<-p.on
}

// start begins the run.
func (p *process) start() {
	go func() {
		defer close(p.ended)
		p.run()
	}()
}

// reaches waits until the run is stopped or has ended, and reports which. There
// must be no other run that it could wait for.
func (p *process) reaches() bool {
	select {
	case <-p.held:
		return true
	case <-p.ended:
		return false
	}
}

// wait returns when the run was stopped, or has ended, or is waiting for another
// one.
func (p *process) wait() {
	for before, idle := -1, 0; ; idle++ {
		select {
		case <-p.ended:
			return
		case <-p.stop():
			return
		case <-time.After(time.Millisecond):
		}
		p.mu.Lock()
		now, locking := p.count, strings.HasPrefix(p.last, lockStep)
		p.mu.Unlock()
		if now != before {
			before, idle = now, 0
		}
		if locking && idle > 1 || idle > 20 {
			return
		}
	}
}

// stop returns what is closed when the run is stopped; nil if it was let go on.
func (p *process) stop() <-chan struct{} {
	select {
	case <-p.on:
		return nil
	default:
		return p.held
	}
}

func (p *process) open(s *config.Store) (store.Store, error) {
	if p.files && s.Name == "near" {
		return maildir.New(maildir.Options{
			Name: "near", Path: "/near/", Inbox: "/nearbox", FS: p.watchedFS(), Clock: p.tick, Host: "host", Pid: 100 + int(p.seed),
		})
	}
	st := &closing{Store: mem.New(p.disk[s.Name], mem.Options{
		Name: s.Name, Caps: mem.MaildirCaps, Trasher: true, Marks: p.marks, Snapshot: p.snapshot,
		Hook: func(op mem.Op) error {
			when := "before"
			if op.After {
				when = "after"
			}
			p.step(when + " " + s.Name + " " + op.String())
			return nil
		},
	})}
	if p.local && s.Name == "near" {
		return localStore{st}, nil
	}
	return st, nil
}

const lockStep = "before locking "

// watchedFS is the file system, each operation of which is a step.
func (p *process) watchedFS() vfs.FS {
	f := vfstest.NewFault(p.fs)
	f.Before(func(op vfstest.Op, name string) {
		if op == vfstest.OpLock {
			p.step(lockStep + name)
			return
		}
		p.step(fmt.Sprintf("before file operation %b on %s", op, name))
	})
	return f
}

func (p *process) run() {
	o := channel.Options{
		Global: p.cfg.Global, Open: p.open, FS: p.watchedFS(),
		TUIDs: rand.NewChaCha8([32]byte{p.seed}), Events: p, Parallel: p.parallel,
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	}
	if p.remember {
		o.Memory, o.MemoryKey = "/cache", "/rc"
	}
	var sel []channel.Selection
	for _, c := range p.cfg.Channels {
		sel = append(sel, channel.Selection{Channel: c, Ops: c.Ops})
	}
	channel.Run(context.Background(), sel, o)
}

// Take implements event.Sink. A process keeps errors, to show them if the test fails.
func (p *process) Take(e event.Event) {
	var err error
	switch e := e.(type) {
	case event.Message:
		err = e.Err
	case event.PairEnded:
		err = e.Err
	case event.ChannelFailed:
		err = e.Err
	}
	if err != nil {
		p.fail(err)
	}
}

func (p *process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = append(p.fails, err.Error())
}

// contents tells what is in the mailboxes, by the names of messages, whatever
// their UIDs.
func (p *place) contents() string {
	var out strings.Builder
	for _, name := range []string{"far", "near"} {
		for _, box := range []string{"a", "b", "trash"} {
			if list, ok := p.messages(name, box); ok {
				fmt.Fprintf(&out, "%s %s: %s\n", name, box, strings.Join(list, " "))
			}
		}
	}
	return out.String()
}

// messages returns "NAME:FLAGS" of the messages in a mailbox, sorted; ok is false
// if there is none.
func (p *place) messages(name, box string) (list []string, ok bool) {
	if p.files && name == "near" {
		files, ok := p.mailFiles(box)
		for f := range files {
			data, err := vfs.ReadFile(p.fs, f)
			p.must(err)
			_, flags, _ := strings.Cut(f, ":2,")
			list = append(list, subject(string(data))+":"+flags)
		}
		slices.Sort(list)
		return list, ok
	}
	st, ok := p.disk[name].Box(box)
	for _, m := range st.Messages {
		list = append(list, subject(m.Body)+":"+m.Flags.String())
	}
	slices.Sort(list)
	return list, ok
}

// mailFiles returns the files of the messages in a Maildir.
func (p *place) mailFiles(box string) (files map[string]bool, ok bool) {
	files = map[string]bool{}
	for _, d := range []string{"new", "cur"} {
		dir := "/near/" + box + "/" + d
		names, err := p.fs.ReadNames(dir)
		if err != nil {
			return nil, false
		}
		for _, n := range names {
			files[dir+"/"+n] = true
		}
	}
	return files, true
}

// moveNew is what a mail reader does when it opens the mailboxes.
func (p *place) moveNew() {
	for _, box := range []string{"a", "b"} {
		names, _ := p.fs.ReadNames("/near/" + box + "/new")
		for _, n := range names {
			to := n
			if !strings.Contains(to, ":2,") {
				to += ":2,"
			}
			// The file may be gone by now.
			_ = p.fs.Rename("/near/"+box+"/new/"+n, "/near/"+box+"/cur/"+to)
		}
	}
}

// make makes a mailbox.
func (p *place) make(name, box string) {
	if p.files && name == "near" {
		for _, d := range []string{"", "/cur", "/new", "/tmp"} {
			p.must(p.fs.Mkdir("/near/"+box+d, 0o700))
		}
		return
	}
	p.disk[name].Set(box, mem.BoxState{})
}

// deliver puts a message into a mailbox, if there is one.
func (p *place) deliver(name, box, subj string) {
	if p.files && name == "near" {
		if _, ok := p.mailFiles(box); !ok {
			return
		}
		f, err := p.fs.OpenFile("/near/"+box+"/new/1600000000."+subj+".user", os.O_WRONLY|os.O_CREATE, 0o600)
		p.must(err)
		_, err = f.Write([]byte(message(subj)))
		p.must(errors.Join(err, f.Close()))
		return
	}
	if _, ok := p.disk[name].Box(box); ok {
		p.disk[name].Deliver(box, mem.Message{Body: message(subj)})
	}
}

// expunge removes a message, if it is there.
func (p *place) expunge(name, box, subj string) {
	if p.files && name == "near" {
		p.eachFile(box, subj, func(f, _ string) error { return p.fs.Remove(f) })
		return
	}
	p.eachMessage(name, box, subj, func(m mem.Message) { p.disk[name].Expunge(box, m.UID) })
}

// flag sets a flag of a message, or clears it, if it is there.
func (p *place) flag(name, box, subj string, add, remove mail.Flags) {
	if p.files && name == "near" {
		p.eachFile(box, subj, func(f, flags string) error {
			old, _ := mail.ParseFlags(flags)
			base, _, _ := strings.Cut(f[strings.LastIndex(f, "/")+1:], ":2,")
			return p.fs.Rename(f, "/near/"+box+"/cur/"+base+":2,"+(old&^remove|add).String())
		})
		return
	}
	p.eachMessage(name, box, subj, func(m mem.Message) { p.disk[name].SetFlags(box, m.UID, add, remove) })
}

// eachFile calls f for the files of a message. A file that was moved meanwhile
// is looked for again.
func (p *place) eachFile(box, subj string, f func(file, flags string) error) {
	again := true
	for again {
		again = false
		files, _ := p.mailFiles(box)
		for file := range files {
			data, err := vfs.ReadFile(p.fs, file)
			if err == nil && subject(string(data)) == subj {
				_, flags, _ := strings.Cut(file, ":2,")
				err = f(file, flags)
			}
			if again = again || errors.Is(err, fs.ErrNotExist); !again {
				p.must(err)
			}
		}
	}
}

func (p *place) eachMessage(name, box, subj string, f func(mem.Message)) {
	st, _ := p.disk[name].Box(box)
	for _, m := range st.Messages {
		if subject(m.Body) == subj {
			f(m)
		}
	}
}

// has reports whether there is a message of that name in a mailbox.
func (p *place) has(name, box, subj string) bool {
	list, _ := p.messages(name, box)
	return slices.ContainsFunc(list, func(m string) bool { return strings.HasPrefix(m, subj+":") })
}

func subject(body string) string {
	for line := range strings.SplitSeq(body, "\n") {
		if s, ok := strings.CutPrefix(line, "Subject: "); ok {
			return strings.TrimSuffix(s, "\r")
		}
	}
	return "?"
}

// settle runs until nothing changes, and returns what there is then.
func (p *place) settle() string {
	last := ""
	for i := range 6 {
		p.process(byte(100+i), 0).run()
		now := p.contents()
		if now == last && i > 1 {
			break
		}
		last = now
	}
	return last
}

// drawTerms draws conditions.
func drawTerms(r *rand.Rand) terms {
	c := terms{
		snapshot: r.IntN(4) > 0, marks: r.IntN(4) > 0, remember: r.IntN(4) > 0, local: r.IntN(3) == 0,
		parallel: 1 + r.IntN(2)*3,
	}
	rc := "\nChannel one\n"
	switch r.IntN(3) {
	case 0:
		rc += "Far :far:a\nNear :near:a\n"
	case 1:
		rc += "Far :far:\nNear :near:\nPatterns *\n"
	case 2:
		rc += "Far :far:\nNear :near:\nPatterns a b\n"
	}
	rc += "Create " + []string{"Both", "Both", "Near"}[r.IntN(3)] + "\n"
	if r.IntN(4) > 0 {
		rc += "Expunge Both\n"
	}
	if c.files = r.IntN(3) == 0; c.files {
		c.local = false
		c.reader = []int{0, 1, 3, 7}[r.IntN(4)]
	}
	if r.IntN(6) == 0 {
		rc += "Remove Both\n"
	}
	if (c.local || c.files) && r.IntN(2) == 0 {
		rc += "SyncState *\n"
	}
	c.rc = rc
	if r.IntN(6) == 0 {
		c.rc = strings.Replace(stores, "Inbox /nearbox\n", "Inbox /nearbox\nTrash trash\n", 1) + rc
	}
	return c
}

// mailUser makes changes as users do. Each message is changed on one side at
// most, so that the outcome does not depend on who comes first.
type mailUser struct {
	r       *rand.Rand
	next    int
	touched map[string]bool
}

// script is what users do, told by the names of messages: it can be done in
// whatever has become of a place meanwhile.
type script []func(*place)

func (s script) apply(p *place) {
	for _, f := range s {
		f(p)
	}
}

// script draws changes to a place without making them.
func (u *mailUser) script(p *place) (s script) {
	for range u.r.IntN(5) {
		name := []string{"far", "near"}[u.r.IntN(2)]
		box := []string{"a", "a", "b"}[u.r.IntN(3)]
		list, ok := p.messages(name, box)
		if !ok {
			continue
		}
		if len(list) == 0 || u.r.IntN(2) == 0 {
			u.next++
			subj := fmt.Sprintf("m%d", u.next)
			s = append(s, func(p *place) { p.deliver(name, box, subj) })
			continue
		}
		subj, _, _ := strings.Cut(list[u.r.IntN(len(list))], ":")
		if u.touched[box+" "+subj] {
			continue
		}
		u.touched[box+" "+subj] = true
		kind := u.r.IntN(4)
		if !p.has("far", box, subj) || !p.has("near", box, subj) {
			kind = 2 + kind%2 // it depends on who comes first whether it is copied before it is deleted
		}
		s = append(s, func(p *place) {
			switch kind {
			case 0:
				p.expunge(name, box, subj)
			case 1:
				p.flag(name, box, subj, mail.FlagDeleted, 0)
			case 2:
				p.flag(name, box, subj, mail.FlagFlagged, 0)
			case 3:
				p.flag(name, box, subj, mail.FlagSeen, 0)
			}
		})
	}
	return s
}

// meeting is a place just before two runs begin, and what happens then.
type meeting struct {
	*place
	during func(*place) // what users do when the first run has been stopped
	want   string
	story  string
}

// drawMeeting draws a history up to a meeting.
func drawMeeting(tb testing.TB, r *rand.Rand) *meeting {
	p := newPlace(tb, drawTerms(r))
	u := &mailUser{r: r, touched: map[string]bool{}}
	p.make("far", "a")
	if r.IntN(2) == 0 {
		p.make("far", "b")
	}
	if r.IntN(4) > 0 {
		p.make("near", "a")
	}
	for range r.IntN(3) {
		u.script(p).apply(p)
	}
	// So many runs, and the next one may find everything known and unchanged.
	for i := range r.IntN(4) {
		p.process(byte(50+i), 0).run()
	}
	if r.IntN(2) == 0 {
		u.script(p).apply(p)
	}
	m := &meeting{place: p, during: u.script(p).apply}
	w := p.clone()
	m.during(w)
	m.want = w.settle()
	m.story = fmt.Sprintf("%s\nbefore:\n%swith the users' changes:\n%s", p.terms, p.contents(), func() string { c := p.clone(); m.during(c); return c.contents() }())
	return m
}

// meet lets runs meet: each is stopped before the operation of that number, then
// the next one begins; the last one runs as a whole. They go on in the order
// they were begun, or the other way round. It returns false if the first run
// ended before it was stopped.
func (m *meeting) meet(t *testing.T, changesAt int, reverse bool, holds ...int) bool {
	p := m.place.clone()
	var runs []*process
	var where []string
	for i, h := range append(slices.Clone(holds), 0) {
		if i == changesAt {
			m.during(p)
		}
		r := p.process(byte(i), h)
		runs = append(runs, r)
		r.start()
		if i > 0 {
			r.wait()
		} else if !r.reaches() {
			return false
		}
		where = append(where, fmt.Sprintf("run %d stopped at %d: %s", i+1, h, cmp.Or(r.what, "(ended)")))
	}
	rest := runs[:len(runs)-1]
	if reverse {
		slices.Reverse(rest)
	}
	for _, r := range rest {
		close(r.on)
		r.wait()
	}
	for _, r := range runs {
		<-r.ended
	}
	after := p.contents()
	if got := p.settle(); got != m.want {
		var fails []string
		for _, r := range runs {
			fails = append(fails, fmt.Sprintf("%q", r.fails))
		}
		t.Errorf("%s\n%s\n%s\nafter the runs:\n%sends with:\n%swant:\n%s", m.story, strings.Join(where, "\n"), strings.Join(fails, "\n"), after, got, m.want)
	}
	return true
}

// interleaver counts what was tried.
type interleaver struct{ histories, points int }

// history lets two runs meet at each point of a history, and three at a few.
func (n *interleaver) history(t *testing.T, seed uint64, deep bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	m := drawMeeting(t, r)
	n.histories++
	total := 0
	for i := 1; !t.Failed(); i++ {
		if !m.meet(t, r.IntN(2), false, i) {
			break
		}
		n.points++
		total = i
	}
	tries := 5
	if deep {
		tries = 40
	}
	for range tries {
		if t.Failed() || total == 0 {
			break
		}
		holds := []int{1 + r.IntN(total), 1 + r.IntN(total)}
		m.meet(t, r.IntN(3), r.IntN(2) == 0, holds...)
		n.points++
	}
	if t.Failed() {
		t.Fatalf("history %d", seed)
	}
}

func (n *interleaver) report(t *testing.T) {
	t.Logf("%d histories, runs met at %d points: 0 messages lost, 0 doubled, all settled alike", n.histories, n.points)
}

// TestMeetings lets runs meet in a few histories.
func TestMeetings(t *testing.T) {
	var n interleaver
	for seed := range uint64(60) {
		n.history(t, seed, false)
	}
	n.report(t)
}

// TestSweepMeetings does so for as long as ISYNC_SWEEP says.
func TestSweepMeetings(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP to how long it may take")
	}
	var n interleaver
	for start := time.Now(); time.Since(start) < d; {
		n.history(t, rand.Uint64(), true)
	}
	n.report(t)
}
