package imap_test

import (
	"strings"
	"testing"
)

// TestEndlessListing: a server that lists the one message it has over and over
// makes the listing fail, rather than use up the memory.
func TestEndlessListing(t *testing.T) {
	again := strings.Repeat("S: * 1 FETCH (UID 1 FLAGS ())\n", 10_100)
	s, _ := scripted(t, nil, hello+selected("", "1", "2", "", "")+
		"C: $f UID FETCH 1 (UID FLAGS)\n"+again+"S: $f OK\n"+goodby)
	m := open(t, s)
	defer m.Close(t.Context())
	if _, err := m.Scan(t.Context(), everything); err == nil || !strings.Contains(err.Error(), "lists more than") {
		t.Errorf("error: %v", err)
	}
}
