package event

import "time"

// CommandLineInvalid: the command line of Program is invalid.
type CommandLineInvalid struct {
	Program string
	Err     error
	// Joined is a word that follows -c without a blank; "": none.
	Joined string
}

// Code implements Fact.
func (CommandLineInvalid) Code() Code { return "command-line-invalid" }

// OptionDeprecated: there is a newer spelling of an option, Use.
type OptionDeprecated struct {
	Option, Use string
}

// Code implements Fact.
func (OptionDeprecated) Code() Code { return "option-deprecated" }

// NamesIgnored: -a selects all channels, so names have no effect.
type NamesIgnored struct {
	Name string // the first
}

// Code implements Fact.
func (NamesIgnored) Code() Code { return "names-ignored" }

// Interrupted: a signal ends the run.
type Interrupted struct {
	Signal string
}

// Code implements Fact.
func (Interrupted) Code() Code { return "interrupted" }

// NoChannelNamed: the command line names no channel.
type NoChannelNamed struct{}

// Code implements Fact.
func (NoChannelNamed) Code() Code { return "no-channel-named" }

// NoChannels: there are no channels in the configuration file.
type NoChannels struct {
	File string
}

// Code implements Fact.
func (NoChannels) Code() Code { return "no-channels" }

// ChannelUnknown: the configuration has no channel or group of that name.
type ChannelUnknown struct {
	Name, File string
	Meant      string   // the most similar name; "": none
	Known      []string // some of the known names
}

// Code implements Fact.
func (ChannelUnknown) Code() Code { return "channel-unknown" }

// GroupMemberUnknown: a group names a channel that does not exist.
type GroupMemberUnknown struct {
	Group, Channel string
}

// Code implements Fact.
func (GroupMemberUnknown) Code() Code { return "group-member-unknown" }

// GroupMailboxes: the command line names mailboxes of a group.
type GroupMailboxes struct {
	Group string
}

// Code implements Fact.
func (GroupMailboxes) Code() Code { return "group-mailboxes" }

// ArgumentMalformed: a word of the command line has the wrong form.
type ArgumentMalformed struct {
	Word string
}

// Code implements Fact.
func (ArgumentMalformed) Code() Code { return "argument-malformed" }

// NoPatterns: the command line names mailboxes of a channel that has no Patterns.
type NoPatterns struct {
	Channel string
	At      Place // of the channel
}

// Code implements Fact.
func (NoPatterns) Code() Code { return "no-patterns" }

// OptionConflict: an option is invalid in combination with others.
type OptionConflict struct {
	Option string
	Err    error
	With   string // one of the others; "": all of them
}

// Code implements Fact.
func (OptionConflict) Code() Code { return "option-conflict" }

// OperationsConflict: the options of the command line contradict the operations that
// are set for a channel.
type OperationsConflict struct {
	Channel string
	Err     error
}

// Code implements Fact.
func (OperationsConflict) Code() Code { return "operations-conflict" }

// StoreUnknown: the configuration has no store of that name.
type StoreUnknown struct {
	Name, File string
}

// Code implements Fact.
func (StoreUnknown) Code() Code { return "store-unknown" }

// CertificateNotFetched: the certificates of a server cannot be shown.
type CertificateNotFetched struct {
	Err error
	// NotFound: the host has no address. NotTLS: it does not speak TLS there.
	NotFound, NotTLS bool
}

// Code implements Fact.
func (CertificateNotFetched) Code() Code { return "certificate-not-fetched" }

// CertificatesNotWritten: the certificates of a server cannot be printed.
type CertificatesNotWritten struct {
	Err error
}

// Code implements Fact.
func (CertificatesNotWritten) Code() Code { return "certificates-not-written" }

// NoMailboxNamed: the command line of mdconvert names no mailbox.
type NoMailboxNamed struct{}

// Code implements Fact.
func (NoMailboxNamed) Code() Code { return "no-mailbox-named" }

// NotAMaildir: the directory that mdconvert should convert is not a Maildir mailbox.
type NotAMaildir struct{}

// Code implements Fact.
func (NotAMaildir) Code() Code { return "not-a-maildir" }

// UIDsThereAlready: the UIDs are already where mdconvert should put them.
type UIDsThereAlready struct {
	Database bool // else: in the names of files
}

// Code implements Fact.
func (UIDsThereAlready) Code() Code { return "uids-there-already" }

// NoUIDs: a mailbox that mdconvert should convert has no UIDs.
type NoUIDs struct{}

// Code implements Fact.
func (NoUIDs) Code() Code { return "no-uids" }

// MailboxInUse: another program uses a mailbox that mdconvert should convert.
type MailboxInUse struct{}

// Code implements Fact.
func (MailboxInUse) Code() Code { return "mailbox-in-use" }

// ConversionInterrupted: a signal stopped mdconvert.
type ConversionInterrupted struct{}

// Code implements Fact.
func (ConversionInterrupted) Code() Code { return "conversion-interrupted" }

// Reloaded: the configuration was read again.
type Reloaded struct{}

// Code implements Fact.
func (Reloaded) Code() Code { return "configuration-reloaded" }

// ReloadFailed: the configuration has errors, so the former one stays in use.
type ReloadFailed struct{}

// Code implements Fact.
func (ReloadFailed) Code() Code { return "reload-failed" }

// NothingToWatch: no channel is to be watched.
type NothingToWatch struct {
	Watch string // the command that watches channels
}

// Code implements Fact.
func (NothingToWatch) Code() Code { return "nothing-to-watch" }

// AlreadyWatched: another process watches the channels of the configuration file. Pid is 0
// if it is unknown. The command Status shows the state of that process.
type AlreadyWatched struct {
	Pid    int
	Status string
}

// Code implements Fact.
func (AlreadyWatched) Code() Code { return "already-watched" }

// NotWatched: no process watches the channels of the configuration file. The command Watch
// starts one.
type NotWatched struct{ Watch string }

// Code implements Fact.
func (NotWatched) Code() Code { return "not-watched" }

// MetricsNotWritten: the file of MetricsFile cannot be written. If Lock is not empty, another
// process has locked that file for too long.
type MetricsNotWritten struct {
	Path string
	Lock string
	Err  error
}

// Code implements Fact.
func (MetricsNotWritten) Code() Code { return "metrics-not-written" }

// OutputLost: the output of --json cannot be written. The run continues without it.
type OutputLost struct {
	Err error
}

// Code implements Fact.
func (OutputLost) Code() Code { return "output-lost" }

// OutputDropped: lines of the output of a watcher were dropped, since nobody has read it for
// some time. Lines is their number; 0: from now on they are.
type OutputDropped struct {
	Lines int
}

// Code implements Fact.
func (OutputDropped) Code() Code { return "output-dropped" }

// HookFailed: the command of a hook has failed. If Limit is not 0, it was ended because it
// ran longer than that.
type HookFailed struct {
	Keyword string // of the configuration
	Command string
	Limit   time.Duration
	Err     error
}

// Code implements Fact.
func (HookFailed) Code() Code { return "hook-failed" }
