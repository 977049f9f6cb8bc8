package channel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/store"
)

// reserved returns an error if a mailbox of one side is left out because its path
// in the store of the other side contains a reserved name.
func (t *target) reserved(c *config.Channel) error {
	for i, e := range ends(c) {
		l, ok := store.As[store.Local](t.stores[i])
		if !ok || t.err != nil {
			continue
		}
		_, err := l.BoxPath(t.Box[i])
		if ne, ok := errors.AsType[*store.NameError](err); ok && ne.Reason == store.NameReserved {
			return &NameError{Reason: NameReserved, Name: t.Name, Channel: c, Store: e.Store, text: fmt.Sprintf(
				"mailbox '%s' is ignored: in %s, %s", t.Name, e.Store.Label(), ne.Text)}
		}
	}
	return nil
}

// stateOwner returns the sync state in owners that a file with this path would belong to; "": none.
func stateOwner[T any](path string, owners map[string]T) string {
	for _, suffix := range engine.StateSuffixes() {
		state, ok := strings.CutSuffix(path, suffix)
		if !ok {
			continue
		}
		if _, ok := owners[state]; ok {
			return state
		}
	}
	return ""
}

// withOwnState leaves out mailboxes whose sync state would have the name of a file
// of another sync state, and returns the reasons.
func (r *run) withOwnState(c *config.Channel, targets []target) (kept []target, left []error) {
	if c.SyncState.Kind != config.StatePrefix {
		return targets, nil // others have a directory or a name of their own
	}
	names := make(map[string]string, len(targets))
	for _, t := range targets {
		if path, err := r.statePath(c, t); err == nil && t.err == nil {
			names[path] = t.Name
		}
	}
	kept = slices.DeleteFunc(targets, func(t target) bool {
		path, err := r.statePath(c, t)
		if err != nil || t.err != nil {
			return false
		}
		owner := stateOwner(path, names)
		if owner == "" {
			return false
		}
		left = append(left, &NameError{Reason: NameReserved, Name: t.Name, Channel: c, Store: c.Near.Store, text: fmt.Sprintf(
			"mailbox '%s' is ignored: its sync state '%s' has the name of a file that belongs to the sync state of '%s'", t.Name, path, names[owner])})
		return true
	})
	return kept, left
}
