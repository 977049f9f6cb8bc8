package event

// SetupNeedsAnswer: there is no terminal to ask a question of --setup on.
type SetupNeedsAnswer struct {
	// What follows "to ask", such as "for the user name".
	What string
	// Question is the name of the question, and Values are the possible answers. "": it cannot be
	// answered on the command line.
	Question, Values string
}

// Code implements Fact.
func (SetupNeedsAnswer) Code() Code { return "setup-needs-answer" }

// SetupAnswerInvalid: an answer on the command line is not valid.
type SetupAnswerInvalid struct {
	Question, Values string
	Err              error
}

// Code implements Fact.
func (SetupAnswerInvalid) Code() Code { return "setup-answer-invalid" }

// SetupEnded: the setup was ended before anything was written.
type SetupEnded struct{}

// Code implements Fact.
func (SetupEnded) Code() Code { return "setup-ended" }

// SetupFileInvalid: no account is added to a configuration file that has errors.
type SetupFileInvalid struct{ Command string }

// Code implements Fact.
func (SetupFileInvalid) Code() Code { return "setup-file-invalid" }

// SetupNotWritten: the configuration could not be written.
type SetupNotWritten struct {
	Err error
	// Again: another program has changed the file in the meantime.
	Again bool
}

// Code implements Fact.
func (SetupNotWritten) Code() Code { return "setup-not-written" }

// SecretNotKept: the password could not be kept in the place that was chosen.
type SecretNotKept struct {
	Place string
	Err   error
}

// Code implements Fact.
func (SecretNotKept) Code() Code { return "secret-not-kept" }

// UnitNotEnabled: a unit of systemd could not be enabled.
type UnitNotEnabled struct {
	Command string
	Err     error
}

// Code implements Fact.
func (UnitNotEnabled) Code() Code { return "unit-not-enabled" }
