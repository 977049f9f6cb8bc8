package testkit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Variant is a combination of the program's optimizations: all of them, or all except some.
type Variant struct {
	Name string
	// The settings of the account. Connections and PipelineDepth 0: not set. Compress:
	// compression is on independently of the line.
	DisableExtensions []string
	Connections       int
	PipelineDepth     int
	Compress          bool
	// NoCache: there is no cache between runs.
	NoCache bool
	// Server is the configuration of the server. It offers compression only if compression is
	// tested or switched off, because whether a line counts as slow depends on the load of the
	// machine.
	Server DovecotConfig
	// RTT is the round trip time of the line.
	RTT time.Duration

	// without and with are the differences from the signs in usual. The signs in either may be
	// seen or not.
	without, with, either []Sign
}

// usual are the signs of a run with all optimizations on a fast line.
var usual = []Sign{MultiAppend, Unasked, Moved, UIDExpunge, Resync, ListStatus, Pipelined, Optimistic, Several}

// incidental are signs that may occur occasionally without their optimization. For example, on a
// busy machine, further connections are used for storing messages.
var incidental = []Sign{ChangedSince, Statuses, StoredOutside}

// slow is the round trip time of a line on which compression and further connections are
// worthwhile.
const slow = 12 * time.Millisecond

var compressing = DovecotConfig{Compress: true}

// Variants returns all variants: the first one with all optimizations, the last one with none.
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
		// A mailbox that was listed in the pipeline may be selected again in the same run.
		{Name: "without a cache", NoCache: true, without: []Sign{Resync, ListStatus, Optimistic}, either: []Sign{Resync}},
		{Name: "compressed", Compress: true, Server: compressing, with: []Sign{Compressed}},
		// Too little data is copied for a measurement of the line.
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

// SomeVariants returns the first and the last variant, and n random others. Over many runs all of
// them are tested.
func SomeVariants(n int) []Variant {
	all := Variants()
	last := len(all) - 1
	out := []Variant{all[0], all[last]}
	for _, i := range rand.Perm(last - 1)[:n] {
		out = append(out, all[1+i])
	}
	return out
}

// Account returns the lines for the account section.
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

// Uses reports whether a sign must be seen on the wire if a run has a use for it.
func (v *Variant) Uses(s Sign) bool {
	return slices.Contains(v.with, s) || slices.Contains(usual, s) && !slices.Contains(v.without, s)
}

// Remembers reports whether unchanged mailboxes are skipped.
func (v *Variant) Remembers() bool {
	return !v.NoCache && !slices.Contains(v.DisableExtensions, "CONDSTORE")
}

// Compresses reports whether connections are compressed after their beginning.
func (v *Variant) Compresses() bool { return v.Uses(Compressed) }

// Check fails the test unless exactly the expected signs were seen. It checks only the signs in
// occasions, which the run had a use for. Signs in compressed data cannot be seen.
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
