package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/vfs"
)

// turnPatience is how long a watcher waits for its turn. The other process may be suspended.
const turnPatience = 30 * time.Second

// takeTurns waits until no other watcher synchronizes the same stores; see storesID. The locks of
// the pairs do not prevent this if the other watcher has another SyncState. Both watchers would
// copy a new message, then each would copy the copy of the other, and so on. If they take turns,
// the second watcher finds the message on both sides and pairs it.
func (r *run) takeTurns(ctx context.Context, sel []channel.Selection) (release func()) {
	var locks []vfs.File
	release = func() {
		for _, l := range locks {
			_ = l.Close()
		}
	}
	dir, err := r.env.Config.StateDir()
	if err != nil {
		return release
	}
	var names []string
	for _, s := range sel {
		sum := sha256.Sum256([]byte(storesID(s.Channel)))
		names = append(names, "stores-"+hex.EncodeToString(sum[:8])+".lock")
	}
	slices.Sort(names) // all processes take the locks in the same order
	limit := time.Now().Add(turnPatience)
	for _, name := range slices.Compact(names) {
		lock, err := r.env.FS.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			continue // rare, because the files of the watcher are in this directory, too
		}
		locks = append(locks, lock)
		const often = 20 * time.Millisecond
		for errors.Is(r.env.FS.Lock(lock, false), vfs.ErrLocked) && time.Now().Before(limit) {
			select {
			case <-ctx.Done():
				return release
			case <-time.After(often):
			}
		}
	}
	return release
}

// storesID identifies the stores of a channel independently of the configuration file. It ignores
// hosts, because a host may have several names.
func storesID(c *config.Channel) string {
	var ids []string
	for _, s := range []*config.Store{c.Far.Store, c.Near.Store} {
		if s.IMAP != nil {
			ids = append(ids, fmt.Sprintf("account %q", s.IMAP.Account.User))
			continue
		}
		ids = append(ids, fmt.Sprintf("Maildir %q %q", realPath(s.Path), realPath(s.Maildir.Inbox)))
	}
	slices.Sort(ids)
	return fmt.Sprint(ids)
}
