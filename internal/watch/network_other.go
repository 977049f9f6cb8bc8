//go:build !linux

package watch

import "context"

// NetworkChanges returns a channel that receives a value when addresses or routes of the computer
// have changed. It is closed when ctx ends. On systems without rtnetlink(7), it is nil.
func NetworkChanges(context.Context) (<-chan struct{}, error) { return nil, nil }
