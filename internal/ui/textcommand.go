package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"isync/internal/event"
)

// tryHelp is the advice for unusable command lines.
const tryHelp = "run 'mbsync --help', or read mbsync(1)"

// Hints of mdconvert.
const (
	tryConvertHelp = "run 'mdconvert --help', or read mdconvert(1)"
	hintMaildir    = "give the directory that contains the directories cur, new and tmp"
)

// commandWordings are about the command line.
var commandWordings = []wording{
	advises(func(f event.CommandLineInvalid) (string, string) {
		switch {
		case f.Program == "mdconvert":
			return f.Err.Error(), tryConvertHelp
		case f.Joined != "":
			return f.Err.Error(), "letters after -c are further options; write -c " + f.Joined
		}
		return f.Err.Error(), tryHelp
	}),
	advises(func(f event.HookFailed) (string, string) {
		why := fmt.Sprintf("%v", f.Err)
		if f.Limit != 0 {
			why = fmt.Sprintf("it was ended after %v seconds", f.Limit.Seconds())
		}
		return fmt.Sprintf("the command of %s has failed: %s", f.Keyword, why), "the mail is not affected; to try the command: " + f.Command + " </dev/null"
	}),
	says(func(event.Reloaded) string { return "the configuration file was reloaded" }),
	advises(func(event.ReloadFailed) (string, string) {
		return "the configuration file has errors; mbsync continues with the former configuration", "correct the errors above, then send SIGHUP again"
	}),
	advises(func(f event.NothingToWatch) (string, string) {
		return "there is no channel to watch: each has 'Watch no', or belongs to a group with 'Watch no'", "give the channels on the command line: " + f.Watch + " CHANNEL..."
	}),
	advises(func(f event.AlreadyWatched) (string, string) {
		text := "another 'mbsync --watch' is running with this configuration file"
		if f.Pid != 0 {
			text += fmt.Sprintf(" (process %d)", f.Pid)
		}
		return text, "to show its state: " + f.Status
	}),
	advises(func(f event.NotWatched) (string, string) {
		return "no 'mbsync --watch' is running with this configuration file", "to start it: " + f.Watch
	}),
	advises(func(f event.NotConnected) (string, string) {
		return fmt.Sprintf("no connection since %s: %v; trying again", f.Since.Local().Format("15:04:05"), f.Err), ""
	}),
	says(func(event.ConnectedAgain) string { return "connected again" }),
	says(func(f event.OptionDeprecated) string {
		return fmt.Sprintf("option '%s' is deprecated: write '%s'", f.Option, f.Use)
	}),
	says(func(f event.NamesIgnored) string {
		return fmt.Sprintf("-a stands for all channels; '%s' is ignored", f.Name)
	}),
	says(func(f event.Interrupted) string {
		if f.Signal == "interrupt" {
			return "interrupted; run mbsync again to continue"
		}
		return "stopped by signal '" + f.Signal + "'; run mbsync again to continue"
	}),
	advises(func(event.NoChannelNamed) (string, string) {
		return "no channel was given", "give channels or groups, or -a for all channels; " + tryHelp
	}),
	says(func(f event.NoChannels) string { return "no channels are configured in " + f.File }),
	advises(func(f event.ChannelUnknown) (text, hint string) {
		text = fmt.Sprintf("there is no channel or group '%s' in %s", f.Name, f.File)
		if f.Meant != "" {
			return text, fmt.Sprintf("did you mean '%s'?", f.Meant)
		}
		return text, "use one of these names: " + strings.Join(f.Known, ", ")
	}),
	says(func(f event.GroupMemberUnknown) string {
		return fmt.Sprintf("group '%s' names channel '%s', which does not exist", f.Group, f.Channel)
	}),
	says(func(f event.GroupMailboxes) string {
		return fmt.Sprintf("'%s' is a group; only a channel can be followed by mailboxes", f.Group)
	}),
	advises(func(f event.ArgumentMalformed) (string, string) {
		return fmt.Sprintf("malformed argument '%s'", f.Word), "write CHANNEL:MAILBOX,MAILBOX"
	}),
	advises(func(f event.NoPatterns) (string, string) {
		return fmt.Sprintf("channel '%s' has no Patterns: it synchronizes one pair of mailboxes, and none can be selected", f.Channel),
			"give only the name of the channel, or add Patterns to it (" + f.At.String() + ")"
	}),
	advises(func(f event.OptionConflict) (string, string) {
		with := ""
		if f.With != "" {
			with = fmt.Sprintf(" ('%s')", f.With)
		}
		return fmt.Sprintf("option '%s': %v%s", f.Option, f.Err, with), tryHelp
	}),
	advises(func(f event.OperationsConflict) (string, string) {
		return fmt.Sprintf("channel '%s' with the options of the command line: %v", f.Channel, f.Err), "use -X- to turn off Expunge, or -x- to turn off ExpungeSolo"
	}),
	says(func(f event.StoreUnknown) string { return fmt.Sprintf("there is no store '%s' in %s", f.Name, f.File) }),
	advises(func(f event.CertificateNotFetched) (text, hint string) {
		switch {
		case f.NotFound:
			hint = "check the spelling of the host name"
		case f.NotTLS:
			hint = "this port does not use implicit TLS: write imap://HOST:PORT for STARTTLS, or use another port"
		}
		return OneLine(f.Err.Error()), hint
	}),
	advises(func(f event.MetricsNotWritten) (string, string) {
		if f.Lock != "" {
			return "cannot write MetricsFile: another process has locked it; the mail is not affected", "to show the process: fuser -v '" + f.Lock + "'"
		}
		dir := filepath.Dir(f.Path)
		hint := "check the permissions: ls -ld '" + dir + "'"
		if errors.Is(f.Err, fs.ErrNotExist) {
			hint = "create the directory: mkdir -p '" + dir + "'"
		}
		return "cannot write MetricsFile: " + f.Err.Error() + "; the mail is not affected", hint
	}),
	says(func(f event.OutputLost) string {
		return "the output of --json cannot be written: " + f.Err.Error() + "; the run is completed without it"
	}),
	says(func(f event.OutputDropped) string {
		if f.Lines == 0 {
			return "the output is not read, so mbsync drops further lines; the mail is not affected"
		}
		return fmt.Sprintf("%d line(s) were dropped here, because the output was not read; the mail is not affected", f.Lines)
	}),
	says(func(f event.CertificatesNotWritten) string { return "cannot write the certificates: " + f.Err.Error() }),
	advises(func(event.NoMailboxNamed) (string, string) {
		return "no mailbox was given", "give the directories of mailboxes; " + tryConvertHelp
	}),
	advises(func(event.NotAMaildir) (string, string) { return "this is not a Maildir", hintMaildir }),
	says(func(f event.UIDsThereAlready) string {
		if f.Database {
			return "its UIDs are already in a database; nothing was changed"
		}
		return "its UIDs are already in the file names; nothing was changed"
	}),
	advises(func(event.NoUIDs) (string, string) {
		return "it has no UIDs; nothing was changed", "run mbsync: it assigns UIDs when it synchronizes the mailbox, and AltMap selects where it stores them"
	}),
	advises(func(event.MailboxInUse) (string, string) {
		return "another program is using it; nothing was changed", "stop mbsync, then run the command again"
	}),
	advises(func(event.ConversionInterrupted) (string, string) {
		return "interrupted; the mailbox can be used as it is", "run the same command again to complete the conversion"
	}),
}

// OneLine joins lines to one.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
