package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"isync/internal/store"
)

func TestKindOf(t *testing.T) {
	errno := func(e syscall.Errno) error { return &os.PathError{Op: "open", Path: "x", Err: e} }
	box := func(err error) error { return &store.BoxError{Store: "s", Box: "b", Err: err} }
	whole := func(err error) error { return fmt.Errorf("listing: %w", &store.StoreError{Store: "s", Err: err}) }
	for _, tt := range []struct {
		err  error
		want store.Kind
	}{
		{nil, store.KindNone},
		{context.Canceled, store.KindNone},
		{box(context.Canceled), store.KindNone},
		{store.ErrCrowded, store.Throttled},
		{errno(syscall.EIO), store.Passing},
		{box(errno(syscall.EIO)), store.Passing},
		{whole(errno(syscall.ECONNREFUSED)), store.Passing},
		{whole(os.ErrDeadlineExceeded), store.Passing},
		{errno(syscall.EACCES), store.LastingMessage},
		{box(errno(syscall.EACCES)), store.LastingBox},
		{whole(errno(syscall.EACCES)), store.LastingAccount},
		{box(errno(syscall.ENOSPC)), store.LastingBox},
		{&store.FullError{Err: errno(syscall.ENOSPC)}, store.LastingBox},
		{fmt.Errorf("opening: %w", store.ErrNoBox), store.LastingBox},
		{errors.New("odd"), store.LastingMessage},
		// A KindError counts wherever it is in the tree.
		{box(&store.KindError{Kind: store.Throttled, Err: errors.New("slower")}), store.Throttled},
		{&store.KindError{Kind: store.LastingAccount, Err: errno(syscall.EIO)}, store.LastingAccount},
	} {
		if got, wait := store.KindOf(tt.err); got != tt.want || wait != 0 {
			t.Errorf("%v: %s, %s; want %s", tt.err, got, wait, tt.want)
		}
	}
	err := &store.KindError{Kind: store.Throttled, Wait: time.Minute, Err: errors.New("slower")}
	if k, wait := store.KindOf(box(err)); k != store.Throttled || wait != time.Minute || err.Error() != "slower" {
		t.Errorf("%s, %s, %v", k, wait, err)
	}
}
