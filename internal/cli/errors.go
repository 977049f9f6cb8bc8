package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"reflect"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/store"
	"isync/internal/ui"
)

// joinType is the type of errors.Join's result.
var joinType = reflect.TypeOf(errors.Join(fs.ErrInvalid))

// explain returns the problems that an error describes: usually one, several if the error joins
// others, and none if it only reports that the run was interrupted, which the user knows.
func (r *run) explain(err error) []ui.Problem {
	if r.ended.Load() != 0 && errors.Is(err, context.Canceled) {
		return nil
	}
	if list, ok := errors.AsType[config.ErrorList](err); ok {
		out := make([]ui.Problem, len(list))
		for i, e := range list {
			f := event.ConfigInvalid{Hint: e.Hint}
			out[i] = ui.Problem{Fact: f, Place: placeOf(e.Pos), Text: ui.OneLine(e.Msg), Hint: e.Hint}
		}
		return out
	}
	// Joined errors, such as failures of both sides, are separate problems.
	if joined, ok := err.(interface{ Unwrap() []error }); ok && reflect.TypeOf(err) == joinType {
		var out []ui.Problem
		for _, e := range joined.Unwrap() {
			out = append(out, r.explain(e)...)
		}
		return out
	}
	d := r.diagnose(err)
	p := ui.Problem{Text: ui.OneLine(err.Error())}
	if e, ok := errors.AsType[*channel.GoneError](err); ok {
		p.Fact = r.aboutGone(e)
		if e.Held() && e.Void() == "" {
			p.Fact = r.aboutHeldBoxes(e)
		}
		_, p.Hint = ui.Text(p.Fact)
		return []ui.Problem{p}
	}
	if e, ok := errors.AsType[*engine.TooManyDeletionsError](err); ok {
		p.Fact = r.aboutDeletions(e)
		_, p.Hint = ui.Text(p.Fact)
		return []ui.Problem{p}
	}
	if e, ok := errors.AsType[*engine.MessageError](err); ok {
		r.adviseOnMessage(&p, e, d)
		return []ui.Problem{p}
	}
	p.Fact = d.fact()
	if p.Fact == nil {
		p.Fact = d.scope()
	}
	_, hint := ui.Text(p.Fact)
	p.Hint = ui.OneLine(hint)
	p.Place = placeOf(d.place())
	return []ui.Problem{p}
}

// accountError adds the account to an error.
type accountError struct {
	account *config.Account
	err     error
}

func (e *accountError) Error() string { return e.account.Label() + ": " + e.err.Error() }

// Unwrap returns the error.
func (e *accountError) Unwrap() error { return e.err }

// diagnosis determines the cause of an error by its type.
type diagnosis struct {
	err     error
	store   *config.Store   // nil: unknown
	account *config.Account // nil: none
	// configFile is the argument of -c; "": none.
	configFile string
}

// diagnose begins the diagnosis of an error.
func (r *run) diagnose(err error) *diagnosis {
	d := &diagnosis{err: err}
	if r.c != nil {
		d.configFile = r.c.config
	}
	name := ""
	if se, ok := errors.AsType[*store.StoreError](err); ok {
		name = se.Store
	} else if be, ok := errors.AsType[*store.BoxError](err); ok {
		name = be.Store
	}
	if r.cfg != nil && name != "" {
		d.store = r.cfg.Store(name)
	}
	if d.store != nil && d.store.IMAP != nil {
		d.account = d.store.IMAP.Account
	}
	if e, ok := errors.AsType[*accountError](err); ok {
		d.account = e.account
	}
	return d
}

// place returns the place of the error in the configuration, if any.
func (d *diagnosis) place() config.Pos {
	if e, ok := errors.AsType[*placedError](d.err); ok {
		return e.pos
	}
	if e, ok := errors.AsType[*channel.PatternError](d.err); ok {
		return e.Pos
	}
	if e, ok := errors.AsType[*channel.UseError](d.err); ok {
		return e.Pos
	}
	return config.Pos{}
}

// scope returns the general fact for a store or a mailbox, if the error has no more specific one.
func (d *diagnosis) scope() event.Fact {
	if _, ok := errors.AsType[*store.StoreError](d.err); ok {
		return event.StoreFailed{}
	}
	if _, ok := errors.AsType[*store.BoxError](d.err); ok {
		return event.MailboxFailed{}
	}
	return event.Failed{}
}

// keyword returns a keyword of the account, with its place if it is set.
func (d *diagnosis) keyword(keyword string) event.Keyword {
	if pos := d.account.Pos(keyword); pos.IsSet() {
		return event.Keyword{Name: keyword, Place: placeOf(pos)}
	}
	return event.Keyword{Name: keyword, Section: d.account.Label(), Place: placeOf(d.account.At)}
}

// path returns the file that the error is about; "": none.
func (d *diagnosis) path() string {
	if e, ok := errors.AsType[*fs.PathError](d.err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*os.LinkError](d.err); ok { // from rename
		return e.New
	}
	return ""
}
