package cli

import (
	"errors"

	"isync/internal/config"
	"isync/internal/ui"
	"isync/internal/vfs"
)

func (r *run) fs() vfs.FS { return r.env.FS }

func noticeText(n config.Notice) string {
	n.Pos, n.Severity = config.Pos{}, config.Warning
	return n.String()
}

func (r *run) explain(err error) []ui.Problem {
	var list config.ErrorList
	if errors.As(err, &list) {
		var out []ui.Problem
		for _, e := range list {
			out = append(out, ui.Problem{Place: e.Pos.String(), Text: e.Msg, Hint: e.Hint})
		}
		return out
	}
	return []ui.Problem{{Text: err.Error()}}
}
