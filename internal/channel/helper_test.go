package channel_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/store/mem"
	"isync/internal/ui"
	"isync/internal/vfs/vfstest"
)

// world is a configuration whose stores are in memory.
type world struct {
	tb   testing.TB
	cfg  *config.Config
	fs   *vfstest.Mem
	obs  *recorder
	dry  bool
	disk map[string]*mem.Disk // by the name of the store
	// options of the stores; openErr makes opening one fail.
	hook   map[string]func(mem.Op) error
	holder map[string]bool // the inbox lives among the others
	folds  map[string]bool // names that differ only in case are the same
	local  map[string]bool
	// uses are the special uses of mailboxes, by store and mailbox; usesErr is why they
	// cannot be told.
	uses    map[string]map[string]string
	usesErr error
	openErr map[string]error
	stores  []*closing // in the order they were opened
	onDone  func()     // called after each pair
}

// stores holds three stores that need nothing but a name.
const stores = `
MaildirStore far
Path /far/
Inbox /farbox

MaildirStore near
Path /near/
Inbox /nearbox

MaildirStore third
Path /third/
Inbox /thirdbox

`

// newWorld reads a configuration, with the three stores unless it has its own.
func newWorld(tb testing.TB, rc string) *world {
	tb.Helper()
	if !strings.Contains(rc, "Store ") {
		rc = stores + rc
	}
	if !strings.HasPrefix(rc, "SyncState") {
		rc = "SyncState /state/\n" + rc
	}
	cfg, _, err := config.Parse("/rc", []byte(rc), config.Env{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &world{
		tb: tb, cfg: cfg, fs: vfstest.NewMem(nil), obs: &recorder{},
		disk: map[string]*mem.Disk{}, hook: map[string]func(mem.Op) error{},
		holder: map[string]bool{}, folds: map[string]bool{}, local: map[string]bool{}, openErr: map[string]error{},
	}
	for _, s := range cfg.Stores {
		w.disk[s.Name] = mem.NewDisk()
	}
	return w
}

// boxes puts mailboxes, each with a message, into a store.
func (w *world) boxes(name string, boxes ...string) {
	for _, b := range boxes {
		w.disk[name].Set(b, mem.BoxState{Messages: []mem.Message{{Body: message(name + " " + b)}}})
	}
}

func message(subject string) string { return "Subject: " + subject + "\n\nbody\n" }

// closing is a store that notes that it was closed.
type closing struct {
	*mem.Store
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return c.Store.Close()
}

type localStore struct{ *closing }

func (localStore) BoxPath(box string) (string, error) {
	if strings.HasSuffix(box, "/new") || strings.Contains(box, "/.mbsyncstate") {
		return "", &store.NameError{Reason: store.NameReserved, Name: box, Text: "it is needed"}
	}
	return "/local/" + box, nil
}

func (localStore) Root() string { return "/local" }

func (s localStore) Identity(box string) (string, bool) {
	if dir, err := s.BoxPath(box); err == nil {
		return dir, true
	}
	return s.closing.Identity(box)
}

type holderStore struct{ *closing }

func (holderStore) InboxAmongOthers(context.Context) (bool, error) { return true, nil }

// foldStore is a store that does not tell capital letters from small ones.
type foldStore struct{ *closing }

func (foldStore) Fold(box string) string { return strings.ToLower(box) }

func (s foldStore) Open(ctx context.Context, box string, req store.OpenRequest) (store.Mailbox, error) {
	return s.closing.Open(ctx, s.spelled(ctx, box), req)
}

func (s foldStore) Create(ctx context.Context, box string) error {
	return s.closing.Create(ctx, s.spelled(ctx, box))
}

// spelled returns the name as it was first given.
func (s foldStore) spelled(ctx context.Context, box string) string {
	boxes, err := s.List(ctx, store.ListRequest{Inbox: true, Others: true})
	if err == nil {
		for _, b := range boxes {
			if strings.EqualFold(b.Name, box) {
				return b.Name
			}
		}
	}
	return box
}

// usesStore is a store that knows what its mailboxes are for.
type usesStore struct {
	*closing
	w *world
}

// FindUses implements store.UseFinder.
func (s usesStore) FindUses(context.Context) (out []store.BoxUses, err error) {
	for _, box := range s.w.disk[s.Name()].Names() {
		out = append(out, store.BoxUses{Name: box, Uses: strings.Fields(s.w.uses[s.Name()][box])})
	}
	return out, s.w.usesErr
}

// open is what channel.Options.Open is.
func (w *world) open(s *config.Store) (store.Store, error) {
	if err := w.openErr[s.Name]; err != nil {
		return nil, err
	}
	st := &closing{Store: mem.New(w.disk[s.Name], mem.Options{
		Name: s.Name, Caps: mem.MaildirCaps, Trasher: true, Marks: true, Place: channel.PlaceOf(w.tb, s),
		Hook: func(op mem.Op) error {
			if h := w.hook[s.Name]; h != nil {
				return h(op)
			}
			return nil
		},
	})}
	w.stores = append(w.stores, st)
	switch {
	case w.uses[s.Name] != nil:
		return usesStore{st, w}, nil
	case w.local[s.Name]:
		return localStore{st}, nil
	case w.folds[s.Name]:
		return foldStore{st}, nil
	case w.holder[s.Name]:
		return holderStore{st}, nil
	}
	return st, nil
}

func (w *world) options() channel.Options {
	return channel.Options{
		Global: w.cfg.Global, Open: w.open, FS: w.fs, DryRun: w.dry,
		TUIDs: rand.NewChaCha8([32]byte{}), Events: w.obs, Parallel: 1,
	}
}

// selection reads "channel[:mailbox,...]"; nothing stands for all channels.
func (w *world) selection(args ...string) (sel []channel.Selection) {
	if len(args) == 0 {
		for _, c := range w.cfg.Channels {
			args = append(args, c.Name)
		}
	}
	for _, a := range args {
		ref, _ := config.ParseChannelRef(a, true)
		c := w.cfg.Channel(ref.Name)
		if c == nil {
			w.tb.Fatalf("no channel %q", ref.Name)
		}
		sel = append(sel, channel.Selection{Channel: c, Boxes: ref.Boxes, Ops: c.Ops})
	}
	return sel
}

// run synchronizes, and checks what holds after every run.
func (w *world) run(ctx context.Context, args ...string) channel.Summary {
	w.tb.Helper()
	w.stores, w.obs = nil, &recorder{onDone: w.onDone}
	sum := channel.Run(ctx, w.selection(args...), w.options())
	if w.obs.broken != "" {
		w.tb.Errorf("events out of order: %s\n%s", w.obs.broken, strings.Join(w.obs.log, "\n"))
	}
	if w.obs.running != "" {
		w.tb.Errorf("pair %q was started, but not done", w.obs.running)
	}
	if len(w.obs.done) != sum.Boxes+sum.Unfinished {
		w.tb.Errorf("%d mailboxes counted, %d done", sum.Boxes, len(w.obs.done))
	}
	w.checkStores()
	return sum
}

// checkStores checks that stores were opened once and closed once.
func (w *world) checkStores() {
	w.tb.Helper()
	seen := map[string]bool{}
	for _, s := range w.stores {
		if seen[s.Name()] {
			w.tb.Errorf("store %q was opened more than once", s.Name())
		}
		seen[s.Name()] = true
		if s.closed != 1 {
			w.tb.Errorf("store %q was closed %d times", s.Name(), s.closed)
		}
		if n := s.OpenBoxes(); n != 0 {
			w.tb.Errorf("%d mailboxes of store %q were left open", n, s.Name())
		}
	}
}

// list returns the pairs of a listing as "NAME: FAR = NEAR".
func (w *world) list(args ...string) []string {
	w.tb.Helper()
	w.stores = nil
	var out []string
	for _, l := range channel.List(w.tb.Context(), w.selection(args...), w.options()) {
		if l.Err != nil {
			w.tb.Errorf("listing %s: %v", l.Selection.Channel.Name, l.Err)
		}
		for _, p := range l.Pairs {
			out = append(out, pairText(p))
		}
	}
	w.checkStores()
	return out
}

func pairText(p event.Pair) string {
	return fmt.Sprintf("%s: %s = %s", p.Name, p.Box[0], p.Box[1])
}

// states returns the names of the files in a directory.
func (w *world) states(dir string) []string {
	w.tb.Helper()
	names, err := w.fs.ReadNames(dir)
	if err != nil {
		w.tb.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// recorder records events, and checks that their order is valid.
type recorder struct {
	log      []string // everything but the events of the engine
	warnings []string
	notices  []string
	started  []string // names of pairs
	done     []string // the same, in the end
	errs     map[string]error
	failed   map[string]error // channels
	results  map[string]event.Outcome
	events   int
	running  string
	channel  string
	broken   string
	onDone   func()
	// open are the channels that were begun and have not ended, with the totals of the
	// pairs so far. ended are the channels that have.
	open  map[string]*event.ChannelEnded
	ended map[string]event.ChannelEnded
}

// textOf returns the text of a notice or a warning.
func textOf(e event.Message) string {
	if e.Fact == nil {
		return e.Err.Error()
	}
	text, _ := ui.Text(e.Fact)
	return text
}

func (r *recorder) wrong(format string, args ...any) {
	if r.broken == "" {
		r.broken = fmt.Sprintf(format, args...)
	}
}

// Take implements event.Sink.
func (r *recorder) Take(e event.Event) {
	switch e := e.(type) {
	case event.ChannelOpened:
		r.channelOpened(e.Channel)
		return
	case event.ChannelEnded:
		r.channelEnded(e)
		return
	case event.PairSkipped:
		r.inChannel(e.Pair, func(c *event.ChannelEnded) {
			c.Skipped++
			c.Status = max(c.Status, event.StatusSkipped)
		})
		return
	case event.ChannelBegun:
		r.channelBegun(e.Channel, e.Pairs)
		return
	case event.ChannelFailed:
		r.channelFailed(e.Channel, e.Err)
		return
	case event.PairBegun:
		r.pairBegun(e.Pair)
		return
	case event.PairEnded:
		r.inChannel(e.Pair, func(c *event.ChannelEnded) {
			c.Boxes++
			c.Status = max(c.Status, e.Status)
			for t := range e.Outcome.Counts {
				c.Outcome.Counts[t].Add(e.Outcome.Counts[t])
				c.Outcome.Bytes[t] += e.Outcome.Bytes[t]
			}
		})
		if good := e.Status <= event.StatusChanged; good != (e.Err == nil && e.Outcome.Failed+e.Outcome.Problems == 0) {
			r.wrong("status %s: %+v", e.Status, e)
		}
		r.pairEnded(e.Pair, e.Outcome, e.Err)
		return
	case event.Message:
		if e.Severity == event.Notice {
			r.notices = append(r.notices, textOf(e))
		}
		if e.Severity == event.Warning {
			r.warnings = append(r.warnings, textOf(e))
		}
		if e.Severity == event.Error && r.running == "" {
			r.wrong("error %v outside of a pair", e)
		}
	default:
		if r.running == "" {
			r.wrong("event %v outside of a pair", e)
		}
	}
	r.events++
}

func (r *recorder) channelOpened(c string) {
	if r.open == nil {
		r.open, r.ended = map[string]*event.ChannelEnded{}, map[string]event.ChannelEnded{}
	}
	if r.open[c] != nil {
		r.wrong("channel %s begun twice", c)
	}
	r.open[c] = &event.ChannelEnded{Channel: c}
}

// inChannel changes the totals of the channel of a pair, which must have begun.
func (r *recorder) inChannel(p event.Pair, change func(*event.ChannelEnded)) {
	if c := r.open[p.Channel]; c != nil {
		change(c)
		return
	}
	r.wrong("%s outside of its channel", pairText(p))
}

func (r *recorder) channelEnded(e event.ChannelEnded) {
	want := r.open[e.Channel]
	if want == nil {
		r.wrong("channel %s ended without a beginning", e.Channel)
		return
	}
	if r.failed[e.Channel] != nil {
		want.Status = event.StatusFailed
	}
	if e.Boxes != want.Boxes || e.Skipped != want.Skipped || e.Status != want.Status || e.Outcome.Counts != want.Outcome.Counts || e.Outcome.Bytes != want.Outcome.Bytes {
		r.wrong("totals of channel %s: %+v instead of %+v", e.Channel, e, *want)
	}
	delete(r.open, e.Channel)
	r.ended[e.Channel] = e
}

func (r *recorder) channelBegun(c string, pairs int) {
	r.log = append(r.log, fmt.Sprintf("channel %s: %d", c, pairs))
	if r.running != "" {
		r.wrong("channel %s started within pair %s", c, r.running)
	}
	r.channel = c
}

func (r *recorder) pairBegun(p event.Pair) {
	r.log = append(r.log, "start "+pairText(p))
	if r.running != "" || r.channel != p.Channel {
		r.wrong("%s started within %q, channel %s", pairText(p), r.running, r.channel)
	}
	r.running = pairText(p)
	r.started = append(r.started, r.running)
}

func (r *recorder) pairEnded(p event.Pair, res event.Outcome, err error) {
	r.log = append(r.log, fmt.Sprintf("done %s: %v", pairText(p), err))
	if r.running != pairText(p) {
		r.wrong("%s done within %q", pairText(p), r.running)
	}
	r.running = ""
	r.done = append(r.done, pairText(p))
	if r.errs == nil {
		r.errs, r.results = map[string]error{}, map[string]event.Outcome{}
	}
	if err != nil {
		r.errs[p.Name] = err
	}
	r.results[p.Name] = res
	if r.onDone != nil {
		r.onDone()
	}
}

func (r *recorder) channelFailed(c string, err error) {
	r.log = append(r.log, fmt.Sprintf("failed %s: %v", c, err))
	if r.failed == nil {
		r.failed = map[string]error{}
	}
	r.failed[c] = err
}

// subjects returns the subjects of the messages in a mailbox, without "X-TUID".
func (w *world) subjects(name, box string) []string {
	w.tb.Helper()
	b, ok := w.disk[name].Box(box)
	if !ok {
		return nil
	}
	var out []string
	for _, m := range b.Messages {
		s, _, _ := strings.Cut(strings.TrimPrefix(m.Body, "Subject: "), "\n")
		if m.Flags.Has(mail.FlagDeleted) {
			s += " (deleted)"
		}
		out = append(out, s)
	}
	return out
}

var errTest = errors.New("on purpose")

func storeBroken(name string) error { return &store.StoreError{Store: name, Err: errTest} }
