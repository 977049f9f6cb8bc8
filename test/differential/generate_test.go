package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// generator makes histories.
type generator struct {
	*rand.Rand
	names [2][]string // what may be on the sides
	next  int
	ref   reference // must know the rules
}

func newGenerator(seed uint64, ref reference) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), ref: ref}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// history makes one of a few rounds. The rules mostly stay the same from one
// round to the next, as they do for users.
func (g *generator) history(rounds int) history {
	var h history
	expireFar := g.ref.version == v15.version && g.chance(30) // must not change
	rules := g.rules()
	for i := range rounds {
		if i > 0 && g.chance(40) {
			rules = g.rules()
		}
		r := round{rules: rules}
		if expireFar {
			r.rules = append(slices.Clip(rules), "expire-far")
		}
		for range g.IntN(6) {
			r.changes = append(r.changes, g.change())
		}
		h = append(h, r)
	}
	return h
}

func (g *generator) change() change {
	c := change{side: g.IntN(2)}
	switch g.IntN(100) {
	case 0:
		c.kind = '!'
		return c
	case 1:
		c.kind = '='
		return c
	case 2:
		c.kind = '%'
		return c
	}
	known := g.names[c.side]
	if len(known) == 0 || g.chance(40) {
		c.kind, c.flags = '+', pick(g, "", "", "S", "S", "FS", "F", "R", "ST", "DS")
		c.name = fmt.Sprintf("M%d", g.next)
		if g.chance(15) {
			c.name = fmt.Sprintf("O%d", g.next)
		}
		if g.chance(25) {
			c.name += "*"
		}
		g.next++
		// It may be on both sides after the next run.
		g.names[0], g.names[1] = append(g.names[0], c.name), append(g.names[1], c.name)
		return c
	}
	c.name = pick(g, known...)
	switch n := g.IntN(100); {
	case n < 70:
		c.kind, c.flags, c.unset = 'f', pick(g, "S", "S", "F", "F", "T", "T", "R", "D", "P"), g.chance(35)
	default:
		c.kind = '-'
	}
	return c
}

func (g *generator) rules() []string {
	var words []string
	maybe := func(percent int, w string) {
		if g.chance(percent) {
			words = append(words, w)
		}
	}
	if g.chance(60) {
		words = append(words, "sync")
	} else {
		for _, w := range []string{"new", "renew", "delete", "flags"} {
			maybe(60, "pull-"+w)
			maybe(60, "push-"+w)
		}
	}
	if g.ref.version == v15.version {
		maybe(20, "pull-old")
		maybe(20, "push-old")
	}
	for _, s := range sides {
		if g.ref.version == v15.version && g.chance(20) {
			words = append(words, "solo-"+s)
		} else {
			maybe(45, "expunge-"+s)
		}
		maybe(50, "create-"+s)
		maybe(30, "remove-"+s)
		switch g.IntN(7) {
		case 0:
			words = append(words, "trash-"+s)
		case 1:
			words = append(words, "trashnew-"+s)
		case 2:
			words = append(words, "remotetrash-"+s)
		}
		maybe(20, "maxsize-"+s)
	}
	if g.chance(30) {
		words = append(words, fmt.Sprintf("max=%d", 1+g.IntN(4)))
		switch g.IntN(3) {
		case 0:
			words = append(words, "unread=yes")
		case 1:
			words = append(words, "unread=no")
		}
	}
	return words
}
