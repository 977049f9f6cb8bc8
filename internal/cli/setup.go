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

// setupAccount asks what it takes to set up an account, and writes its configuration.
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

// setupWorld is what the dialogue of --setup works on.
type setupWorld struct {
	*run
	target setupTarget
	// tty is nil if there is no terminal.
	tty     *os.File
	console *console
	// password is the file that is written for the password; "": none.
	password string
	written  bool
	// consent is the account whose token was saved; nil: none was.
	consent *config.Account
	// madeDirs are the directories that were made for it, the innermost first.
	madeDirs []string
}

// begin looks at the configuration file, and opens the terminal.
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

// outcome reports how the dialogue has ended, and returns the exit code.
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
	case errors.Is(err, errRunFailed), errors.Is(err, errReported): // that is known
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

// setupFact returns what an error of the dialogue is about; nil if it is none of its own.
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

// errRunFailed says that the first run has failed, which it has reported itself, and
// errReported that an error was reported already.
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
