package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A history is a list of rounds. In each round the users of both sides do
// something, and then the mailboxes are synchronized.
//
// Its notation has a line for each round, "changes | rules". A change begins
// with the side, f or n:
//
//	f+M1:FS   message M1 arrives, with flags
//	f-M1      M1 is removed
//	f:M1+F    M1 gets a flag
//	f:M1-F    M1 loses a flag
//	f!        the mailbox is removed
//	f=        the mailbox, which may have been removed, is there again
//	f%        the mailbox gets another UIDVALIDITY
//
// A "*" at the end of a name means that the message is big; names that begin
// with "O" are of messages that are odd in some way, and with "H" of some whose
// header just stops. Rules are words:
// pull- and push-{new,renew,delete,flags}, sync (all of these), all ("Sync All"),
// expunge-{far,near},
// create-…, remove-…, max=N, unread=yes|no, maxsize-{far,near}, trash-…,
// trashnew-…, remotetrash-…. Version 1.5 and ours also know pull- and push-old,
// solo-{far,near} (ExpungeSolo), and expire-far (ExpireSide).
type history []round

type round struct {
	changes []change
	rules   []string
}

type change struct {
	side  int  // 0 far, 1 near
	kind  byte // one of + - f (flags) ! = %
	name  string
	flags string
	unset bool
}

var changeForm = regexp.MustCompile(`^([fn])(?:([!=%])|([+-])([MOH]\d+\*?)(?::([DFPRST]*))?|:([MOH]\d+\*?)([+-])([DFPRST]))$`)

func parseChange(text string) (change, error) {
	m := changeForm.FindStringSubmatch(text)
	if m == nil {
		return change{}, fmt.Errorf("malformed change %q", text)
	}
	c := change{side: strings.Index("fn", m[1])}
	switch {
	case m[2] != "":
		c.kind = m[2][0]
	case m[3] != "":
		c.kind, c.name, c.flags = m[3][0], m[4], m[5]
	default:
		c.kind, c.name, c.unset, c.flags = 'f', m[6], m[7] == "-", m[8]
	}
	return c, nil
}

func (c change) String() string {
	s := "fn"[c.side : c.side+1]
	switch c.kind {
	case '+':
		s += "+" + c.name
		if c.flags != "" {
			s += ":" + c.flags
		}
	case '-':
		s += "-" + c.name
	case 'f':
		sign := "+"
		if c.unset {
			sign = "-"
		}
		s += ":" + c.name + sign + c.flags
	default:
		s += string(c.kind)
	}
	return s
}

func parseHistory(text string) (history, error) {
	var h history
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		changes, rules, ok := strings.Cut(line, "|")
		if !ok {
			return nil, fmt.Errorf("malformed round %q", line)
		}
		r := round{rules: strings.Fields(rules)}
		for f := range strings.FieldsSeq(changes) {
			c, err := parseChange(f)
			if err != nil {
				return nil, err
			}
			r.changes = append(r.changes, c)
		}
		h = append(h, r)
	}
	return h, nil
}

func (r round) String() string {
	var b strings.Builder
	for _, c := range r.changes {
		b.WriteString(c.String() + " ")
	}
	b.WriteString("| " + strings.Join(r.rules, " "))
	return b.String()
}

func (h history) String() string {
	var b strings.Builder
	for _, r := range h {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// has reports whether the round has a rule, or one that begins so if it ends
// in "=" or "-".
func (r round) has(rule string) bool {
	return slices.ContainsFunc(r.rules, func(w string) bool {
		return w == rule || strings.HasPrefix(w, rule) && strings.HasSuffix(rule, "=")
	})
}

// trash returns the rule about the trash of a side, "" if it has none.
func (r round) trash(side int) string {
	for _, t := range []string{"trash", "trashnew", "remotetrash"} {
		if r.has(t + "-" + sides[side]) {
			return t
		}
	}
	return ""
}

// expireSide returns the side that MaxMessages concerns.
func (r round) expireSide() int {
	if r.has("expire-far") {
		return 0
	}
	return 1
}

// number returns the value of a rule such as max=3, or 0.
func (r round) number(rule string) int {
	for _, w := range r.rules {
		if v, ok := strings.CutPrefix(w, rule+"="); ok {
			n, err := strconv.Atoi(v)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// limitOfSize is the MaxSize of the rules, in bytes.
const limitOfSize = 1024

// channelRules are the lines of a channel's section that the rules make, and
// those of the far and the near store, in words that both programs know.
func (r round) config() (channel string, stores [2]string) {
	var sync []string
	for _, w := range r.rules {
		dir, kind, ok := strings.Cut(w, "-")
		if ok && (dir == "pull" || dir == "push") {
			dir = map[string]string{"pull": "Pull", "push": "Push"}[dir]
			sync = append(sync, dir+map[string]string{"new": "New", "renew": "ReNew", "old": "Old", "delete": "Delete", "flags": "Flags"}[kind])
		}
	}
	switch {
	case r.has("sync"):
		// "All" includes Old in 1.5.
		sync = append([]string{"New", "ReNew", "Delete", "Flags"}, sync...)
	case r.has("all"):
		sync = []string{"All"}
	case len(sync) == 0:
		sync = []string{"None"}
	}
	channel = "Sync " + strings.Join(sync, " ") + "\n"
	keys := []string{"expunge", "create", "remove"}
	if r.has("solo-far") || r.has("solo-near") {
		keys = append(keys, "solo")
	}
	for _, key := range keys {
		far, near := r.has(key+"-far"), r.has(key+"-near")
		value := "None"
		switch {
		case far && near:
			value = "Both"
		case far:
			value = "Far"
		case near:
			value = "Near"
		}
		word := map[string]string{"expunge": "Expunge", "create": "Create", "remove": "Remove", "solo": "ExpungeSolo"}[key]
		channel += word + " " + value + "\n"
	}
	if n := r.number("max"); n > 0 {
		channel += fmt.Sprintf("MaxMessages %d\n", n)
	}
	if r.has("expire-far") {
		channel += "ExpireSide Far\n"
	}
	if r.has("unread=yes") {
		channel += "ExpireUnread yes\n"
	}
	if r.has("unread=no") {
		channel += "ExpireUnread no\n"
	}
	for i, side := range []string{"far", "near"} {
		if r.has("maxsize-" + side) {
			stores[i] += fmt.Sprintf("MaxSize %d\n", limitOfSize)
		}
		switch {
		case r.has("trashnew-" + side):
			stores[i] += "Trash trash\nTrashNewOnly yes\n"
		case r.has("remotetrash-" + side):
			stores[i] += "Trash trash\nTrashRemoteNew yes\n"
		case r.has("trash-" + side):
			stores[i] += "Trash trash\n"
		}
	}
	return channel, stores
}
