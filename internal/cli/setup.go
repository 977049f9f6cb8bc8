package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/setup"
)

// setupAccount runs the dialogue of --setup and writes the configuration of an account.
func (r *run) setupAccount(ctx context.Context) int {
	w := &setupWorld{run: r}
	answers := make(setup.Answers)
	for _, word := range r.c.answers {
		if err := answers.Add(word); err != nil {
			r.tell(event.Error, config.Pos{}, event.CommandLineInvalid{Program: "mbsync", Err: usagef("option '--answer': %v", err)})
			return exitFailure
		}
	}
	if !w.begin() {
		return exitFailure
	}
	defer w.end(ctx)
	err := setup.Run(ctx, w, strings.Join(r.c.names, " "), answers)
	return w.outcome(ctx, err)
}

// setupWorld is the environment of the dialogue of --setup.
type setupWorld struct {
	*run
	target setupTarget
	// tty is nil if there is no terminal.
	tty     *os.File
	console *console
	// password is the file that was written for the password; "": none.
	password string
	written  bool
	// consent is the account whose token was saved; nil: none.
	consent *config.Account
	// madeDirs are the directories that were created for the token, the innermost first.
	madeDirs []string
}

// begin reads the configuration file and opens the terminal.
func (w *setupWorld) begin() bool {
	if !w.lookAtFile() {
		return false
	}
	if w.env.Terminal != nil {
		if tty, err := w.env.Terminal(); err == nil {
			w.tty, w.console = tty, newConsole(tty)
		}
	}
	return true
}

func (w *setupWorld) end(ctx context.Context) {
	if !w.written {
		w.forgetConsent(context.WithoutCancel(ctx))
	}
	if w.tty != nil {
		w.tty.Close()
	}
}

// outcome reports the result of the dialogue and returns the exit code.
func (w *setupWorld) outcome(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailure
	var fact event.Fact
	switch {
	case errors.Is(err, errInterrupted):
		code = exitSignal + 2
	case ctx.Err() != nil, errors.Is(err, setup.ErrDeclined), errors.Is(err, errNothingEntered):
	case errors.Is(err, errRunFailed), errors.Is(err, errReported): // already reported
	default:
		fact = w.setupFact(err)
		if fact == nil {
			w.fail(err)
		}
	}
	if fact != nil {
		w.tell(event.Error, config.Pos{}, fact)
	}
	if !w.written {
		w.tell(event.Notice, config.Pos{}, event.SetupEnded{})
	}
	return code
}

// setupFact returns the fact for an error of the dialogue; nil: there is none.
func (w *setupWorld) setupFact(err error) event.Fact {
	if e, ok := errors.AsType[*setup.NoAnswerError](err); ok {
		return event.SetupNeedsAnswer{What: e.What, Question: e.Question.Name, Values: e.Question.Values}
	}
	if e, ok := errors.AsType[*setup.AnswerError](err); ok {
		return event.SetupAnswerInvalid{Question: e.Question.Name, Values: e.Question.Values, Err: e.Err}
	}
	if e, ok := errors.AsType[*setupWriteError](err); ok {
		return event.SetupNotWritten{Err: e.Err, Again: errors.Is(err, errChanged)}
	}
	return w.keepFact(err)
}

// Ask implements setup.World.
func (w *setupWorld) Ask(ctx context.Context, question string, echo bool) (string, error) {
	if w.console == nil {
		return "", setup.ErrNoTerminal
	}
	return w.console.ask(ctx, question, echo)
}

// Print implements setup.World.
func (w *setupWorld) Print(line string) { w.println(line) }

// Report implements setup.World.
func (w *setupWorld) Report(err error) {
	if f := w.setupFact(err); f != nil {
		w.tell(event.Error, config.Pos{}, f)
		return
	}
	w.fail(err)
}

// Online implements setup.World.
func (w *setupWorld) Online() bool { return !w.c.offline }

// Command implements setup.World.
func (w *setupWorld) Command(args string) string {
	if w.c.hasConfig {
		return "mbsync -c " + shellQuote(w.c.config) + " " + args
	}
	return "mbsync " + args
}

// errRunFailed is the error of the first run, which has reported its own errors. errReported is
// an error that was reported already.
var (
	errRunFailed = errors.New("the first run has failed")
	errReported  = errors.New("reported")
)

// Run implements setup.World: it synchronizes the new channel.
func (w *setupWorld) Run(ctx context.Context, channel string) error {
	w.c.names = []string{channel}
	w.cfg = nil
	if !w.load() {
		return errRunFailed
	}
	defer w.printer.End()
	if code, _ := w.channels(ctx); code != exitOK {
		return errRunFailed
	}
	return nil
}
