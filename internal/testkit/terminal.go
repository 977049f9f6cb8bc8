package testkit

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Terminal emulates a terminal. It keeps lines that scroll out of the window, and wraps long
// lines.
type Terminal struct {
	tb testing.TB
	// Columns and Rows are its size. The cursor cannot leave the last rows.
	Columns, Rows int
	// Drawn is the number of writes that end with a line that replaces another one.
	Drawn int
	// lines are the rows; joined tells which rows continue the previous one.
	lines    []string
	joined   []bool
	row, col int
}

// NewTerminal returns an empty terminal.
func NewTerminal(tb testing.TB, columns, rows int) *Terminal {
	return &Terminal{tb: tb, Columns: columns, Rows: rows, lines: []string{""}, joined: []bool{false}}
}

var escape = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Z])`)

// Write implements io.Writer.
func (s *Terminal) Write(p []byte) (int, error) {
	in := string(p)
	if strings.Contains(in, "\x1b[K") {
		s.Drawn++
	}
	for in != "" {
		if m := escape.FindStringSubmatch(in); m != nil {
			in = in[len(m[0]):]
			n := 1
			if m[1] != "" {
				_, _ = fmt.Sscan(m[1], &n)
			}
			s.control(m[2], n)
			continue
		}
		r := []rune(in)[0]
		in = in[len(string(r)):]
		switch {
		case r == '\r':
			s.col = 0
		case r == '\n':
			s.down(false)
		case r < ' ':
			s.tb.Fatalf("control character %q", r)
		default:
			s.char(r)
		}
	}
	return len(p), nil
}

func (s *Terminal) down(joined bool) {
	s.row++
	s.col = 0
	if s.row == len(s.lines) {
		s.lines, s.joined = append(s.lines, ""), append(s.joined, joined)
	}
}

func (s *Terminal) char(r rune) {
	if s.col == s.Columns {
		s.down(true)
	}
	line := []rune(s.lines[s.row])
	for len(line) <= s.col {
		line = append(line, ' ')
	}
	line[s.col] = r
	s.lines[s.row] = string(line)
	s.col++
}

func (s *Terminal) control(c string, n int) {
	switch c {
	case "A":
		s.row = max(s.row-n, len(s.lines)-s.Rows, 0)
	case "K", "J":
		if line := []rune(s.lines[s.row]); len(line) > s.col {
			s.lines[s.row] = string(line[:s.col])
		}
		if c == "J" {
			s.lines, s.joined = s.lines[:s.row+1], s.joined[:s.row+1]
		}
	default:
		s.tb.Fatalf("escape sequence %q", c)
	}
}

// Resize changes the width. reflow: lines are wrapped again; otherwise they are cut.
func (s *Terminal) Resize(columns int, reflow bool) {
	s.Columns = columns
	if !reflow {
		for i, l := range s.lines {
			s.lines[i] = string([]rune(l)[:min(len([]rune(l)), columns)])
		}
		s.col = min(s.col, columns)
		return
	}
	var lines []string
	for i, l := range s.lines {
		if s.joined[i] {
			lines[len(lines)-1] += l
		} else {
			lines = append(lines, l)
		}
	}
	s.lines, s.joined = nil, nil
	for _, l := range lines {
		rest := []rune(l)
		for first := true; first || len(rest) > 0; first = false {
			n := min(len(rest), columns)
			s.lines, s.joined = append(s.lines, string(rest[:n])), append(s.joined, !first)
			rest = rest[n:]
		}
	}
	s.row = len(s.lines) - 1
	s.col = len([]rune(s.lines[s.row]))
}

// Text returns all lines, with wrapped rows joined.
func (s *Terminal) Text() (out []string) {
	for i, l := range s.lines {
		if s.joined[i] {
			out[len(out)-1] += l
		} else {
			out = append(out, l)
		}
	}
	return out
}
