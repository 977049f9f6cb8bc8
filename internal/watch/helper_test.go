package watch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
	"isync/internal/watch"
)

// world is a configuration whose stores are in memory, and whose watches are told by the
// test what to report.
type world struct {
	tb    testing.TB
	cfg   *config.Config
	fs    *vfstest.Mem
	disk  map[string]*mem.Disk // by the name of the store
	times watch.Times
	// hook of the stores, by name.
	hook map[string]func(mem.Op) error
	o    watch.Options
	// wrap, if not nil, wraps the mailboxes of the store far.
	wrap func(m store.Mailbox, box string) store.Mailbox
	// named are the mailboxes that the command line names; nil: none.
	named []string
	// together: all channels are in one group.
	together bool

	sent    int
	watcher *watch.Watcher
	cancel  context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	stores   map[string]*reporting
	onPair   func(name string)
	messages []string // warnings and errors that are shown
	pairs    []string // that were begun
	channels int      // whole channels that were begun
	ready    int
	status   watch.Status
}

const oneChannel = `
MaildirStore far
Path /far/
Inbox /farbox

MaildirStore near
Path /near/
Inbox /nearbox

Channel c
Far :far:
Near :near:
Patterns * INBOX
Create Both
Expunge Both
`

func newWorld(tb testing.TB, rc string) *world {
	tb.Helper()
	cfg, _, err := config.Parse("/rc", []byte("SyncState /state/\n"+rc), config.Env{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{
		tb: tb, cfg: cfg, fs: vfstest.NewMem(nil), disk: map[string]*mem.Disk{}, hook: map[string]func(mem.Op) error{},
		stores: map[string]*reporting{}, times: watch.Times{Poll: 5 * time.Minute, Safety: 15 * time.Minute, Keep: 9 * time.Minute},
	}
	for _, s := range cfg.Stores {
		w.disk[s.Name] = mem.NewDisk()
		w.disk[s.Name].Set("INBOX", mem.BoxState{})
	}
	return w
}

// reporting is a store whose changes the test reports.
type reporting struct {
	*mem.Store
	w *world

	mu       sync.Mutex
	report   func(store.WatchReport)
	selected []string
	selects  int // calls of Select
	probes   int
	watches  int // that were not closed
}

// Open implements store.Store.
func (r *reporting) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	m, err := r.Store.Open(ctx, box, req)
	if err == nil && r.w.wrap != nil && r.Name() == "far" {
		m = r.w.wrap(m, box)
	}
	return m, err
}

// nearby is such a store that is local.
type nearby struct{ *reporting }

func (nearby) BoxPath(box string) (string, error) { return "/near/" + box, nil }
func (nearby) Root() string                       { return "/near" }

// Watch implements store.Watcher.
func (r *reporting) Watch(_ context.Context, o store.WatchOptions, report func(store.WatchReport)) (store.Watch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report, r.selected = report, o.Boxes
	r.watches++
	return handle{r}, nil
}

type handle struct{ r *reporting }

func (h handle) Select(boxes []string) {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.r.selected = boxes
	h.r.selects++
}

func (h handle) Probe() {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.r.probes++
}

func (h handle) Close() {
	h.r.mu.Lock()
	defer h.r.mu.Unlock()
	h.r.watches--
}

func (w *world) open(s *config.Store) (store.Store, error) {
	st := &reporting{w: w, Store: mem.New(w.disk[s.Name], mem.Options{
		Name: s.Name, Caps: mem.MaildirCaps, Marks: true, Trasher: true,
		Hook: func(op mem.Op) error {
			w.mu.Lock()
			h := w.hook[s.Name]
			w.mu.Unlock()
			if h != nil {
				return h(op)
			}
			return nil
		},
	})}
	w.mu.Lock()
	w.stores[s.Name] = st
	w.mu.Unlock()
	if strings.HasPrefix(s.Name, "near") {
		return nearby{st}, nil
	}
	return st, nil
}

// onEachPair sets what is called with each pair that is begun.
func (w *world) onEachPair(f func(name string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onPair = f
}

// setHook sets the hook of a store.
func (w *world) setHook(name string, h func(mem.Op) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook[name] = h
}

// Take implements event.Sink.
func (w *world) Take(e event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case event.ChannelBegun:
		w.channels++
	case event.PairBegun:
		w.pairs = append(w.pairs, e.Pair.Name)
		if w.onPair != nil {
			w.onPair(e.Pair.Name)
		}
	case event.PairEnded:
		if e.Err != nil && !e.Reported {
			w.messages = append(w.messages, e.Err.Error())
		}
	case event.ChannelFailed:
		w.messages = append(w.messages, e.Err.Error())
	case event.Message:
		switch {
		case e.Fact != nil:
			w.messages = append(w.messages, string(e.Fact.Code()))
		case e.Err != nil:
			w.messages = append(w.messages, e.Err.Error())
		}
	}
}

// begin begins to watch the channels, each in a group of its own.
func (w *world) begin() {
	w.tb.Helper()
	o := w.o
	o.Events = w
	o.Times = func(string) watch.Times { return w.times }
	o.Ready = func() { w.ready++ }
	o.Status = func(st watch.Status) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.status = st
	}
	for _, c := range w.cfg.Channels {
		o.Groups = append(o.Groups, watch.Group{
			Selections: []channel.Selection{{Channel: c, Ops: c.Ops, Boxes: w.named}},
			NewRunner: func(sink event.Sink) *channel.Runner {
				return channel.NewRunner(channel.Options{
					Global: w.cfg.Global, Open: w.open, FS: w.fs, TUIDs: rand.NewChaCha8([32]byte{}), Events: sink,
				})
			},
		})
	}
	if w.together {
		for _, g := range o.Groups[1:] {
			o.Groups[0].Selections = append(o.Groups[0].Selections, g.Selections...)
		}
		o.Groups = o.Groups[:1]
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.watcher = watch.New(o)
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		w.watcher.Run(ctx)
	}()
	w.tb.Cleanup(w.end)
	synctest.Wait()
}

// end ends the watcher, and checks that nothing is left.
func (w *world) end() {
	w.cancel()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, s := range w.stores {
		if s.watches != 0 {
			w.tb.Errorf("%d watches of %s were not closed", s.watches, name)
		}
		if n := s.OpenBoxes(); n != 0 {
			w.tb.Errorf("%d mailboxes of %s are open", n, name)
		}
	}
}

// report reports something about a store.
func (w *world) report(name string, r store.WatchReport) {
	w.mu.Lock()
	s := w.stores[name]
	w.mu.Unlock()
	s.mu.Lock()
	report := s.report
	s.mu.Unlock()
	report(r)
}

// changed adds a message to a mailbox, and reports that.
func (w *world) changed(name, box string) {
	w.add(name, box)
	w.report(name, store.WatchReport{Box: box})
}

// add adds a message to a mailbox.
func (w *world) add(name, box string) {
	w.sent++
	w.disk[name].Deliver(box, mem.Message{Body: fmt.Sprintf("Subject: %s %s %d\n\nx\n", name, box, w.sent), Date: time.Now()})
}

// connected reports the state of a store's connection.
func (w *world) connected(name string, mode store.WatchMode, connected bool, err error) {
	w.report(name, store.WatchReport{State: &store.WatchState{Mode: mode, Connected: connected, Since: time.Now(), Err: err}})
}

// ran checks which pairs were begun since the last call, after some time.
func (w *world) ran(after time.Duration, want ...string) {
	w.tb.Helper()
	time.Sleep(after)
	synctest.Wait()
	w.mu.Lock()
	got := w.pairs
	w.pairs = nil
	w.mu.Unlock()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.tb.Errorf("after %v: synchronized %v, want %v", after, got, want)
	}
}

// said checks what was shown since the last call.
func (w *world) said(want ...string) {
	w.tb.Helper()
	w.mu.Lock()
	got := w.messages
	w.messages = nil
	w.mu.Unlock()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && strings.Contains(got[i], want[i])
	}
	if !ok {
		w.tb.Errorf("shown %q, want %q", got, want)
	}
}

// same reports whether both stores of a channel hold the same messages.
func (w *world) same(far, near string) bool {
	return cmpDisks(w.disk[far], w.disk[near])
}

// cmpDisks reports whether two disks have the same mailboxes, messages and flags.
func cmpDisks(a, b *mem.Disk) bool {
	contents := func(d *mem.Disk) map[string][]string {
		out := map[string][]string{}
		for box, s := range d.State() {
			list := []string{}
			for _, m := range s.Messages {
				list = append(list, stripTUID(m.Body)+m.Flags.String())
			}
			slices.Sort(list)
			out[box] = list
		}
		return out
	}
	x, y := contents(a), contents(b)
	if len(x) != len(y) {
		return false
	}
	for box, list := range x {
		if !slices.Equal(list, y[box]) {
			return false
		}
	}
	return true
}

func stripTUID(body string) string {
	var out strings.Builder
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, "X-TUID:") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// lockState locks the sync state of a pair, as another program does.
func (w *world) lockState(box string) vfs.File {
	w.tb.Helper()
	f, err := w.fs.OpenFile("/state/:far:"+box+"_:near:"+box+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = w.fs.Lock(f, false)
	}
	if err != nil {
		w.tb.Fatal(err)
	}
	return f
}
