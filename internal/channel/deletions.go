package channel

import (
	"slices"
	"strings"

	"isync/internal/config"
	"isync/internal/plan"
)

// trashNames are the usual names of mailboxes for trash and junk mail, in lower case. The
// engine asks a server for the attributes of mailboxes with other names.
var trashNames = []string{"trash", "deleted items", "deleted messages", "junk", "junk e-mail", "spam", "bulk", "bulk mail"}

// deleteLimit returns the limit on the deletions in a pair. There is none for trash and
// junk mail, which users often delete as a whole.
func deleteLimit(c *config.Channel, t target) plan.Limit {
	for i, box := range t.Box {
		if t.trash[i] != "" && box == t.trash[i] {
			return plan.Limit{}
		}
		last := box[strings.LastIndexByte(box, '/')+1:]
		if slices.Contains(trashNames, strings.ToLower(last)) {
			return plan.Limit{}
		}
	}
	return plan.Limit{Set: true, Value: c.MaxDelete.Value, Percent: c.MaxDelete.Percent}
}
