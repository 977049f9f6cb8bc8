package testkit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Variant is a way to run the program: with everything that makes it fast, or
// without some of it.
type Variant struct {
	Name string
	// What the account says: DisableExtensions, Connections and PipelineDepth (0:
	// nothing about them), and whether Compress is on whatever the line is like.
	DisableExtensions []string
	Connections       int
	PipelineDepth     int
	Compress          bool
	// NoCache: nothing can be remembered from one run to the next.
	NoCache bool
	// Server is what the server is like. It offers compression only where that is
	// to be used or is switched off: whether a line counts as slow depends on how
	// busy the machine is.
	Server DovecotConfig
	// RTT of the line.
	RTT time.Duration

	// without and with are what is different on the wire from when all is on. either may
	// be seen or not.
	without, with, either []Sign
}

// usual is what is seen when everything is on and the line is fast.
var usual = []Sign{MultiAppend, Unasked, Moved, UIDExpunge, Resync, ListStatus, Pipelined, Optimistic, Several}

// incidental are the signs of what is also done, now and then, where it is not
// the usual way. For further connections that are asked to store messages, the
// machine need only be very busy.
var incidental = []Sign{ChangedSince, Statuses, StoredOutside}

// slow is a round trip over a line on which compression and further connections
// are worth while.
const slow = 12 * time.Millisecond

var compressing = DovecotConfig{Compress: true}

// Variants returns all of them: first that with everything, last that with
// nothing.
func Variants() []Variant {
	off := func(name string, without []Sign, with ...Sign) Variant {
		return Variant{Name: "without " + name, DisableExtensions: strings.Fields(name), without: without, with: with}
	}
	return []Variant{
		{Name: "everything"},
		off("QRESYNC", []Sign{Resync}, ChangedSince),
		off("CONDSTORE", []Sign{Resync, ListStatus}),
		off("LIST-STATUS", []Sign{ListStatus}, Statuses),
		off("MULTIAPPEND", []Sign{MultiAppend}),
		off("LITERAL+", []Sign{Unasked}, Asked),
		off("UIDPLUS", []Sign{UIDExpunge}),
		off("MOVE", []Sign{Moved}),
		off("ESEARCH", nil),
		{
			Name: "LITERAL-",
			Server: DovecotConfig{Capability: "IMAP4rev1 ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CONDSTORE QRESYNC ESEARCH MULTIAPPEND MOVE " +
				"LIST-EXTENDED LIST-STATUS LITERAL-"},
			with: []Sign{Asked},
		},
		{Name: "one connection", Connections: 1, without: []Sign{Several}},
		{Name: "one command at a time", PipelineDepth: 1, without: []Sign{Pipelined, Optimistic}},
		// A mailbox that was listed in the pipeline can be selected again in the same run.
		{Name: "without a cache", NoCache: true, without: []Sign{Resync, ListStatus, Optimistic}, either: []Sign{Resync}},
		{Name: "compressed", Compress: true, Server: compressing, with: []Sign{Compressed}},
		// Too little is copied for the speed of the line to be measured.
		{Name: "a slow line, perhaps compressed", RTT: slow, Server: compressing},
		{
			Name: "side by side for a slow line", RTT: slow, Connections: 5, Server: compressing,
			DisableExtensions: []string{"LITERAL+", "MULTIAPPEND", "COMPRESS=DEFLATE"},
			without:           []Sign{MultiAppend, Unasked}, with: []Sign{Asked, StoredOutside},
		},
		{
			Name: "nothing", Connections: 1, PipelineDepth: 1, NoCache: true, Server: compressing,
			DisableExtensions: []string{
				"QRESYNC", "CONDSTORE", "LIST-STATUS", "MULTIAPPEND", "LITERAL+", "UIDPLUS", "MOVE", "ESEARCH",
				"ENABLE", "UNSELECT", "COMPRESS=DEFLATE",
			},
			without: usual, with: []Sign{Asked},
		},
	}
}

// SomeVariants returns those with everything and with nothing, and n of the others
// by chance: over time, all of them come up.
func SomeVariants(n int) []Variant {
	all := Variants()
	last := len(all) - 1
	out := []Variant{all[0], all[last]}
	for _, i := range rand.Perm(last - 1)[:n] {
		out = append(out, all[1+i])
	}
	return out
}

// Account returns the lines for the section of the account.
func (v *Variant) Account() string {
	var b strings.Builder
	if len(v.DisableExtensions) > 0 {
		fmt.Fprintf(&b, "DisableExtensions %s\n", strings.Join(v.DisableExtensions, " "))
	}
	if v.Connections > 0 {
		fmt.Fprintf(&b, "Connections %d\n", v.Connections)
	}
	if v.PipelineDepth > 0 {
		fmt.Fprintf(&b, "PipelineDepth %d\n", v.PipelineDepth)
	}
	if v.Compress {
		b.WriteString("Compress yes\n")
	}
	return b.String()
}

// Uses reports whether a sign is to be seen on the wire, provided that there is
// an occasion.
func (v *Variant) Uses(s Sign) bool {
	return slices.Contains(v.with, s) || slices.Contains(usual, s) && !slices.Contains(v.without, s)
}

// Remembers reports whether mailboxes that have not changed are passed over.
func (v *Variant) Remembers() bool {
	return !v.NoCache && !slices.Contains(v.DisableExtensions, "CONDSTORE")
}

// Compresses reports whether all but the beginning of a connection is compressed.
func (v *Variant) Compresses() bool { return v.Uses(Compressed) }

// Check fails the test unless just those signs were seen that should have been. It looks
// at those that there was an occasion for; of what is compressed nothing can be
// seen.
func (v *Variant) Check(tb testing.TB, w *Wiretap, occasions ...Sign) {
	tb.Helper()
	if v.Compresses() {
		occasions = nil
	}
	for _, s := range append(occasions, Compressed) {
		switch n, want := w.Seen(s), v.Uses(s); {
		case slices.Contains(v.either, s):
		case want && n == 0:
			tb.Errorf("%s: no sign of %s", v.Name, s)
		case !want && n > 0 && (!slices.Contains(incidental, s) || s == StoredOutside && v.Connections == 1):
			tb.Errorf("%s: %d signs of %s", v.Name, n, s)
		}
	}
}
