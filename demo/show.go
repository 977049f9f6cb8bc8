package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// stage writes the output of the demo.
type stage struct {
	w     io.Writer
	color bool
	steps int
}

// newStage returns a stage that writes to f, in color if f is a terminal and NO_COLOR is not set
// (no-color.org).
func newStage(f *os.File) *stage {
	return &stage{w: f, color: os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))}
}

// Attributes of text, as ANSI terminals know them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *stage) paint(attr, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + attr + "m" + text + "\x1b[0m"
}

func (s *stage) say(format string, args ...any) { fmt.Fprintf(s.w, format+"\n", args...) }

// step announces the next step.
func (s *stage) step(format string, args ...any) {
	s.steps++
	s.say("\n%s %s", s.paint(bold+";"+cyan, fmt.Sprintf("%d.", s.steps)), s.paint(bold, fmt.Sprintf(format, args...)))
}

// indented shows the text of others.
func (s *stage) indented(text string) {
	for line := range strings.Lines(text) {
		s.say("   %s %s", s.paint(dim, "│"), strings.TrimRight(line, "\r\n"))
	}
}

// node is a mailbox, or a directory between mailboxes.
type node struct {
	name     string
	box      bool
	messages []message
	children []*node
}

// tree arranges mailboxes by the components of their names.
func tree(snap snapshot) *node {
	root := new(node)
	for _, box := range boxNames(snap) {
		n := root
		for part := range strings.SplitSeq(box, "/") {
			var next *node
			for _, c := range n.children {
				if c.name == part {
					next = c
				}
			}
			if next == nil {
				next = &node{name: part}
				n.children = append(n.children, next)
			}
			n = next
		}
		n.box, n.messages = true, snap[box]
	}
	return root
}

// tree shows the mailboxes and messages of a snapshot.
func (s *stage) tree(title string, snap snapshot) {
	s.say("   %s", s.paint(bold, title))
	s.branches("   ", tree(snap))
}

func (s *stage) branches(indent string, n *node) {
	total := len(n.messages) + len(n.children)
	i := 0
	next := func() (fork, below string) {
		i++
		if i == total {
			return s.paint(dim, "└─ "), indent + "   "
		}
		return s.paint(dim, "├─ "), indent + s.paint(dim, "│") + "  "
	}
	for _, m := range n.messages {
		fork, _ := next()
		s.say("%s%s%s", indent, fork, s.line(m))
	}
	for _, c := range n.children {
		fork, below := next()
		s.say("%s%s%s%s", indent, fork, s.paint(bold, c.name), s.paint(dim, c.summary()))
		s.branches(below, c)
	}
}

// summary returns the number of messages in a mailbox.
func (n *node) summary() string {
	if !n.box {
		return "/"
	}
	unseen := 0
	for _, m := range n.messages {
		if !strings.Contains(m.flags, "S") {
			unseen++
		}
	}
	text := "  " + plural(len(n.messages), "message")
	if unseen > 0 {
		text += fmt.Sprintf(", %d unseen", unseen)
	}
	return text
}

// line shows a message: its flags, its subject, and its size if that is worth
// mentioning.
func (s *stage) line(m message) string {
	attr := "0"
	switch {
	case strings.Contains(m.flags, "F"):
		attr = yellow
	case !strings.Contains(m.flags, "S"):
		attr = bold
	}
	text := s.paint(dim, fmt.Sprintf("%-4s", m.flags)) + s.paint(attr, m.subject)
	if m.size >= 100_000 {
		text += s.paint(dim, "  "+megabytes(m.size))
	}
	return text
}

// changed shows what happened to one side, and returns how much did.
func (s *stage) changed(side string, before, after snapshot) int {
	n := 0
	for _, box := range boxNames(before, after) {
		for _, c := range changes(before[box], after[box]) {
			attr := yellow
			switch {
			case c.new == nil:
				attr = red
			case c.old == nil:
				attr = green
			}
			s.say("   %s %s %s", s.paint(dim, fmt.Sprintf("%-8s", side)), s.paint(attr, c.String()), s.paint(dim, "in "+box))
			n++
		}
	}
	return n
}

func plural(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		thing += "e"
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func megabytes(n int) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
