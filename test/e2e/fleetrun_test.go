//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// passage has the measurements of synchronizing all accounts once.
type passage struct {
	accounts int
	wall     time.Duration
	runs     int
	kills    int
	midway   int           // killed runs that left a journal
	mean     time.Duration // of a run that was not killed
	cpu      time.Duration // of all processes, but not of the server
	// together is the most that all processes had at a time; largest what one of them had.
	together, largest memory
}

// memory is resident memory, in KiB.
type memory struct {
	all     int64
	private int64 // without what is mapped from files, such as the program, which processes share
}

func (p passage) String() string {
	s := fmt.Sprintf("%d accounts in %.1f s, %.0f a minute, a run takes %.2f s, %.0f ms of them on a processor; memory of all processes %.1f MB, of which %.1f MB are private; of the largest %.1f MB, %.1f MB",
		p.accounts, p.wall.Seconds(), float64(p.accounts)/p.wall.Minutes(), p.mean.Seconds(), float64(p.cpu.Milliseconds())/float64(max(1, p.runs)),
		mega(p.together.all), mega(p.together.private), mega(p.largest.all), mega(p.largest.private))
	if p.kills > 0 {
		s += fmt.Sprintf("; %d runs, of which %d were killed, %d of them with a journal, and their homes moved", p.runs, p.kills, p.midway)
	}
	return s
}

func mega(kib int64) float64 { return float64(kib) * 1024 / 1e6 }

// fleetScript runs mbsync for the account whose home is its argument, and writes down
// how it ended.
const fleetScript = `HOME=$1 CREDENTIALS_DIRECTORY=$FLEET/secrets/${1##*/}
export HOME CREDENTIALS_DIRECTORY
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME
"$MBSYNC" -c "$FLEET/mbsyncrc" -a >"$1.said" 2>&1
echo $? >"$1.code"
`

// machine synchronizes accounts, some at a time, with xargs.
type machine struct {
	cmd  *exec.Cmd
	list io.WriteCloser // of homes
	said bytes.Buffer   // valid when it is over
	done chan error
	over bool
}

func (f *fleet) startMachine(width int) *machine {
	f.tb.Helper()
	m := &machine{done: make(chan error, 1)}
	m.cmd = exec.Command("xargs", "-r", "-P", strconv.Itoa(width), "-n", "1", "sh", f.path("run.sh"))
	m.cmd.Env = append(f.env(), "FLEET="+f.dir, "MBSYNC="+binary)
	m.cmd.Stdout, m.cmd.Stderr = &m.said, &m.said
	var err error
	if m.list, err = m.cmd.StdinPipe(); err != nil {
		f.tb.Fatal(err)
	}
	if err := m.cmd.Start(); err != nil {
		f.tb.Fatal(err)
	}
	go func() { m.done <- m.cmd.Wait() }()
	return m
}

// ended notes the end of a machine.
func (f *fleet) ended(m *machine, err error) {
	f.tb.Helper()
	m.over = true
	if err != nil || m.said.Len() > 0 {
		f.tb.Fatalf("xargs: %v\n%s", err, &m.said)
	}
}

// fleetRun is a run of mbsync.
type fleetRun struct {
	holder  *holder
	process *os.Process
	began   time.Time
	doomed  bool          // it is to be killed
	kill    time.Duration // when to kill it: after it began or, if midway, after it had a journal
	midway  bool
	struck  bool // the signal was sent
	seen    bool // when looked at last
}

// shift synchronizes all accounts once.
type shift struct {
	*fleet
	passage

	here, elsewhere *machine
	byHome          map[string]*holder
	runs            map[int]*fleetRun
	quota           int // of kills that are not planned yet
	left            int // accounts of which no run was seen yet
	took            time.Duration
	finished        int
	moving          int // homes that are being copied
	moved           chan move
	restarted       map[*holder]bool
}

// move is a home that was copied.
type move struct {
	holder *holder
	to     string
	err    error
}

// run synchronizes all accounts. It kills so many of the runs, and goes on with their
// accounts elsewhere.
func (f *fleet) run(kills int) passage {
	f.tb.Helper()
	f.write("run.sh", fleetScript)
	s := &shift{
		fleet: f, byHome: map[string]*holder{}, runs: map[int]*fleetRun{}, quota: kills, left: len(f.holders),
		moved: make(chan move), restarted: map[*holder]bool{},
	}
	s.accounts = len(f.holders)
	pause := 20 * time.Millisecond
	f.dial(f.server.TLSPort)
	if kills > 0 {
		f.dial(f.relay.Port())
	}
	begin, used := time.Now(), childTime()
	if kills > 0 {
		pause = 4 * time.Millisecond
		s.elsewhere = f.startMachine(fleetWidth / 4)
		s.here = f.startMachine(fleetWidth - fleetWidth/4)
	} else {
		s.here = f.startMachine(fleetWidth)
	}
	var homes strings.Builder
	for _, h := range f.holders {
		s.byHome[h.dir] = h
		fmt.Fprintln(&homes, h.dir)
	}
	go func() {
		_, _ = io.WriteString(s.here.list, homes.String())
		_ = s.here.list.Close()
	}()
	s.watch(pause)
	s.wall, s.cpu = time.Since(begin), childTime()-used
	s.mean = s.took / time.Duration(max(1, s.finished))
	f.typical = s.mean
	s.judge()
	return s.passage
}

// watch follows all processes until there is nothing to do any more.
func (s *shift) watch(pause time.Duration) {
	s.tb.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var later chan error
	if s.elsewhere != nil {
		later = s.elsewhere.done
	}
	for !s.here.over || s.elsewhere != nil && !s.elsewhere.over {
		select {
		case err := <-s.here.done:
			s.ended(s.here, err)
		case err := <-later:
			s.ended(s.elsewhere, err)
		case m := <-s.moved:
			s.goOn(m)
		case <-tick.C:
		}
		s.look()
		if s.here.over && s.elsewhere != nil && s.moving == 0 {
			_ = s.elsewhere.list.Close()
		}
	}
}

// look finds the processes that are at work, notes what they use, and kills those whose
// time has come.
func (s *shift) look() {
	s.tb.Helper()
	for _, r := range s.runs {
		r.seen = false
	}
	var together memory
	for _, m := range []*machine{s.here, s.elsewhere} {
		if m == nil || m.over {
			continue
		}
		for _, shell := range childrenOf(m.cmd.Process.Pid) {
			for _, pid := range childrenOf(shell) {
				r := s.runs[pid]
				if r == nil {
					if r = s.found(pid, shell); r == nil {
						continue
					}
				}
				r.seen = true
				used := memoryOf(pid)
				together = together.plus(used)
				s.largest = s.largest.most(used)
				if r.doomed && r.midway && s.journaled(r.holder) {
					r.midway, r.began = false, time.Now()
				}
				if r.doomed && !r.midway && !r.struck && time.Since(r.began) >= r.kill {
					r.struck = true
					// It may have ended.
					_ = r.process.Signal(syscall.SIGKILL)
				}
			}
		}
	}
	s.together = s.together.most(together)
	for pid, r := range s.runs {
		if !r.seen && s.over(r) {
			delete(s.runs, pid)
		}
	}
}

// found notes a new process. It returns nil if the shell is not yet
// the one that starts it.
func (s *shift) found(pid, shell int) *fleetRun {
	s.tb.Helper()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", shell))
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if err != nil || args[0] != "sh" || len(args) < 3 {
		return nil
	}
	h := s.byHome[args[2]]
	if h == nil {
		s.tb.Fatalf("%q is at work", args)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	r := &fleetRun{holder: h, process: process, began: time.Now()}
	s.runs[pid] = r
	s.passage.runs++
	if s.restarted[h] {
		return r
	}
	// A little more often than is needed, since some end before their time has come.
	if s.quota > 0 && s.rnd.IntN(10*s.left) < 13*s.quota {
		s.quota--
		typical := s.typical
		if s.finished > 0 {
			typical = s.took / time.Duration(s.finished)
		}
		r.doomed = true
		r.kill = time.Duration(s.rnd.Float64() * float64(typical))
		if s.rnd.IntN(2) == 0 {
			// The time in which messages are copied is short.
			r.midway = true
			r.kill = time.Duration(s.rnd.Int64N(int64(2 * fleetRTT)))
		}
	}
	s.left = max(1, s.left-1)
	return r
}

// over looks at a run that has ended. It reports false if the shell has not written
// down yet how.
func (s *shift) over(r *fleetRun) bool {
	s.tb.Helper()
	h := r.holder
	code, err := os.ReadFile(h.dir + ".code")
	if err != nil || !bytes.HasSuffix(code, []byte("\n")) {
		return false
	}
	_ = r.process.Release()
	if string(code) != fmt.Sprintln(128+int(syscall.SIGKILL)) {
		if r.doomed {
			s.quota++ // it was too fast
		}
		if !r.doomed { // its beginning may have been moved
			s.took += time.Since(r.began)
			s.finished++
		}
		return true
	}
	s.kills++
	s.moving++
	s.restarted[h] = true
	if s.journaled(h) {
		s.midway++
	}
	from := h.dir
	to := filepath.Join(s.dir, fmt.Sprintf("machine%d", h.moves+1), h.user)
	go func() {
		m := move{holder: h, to: to}
		if m.err = os.MkdirAll(filepath.Dir(to), 0o700); m.err == nil {
			var out []byte
			if out, m.err = exec.Command(s.copier[0], append(s.copier[1:len(s.copier):len(s.copier)], from+"/", to)...).CombinedOutput(); m.err != nil {
				m.err = fmt.Errorf("%w: %s", m.err, out)
			}
		}
		// Nothing may need what was there.
		s.moved <- move{holder: h, to: to, err: errors.Join(m.err, os.RemoveAll(from))}
	}()
	return true
}

// journaled reports whether a run has left a journal.
func (s *shift) journaled(h *holder) bool {
	s.tb.Helper()
	for _, box := range fleetBoxes {
		st, err := os.Stat(filepath.Join(h.nearBox(box), ".mbsyncstate.journal"))
		if err == nil && st.Size() > 0 {
			return true
		}
	}
	return false
}

// goOn starts the next run of an account, where its home is now.
func (s *shift) goOn(m move) {
	s.tb.Helper()
	if m.err != nil {
		s.tb.Fatal(m.err)
	}
	s.moving--
	m.holder.dir = m.to
	m.holder.moves++
	s.byHome[m.to] = m.holder
	if _, err := fmt.Fprintln(s.elsewhere.list, m.to); err != nil {
		s.tb.Fatal(err)
	}
}

// judge looks at how the last run of each account has ended.
func (s *shift) judge() {
	s.tb.Helper()
	for _, h := range s.holders {
		code, err := os.ReadFile(h.dir + ".code")
		if err != nil {
			s.tb.Fatal(err)
		}
		said, err := os.ReadFile(h.dir + ".said")
		if err != nil {
			s.tb.Fatal(err)
		}
		if err := os.Remove(h.dir + ".code"); err != nil {
			s.tb.Fatal(err)
		}
		bad := complaints(string(said))
		if string(code) != "0\n" || len(bad) > 0 {
			s.tb.Errorf("%s, restarted: %v: exit code %s%s", h.dir, s.restarted[h], code, said)
		}
	}
}

// settle runs until nothing is left of what was interrupted.
func (f *fleet) settle() {
	f.tb.Helper()
	f.run(0)
	f.run(0)
}

// childTime returns the time that the children of this process have spent on processors,
// as far as they have ended, and the children of these.
func childTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// childrenOf returns the children of a process that has one thread.
func childrenOf(pid int) (out []int) {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it has ended
	}
	for _, field := range strings.Fields(string(list)) {
		if child, err := strconv.Atoi(field); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// memoryOf returns what a process has: the most of resident memory so far, and what of
// it is private now.
func memoryOf(pid int) (m memory) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m // it has ended
	}
	for line := range strings.Lines(string(status)) {
		field := strings.Fields(line)
		if len(field) < 2 {
			continue
		}
		switch field[0] {
		case "VmHWM:":
			m.all, _ = strconv.ParseInt(field[1], 10, 64)
		case "RssAnon:":
			m.private, _ = strconv.ParseInt(field[1], 10, 64)
		}
	}
	return m
}

func (m memory) plus(n memory) memory { return memory{m.all + n.all, m.private + n.private} }

func (m memory) most(n memory) memory {
	return memory{max(m.all, n.all), max(m.private, n.private)}
}
