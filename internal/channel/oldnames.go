package channel

import (
	"fmt"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/imapwire"
	"isync/internal/store"
)

// RealName returns the name of a mailbox that may have the name that mbsync before
// 1.5 gave it.
func RealName(old string) (name string, ok bool) {
	name, err := imapwire.DecodeUTF7(old)
	return name, err == nil && name != old && strings.Contains(old, "&")
}

// isLocal reports whether the mailboxes of a store are directories.
func isLocal(st store.Store) bool {
	_, ok := store.As[store.Local](st)
	return ok
}

// refuseOldNames looks for local mailboxes that were created by mbsync before 1.5. It used the names in
// modified UTF-7, such as Entw&APw-rfe for Entwürfe. Today, these are two different names, and each
// mailbox would be missing on one side, so all messages would be copied again in both directions. So
// both mailboxes are left out until the local one is renamed.
func refuseOldNames(c *config.Channel, targets []target) {
	byName := make(map[string]int, len(targets))
	for i, t := range targets {
		byName[t.Name] = i
	}
	for i := range targets {
		old := &targets[i]
		name, ok := RealName(old.Name)
		if !ok {
			continue
		}
		j, ok := byName[name]
		if !ok {
			continue
		}
		now := &targets[j]
		for t, e := range ends(c) {
			o := 1 - t
			if !isLocal(old.stores[t]) || isLocal(old.stores[o]) || old.known[t] != engine.Present || old.known[o] == engine.Present ||
				now.known[o] != engine.Present || now.known[t] == engine.Present {
				continue
			}
			refuse := func(text string, args ...any) error {
				return &NameError{Reason: NameOld, Name: old.Name, Channel: c, Store: e.Store, text: fmt.Sprintf(text, args...)}
			}
			if old.err == nil {
				old.err = refuse("mailbox '%s' of %s seems to be '%s' under the name that versions before 1.5 gave it; rename its directory, and its sync state if that is elsewhere",
					old.Box[t], e.Store.Label(), now.Box[t])
			}
			if now.err == nil {
				now.err = refuse("not synchronized until mailbox '%s' of %s, named by a version before 1.5, is renamed", old.Box[t], e.Store.Label())
			}
		}
	}
}
