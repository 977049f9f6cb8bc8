package imap_test

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/memo"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/vfs"
)

// TestCompressAuto: the first run over a slow line turns on compression between two commands,
// once it has measured the line, and the next one at once. Over a fast line, none does.
func TestCompressAuto(t *testing.T) {
	const messages = 200
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Compress: true})
	text := func(i int) string {
		return fmt.Sprintf("Subject: %d\n\n", i) + strings.Repeat(fmt.Sprintf("This is line %d of the message.\n", i), 1000)
	}
	var mails []testkit.Mail
	for i := range messages {
		mails = append(mails, testkit.Mail{Body: strings.ReplaceAll(text(i), "\n", "\r\n")})
	}
	d.Seed(t, "user", "INBOX", mails...)
	type visit struct {
		after time.Duration // the visit before
		// fetches is how many commands read messages before COMPRESS: "none", "some", "all".
		fetches string
		told    int
	}
	for _, tt := range []struct {
		name   string
		rate   int64 // bits per second
		visits []visit
	}{
		{"slow", 28_000_000, []visit{{0, "some", 1}, {time.Hour, "none", 0}}},
		{"fast", 0, []visit{{0, "all", 1}, {time.Hour, "all", 0}, {25 * time.Hour, "all", 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			relay := testkit.StartRelay(t, d.Addr(), 0)
			relay.SetRate(tt.rate)
			cache := memo.NewDir(vfs.OS{}, filepath.Join(t.TempDir(), "cache"))
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, v := range tt.visits {
				now = now.Add(v.after)
				var mu sync.Mutex
				var commands []string
				var told []event.Fact
				opts := options(t, d, "user")
				opts.Client.Port = relay.Port()
				opts.Client.Compression = imapclient.CompressSlow
				opts.Client.Hooks.Trace = func(dir imapclient.Direction, line string) {
					mu.Lock()
					defer mu.Unlock()
					if dir == imapclient.Sent {
						commands = append(commands, line)
					}
				}
				opts.Listings, opts.Server = cache, "the server"
				opts.Now = func() time.Time { return now }
				opts.Notice = func(f event.Fact) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, f)
				}
				s := imap.New(opts)
				m, err := s.Open(t.Context(), "INBOX", store.OpenRequest{})
				if err != nil {
					t.Fatal(err)
				}
				var items []store.FetchItem
				for _, msg := range scan(t, m, everything) {
					items = append(items, store.FetchItem{UID: msg.UID})
				}
				got := 0
				err = m.Fetch(t.Context(), items, func(in *store.Incoming) error {
					b, err := io.ReadAll(in.Body)
					if want := mails[in.UID-1].Body; string(b) != want {
						t.Errorf("message %d has %d bytes, want %d", in.UID, len(b), len(want))
					}
					got++
					return err
				})
				if err != nil || got != messages {
					t.Errorf("%d messages, %v", got, err)
				}
				_ = m.Close(t.Context())
				_ = s.Close()
				before, after, compressed := 0, 0, false
				for _, c := range commands {
					switch {
					case strings.Contains(c, "BODY.PEEK[]"):
						if compressed {
							after++
						} else {
							before++
						}
					case strings.HasSuffix(c, "COMPRESS DEFLATE"):
						compressed = true
					}
				}
				is := "some"
				switch {
				case !compressed:
					is = "all"
				case before == 0:
					is = "none"
				}
				if is != v.fetches || after == 0 && compressed {
					t.Errorf("visit %d: %d commands before compression, %d after it: %q", i+1, before, after, commands)
				}
				if len(told) != v.told {
					t.Errorf("visit %d: told %v", i+1, told)
				}
			}
		})
	}
}
