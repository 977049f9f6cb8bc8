package imapwire

import (
	"strings"
	"time"
)

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendDate appends t as an IMAP date-time (RFC 9051 §9) in the time zone of t, with quotes: "17-Jul-1996 02:44:25
// -0700". It has a resolution of seconds. Years outside 1..9999 become the nearest of these.
func AppendDate(b []byte, t time.Time) []byte {
	if y := t.Year(); y < 1 || y > 9999 {
		t = clampDate(t)
	} else if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC() // the zone of an old local time has seconds, which cannot be written
	}
	return t.AppendFormat(b, `"_2-Jan-2006 15:04:05 -0700"`)
}

// clampDate returns t, or the first or last second that a date-time can express and
// that is not the zero time, in UTC.
func clampDate(t time.Time) time.Time {
	first, last := time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t.UTC()
}

// ParseDate reads an IMAP date-time without its quotes. It is lenient about
// the padding of the day and a missing zone, which counts as UTC. The result is
// in UTC, within the years 1..9999 and never the zero time.
func ParseDate(s string) (time.Time, error) { return parseDate([]byte(s)) }

func parseDate(b []byte) (time.Time, error) {
	p := dateParser{b: b}
	p.spaces()
	day := p.digits(1, 2)
	p.expect('-')
	month := p.month()
	p.expect('-')
	year := p.digits(4, 4)
	p.expect(' ')
	p.spaces()
	hour := p.digits(1, 2)
	p.expect(':')
	minute := p.digits(2, 2)
	p.expect(':')
	second := p.digits(2, 2)
	p.spaces()
	zone := 0
	if len(p.b) > 0 && (p.b[0] == '+' || p.b[0] == '-') {
		sign := 1
		if p.b[0] == '-' {
			sign = -1
		}
		p.b = p.b[1:]
		h, m := p.digits(2, 2), p.digits(2, 2)
		if h > 24 || m > 59 {
			return time.Time{}, errDate
		}
		zone = sign * (h*60 + m)
	}
	p.spaces()
	if p.bad || len(p.b) > 0 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, errDate
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day && second < 60 {
		return time.Time{}, errDate // such as 31 February
	}
	return clampDate(t.Add(time.Duration(-zone) * time.Minute)), nil
}

type dateParser struct {
	b   []byte
	bad bool
}

func (p *dateParser) spaces() {
	for len(p.b) > 0 && p.b[0] == ' ' {
		p.b = p.b[1:]
	}
}

func (p *dateParser) expect(c byte) {
	if len(p.b) == 0 || p.b[0] != c {
		p.bad = true
		return
	}
	p.b = p.b[1:]
}

func (p *dateParser) digits(least, most int) (n int) {
	i := 0
	for i < most && i < len(p.b) && class[p.b[i]]&clsDigit != 0 {
		n = n*10 + int(p.b[i]-'0')
		i++
	}
	if i < least {
		p.bad = true
	}
	p.b = p.b[i:]
	return n
}

func (p *dateParser) month() int {
	if len(p.b) < 3 {
		p.bad = true
		return 1
	}
	for i := 0; i < len(months); i += 3 {
		if strings.EqualFold(string(p.b[:3]), months[i:i+3]) {
			p.b = p.b[3:]
			return i/3 + 1
		}
	}
	p.bad = true
	return 1
}
