package ui_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"isync/internal/event"
	"isync/internal/ui"
)

// parseMetrics reads a file as Prometheus does, and returns the values by their series.
func parseMetrics(t *testing.T, text []byte) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	values := map[string]float64{}
	for name, f := range families {
		if f.GetHelp() == "" || strings.HasSuffix(name, "_total") != (f.GetType().String() == "COUNTER") {
			t.Errorf("%s is a %s: %q", name, f.GetType(), f.GetHelp())
		}
		for _, m := range f.GetMetric() {
			key := name
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

// update returns the text after an update.
func update(t *testing.T, m *ui.Metrics, old []byte, keep func(label, value string) bool) (text []byte) {
	t.Helper()
	if err := m.Update(old, keep, func(b []byte) error {
		text = b
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMetrics(t *testing.T) {
	now := time.Unix(1000, 500e6)
	m := &ui.Metrics{
		Now:     func() time.Time { return now },
		Account: func(store string) string { return strings.TrimPrefix(store, "store of ") },
	}
	all := func(string, string) bool { return true }
	var outcome event.Outcome
	outcome.Counts[1] = event.Counts{New: 3, Flags: 1}
	outcome.Counts[0] = event.Counts{Trashed: 2, Expunged: 4}
	outcome.Bytes = [2]int64{0, 700}
	const odd = "a \"b\" \\n\n ü"
	for _, e := range []event.Event{
		event.RunBegun{Channels: []string{"c", "d"}, Accounts: []string{"acc", "down"}},
		event.AccountState{Account: "acc", Connected: true},
		event.ChannelOpened{Channel: "c"},
		event.Message{Severity: event.Warning, Fact: event.NoUIDs{}},
		event.Message{Severity: event.Error, Fact: event.NoUIDs{}},
		event.PairEnded{Outcome: outcome},
		event.PairEnded{Outcome: outcome, Err: errors.New("secret"), Reported: true},
		event.PairEnded{Err: errors.New("secret")},
		event.ChannelFailed{Channel: "d", Err: errors.New("secret")},
		event.ChannelEnded{Channel: "c", Status: event.StatusChanged},
		event.ChannelEnded{Channel: odd, Status: event.StatusUnchanged},
		event.ChannelEnded{Channel: "d", Status: event.StatusFailed},
		event.ChannelEnded{Channel: "e", Status: event.StatusChanged, Part: true},
	} {
		m.Take(e)
	}
	now = now.Add(2 * time.Second)
	m.Take(event.Summary{Exit: 1})

	if err := m.Update(nil, all, func([]byte) error { return errors.New("disk full") }); err == nil {
		t.Error("no error")
	}
	text := update(t, m, []byte("anything\n\x00isync_errors_total{code=\"x\"} NaNsense\n"), all)
	if bytes.Contains(text, []byte("secret")) {
		t.Errorf("%s", text)
	}
	want := map[string]float64{
		"isync_last_success_timestamp_seconds channel=c":      1000.5,
		"isync_last_success_timestamp_seconds channel=" + odd: 1000.5,
		"isync_last_run_timestamp_seconds":                    1002.5,
		"isync_run_seconds":                                   2,
		"isync_run_exit_code":                                 1,
		"isync_connected account=acc":                         1,
		"isync_connected account=down":                        0,
		"isync_messages_total side=far kind=new":              0,
		"isync_messages_total side=far kind=flags":            0,
		"isync_messages_total side=far kind=trashed":          4,
		"isync_messages_total side=far kind=expunged":         8,
		"isync_messages_total side=near kind=new":             6,
		"isync_messages_total side=near kind=flags":           2,
		"isync_messages_total side=near kind=trashed":         0,
		"isync_messages_total side=near kind=expunged":        0,
		"isync_bytes_total side=far kind=new":                 0,
		"isync_bytes_total side=near kind=new":                1400,
		"isync_errors_total code=no-uids":                     1,
		"isync_errors_total code=failed":                      2,
	}
	if got := parseMetrics(t, text); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}

	// The next update of the same process adds nothing. Another process adds, and keeps
	// what it does not know.
	if again := update(t, m, text, all); !bytes.Equal(text, again) {
		t.Errorf("%s\n%s", text, again)
	}
	other := &ui.Metrics{Now: m.Now, Account: m.Account}
	other.Take(event.RunBegun{Run: 1, Accounts: []string{"acc"}})
	other.Take(event.WatchChanged{Store: "store of acc"})
	other.Take(event.WatchChanged{Store: ""})
	other.Take(event.PairEnded{Outcome: outcome})
	text = update(t, other, text, func(_, value string) bool { return value != "down" && value != odd })
	want["isync_messages_total side=near kind=new"] = 9
	want["isync_messages_total side=near kind=flags"] = 3
	want["isync_messages_total side=far kind=trashed"] = 6
	want["isync_messages_total side=far kind=expunged"] = 12
	want["isync_bytes_total side=near kind=new"] = 2100
	want["isync_connected account=acc"] = 0
	delete(want, "isync_connected account=down")
	delete(want, "isync_last_success_timestamp_seconds channel="+odd)
	if got := parseMetrics(t, text); !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	lines := strings.Split(string(text), "\n")
	if !slices.Contains(lines, `isync_errors_total{code="failed"} 2`) {
		t.Errorf("%s", text)
	}
}
