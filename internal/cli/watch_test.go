package cli

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/watch"
)

// TestIndependent: channels that share a store or an account, also through others, are
// synchronized by the same runner.
func TestIndependent(t *testing.T) {
	const stores = `SyncState /state/
IMAPAccount x
Host x

IMAPAccount y
Host y

IMAPStore x1
Account x

IMAPStore x2
Account x

IMAPStore y1
Account y

MaildirStore m
Path /m/
Inbox /m/i

MaildirStore n
Path /n/
Inbox /n/i

MaildirStore o
Path /o/
Inbox /o/i
`
	for _, tt := range []struct {
		channels string // far and near store of each
		want     string
	}{
		{"x1-m", "[0]"},
		{"x1-m y1-n", "[0] [1]"},
		{"x1-m x1-n", "[0 1]"},
		{"x1-m x2-n", "[0 1]"},
		{"x1-m y1-m", "[0 1]"},
		{"x1-m y1-n x2-n", "[0 1 2]"},
		{"x1-m y1-n m-o", "[0 2] [1]"},
		{"x1-m y1-n n-o x2-o", "[0 1 2 3]"},
		{"y1-n x1-m x2-o o-n", "[0 1 2 3]"},
	} {
		rc := stores
		for i, c := range strings.Fields(tt.channels) {
			far, near, _ := strings.Cut(c, "-")
			rc += fmt.Sprintf("\nChannel %d\nFar :%s:a%d\nNear :%s:b%d\n", i, far, i, near, i)
		}
		cfg, _, err := config.Parse("/rc", []byte(rc), config.Env{})
		if err != nil {
			t.Fatal(err)
		}
		var sel []channel.Selection
		for _, c := range cfg.Channels {
			sel = append(sel, channel.Selection{Channel: c})
		}
		var got []string
		for _, set := range independent(sel) {
			var names []string
			for _, s := range set {
				names = append(names, s.Channel.Name)
			}
			slices.Sort(names)
			got = append(got, fmt.Sprint(names))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.channels, s, tt.want)
		}
	}
}

// TestStatusLines: what --status shows.
func TestStatusLines(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	st := statusFile{Pid: 7, Config: "/rc", Status: watch.Status{
		Time: now.Add(-3 * time.Second),
		Stores: []watch.StoreStatus{
			{Store: "local", Mode: "files", Connected: true, Since: now.Add(-time.Hour)},
			{Store: "work", Mode: "notify", Connected: true, Since: now.Add(-90 * time.Minute)},
			{Store: "home", Mode: "idle", Since: now.Add(-time.Minute), Next: now.Add(30 * time.Second), Error: "connection refused"},
		},
		Channels: []watch.ChannelStatus{
			{Channel: "a", Boxes: 3, Success: now.Add(-time.Minute), Next: now.Add(14 * time.Minute)},
			{Channel: "b", Boxes: 20, Running: true, Waiting: strings.Fields("1 2 3 4 5 6 7 8 9 10 11 12"), Failed: []watch.BoxStatus{{Box: "x", Error: "disk is full", Next: now.Add(8 * time.Second)}}},
			{Channel: "c", Error: "login refused", Next: now},
		},
	}}
	want := `mbsync --watch, process 7, status written 3s ago: 3 channel(s), 23 mailbox(es); not connected: home; 2 error(s)
store local: the operating system reports changes
store work: the server reports changes (NOTIFY), connected for 1h30m0s
store home: not connected for 1m0s, next attempt in 30s: connection refused
channel a: 3 mailbox(es), last synchronized 1m0s ago, next in 14m0s
channel b: 20 mailbox(es), not completely synchronized yet, running now
  waiting: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, and 2 more
  failed: x: disk is full; next attempt in 8s
channel c: 0 mailbox(es), not completely synchronized yet, next now: login refused`
	if got := strings.Join(statusLines(st, now), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
