package ui

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"isync/internal/event"
)

const (
	// maxLine is the maximum length of a line, with its end.
	maxLine = 64 << 10
	// longText is the length from which on texts are cut if a line is too long, at first.
	longText = 16 << 10
)

// object is a JSON object in the making. Fields without a value are left out.
type object struct {
	b     []byte
	limit int // of a text, in bytes; 0: none
	cut   bool
}

// encodeLine returns an object as a line. fill adds the fields behind the common ones. It
// is called again, with a limit on texts, if the line is too long.
func encodeLine(kind string, now time.Time, fill func(*object)) []byte {
	for limit := 0; ; limit = min(limit-1, longText, limit/2) {
		o := &object{limit: limit}
		o.b = append(o.b, `{"v":1`...)
		o.time("time", now)
		o.text("type", kind)
		fill(o)
		if o.cut {
			o.flag("truncated", true)
		}
		o.b = append(o.b, '}', '\n')
		if len(o.b) <= maxLine {
			return o.b
		}
		if limit == 0 {
			limit = 2 * longText
		}
	}
}

func (o *object) name(name string) {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

// text adds a text, unless it is empty. Bytes that are not UTF-8 are replaced.
func (o *object) text(name, value string) {
	if value != "" {
		o.anyText(name, value)
	}
}

// anyText adds a text, which may be empty.
func (o *object) anyText(name, value string) {
	o.name(name)
	o.b = appendText(o.b, o.shorten(value))
}

// shorten cuts a text to the limit.
func (o *object) shorten(s string) string {
	if o.limit == 0 || len(s) <= o.limit {
		return s
	}
	o.cut = true
	n := o.limit
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendText adds a text in quotes. Bytes that are not UTF-8 are replaced. Characters that
// may be commands to a terminal are escaped, in case that the output goes to one.
func appendText(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string cannot fail
	text := bytes.TrimRight(buf.Bytes(), "\n")
	if !bytes.ContainsFunc(text, mayBeCommand) {
		return append(b, text...)
	}
	for _, r := range string(text) {
		if mayBeCommand(r) {
			b = fmt.Appendf(b, `\u%04x`, r)
			continue
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

func mayBeCommand(r rune) bool { return unclean(r) && r != utf8.RuneError }

// path adds the path of a file. If it is not UTF-8, the exact bytes follow as base64.
func (o *object) path(name, value string) {
	o.text(name, value)
	if !utf8.ValidString(value) && o.limit == 0 {
		o.text(name+"_base64", base64.StdEncoding.EncodeToString([]byte(value)))
	}
}

// texts adds a list of texts, and leaves out its end if the line is too long.
func (o *object) texts(name string, values []string) {
	o.name(name)
	o.b = append(o.b, '[')
	used := 0
	for i, v := range values {
		if used += len(v); o.limit > 0 && used > o.limit {
			o.cut = true
			break
		}
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = appendText(o.b, v)
	}
	o.b = append(o.b, ']')
}

// number adds a number.
func (o *object) number(name string, n int64) {
	o.name(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

// positive adds a number that is known.
func (o *object) positive(name string, n int64) {
	if n > 0 {
		o.number(name, n)
	}
}

// decimal adds a number with three decimal places.
func (o *object) decimal(name string, f float64) {
	o.name(name)
	o.b = strconv.AppendFloat(o.b, math.Round(f*1000)/1000, 'f', -1, 64)
}

// seconds adds a duration.
func (o *object) seconds(name string, d time.Duration) { o.decimal(name, max(d, 0).Seconds()) }

// flag adds a truth value.
func (o *object) flag(name string, v bool) {
	o.name(name)
	o.b = strconv.AppendBool(o.b, v)
}

// ifTrue adds a truth value that is usually false.
func (o *object) ifTrue(name string, v bool) {
	if v {
		o.flag(name, true)
	}
}

// timeFormat is RFC 3339 with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// time adds a time, unless it is zero.
func (o *object) time(name string, t time.Time) {
	if !t.IsZero() {
		o.name(name)
		o.b = append(o.b, '"')
		o.b = t.UTC().AppendFormat(o.b, timeFormat)
		o.b = append(o.b, '"')
	}
}

// pair adds the names of a pair.
func (o *object) pair(n event.Pair) {
	o.text("channel", n.Channel)
	o.text("box", boxName(n))
}

// boxName names a pair within its channel. A channel without patterns has one pair, which
// is called like the near mailbox.
func boxName(n event.Pair) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Box[1]
}

// mailboxes adds the stores and mailboxes of a pair.
func (o *object) mailboxes(n event.Pair) {
	for t, side := range sides {
		o.text(side+"_store", n.Store[t])
		o.text(side+"_box", n.Box[t])
	}
}

// changes adds what was done on each side.
func (o *object) changes(counts [2]event.Counts, bytes [2]int64) {
	for t, side := range sides {
		o.name(side)
		o.b = append(o.b, '{')
		o.number("new", int64(counts[t].New))
		o.number("flags", int64(counts[t].Flags))
		o.number("trashed", int64(counts[t].Trashed))
		o.number("expunged", int64(counts[t].Expunged))
		o.number("bytes", bytes[t])
		o.b = append(o.b, '}')
	}
}
