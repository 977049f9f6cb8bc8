package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"isync/internal/auth"
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/store"
	"isync/internal/ui"
)

// noticeText returns a notice about the configuration without its place and
// severity, which are shown in front, and its hint, which is shown behind it.
func noticeText(n config.Notice) string {
	n.Pos, n.Hint = config.Pos{}, ""
	return strings.TrimPrefix(n.String(), n.Severity.String()+": ")
}

// explain makes text of an error: usually one problem, several if several
// things went wrong, none if it only says that the run was told to stop, which
// the user knows.
func (r *run) explain(err error) []ui.Problem {
	if r.ended.Load() != 0 && errors.Is(err, context.Canceled) {
		return nil
	}
	if list, ok := errors.AsType[config.ErrorList](err); ok {
		out := make([]ui.Problem, len(list))
		for i, e := range list {
			out[i] = ui.Problem{Place: e.Pos.String(), Text: oneLine(e.Msg), Hint: e.Hint}
		}
		return out
	}
	// What failed on both sides, say, is two problems.
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var out []ui.Problem
		for _, e := range joined.Unwrap() {
			out = append(out, r.explain(e)...)
		}
		return out
	}
	a := r.adviser(err)
	p := ui.Problem{Text: oneLine(err.Error())}
	if e, ok := errors.AsType[*channel.GoneError](err); ok {
		p.Hint = strings.Join(r.aboutGone(e), "\n")
		return []ui.Problem{p}
	}
	p.Hint = oneLine(a.hint())
	p.Place = a.place().String()
	if sel, ok := errors.AsType[*auth.SelectError](err); ok && sel.Hint != "" {
		// It is a hint here, and need not be in the text as well.
		p.Text = strings.Replace(p.Text, " ("+sel.Hint+")", "", 1)
	}
	return []ui.Problem{p}
}

// oneLine makes one line of several.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// adviser knows an error and what it is about.
type adviser struct {
	err     error
	store   *config.Store   // nil: unknown
	account *config.Account // nil: none
}

// adviser returns what is known about an error.
func (r *run) adviser(err error) *adviser {
	a := &adviser{err: err}
	name := ""
	if se, ok := errors.AsType[*store.StoreError](err); ok {
		name = se.Store
	} else if be, ok := errors.AsType[*store.BoxError](err); ok {
		name = be.Store
	}
	if r.cfg != nil && name != "" {
		a.store = r.cfg.Store(name)
	}
	if a.store != nil && a.store.IMAP != nil {
		a.account = a.store.IMAP.Account
	}
	return a
}

// place returns where in the configuration the error comes from, if it does.
func (a *adviser) place() config.Pos {
	if e, ok := errors.AsType[*placedError](a.err); ok {
		return e.pos
	}
	if e, ok := errors.AsType[*channel.PatternError](a.err); ok {
		return e.Pos
	}
	return config.Pos{}
}

// keyword names a keyword of the account, with its place if it is given.
func (a *adviser) keyword(keyword string) string {
	if pos := a.account.Pos(keyword); pos.IsSet() {
		return keyword + " (" + pos.String() + ")"
	}
	return keyword + " of " + a.account.Label() + " (" + a.account.At.String() + ")"
}

// path returns the file that the error is about, "" if there is none.
func (a *adviser) path() string {
	if e, ok := errors.AsType[*fs.PathError](a.err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*os.LinkError](a.err); ok { // of a rename
		return e.New
	}
	return ""
}
