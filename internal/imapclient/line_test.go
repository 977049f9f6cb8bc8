package imapclient

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"isync/internal/mail"
)

// TestMeter: how much of what a line brings counts, and what is found out.
func TestMeter(t *testing.T) {
	type piece struct {
		times  int
		n      int
		waited time.Duration
	}
	const ms = time.Millisecond
	skipped := piece{1, skippedBytes, 0}
	for _, tt := range []struct {
		name   string
		sends  bool
		pieces []piece
		enough bool
		slow   bool
	}{
		{"nothing", false, nil, false, false},
		{"too little", false, []piece{skipped, {10, 32 << 10, ms}}, false, false},
		{"fast", false, []piece{skipped, {64, 64 << 10, ms}}, true, false},
		{"slow", false, []piece{skipped, {63, 32 << 10, 32 * ms}}, true, true},
		{"very slow", false, []piece{skipped, {20, 1460, 100 * ms}}, true, true},
		{"slow at the beginning", false, []piece{{8, 32 << 10, 200 * ms}, {64, 64 << 10, ms}}, true, false},
		{"the server pauses", false, []piece{skipped, {100, 100, 300 * ms}, {64, 64 << 10, ms}}, true, false},
		{"the server only pauses", false, []piece{skipped, {100, 100, 300 * ms}}, false, false},
		{"no time at all", false, []piece{skipped, {64, 64 << 10, 0}}, true, false},
		{"just not slow", false, []piece{skipped, {5, 1 << 20, 249 * ms}}, true, false},
		{"sent into a buffer", true, []piece{{100, 128 << 10, 0}}, false, false},
		{"sent fast", true, []piece{{10, 128 << 10, 0}, {40, 128 << 10, 6 * ms}}, true, false},
		{"sent slowly", true, []piece{{10, 128 << 10, 0}, {20, 128 << 10, 128 * ms}}, true, true},
		{"sent very slowly", true, []piece{{10, 128 << 10, 0}, {3, 128 << 10, 2 * time.Second}}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var m meter
			var rate float64
			enough := false
			for _, p := range tt.pieces {
				for range p.times {
					note := m.received
					if tt.sends {
						note = m.sent
					}
					if r, e := note(p.n, p.waited); e && !enough {
						rate, enough = r, true
					}
				}
			}
			if enough != tt.enough || enough && (rate < slowRate) != tt.slow {
				t.Errorf("enough %v, %.1f MB/s", enough, rate/1e6)
			}
		})
	}
}

// fakeLine is a Line.
type fakeLine struct {
	slow, known bool
	measured    []string
}

func (l *fakeLine) Slow(string) (slow, known bool) { return l.slow, l.known }

func (l *fakeLine) Measured(path string, rate float64, slow bool) {
	l.measured = append(l.measured, fmt.Sprintf("%q %.1f %v", path, rate/1e6, slow))
}

// TestCompressIfSlow: when compression is turned on. The time is virtual.
func TestCompressIfSlow(t *testing.T) {
	const size = 32 << 10
	for _, tt := range []struct {
		name     string
		offered  string
		line     *fakeLine
		how      Compression
		gap      time.Duration // between the pieces of a message
		messages int
		asked    bool
		measured int
	}{
		{"slow", "COMPRESS=DEFLATE", new(fakeLine), CompressSlow, 20 * time.Millisecond, 150, true, 1},
		{"slow, without a keeper", "COMPRESS=DEFLATE", nil, CompressSlow, 20 * time.Millisecond, 150, true, 0},
		{"fast", "COMPRESS=DEFLATE", new(fakeLine), CompressSlow, time.Millisecond, 150, false, 1},
		{"little", "COMPRESS=DEFLATE", new(fakeLine), CompressSlow, 20 * time.Millisecond, 20, false, 0},
		{"known as fast", "COMPRESS=DEFLATE", &fakeLine{known: true}, CompressSlow, 20 * time.Millisecond, 150, false, 0},
		{"known as slow", "COMPRESS=DEFLATE", &fakeLine{known: true, slow: true}, CompressSlow, 0, 1, true, 0},
		{"not offered", "UIDPLUS", new(fakeLine), CompressSlow, 20 * time.Millisecond, 150, false, 0},
		{"forbidden", "COMPRESS=DEFLATE", new(fakeLine), CompressNever, 20 * time.Millisecond, 150, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := false
				opts := Options{Compression: tt.how, Timeout: time.Hour}
				if tt.line != nil {
					opts.Line = tt.line
				}
				c := connect(t, opts, tt.offered, func(p *peer) {
					tag := p.expect("UID FETCH 1:150 (UID BODY.PEEK[])")
					time.Sleep(10 * time.Second) // the server looks for the messages
					body := bytes.Repeat([]byte("x"), size)
					for i := range tt.messages {
						p.send("* %d FETCH (UID %d BODY[] {%d}\n", i+1, i+1, size)
						for part := range 4 {
							time.Sleep(tt.gap / 4)
							p.send("%s", body[part*size/4:(part+1)*size/4])
						}
						p.send(")\n")
					}
					p.send("%s OK\n", tag)
					for {
						tag, text, more := strings.Cut(p.line(), " ")
						switch {
						case !more:
							return
						case text == "COMPRESS DEFLATE":
							asked = true
							p.send("%s NO not now\n", tag)
						default:
							p.send("%s OK\n", tag)
						}
					}
				})
				n := 0
				err := c.Fetch(t.Context(), FetchRequest{UIDs: mail.UIDSet{{First: 1, Last: 150}}, Body: FullBody}, func(m *Message) error {
					n++
					time.Sleep(50 * time.Millisecond) // a slow disk does not count
					_, err := io.Copy(io.Discard, m.Body)
					return err
				})
				if err != nil || n != tt.messages {
					t.Fatal(n, err)
				}
				for range 2 { // it is asked once
					if err := c.CompressIfSlow(t.Context()); err != nil {
						t.Fatal(err)
					}
					if c.Unmeasured() > 0 != (tt.how == CompressSlow && tt.offered != "UIDPLUS" && tt.messages == 20) {
						t.Errorf("%d bytes are not measured", c.Unmeasured())
					}
				}
				if err := c.Noop(t.Context()); err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				synctest.Wait()
				if asked != tt.asked {
					t.Errorf("asked for compression: %v", asked)
				}
				if tt.line != nil && len(tt.line.measured) != tt.measured {
					t.Errorf("measured %q", tt.line.measured)
				}
			})
		})
	}
}
