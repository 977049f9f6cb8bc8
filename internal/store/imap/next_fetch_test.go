package imap

import (
	"testing"
	"time"
)

func TestNextFetch(t *testing.T) {
	for _, tt := range []struct {
		n    uint64
		took time.Duration
		want uint64
	}{
		{500, 0, maxFetch},
		{500, 500 * time.Millisecond, maxFetch},
		{500, time.Second, 5000},
		{5000, 20 * time.Second, 2500},
		{500, time.Minute, firstFetch},
		{1, time.Minute, firstFetch},
		{0, time.Second, firstFetch},
	} {
		if got := nextFetch(tt.n, tt.took); got != tt.want {
			t.Errorf("nextFetch(%d, %v) = %d, want %d", tt.n, tt.took, got, tt.want)
		}
	}
}
