package imap_test

import (
	"math"
	"strings"
	"testing"

	"isync/internal/store/imap/listing"
)

// TestEndlessListing: a server that lists the one message it has over and over
// makes the listing fail, rather than use up the memory.
func TestEndlessListing(t *testing.T) {
	again := strings.Repeat("S: * 1 FETCH (UID 1 FLAGS ())\n", 10_100)
	s, _ := scripted(t, nil, hello+selected("", "1", "2", "", "")+
		"C: $f UID FETCH 1 (UID FLAGS)\n"+again+"S: $f OK\n"+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	if _, err := m.Scan(t.Context(), everything); err == nil || !strings.Contains(err.Error(), "server listed 10003 messages, but announced only 1") {
		t.Errorf("error: %v", err)
	}
}

// TestMostListed: a listing may have more messages than were announced, but there
// is a bound that no announcement raises.
func TestMostListed(t *testing.T) {
	for exists, want := range map[uint32]int{0: 10_000, 1: 10_003, 1_000_000: 3_010_000, 6_000_000: 1 << 24, math.MaxUint32: 1 << 24} {
		if got := listing.MostListed(exists); got != want {
			t.Errorf("%d announced: %d may be listed, want %d", exists, got, want)
		}
	}
}
