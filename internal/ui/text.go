package ui

import (
	"reflect"

	"isync/internal/event"
)

// wording returns the text of one kind of fact, and the hint, if there is any.
type wording struct {
	kind reflect.Type
	text func(event.Fact) (text, hint string)
}

// says makes a wording without a hint.
func says[F event.Fact](text func(F) string) wording {
	return advises(func(f F) (string, string) { return text(f), "" })
}

// advises makes a wording with a hint.
func advises[F event.Fact](text func(F) (text, hint string)) wording {
	return wording{reflect.TypeFor[F](), func(f event.Fact) (string, string) {
		of, _ := f.(F)
		return text(of)
	}}
}

// wordings has the text of every fact, by type.
var wordings = func() map[reflect.Type]wording {
	all := make(map[reflect.Type]wording)
	for _, list := range [][]wording{syncWordings, channelWordings, maildirWordings, imapWordings, commandWordings, setupWordings, pendingWordings, configWordings, syncHints, fileHints, loginHints, oauthWordings, tlsHints, networkHints, nameHints} {
		for _, w := range list {
			all[w.kind] = w
		}
	}
	return all
}()

// Text returns the text of a fact, and a hint, which may be empty. Each line of the
// hint is shown as a hint of its own.
func Text(f event.Fact) (text, hint string) {
	if w, ok := wordings[reflect.TypeOf(f)]; ok {
		return w.text(f)
	}
	return string(f.Code()), ""
}
