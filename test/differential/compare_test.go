package differential

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"
)

// theirs and ours are the two programs. Tests do not run in parallel.
var (
	theirs, ours mbsync
	theirVersion string // "1.4" or "1.5"
)

// difference is one that nothing explains.
type difference struct {
	round int
	text  string
}

func (d *difference) Error() string { return fmt.Sprintf("round %d: %s", d.round+1, d.text) }

// tally counts.
type tally struct {
	mu                sync.Mutex
	histories, rounds int
	explained         map[string]int
}

func (t *tally) explain(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.explained == nil {
		t.explained = map[string]int{}
	}
	t.explained[name]++
}

// pairOfWorlds makes two that are the same.
type pairOfWorlds func(dir string) ([2]*programWorld, error)

// live lives through a history with both programs. The error is a *difference
// if they do not agree.
func live(dir string, h history, newWorlds pairOfWorlds, t *tally) error {
	worlds, err := newWorlds(dir)
	if err != nil {
		return err
	}
	defer func() {
		for _, w := range worlds {
			w.close()
		}
		_ = os.RemoveAll(dir)
	}()
	for i, r := range h {
		r.rules = worlds[0].server.possible(r.rules)
		var before, after [2]*shot
		var outs [2]outcome
		var errs [2]error
		var wg sync.WaitGroup
		for k, p := range []mbsync{theirs, ours} {
			wg.Go(func() {
				before[k], after[k], outs[k], errs[k] = turn(worlds[k], p, r)
			})
		}
		wg.Wait()
		for k := range errs {
			if errs[k] != nil {
				return errs[k]
			}
		}
		t.mu.Lock()
		t.rounds++
		t.mu.Unlock()
		unmarkTrash(after, worlds[0].server != nil, t)
		for _, s := range after {
			s.forgetJournal()
		}
		if outs[0].crashed && (crashes(before[1]) || strings.Contains(outs[0].text, "Assertion")) {
			t.explain("theirs crashed")
			after[0] = after[1]
		}
		d := cmp.Diff(after[0].lines(), after[1].lines())
		if d != "" && explain(r, before[1], after[0], after[1], t) == "" {
			return &difference{i, fmt.Sprintf("theirs and ours differ (-theirs +ours):\n%s\nbefore:\n%stheirs said: %s\nours said: %s",
				compact(d), before[1], outs[0].text, outs[1].text)}
		} else if d != "" || after[0].failed || outs[0].crashed {
			if worlds[0].server != nil {
				break // there is no way to make the two servers the same again
			}
			// Theirs goes on from where ours is.
			fresh, err := worlds[1].copyTo(fmt.Sprintf("%s-%d", worlds[0].dir, i))
			if err != nil {
				return err
			}
			if theirVersion == v14.version {
				// It does not support the version of our journal; 1.5 does, and continues with it.
				if err := fresh.removeJournal(); err != nil {
					return err
				}
			}
			worlds[0] = fresh
		}
	}
	t.mu.Lock()
	t.histories++
	t.mu.Unlock()
	return nil
}

// turn is what happens in a round to one world.
func turn(w *programWorld, p mbsync, r round) (before, after *shot, out outcome, err error) {
	for _, c := range r.changes {
		if err := w.apply(c); err != nil {
			return nil, nil, out, err
		}
	}
	if before, err = w.look(); err != nil {
		return nil, nil, out, err
	}
	if out, err = w.run(p, r); err != nil {
		return nil, nil, out, err
	}
	if after, err = w.look(); err != nil {
		return nil, nil, out, err
	}
	after.failed = out.code != 0
	after.refused = after.failed && strings.Contains(out.text, "ExpireUnread")
	return before, after, out, nil
}

// compact leaves out of a diff what is the same.
func compact(diff string) string {
	var out []string
	for line := range strings.Lines(diff) {
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+") {
			out = append(out, strings.ReplaceAll(strings.TrimRight(line, "\n"), "\u00a0", " "))
		}
	}
	return strings.Join(out, "\n")
}

// shrink looks for a smaller history that still makes a difference.
func shrink(h history, differs func(history) bool) history {
	for again := true; again; {
		again = false
		try := func(smaller history) bool {
			if !differs(smaller) {
				return false
			}
			h, again = smaller, true
			return true
		}
		for i := len(h) - 1; i >= 0; i-- {
			if try(without(h, i)) {
				continue
			}
			for j := len(h[i].changes) - 1; j >= 0; j-- {
				r := round{without(h[i].changes, j), h[i].rules}
				try(with(h, i, r))
			}
			for j := len(h[i].rules) - 1; j >= 0; j-- {
				r := round{h[i].changes, without(h[i].rules, j)}
				try(with(h, i, r))
			}
		}
	}
	return h
}

func without[S ~[]E, E any](s S, i int) S {
	out := make(S, 0, len(s))
	out = append(out, s[:i]...)
	return append(out, s[i+1:]...)
}

func with(h history, i int, r round) history {
	out := append(history{}, h...)
	out[i] = r
	return out
}
