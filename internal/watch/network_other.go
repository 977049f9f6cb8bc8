//go:build !linux

package watch

import "context"

// NetworkChanges yields a value when addresses or routes of the computer have changed,
// until ctx ends; then the channel is closed. On systems without rtnetlink(7), the channel is
// nil.
func NetworkChanges(context.Context) (<-chan struct{}, error) { return nil, nil }
