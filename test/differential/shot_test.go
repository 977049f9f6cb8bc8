package differential

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"isync/internal/engine"
	"isync/internal/syncstate"
)

// shot is what a world looks like: everything that two programs must agree on.
type shot struct {
	failed  bool // the run was not successful
	refused bool // because of too many unread messages
	boxes   [2]box
	trash   [2]box
	state   state
	// stray are files that should not be there.
	stray []string
}

// box is what a mailbox looks like.
type box struct {
	missing  bool
	validity string
	highest  string // UID that was ever given
	msgs     []message
}

type message struct {
	uid   uint32
	name  string
	flags string
	sub   string // the directory
	text  string
}

func (m message) String() string {
	return fmt.Sprintf("%d %s:%s %s %s", m.uid, m.name, m.flags, m.sub, digest(m.text))
}

// unnumbered is the number of messages without a UID.
func (b *box) unnumbered() int {
	n := 0
	for _, m := range b.msgs {
		if m.uid == 0 {
			n++
		}
	}
	return n
}

// big reports whether the message exceeds MaxSize.
func (m *message) big() bool {
	return m.name != "" && !strings.HasSuffix(m.name, "?") && len(body(m.name)) > limitOfSize
}

// state is what a state file says.
type state struct {
	missing bool
	header  []string
	records []string
}

// look takes the picture of a world.
func (w *programWorld) look() (*shot, error) {
	s := &shot{}
	for i, side := range sides {
		var err error
		if i == 0 && w.server != nil {
			s.boxes[i], s.trash[i], err = w.server.look()
		} else {
			s.boxes[i], err = lookAtBox(w.box(i))
			if err == nil {
				s.trash[i], err = lookAtBox(w.path(side+"boxes", "trash"))
			}
		}
		if err != nil {
			return nil, err
		}
		// The order in a trash, and its UIDs, are nobody's business.
		for j := range s.trash[i].msgs {
			s.trash[i].msgs[j].uid = 0
		}
		s.trash[i].validity, s.trash[i].highest = "", ""
		sortMessages(s.trash[i].msgs)
	}
	if w.server != nil {
		// Theirs drops all CRs on the way, ours only those at the ends of lines.
		for _, b := range []*box{&s.boxes[0], &s.boxes[1], &s.trash[0], &s.trash[1]} {
			for i := range b.msgs {
				b.msgs[i].text = strings.ReplaceAll(b.msgs[i].text, "\r", "")
			}
		}
	}
	return s, w.lookAtState(s)
}

func sortMessages(list []message) {
	slices.SortFunc(list, func(a, b message) int { return strings.Compare(a.String(), b.String()) })
}

func lookAtBox(dir string) (b box, err error) {
	list, ok, err := files(dir)
	if err != nil || !ok {
		return box{missing: true}, err
	}
	for _, f := range list {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return b, err
		}
		b.msgs = append(b.msgs, message{f.uid, nameOf(string(text)), f.flags, f.sub, string(text)})
	}
	data, err := os.ReadFile(filepath.Join(dir, ".uidvalidity"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	b.validity, b.highest, _ = strings.Cut(strings.TrimSpace(string(data)), "\n")
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if len(left) > 0 {
		b.msgs = append(b.msgs, message{name: "in tmp: " + left[0].Name()})
	}
	return b, err
}

func (w *programWorld) lookAtState(s *shot) error {
	entries, err := os.ReadDir(w.path("state"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.state.missing = true
	for _, e := range entries {
		if e.Name() != stateName {
			expected, err := onlyLateCopies(w.path("state"), e.Name())
			if err != nil {
				return err
			}
			if !expected {
				s.stray = append(s.stray, e.Name())
			}
			continue
		}
		s.state.missing = false
		data, err := os.ReadFile(w.path("state", stateName))
		if err != nil {
			return err
		}
		header, records, _ := strings.Cut(string(data), "\n\n")
		for line := range strings.SplitSeq(header, "\n") {
			// UIDVALIDITYs that were made in the run are not the same in both.
			if k, v, ok := strings.Cut(line, " "); ok && strings.HasSuffix(k, "UidValidity") {
				t := 0
				if strings.HasPrefix(k, "Near") {
					t = 1
				}
				if v == s.boxes[t].validity {
					line = k + " is the mailbox's"
				}
			}
			s.state.header = append(s.state.header, line)
		}
		s.state.records = strings.Split(strings.TrimSuffix(records, "\n"), "\n")
	}
	return nil
}

// onlyLateCopies reports whether a file holds notes of ours about nothing but copies
// that a server may still store. Each interrupted run may leave some.
func onlyLateCopies(dir, name string) (bool, error) {
	if name != stateName+engine.NotesSuffix {
		return false, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return false, err
	}
	n, err := syncstate.ParseNotes(data)
	return err == nil && len(n.Held) == 0 && len(n.Other) == 0, err
}

// lines are the picture in words.
func (s *shot) lines() []string {
	out := []string{fmt.Sprintf("failed: %v", s.failed)}
	for i, side := range sides {
		b := s.boxes[i]
		if b.missing {
			out = append(out, side+" is missing")
		} else {
			out = append(out, side+" highest UID "+b.highest)
		}
		for _, m := range b.msgs {
			out = append(out, side+" "+m.String())
		}
	}
	for i, side := range sides {
		for _, m := range s.trash[i].msgs {
			out = append(out, side+" trash: "+m.String())
		}
	}
	if s.state.missing {
		out = append(out, "state is missing")
	}
	for _, l := range s.state.header {
		out = append(out, "state "+l)
	}
	for i, l := range s.state.records {
		out = append(out, fmt.Sprintf("state record %d: %q", i, l))
	}
	for _, n := range s.stray {
		out = append(out, "left: "+n)
	}
	return out
}

func (s *shot) String() string { return strings.Join(s.lines(), "\n") + "\n" }
