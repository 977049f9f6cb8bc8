package ui

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"isync/internal/event"
)

// Metrics counts what runs do, for Prometheus. It is a sink of events, and safe for
// concurrent use. docs/metrics.md describes the metrics.
type Metrics struct {
	// Now tells the time.
	Now func() time.Time
	// Explain makes text of an error; see Options.
	Explain func(error) []Problem
	// Account returns the account of a store; "": it has none.
	Account func(store string) string

	mu sync.Mutex
	// counters are added to those in the file, and gauges replace them.
	counters, gauges map[string]float64
	runs             map[int]time.Time // begin of the runs in progress
}

// metric describes the series of one name.
type metric struct {
	name, help string
	counter    bool
	// label is the name of the label whose values may disappear; "": none may.
	label string
}

var metricLastSuccess = metric{name: "isync_last_success_timestamp_seconds", help: "Time of the last complete run of a channel without errors.", label: "channel"}

var (
	metricLastRun   = metric{name: "isync_last_run_timestamp_seconds", help: "Time of the end of the last run."}
	metricSeconds   = metric{name: "isync_run_seconds", help: "Duration of the last run."}
	metricExit      = metric{name: "isync_run_exit_code", help: "Exit code of the last run; 0 if everything went well."}
	metricConnected = metric{name: "isync_connected", help: "Whether the last attempt to connect to an account has succeeded.", label: "account"}
	metricMessages  = metric{name: "isync_messages_total", help: "Messages that were changed, by side and kind of change.", counter: true}
	metricBytes     = metric{name: "isync_bytes_total", help: "Size of the messages that were copied to a side.", counter: true}
	metricErrors    = metric{name: "isync_errors_total", help: "Errors, by code.", counter: true}
)

// metrics are all metrics, in the order of the file.
var metrics = []metric{metricLastSuccess, metricLastRun, metricSeconds, metricExit, metricConnected, metricMessages, metricBytes, metricErrors}

var _ event.Sink = (*Metrics)(nil)

// Take implements event.Sink.
func (m *Metrics) Take(e event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters == nil {
		m.counters, m.gauges, m.runs = map[string]float64{}, map[string]float64{}, map[int]time.Time{}
		m.begin()
	}
	switch e := e.(type) {
	case event.RunBegun:
		m.runs[e.Run] = m.Now()
		for _, a := range e.Accounts {
			if series := metricConnected.series("account", a); e.Run == 0 {
				m.gauges[series] = 0 // until it has logged in
			}
		}
	case event.AccountState:
		m.gauges[metricConnected.series("account", e.Account)] = truth(e.Connected)
	case event.WatchChanged:
		if account := m.Account(e.Store); account != "" {
			m.gauges[metricConnected.series("account", account)] = truth(e.Connected)
		}
	case event.Message:
		m.count(e)
	case event.ChannelFailed:
		m.count(event.Message{Severity: event.Error, Err: e.Err})
	case event.PairEnded:
		m.pair(e)
	case event.ChannelEnded:
		if e.Status <= event.StatusChanged && !e.Part {
			m.gauges[metricLastSuccess.series("channel", e.Channel)] = unix(m.Now())
		}
	case event.Summary:
		now := m.Now()
		m.gauges[metricLastRun.series()] = unix(now)
		m.gauges[metricExit.series()] = float64(e.Exit)
		if begun, ok := m.runs[e.Run]; ok {
			m.gauges[metricSeconds.series()] = now.Sub(begun).Seconds()
		}
		delete(m.runs, e.Run)
	}
}

// begin makes the series whose labels are known, with the value 0. Prometheus would not see
// the first increase of a series that appears later.
func (m *Metrics) begin() {
	for _, side := range sides {
		for _, kind := range []string{"new", "flags", "trashed", "expunged"} {
			m.counters[metricMessages.series("side", side, "kind", kind)] = 0
		}
		m.counters[metricBytes.series("side", side, "kind", "new")] = 0
	}
}

// pair counts what was done with a pair.
func (m *Metrics) pair(e event.PairEnded) {
	for t, side := range sides {
		c := &e.Outcome.Counts[t]
		for kind, n := range map[string]int{"new": c.New, "flags": c.Flags, "trashed": c.Trashed, "expunged": c.Expunged} {
			m.counters[metricMessages.series("side", side, "kind", kind)] += float64(max(n, 0))
		}
		m.counters[metricBytes.series("side", side, "kind", "new")] += float64(e.Outcome.Bytes[t])
	}
	if e.Err != nil && !e.Reported {
		m.count(event.Message{Severity: event.Error, Err: e.Err})
	}
}

// count counts errors.
func (m *Metrics) count(msg event.Message) {
	if msg.Severity != event.Error {
		return
	}
	for _, p := range problemsOf(msg, m.Explain, nil) {
		code := event.Failed{}.Code()
		if p.Fact != nil {
			code = p.Fact.Code()
		}
		m.counters[metricErrors.series("code", string(code))]++
	}
}

// seriesLine is a line of the file with a value.
var seriesLine = regexp.MustCompile(`^((isync_[a-z_]+)(?:\{.*\})?) (\S+)$`)

// Update makes the new text of the file, and passes it to write. old is the former text;
// lines that are no metrics of mbsync are dropped. The counters are added to those in old.
// Other series of old are kept if keep reports that their channel or account still exists.
// If write succeeds, the counters are set to zero. Updates must not overlap.
func (m *Metrics) Update(old []byte, keep func(label, value string) bool, write func(text []byte) error) error {
	m.mu.Lock()
	counters, gauges := maps.Clone(m.counters), maps.Clone(m.gauges)
	m.mu.Unlock()
	values := readMetrics(old, keep)
	for series, n := range counters {
		values[series] += n
	}
	maps.Copy(values, gauges)
	if err := write(metricsText(values)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for series, n := range counters {
		m.counters[series] -= n
	}
	return nil
}

// readMetrics returns the series of a file.
func readMetrics(old []byte, keep func(label, value string) bool) map[string]float64 {
	values := make(map[string]float64)
	byName := make(map[string]metric)
	for _, k := range metrics {
		byName[k.name] = k
	}
	lines := bufio.NewScanner(bytes.NewReader(old))
	for lines.Scan() {
		f := seriesLine.FindStringSubmatch(lines.Text())
		if f == nil {
			continue
		}
		k, known := byName[f[2]]
		v, err := strconv.ParseFloat(f[3], 64)
		if !known || err != nil || k.label != "" && !keep(k.label, k.valueOf(f[1])) {
			continue
		}
		values[f[1]] = v
	}
	return values
}

// metricsText is the text of series.
func metricsText(values map[string]float64) []byte {
	var b bytes.Buffer
	all := slices.Sorted(maps.Keys(values))
	for _, k := range metrics {
		kind := "gauge"
		if k.counter {
			kind = "counter"
		}
		first := true
		for _, series := range all {
			if name, _, _ := strings.Cut(series, "{"); name != k.name {
				continue
			}
			if first {
				fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", k.name, k.help, k.name, kind)
				first = false
			}
			fmt.Fprintf(&b, "%s %s\n", series, strconv.FormatFloat(values[series], 'f', -1, 64))
		}
	}
	return b.Bytes()
}

// series names a series with labels: names and values in turn.
func (k metric) series(labels ...string) string {
	if len(labels) == 0 {
		return k.name
	}
	var parts []string
	for i := 0; i < len(labels); i += 2 {
		parts = append(parts, labels[i]+`="`+labelEscape.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD"))+`"`)
	}
	return k.name + "{" + strings.Join(parts, ",") + "}"
}

var (
	labelEscape   = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	labelUnescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")
)

// valueOf returns the value of the only label of a series.
func (k metric) valueOf(series string) string {
	value := strings.TrimPrefix(series, k.name+"{"+k.label+`="`)
	return labelUnescape.Replace(strings.TrimSuffix(value, `"}`))
}

func truth(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// unix returns a time in seconds, with milliseconds.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
