package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Question is a question whose answer can be given on the command line.
type Question struct {
	Name string
	// Values shows what can be answered, Help what the question is about.
	Values, Help string
}

// The names of the questions.
const (
	askServer      = "server"
	askUser        = "user"
	askLogin       = "login"
	askIssuer      = "issuer"
	askScope       = "scope"
	askClient      = "client-id"
	askSecret      = "client-secret-command"
	askKeep        = "keep-password"
	askCommand     = "password-command"
	askCertificate = "certificate"
	askName        = "name"
	askDirectory   = "directory"
	askMailboxes   = "mailboxes"
	askMessages    = "messages"
	askDeletions   = "deletions"
	askWrite       = "write"
	askRun         = "run"
	askService     = "service"
)

var questions = []Question{
	{askServer, "[imap://|imaps://]HOST[:PORT]", "the IMAP server; imap:// means STARTTLS"},
	{askUser, "NAME", "the user name for the server"},
	{askName, "NAME", "the name of the channel"},
	{askLogin, "password|oauth", "how to log in, if both are possible"},
	{askIssuer, "URL", "the OAuth provider, if the server is not in the table of providers"},
	{askScope, "SCOPE ...", "the scopes of this OAuth provider"},
	{askClient, "ID", "the OAuth client ID"},
	{askSecret, "none|COMMAND", "the command that prints the OAuth client secret"},
	{askKeep, "keyring|pass|file|command|ask", "where to store the password"},
	{askCommand, "COMMAND", "the command that prints the password, with keep-password=command"},
	{askCertificate, "FILE", "a file with the certificate to trust"},
	{askDirectory, "DIRECTORY", "the directory for the mail"},
	{askMailboxes, "PATTERNS", "the mailboxes to synchronize, as for the keyword Patterns"},
	{askMessages, "all|NUMBER", "how many messages of each mailbox to copy"},
	{askDeletions, "no|messages|mailboxes", "which deletions to propagate to the other side"},
	{askWrite, "yes|no", "whether to write the configuration"},
	{askRun, "yes|no", "whether to synchronize the account after that"},
	{askService, "no|timer|watch", "the systemd unit to enable"},
}

// Questions returns all questions, in the order in which they are asked.
func Questions() []Question { return questions }

// Answers are answers by the names of their questions.
type Answers map[string]string

// Add adds an answer that is written as NAME=ANSWER.
func (a Answers) Add(word string) error {
	name, answer, ok := strings.Cut(word, "=")
	if !ok {
		return errors.New("the argument must be QUESTION=ANSWER, such as write=yes")
	}
	for _, q := range questions {
		if q.Name == name {
			a[name] = answer
			return nil
		}
	}
	var names []string
	for _, q := range questions {
		names = append(names, q.Name)
	}
	return fmt.Errorf("there is no question '%s'; the questions are: %s", name, strings.Join(names, ", "))
}

// NoAnswerError says that a question has no answer on the command line, and that there is no
// terminal to ask it on.
type NoAnswerError struct {
	Question Question // Name is "": the mail address, or a password
	What     string   // follows "to ask", such as "for the user name"
}

func (e *NoAnswerError) Error() string { return "there is no terminal to ask " + e.What }

// AnswerError says that an answer on the command line is not valid.
type AnswerError struct {
	Question Question
	Err      error
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("the answer to '%s': %v", e.Question.Name, e.Err)
}

// Unwrap returns what is wrong with it.
func (e *AnswerError) Unwrap() error { return e.Err }

// The ways in which a dialogue ends without a configuration.
var (
	// ErrNoTerminal is the error of World.Ask if there is no terminal.
	ErrNoTerminal = errors.New("there is no terminal")
	// ErrDeclined says that the user did not agree.
	ErrDeclined = errors.New("nothing was written")
)

// query is a question as it is asked.
type query struct {
	name string
	// text is the question, without the colon.
	text string
	// what names what is asked for in errors; "": the text in lower case.
	what string
	// def is the answer that Enter stands for, if there is one. Without a terminal it is
	// taken, unless the question is explicit.
	def      string
	hasDef   bool
	explicit bool
	// check returns the answer in its usual form, or what is wrong with it.
	check func(string) (string, error)
}

func questionOf(name string) Question {
	for _, q := range questions {
		if q.Name == name {
			return q
		}
	}
	return Question{}
}

// ask asks until there is a valid answer.
func (d *dialogue) ask(ctx context.Context, q query) (string, error) {
	prompt := q.text
	if q.hasDef && q.def != "" {
		prompt += " [" + q.def + "]"
	}
	prompt += ": "
	if given, ok := d.answers[q.name]; ok && !d.used[q.name] {
		d.used[q.name] = true
		answer, err := q.check(strings.TrimSpace(given))
		if err != nil {
			return "", &AnswerError{questionOf(q.name), err}
		}
		d.world.Print(prompt + answer)
		return answer, nil
	}
	for {
		text, err := d.world.Ask(ctx, prompt, true)
		switch {
		case errors.Is(err, ErrNoTerminal) && q.hasDef && !q.explicit && !d.used[q.name]:
			d.world.Print(prompt + q.def)
			d.used[q.name] = true
			return q.def, nil
		case errors.Is(err, ErrNoTerminal):
			what := q.what
			if what == "" {
				what = "for the " + strings.ToLower(q.text)
			}
			return "", &NoAnswerError{questionOf(q.name), what}
		case err != nil:
			return "", err
		}
		text = strings.TrimSpace(text)
		if text == "" {
			if q.hasDef {
				return q.def, nil
			}
			continue
		}
		answer, err := q.check(text)
		if err == nil {
			return answer, nil
		}
		d.world.Print("  " + err.Error())
	}
}

// yes asks a question that is answered by yes or no.
func (d *dialogue) yes(ctx context.Context, q query) (bool, error) {
	q.check = oneOf("yes", "no")
	answer, err := d.ask(ctx, q)
	return answer == "yes", err
}

// oneOf accepts some words, or beginnings of them.
func oneOf(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		found := ""
		for _, w := range words {
			if strings.EqualFold(w, text) {
				return w, nil
			}
			if len(text) > 0 && len(text) <= len(w) && strings.EqualFold(w[:len(text)], text) {
				if found != "" {
					found = ""
					break
				}
				found = w
			}
		}
		if found == "" {
			return "", fmt.Errorf("please answer %s", orList(words))
		}
		return found, nil
	}
}

// orList joins words as "a, b or c".
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
