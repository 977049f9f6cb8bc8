package ui

import "isync/internal/event"

// setupWordings are about --setup.
var setupWordings = []wording{
	advises(func(f event.SetupNeedsAnswer) (text, hint string) {
		hint = "give the answer on the command line: --answer " + f.Question + "=" + f.Values
		if f.Question == "" {
			hint = "a password cannot be given on the command line; use --answer keep-password=command and --answer password-command=COMMAND, a command that prints it"
		}
		if f.Question == "ADDRESS" {
			hint = "write mbsync --setup ADDRESS"
		}
		return "there is no terminal to ask " + f.What, hint
	}),
	advises(func(f event.SetupAnswerInvalid) (string, string) {
		if f.Question == "ADDRESS" {
			return f.Err.Error(), "write mbsync --setup ADDRESS"
		}
		return "--answer " + f.Question + ": " + OneLine(f.Err.Error()), "write --answer " + f.Question + "=" + f.Values
	}),
	says(func(event.SetupEnded) string { return "nothing was written" }),
	advises(func(f event.SetupFileInvalid) (string, string) {
		return "nothing was added to the configuration file, because it has errors", "correct the errors, then run: " + f.Command
	}),
	advises(func(f event.SetupNotWritten) (text, hint string) {
		text = "the configuration was not written: " + f.Err.Error()
		if f.Again {
			return text, "run the same command again"
		}
		return text, "to write it to another file: mbsync --setup -c FILE"
	}),
	advises(func(f event.SecretNotKept) (string, string) {
		return "the password cannot be stored there (" + f.Place + "): " + OneLine(f.Err.Error()), "choose another place"
	}),
	advises(func(f event.UnitNotEnabled) (string, string) {
		return "the unit was not enabled: " + OneLine(f.Err.Error()), "to enable it: " + f.Command
	}),
}
