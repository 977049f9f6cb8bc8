package ui

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/syncstate"
)

var (
	errNo  = errors.New("no")
	doubt  = event.UIDDoubt{Side: syncstate.Near, Was: 3, Now: 4, Next: 5, Top: 6}
	backed = event.UIDDoubt{Side: syncstate.Near, Was: 3, Now: 3, Next: 5, Top: 6}
)

// samples has facts of every kind, with their text and hint.
var samples = []struct {
	fact       event.Fact
	text, hint string
}{
	{event.DeletionWins{Side: syncstate.Near, UID: 7}, "conflicting changes: message 7 was changed on the near side, but deleted on the far side; the deletion wins", ""},
	{event.FlagNotStorable{Side: syncstate.Far, Flag: mail.FlagDraft}, "far side cannot hold flag 'D'; it is not propagated", ""},
	{event.UIDsRecovered{UIDDoubt: doubt}, "recovered from a change of UIDVALIDITY on the near side (3 -> 4)", ""},
	{
		event.HighestUIDCorrected{UIDDoubt: backed},
		"UIDNEXT went back on the near side: it is 5, but UID 6 was already synchronized; the messages with higher UIDs are the same as before, " +
			"so this was corrected; a backup was probably copied over the mailbox", "",
	},
	{
		event.MailboxRestored{UIDDoubt: backed, Same: 1, Copied: 2, Paired: 3},
		"UIDNEXT went back on the near side: it is 5, but UID 6 was already synchronized; the mailbox was probably restored from a backup: " +
			"1 message(s) are the same as before, 2 missing message(s) are to be copied to it again, 3 were paired by Message-ID", "",
	},
	{
		event.BoxOfUseRenamed{Use: "Sent", Side: syncstate.Far, Was: "A", Now: "B"},
		"the far side mailbox with the special use Sent is called 'B' now, and was 'A' in the last run; its messages are the same", "",
	},
	{event.AllMessagesNew{UIDDoubt: doubt}, "UIDVALIDITY has changed on the near side (3 -> 4); no message is paired, so all messages count as new", ""},
	{
		event.MailAdopted{Pairs: 5, Only: [2]int{1, 2}},
		"there is no sync state, but both mailboxes hold messages: 5 are the same on both sides and are paired; 1 are only on the far side, and 2 only on the near side", "",
	},
	{
		event.MailAdopted{Pairs: 5, Only: [2]int{1, 2}, Ambiguous: [2]int{3, 4}, Copy: "mbsync --adopt=copy c:x"},
		"there is no sync state, but both mailboxes hold messages: 5 are the same on both sides and are paired; 1 are only on the far side, and 2 only on the near side; " +
			"3 message(s) on the far side and 4 on the near side have the same Message-ID but different contents, or cannot be read, and are not copied",
		"compare the messages; to copy them: mbsync --adopt=copy c:x",
	},
	{
		event.MailAdopted{Doubt: [2]event.UIDDoubt{{}, doubt}, Pairs: 5, Only: [2]int{1, 2}},
		"UIDVALIDITY has changed on the near side (3 -> 4); the messages were compared: 5 are the same on both sides and are paired; 1 are only on the far side, and 2 only on the near side", "",
	},
	{
		event.MailAdopted{Doubt: [2]event.UIDDoubt{{Side: syncstate.Far, Was: 1, Now: 2}, doubt}, Pairs: 5},
		"UIDVALIDITY has changed on the far side (1 -> 2), and UIDVALIDITY has changed on the near side (3 -> 4); the messages were compared: " +
			"5 are the same on both sides and are paired; 0 are only on the far side, and 0 only on the near side", "",
	},
	{
		event.MailAdopted{Pairs: 5, Ambiguous: [2]int{3, 4}, Copied: true},
		"there is no sync state, but both mailboxes hold messages: 5 are the same on both sides and are paired; 0 are only on the far side, and 0 only on the near side; " +
			"3 message(s) on the far side and 4 on the near side have the same Message-ID but different contents, or cannot be read, and count as new", "",
	},
	{
		event.NewMailPaired{Pairs: 5},
		"5 new message(s) are the same on both sides and are paired, so they are not copied", "",
	},
	{
		event.NewMailPaired{Pairs: 5, Ambiguous: [2]int{3, 4}, Copy: "mbsync --adopt=copy c:x"},
		"5 new message(s) are the same on both sides and are paired, so they are not copied; " +
			"3 message(s) on the far side and 4 on the near side have the same Message-ID but different contents, or cannot be read, and are not copied",
		"compare the messages; to copy them: mbsync --adopt=copy c:x",
	},
	{
		event.MailAmbiguous{Count: [2]int{3, 4}, Copy: "mbsync --adopt=copy c:x"},
		"3 message(s) on the far side and 4 on the near side have the same Message-ID but different contents, or cannot be read, and are not copied",
		"compare the messages; to copy them: mbsync --adopt=copy c:x",
	},
	{event.NoSelectiveExpunge{}, "the far side server cannot expunge selectively (no UIDPLUS); trashing is prone to race conditions", ""},
	{event.NothingExpunged{}, "nothing is expunged from the far side, since messages could not be trashed", ""},
	{event.NotesUnreadable{Err: errNo}, "cannot read the list of messages that could not be copied: no", ""},
	{event.CopiesLost{Count: 2}, "2 message(s) that were copied to the far side cannot be found there", ""},
	{event.SurplusCopies{Count: 2}, "2 message(s) that an interrupted run sent to the far side were stored after they had been copied again; the surplus copies are marked as deleted", ""},
	{event.BothMailboxesGone{}, "both mailboxes are gone; their sync state is removed", ""},
	{event.BothMailboxesGone{DryRun: true}, "both mailboxes are gone; their sync state would be removed", ""},
	{event.MailboxWouldBeCreated{Side: syncstate.Near, Box: "b"}, "near side mailbox 'b' would be created", ""},
	{event.MailboxWouldBeRemoved{Side: syncstate.Near, Box: "b"}, "near side mailbox 'b' would be removed", ""},
	{event.JournalIgnored{}, "the sync state is missing, so the journal of the interrupted run is ignored", ""},
	{event.JournalIncomplete{Err: errNo}, "no; the entry is ignored, and the interrupted run is completed", ""},
	{event.MessagesPending{Count: 1, Command: "c"}, "each run tries to copy this message again", "to skip it: c"},
	{event.MessagesPending{Count: 2, Command: "c"}, "each run tries to copy these 2 messages again", "to skip one: c"},
	{event.MessagesSkipped{Count: 1, Command: "c"}, "1 message is skipped: runs do not try to copy it", "to try to copy it again: c"},
	{event.MessagesSkipped{Count: 2, Command: "c"}, "2 messages are skipped: runs do not try to copy them", "to try to copy one again: c"},
	{event.MessageSkipped{Command: "c"}, "skipped: runs do not try to copy it any more", "to try to copy it again: c"},
	{event.MessageTriedAgain{}, "the next run tries to copy it again", ""},
	{event.MessageNotPending{UID: 7, Command: "c"}, "message 7 is not in the list of messages that could not be copied", "to show the list: c"},
	{event.MessageSideUnknown{UID: 7, Words: [2]string{"a", "b"}}, "messages on both sides have the UID 7", "write 'a' or 'b'"},
	{event.MessageMalformed{Word: "w"}, "'w' does not name a message", "write CHANNEL:MAILBOX:UID"},
	{event.MessageMalformed{Word: "w", NoPatterns: true}, "'w' does not name a message", "write CHANNEL:UID, since the channel has no Patterns"},
	{event.BoxIsInbox{Box: "b", Store: "MaildirStore s"}, "mailbox 'b' of MaildirStore s is its INBOX: both are the same directory", ""},
	{event.BoxInTwoChannels{Box: "b", Store: "MaildirStore s", Other: "c"}, "mailbox 'b' of MaildirStore s is in channel 'c', too; the channels synchronize it one after the other", ""},
	{event.SubFoldersUnset{Style: "Verbatim"}, "SubFolders is not set; using Verbatim, as there are no sub-folders yet: add the line 'SubFolders Verbatim'", ""},
	{event.SubFoldersUnset{Style: "Legacy", Like: "/m/.a"}, "SubFolders is not set; using Legacy, as in '/m/.a': add the line 'SubFolders Legacy'", ""},
	{event.NotAMessage{Path: "/m/cur/x"}, "ignoring '/m/cur/x': not a file", hintNotMail},
	{event.NotAMessage{Path: "/m/cur/x", Err: errNo}, "ignoring '/m/cur/x': no", hintNotMail},
	{event.MessageNotNumbered{Path: "/x", Err: errNo}, "ignoring '/x', which cannot be given a UID: no", "ask its owner to run mbsync or to rename it"},
	{event.MessageInaccessible{Path: "/x", Err: errNo}, "cannot access '/x': no", hintNotMail},
	{event.HeaderUnreadable{Box: "b", UID: 7, Err: errNo}, "cannot read the header of message 7 in mailbox 'b': no", ""},
	{event.HeaderUnreadable{Box: "b", UID: 7, Path: "/x"}, "cannot read the header of message 7 in mailbox 'b': '/x' is not a file", hintNotMail},
	{event.BoxNameReserved{Box: "a.lock"}, "ignoring mailbox 'a.lock': names ending in '.lock' are reserved", "rename it if it is to be synchronized"},
	{event.InboxElsewhere{Path: "/m/INBOX", Inbox: "/i"}, "ignoring '/m/INBOX': INBOX is in '/i'", "if this is the inbox, write: Inbox /m/INBOX; otherwise rename it"},
	{event.BoxNameNotUTF8{Path: "/\xff"}, `ignoring '"/\xff"': its name is not valid UTF-8`, hintNotUTF8},
	{event.BoxIncomplete{Path: "/x"}, "ignoring '/x': it has 'new' and 'tmp', but no 'cur', which a mailbox needs", "if it is a mailbox, complete it: mkdir '/x/cur'"},
	{event.BoxNamePartEmpty{Path: "/x"}, "ignoring '/x': a part of its name is empty", "rename it: use one dot between the parts of a name"},
	{event.InboxFolderName{Path: "/x"}, "ignoring '/x': sub-folders of INBOX are named '..sub'", "rename it, so that it begins with two dots in place of '.INBOX.'"},
	{event.DirectoryUnreadable{Path: "/x", Err: errNo}, "ignoring '/x': no", "if it contains mailboxes, make it readable; otherwise move it elsewhere"},
	{
		event.LocalPolling{Interval: 30 * time.Second, Sysctl: "fs.inotify.max_user_watches", Err: errors.New("no space left on device")},
		"the operating system does not report changes of some directories, so they are polled every 30 seconds: the limit fs.inotify.max_user_watches is reached",
		"to show the limit: sysctl fs.inotify.max_user_watches\nto raise it: sudo sysctl fs.inotify.max_user_watches=NUMBER, and write fs.inotify.max_user_watches=NUMBER to a file in /etc/sysctl.d",
	},
	{event.LocalPolling{Interval: time.Minute, Err: errors.New("they are on a network file system")}, "the operating system does not report changes of some directories, so they are polled every 60 seconds: they are on a network file system", ""},
	{event.NotConnected{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), Err: errors.New("refused")}, "no connection since 03:04:05: refused; trying again", ""},
	{event.ConnectedAgain{}, "connected again", ""},
	{event.HookFailed{Keyword: "OnNew", Command: "x y", Err: errors.New("exit status 1")}, "the command of OnNew has failed: exit status 1", "the mail is not affected; to try the command: x y </dev/null"},
	{event.HookFailed{Keyword: "OnNew", Command: "x", Limit: time.Minute}, "the command of OnNew has failed: it was ended after 60 seconds", "the mail is not affected; to try the command: x </dev/null"},
	{event.Reloaded{}, "the configuration file was reloaded", ""},
	{event.ReloadFailed{}, "the configuration file has errors; mbsync continues with the former configuration", "correct the errors above, then send SIGHUP again"},
	{event.NothingToWatch{Watch: "mbsync --watch"}, "there is no channel to watch: each has 'Watch no', or belongs to a group with 'Watch no'", "give the channels on the command line: mbsync --watch CHANNEL..."},
	{event.AlreadyWatched{Pid: 7, Status: "mbsync --status"}, "another 'mbsync --watch' is running with this configuration file (process 7)", "to show its state: mbsync --status"},
	{event.AlreadyWatched{Status: "mbsync -c x --status"}, "another 'mbsync --watch' is running with this configuration file", "to show its state: mbsync -c x --status"},
	{event.NotWatched{Watch: "mbsync --watch"}, "no 'mbsync --watch' is running with this configuration file", "to start it: mbsync --watch"},
	{event.LinkLoop{Path: "/x/y", Target: "/x"}, "ignoring '/x/y': symbolic link loop, same directory as '/x'", hintLink},
	{event.TooManyLinks{Path: "/x", Most: 3}, "ignoring the contents of '/x': more than 3 symbolic links lead to this directory", hintLink},
	{event.MoreLinksIgnored{}, "ignoring more directories that symbolic links lead to", "if these symbolic links are a mistake, remove them"},
	{event.UIDsReassigned{Box: "b", Count: 2, Err: errNo}, "mailbox 'b': 2 message(s) get a new UID: no", ""},
	{event.UIDValidityCreated{Box: "b"}, "mailbox 'b' has no UIDVALIDITY, creating a new one", ""},
	{event.UIDValidityCreated{Dir: "/x"}, "'/x' has no UIDVALIDITY, creating a new one", ""},
	{event.LeftOverNotRemoved{Path: "/x", Err: errNo}, "cannot remove the leftover file '/x': no", "ask its owner to remove it"},
	{event.LeftOversRemoved{Dir: "/x/tmp", Count: 2}, "removed 2 file(s) older than 24 hours from '/x/tmp'", ""},
	{event.OutdatedFileRenamed{Path: "/x/a", Name: "a.old"}, "renamed the outdated '/x/a' to 'a.old'", ""},
	{event.WaitingForProgram{Dir: "/x"}, "waiting for another program that uses '/x'", ""},
	{event.WaitingForChanges{Box: "b", Wait: 1500*time.Millisecond + 1}, "waiting 1.5s because mailbox 'b' was modified just now", ""},
	{event.UIDMapTakenOver{Path: "/x/db", Count: 2}, "took over the 2 UID(s) in '/x/db'", ""},
	{event.TryingAgain{Wait: 8600 * time.Millisecond, Err: errNo}, "no; trying again in 9s", ""},
	{event.TryingAgain{Box: "b", Wait: 100 * time.Millisecond, Err: errNo}, "mailbox 'b': no; trying again", ""},
	{event.TryingAgain{Wait: time.Minute, Throttled: true, Err: errNo}, "no; the server limits the rate of requests: trying again in 1m0s", ""},
	{event.ConnectionsLimited{Count: 2, Err: errNo}, "the server refused another connection, so mbsync continues with 2: no", "to avoid this, write Connections 2 in the section of the account"},
	{event.LineMeasured{Rate: 1_040_000, Compress: true}, "the connection transfers 1.0 MB/s: the messages are compressed from now on", ""},
	{event.LineMeasured{Rate: 85e6}, "the connection transfers 85.0 MB/s: the messages are not compressed", ""},
	{
		event.UIDValidityNotReported{Store: "s", Box: "b"},
		"the server of store 's' does not report the UIDVALIDITY of mailbox 'b'",
		"if the mailbox is deleted and created again, or gets new UIDs, mbsync cannot detect it and may confuse messages",
	},
	{event.BoxRefused{Name: "../x", Err: errNo}, `refusing mailbox "../x": no`, "ask the administrator of the server to rename or remove it"},
	{event.BoxIgnored{Name: "x", Err: errNo}, `ignoring mailbox "x": no`, "rename it on the server if it is to be synchronized"},
	{event.BoxNameTwice{Name: "x", Other: "X"}, `ignoring mailbox "x": it has the same name as "X"`, "rename one of them on the server"},
	{event.ServerAlert{Text: "a"}, "alert from the server: a", ""},
	{event.ServerMessage{Text: "a"}, "message from the server: a", ""},
	{event.MoreServerMessages{Most: 100}, "the server sent more than 100 alerts and messages; the others are not shown", ""},
	{event.MechanismsUnsupported{Names: "X", Using: "PLAIN"}, "AuthMechs names X, which is not supported; using PLAIN instead", ""},
	{event.PasswordInClear{}, "the password is sent in clear text over an unencrypted connection", ""},
	{
		event.PasswordInClear{Token: true, Also: event.MechanismsUnsupported{Names: "X", Using: "PLAIN"}},
		"AuthMechs names X, which is not supported; using PLAIN instead; the token is sent in clear text over an unencrypted connection", "",
	},
	{event.CommandLineInvalid{Program: "mbsync", Err: errNo}, "no", tryHelp},
	{event.CommandLineInvalid{Program: "mbsync", Err: errNo, Joined: "x"}, "no", "letters after -c are further options; write -c x"},
	{event.CommandLineInvalid{Program: "mdconvert", Err: errNo}, "no", tryConvertHelp},
	{event.OptionDeprecated{Option: "--x", Use: "--y"}, "option '--x' is deprecated: write '--y'", ""},
	{event.NamesIgnored{Name: "c"}, "-a stands for all channels; 'c' is ignored", ""},
	{event.Interrupted{Signal: "interrupt"}, "interrupted; run mbsync again to continue", ""},
	{event.Interrupted{Signal: "terminated"}, "stopped by signal 'terminated'; run mbsync again to continue", ""},
	{event.NoChannelNamed{}, "no channel was given", "give channels or groups, or -a for all channels; " + tryHelp},
	{event.NoChannels{File: "rc"}, "no channels are configured in rc", ""},
	{event.ChannelUnknown{Name: "c", File: "rc", Meant: "d"}, "there is no channel or group 'c' in rc", "did you mean 'd'?"},
	{event.ChannelUnknown{Name: "c", File: "rc", Known: []string{"x", "y"}}, "there is no channel or group 'c' in rc", "use one of these names: x, y"},
	{event.AccountUnknown{Name: "a", File: "rc", Meant: "b"}, "there is no account 'a' in rc", "did you mean 'b'?"},
	{event.AccountUnknown{Name: "a", File: "rc", List: "mbsync --auth-list"}, "there is no account 'a' in rc", "to list the accounts with OAuth: mbsync --auth-list"},
	{event.AccountWithoutOAuth{Section: "IMAPAccount a"}, "IMAPAccount a does not use OAuth", "add the lines 'OAuth PROVIDER' and 'OAuthClientId ID'"},
	{
		event.TokenUnsaved{Account: "IMAPAccount a", Err: errNo},
		"the new token of IMAPAccount a could not be saved: no",
		"make room on the disk before mbsync ends: it uses the new token and tries to save it again; the former token may not be valid any more",
	},
	{
		event.TokenLost{Account: "IMAPAccount a", Command: "log in", Err: errNo},
		"the new token of IMAPAccount a could not be saved, and is lost: no",
		"if the next run cannot log in, log in again: log in",
	},
	{event.GroupMemberUnknown{Group: "g", Channel: "c"}, "group 'g' names channel 'c', which does not exist", ""},
	{event.GroupMailboxes{Group: "g"}, "'g' is a group; only a channel can be followed by mailboxes", ""},
	{event.ArgumentMalformed{Word: "a:"}, "malformed argument 'a:'", "write CHANNEL:MAILBOX,MAILBOX"},
	{
		event.NoPatterns{Channel: "c", At: event.Place{File: "rc", Line: 3}},
		"channel 'c' has no Patterns: it synchronizes one pair of mailboxes, and none can be selected", "give only the name of the channel, or add Patterns to it (rc:3)",
	},
	{event.OptionConflict{Option: "-x", Err: errNo, With: "-y"}, "option '-x': no ('-y')", tryHelp},
	{event.OptionConflict{Option: "-x", Err: errNo}, "option '-x': no", tryHelp},
	{event.OperationsConflict{Channel: "c", Err: errNo}, "channel 'c' with the options of the command line: no", "use -X- to turn off Expunge, or -x- to turn off ExpungeSolo"},
	{event.StoreUnknown{Name: "s", File: "rc"}, "there is no store 's' in rc", ""},
	{event.CertificateNotFetched{Err: errors.New("a\nb")}, "a; b", ""},
	{event.CertificateNotFetched{Err: errNo, NotFound: true}, "no", "check the spelling of the host name"},
	{event.CertificateNotFetched{Err: errNo, NotTLS: true}, "no", "this port does not use implicit TLS: write imap://HOST:PORT for STARTTLS, or use another port"},
	{event.CertificatesNotWritten{Err: errNo}, "cannot write the certificates: no", ""},
	{event.MetricsNotWritten{Path: "/d/m", Lock: "/s/l", Err: errNo}, "cannot write MetricsFile: another process has locked it; the mail is not affected", "to show the process: fuser -v '/s/l'"},
	{event.MetricsNotWritten{Path: "/d/m", Err: errNo}, "cannot write MetricsFile: no; the mail is not affected", "check the permissions: ls -ld '/d'"},
	{event.MetricsNotWritten{Path: "/d/m", Err: fs.ErrNotExist}, "cannot write MetricsFile: file does not exist; the mail is not affected", "create the directory: mkdir -p '/d'"},
	{event.OutputDropped{}, "the output is not read, so mbsync drops further lines; the mail is not affected", ""},
	{event.OutputDropped{Lines: 5}, "5 line(s) were dropped here, because the output was not read; the mail is not affected", ""},
	{event.OutputLost{Err: errNo}, "the output of --json cannot be written: no; the run is completed without it", ""},
	{event.NoMailboxNamed{}, "no mailbox was given", "give the directories of mailboxes; " + tryConvertHelp},
	{event.NotAMaildir{}, "this is not a Maildir", hintMaildir},
	{event.UIDsThereAlready{}, "its UIDs are already in the file names; nothing was changed", ""},
	{event.UIDsThereAlready{Database: true}, "its UIDs are already in a database; nothing was changed", ""},
	{event.NoUIDs{}, "it has no UIDs; nothing was changed", "run mbsync: it assigns UIDs when it synchronizes the mailbox, and AltMap selects where it stores them"},
	{event.MailboxInUse{}, "another program is using it; nothing was changed", "stop mbsync, then run the command again"},
	{event.ConversionInterrupted{}, "interrupted; the mailbox can be used as it is", "run the same command again to complete the conversion"},
	{event.DeprecatedWords{Count: 2, Command: "x"}, "2 deprecated words; `x` prints the new file, `x --write` replaces this one", ""},
	{event.IncludedOutdated{Count: 2, Command: "x"}, "2 deprecated words in this included file, which is not printed; `x --write` replaces it", ""},
	{event.WordsReplaced{Count: 1, Command: "x"}, "1 deprecated word replaced in the output; `x --write` replaces the file", ""},
	{event.NothingToReplace{}, "no deprecated words; the file was not changed", ""},
	{event.NothingToReplace{Printed: true}, "no deprecated words", ""},
	{event.FileNotFixed{}, "the file was not fixed, because it has errors", "correct the errors first, then run the command again"},
	{event.FileNotReplaced{Err: errNo, Command: "x", Kept: true}, "nothing was changed: no", "`x > NEWFILE` writes the new configuration to another file"},
	{event.FileNotReplaced{Err: errNo, Command: "x", Again: true}, "no", "run the command again"},
	{event.NewFileNotPrinted{Err: errNo}, "cannot print the new file: no", ""},
	{event.OutputHasPassword{Command: "x"}, "the output contains the password of the file", "`x --write` replaces the file instead, and keeps its mode"},
	{event.PasswordExposed{Mode: 0o644, Command: "chmod"}, "the file contains a password, and other users can read it (mode 0644)", "chmod"},
	{event.PathWithoutSlash{Path: "/m"}, "Path /m has no slash at the end: mailboxes are created as /mArchive, /mDrafts", "if that is not intended, write: Path /m/"},
	{
		event.PathWithoutSlash{Path: "/m", Directory: true},
		"Path /m has no slash at the end: mailboxes are not in this directory, but beside it: /mArchive, /mDrafts", "if that is not intended, write: Path /m/",
	},
	{event.CipherStringIgnored{}, "CipherString has no effect: TLS 1.3 is the only allowed version, and its ciphers are always allowed", ""},
	{event.CipherIgnored{Cipher: "X"}, "'X' in CipherString has no effect: the ciphers of TLS 1.3 are always allowed", ""},
	{event.TwoConfigFiles{Used: "a", Other: "b"}, "both a and b exist; mbsync uses a", ""},
	{event.OutdatedLine{Words: []string{`"Master"`}, Replacement: []string{"Far :a:"}, AlsoAt: []int{3}}, "\"Master\" is deprecated: write `Far :a:` (also line 3)", ""},
	{
		event.OutdatedLine{Words: []string{`"a"`, `"b"`}, Replacement: []string{"c", "d"}, AlsoAt: []int{3, 4}},
		"\"a\" and \"b\" are deprecated: write `c` and `d` (also lines 3, 4)", "",
	},
	{event.OutdatedLine{Words: []string{`"a"`}}, `"a" is deprecated and has no effect here: delete the line`, ""},
	{event.SectionTwice{Section: "Channel c", First: "line 3"}, "Channel c is already defined in line 3, and that one is used", ""},
	{event.UseUnknown{Word: `"Special:Snet"`, Meant: "Special:Sent"}, `"Special:Snet" is not a special use, so it is the name of a mailbox; did you mean Special:Sent?`, ""},
	{event.FileNotUTF8{}, "the file is not valid UTF-8; non-ASCII mailbox names will not match", ""},
	{event.CurlyQuotes{Replacement: []string{"Path x"}}, "curly quotes are read as straight quotes: write `Path x`", ""},
	{event.StrayQuote{}, "a curly quote without a matching one at the other end of the word is part of the word", ""},
	{event.StrayQuote{Word: `"x"`}, `a curly quote without a matching one at the other end of the word is part of the word: "x"`, ""},
	{event.OldProtocol{Word: `"SSLv3"`}, `"SSLv3" is ignored: it is insecure and not supported`, ""},
	{event.OldProtocolKeyword{Keyword: "UseSSLv2"}, "UseSSLv2 is ignored: SSL 2 and 3 are insecure and not supported; delete the line", ""},
	{event.MechanismUnknown{Word: `"PLAN"`, Meant: []string{"PLAIN"}, Known: []string{"A", "B"}}, `unknown authentication mechanism "PLAN", did you mean PLAIN?`, "possible values: A, B, and * for all that are secure enough"},
	{event.MechanismUnknown{Word: `"x"`, Meant: []string{"A", "B"}, Known: []string{"A"}}, `unknown authentication mechanism "x", did you mean A B? (spaces separate the names)`, "possible values: A, and * for all that are secure enough"},
	{event.ExtensionUnknown{Word: `"X"`, Meant: "IDLE"}, `unknown IMAP extension "X", did you mean IDLE?`, ""},
	{event.CertificateFileLost{Path: "/c", Reason: "no"}, "CertificateFile '/c' cannot be read and is ignored: no", ""},
	{event.MaxSizeReplaced{Section: "MaildirStore s", First: "line 3"}, "MaxSize replaces the limit of MaildirStore s that line 3 has set", ""},
	{event.GroupChannelUnknown{Group: `"g"`, Channel: `"c"`}, `Group "g": unknown channel "c"`, ""},
	{event.MoreBoxesIgnored{Most: 20}, "more than 20 mailbox names of the server are ignored; the others are not shown", ""},
	{event.SetupNeedsAnswer{What: "for the user name", Question: "user", Values: "NAME"}, "there is no terminal to ask for the user name", "give the answer on the command line: --answer user=NAME"},
	{event.SetupNeedsAnswer{What: "for the password"}, "there is no terminal to ask for the password", "a password cannot be given on the command line; use --answer keep-password=command and --answer password-command=COMMAND, a command that prints it"},
	{event.SetupNeedsAnswer{What: "for the mail address", Question: "ADDRESS"}, "there is no terminal to ask for the mail address", "write mbsync --setup ADDRESS"},
	{event.SetupAnswerInvalid{Question: "run", Values: "yes|no", Err: errors.New("what?")}, "--answer run: what?", "write --answer run=yes|no"},
	{event.SetupAnswerInvalid{Question: "ADDRESS", Err: errors.New("what?")}, "what?", "write mbsync --setup ADDRESS"},
	{event.SetupEnded{}, "nothing was written", ""},
	{event.SetupFileInvalid{Command: "mbsync --setup"}, "nothing was added to the configuration file, because it has errors", "correct the errors, then run: mbsync --setup"},
	{event.SetupNotWritten{Err: errors.New("disk full")}, "the configuration was not written: disk full", "to write it to another file: mbsync --setup -c FILE"},
	{event.SetupNotWritten{Err: errors.New("changed"), Again: true}, "the configuration was not written: changed", "run the same command again"},
	{event.SecretNotKept{Place: "pass", Err: errors.New("no key")}, "the password cannot be stored there (pass): no key", "choose another place"},
	{event.UnitNotEnabled{Command: "systemctl x", Err: errors.New("no bus")}, "the unit was not enabled: no bus", "to enable it: systemctl x"},
}

var (
	rc3   = event.Place{File: "rc", Line: 3}
	host  = event.Keyword{Name: "Host", Place: rc3}
	port  = event.Keyword{Name: "Port", Section: "IMAPStore s", Place: event.Place{File: "rc", Line: 1}}
	trust = event.Trust{Command: "mbsync --get-cert h > FILE"}
	lost  = event.Trust{Unreadable: []event.UnreadableFile{{Path: "/c", Place: rc3, Reason: "no"}}}
	leave = event.Exclude{Name: "b", Patterns: rc3}
)

const trustIt = "if this is your own server, run `mbsync --get-cert h > FILE`, compare the fingerprint, and add the line CertificateFile FILE"

// errorSamples has a fact of every kind that an error can be about, with a part of the
// hint; "": there is none.
var errorSamples = []struct {
	fact event.Fact
	hint string
}{
	{event.Failed{}, ""},
	{event.StoreFailed{}, ""},
	{event.MailboxFailed{}, ""},
	{event.ConfigInvalid{Hint: "do"}, "do"},
	{event.DeletedByOthers{}, "undelete these messages"},
	{event.PerhapsRenamed{}, "if this is the new name of a mailbox"},
	{event.MailboxMissing{}, "to create missing mailboxes, set Create (-C)"},
	{event.MailboxLocked{}, "another mbsync is synchronizing this mailbox; run mbsync again when it has finished"},
	{event.UIDValidityChanged{}, "the mailbox was replaced"},
	{event.UIDNextWentBack{}, "probably restored from a backup"},
	{event.StateLost{}, "remove its journal"},
	{event.TooManyDeletions{Side: syncstate.Far, Allow: "mbsync --allow-deletions c:INBOX", Restore: "mbsync --restore-deleted c:INBOX"}, "on the far side, too: mbsync --allow-deletions c:INBOX"},
	{event.MessageNotCopied{Skip: "mbsync --skip-failed c:x:far:5"}, "to skip this message: mbsync --skip-failed c:x:far:5"},
	{event.TooFewConnections{}, "raise Connections in the section of the account"},
	{event.MailboxVanished{}, "another program may have removed it during the run"},
	{event.OverQuota{}, "the account on the server is full"},
	{event.UIDsForked{Other: "/x"}, "move its file away ('/x')"},
	{event.UIDMapForeign{}, "run its mdconvert -n on this mailbox"},
	{event.UIDMapDamaged{File: "f"}, "restore f from a backup"},
	{event.UIDMapLost{}, "mdconvert may have converted"},
	{event.UIDMapChanged{}, "locks do not work"},
	{event.DiskFull{}, "the disk is full"},
	{event.QuotaUsedUp{}, "your disk quota is used up"},
	{event.ReadOnlyFileSystem{Path: "/x"}, "the file system of '/x' is mounted read-only"},
	{event.PermissionDenied{Path: "/x"}, "ls -ld '/x'"},
	{event.TooManyOpenFiles{}, "ulimit -n"},
	{event.DiskBroken{}, "the disk may be damaged: check the kernel log (dmesg)"},
	{event.NoConfigFile{}, "create one with 'mbsync --setup ADDRESS', or name one with -c FILE"},
	{event.ConfigFileMissing{}, "check the name after -c"},
	{event.NoUser{Section: "IMAPStore s", At: rc3}, "to IMAPStore s (rc:3)"},
	{event.NoPassword{Section: "IMAPStore s", At: rc3}, "to IMAPStore s (rc:3)"},
	{event.CommandFailed{Keyword: host}, "run the command of Host (rc:3) in a shell, and check its output and its exit code"},
	{event.CommandWithoutOutput{Keyword: host}, "Host (rc:3) must print the password in the first line"},
	{event.CommandWithoutOutput{Keyword: host, User: true}, "Host (rc:3) must print the user name in the first line"},
	{event.KeychainUnusable{}, "use PassCmd instead of UseKeychain"},
	{event.KeychainNeedsHost{}, "set Host, or use PassCmd"},
	{event.KeychainNeedsSession{}, "DBUS_SESSION_BUS_ADDRESS"},
	{event.NotInKeychain{Command: "store it"}, "to store it: store it"},
	{event.ServerNotGenuine{}, "the password was not sent"},
	{event.TLSIntercepted{}, "TLS ends before the server, so this may be a man-in-the-middle attack; if it is a proxy of the provider, add the line AuthMechs SCRAM-SHA-256 or AuthMechs PLAIN"},
	{event.LoginRefused{Keywords: []event.Keyword{host, port}}, "check Host (rc:3) and Port of IMAPStore s (rc:1); many providers"},
	{event.LoginRefused{Mechanism: "X", Digest: true}, "check ; many providers require an app password instead of the password for their web site; if they are correct, the server may not store the password in a form that supports X: add the line AuthMechs PLAIN LOGIN"},
	{event.LoginRefused{Certificate: true, Keywords: []event.Keyword{host}}, "check Host (rc:3): the server must accept this certificate; AuthMechs selects other ways to log in"},
	{event.LoginRefused{Token: true, Keywords: []event.Keyword{host}}, "check Host (rc:3); the password must be a valid access token of OAuth 2.0 with the scope for IMAP"},
	{event.LoginRefused{Token: true, Command: "log in", Keywords: []event.Keyword{host}}, "check Host (rc:3); if they are correct, the access may have been revoked, or be for another mailbox; log in again: log in"},
	{event.ConsentNeeded{Command: "log in"}, "log in at the provider: log in"},
	{event.ConsentRefused{}, "allow the access"},
	{event.ConsentFailed{Command: "log in"}, "try again: log in"},
	{event.ProviderUnavailable{}, "the stored token is unchanged"},
	{event.ProviderRefused{Client: host}, "check Host (rc:3), OAuthClientSecret and OAuthScope"},
	{event.TokenFileExposed{Command: "chmod", Again: "log in"}, "to make it private: chmod; if somebody may have read the token, revoke it at the provider, then log in again: log in"},
	{event.TokenKeyWrong{Keyword: host, File: "/t", Command: "log in"}, "make Host (rc:3) print the passphrase of the file, or remove the token and log in again: rm /t && log in"},
	{event.TokenKeyWrong{Keyword: host, Missing: true, File: "/t", Command: "log in"}, "add TokenKeyCmd"},
	{event.TokenKeyringSilent{}, "unlock the keyring"},
	{event.TokenKeyringUnusable{Keyword: host}, "write 'TokenStore file' instead of Host (rc:3)"},
	{event.TokenLocked{}, "if the disk is full, make room"},
	{event.AuthenticatedNotConnected{User: host, Command: "log in"}, "(2) the token has the scope for the other kind of account, personal or work: log in; (3)"},
	{event.LoginNeedsEncryption{}, "the server requires an encrypted connection"},
	{event.LoginNeedsAdmin{}, "contact the administrator of the server: the account needs it"},
	{event.LoginUnsupported{}, "the server offers a mechanism that it does not support; select another one with AuthMechs"},
	{event.LoginUnavailable{}, "try again later"},
	{event.NoMechanism{}, ""},
	{event.NoMechanism{Remedy: event.EncryptOrAllow, Mechanism: "PLAIN"}, "use TLSType STARTTLS or IMAPS; if the connection is secure in another way, add the line AuthMechs PLAIN"},
	{event.NoMechanism{Remedy: event.AllowOffered, Mechanism: "PLAIN"}, "the server offers PLAIN, too: allow it with AuthMechs"},
	{event.NoMechanism{Remedy: event.Encrypt}, "use TLSType STARTTLS or IMAPS: the server may offer more mechanisms on an encrypted connection"},
	{event.NoMechanism{Remedy: event.AddCertificate}, "add ClientCertificate"},
	{event.NoMechanism{Misspelled: event.MechanismUnknown{Word: `"X"`}, Keyword: host}, `correct Host (rc:3): unknown authentication mechanism "X"`},
	{event.CipherUnknown{Names: []string{"A"}, Groups: []string{"G"}}, "write groups (G) or ciphers, such as A"},
	{event.CipherUnknown{Word: "X", Meant: "A", Names: []string{"A"}, Groups: []string{"G"}}, "did you mean A? known ciphers: G, and A"},
	{event.CertificateOfOther{Names: []string{"a", "b"}, Host: host, Trust: trust}, "the certificate is for a, b: use one of these names in Host (rc:3); " + trustIt},
	{event.CertificateOfOther{Trust: lost}, "if this is your own server, save its certificate in a file, compare the fingerprint, and add the line CertificateFile FILE; CertificateFile '/c' (rc:3) could not be read: no"},
	{event.CertificateNotValidNow{From: time.Unix(0, 0).UTC(), To: time.Unix(86400, 0).UTC()}, "valid from 1970-01-01 to 1970-01-02"},
	{event.CertificateUntrusted{Trust: trust}, "the certificate is not signed by a trusted CA; " + trustIt},
	{event.CertificateInvalid{Trust: trust}, trustIt},
	{event.CertificateMalformed{Trust: lost}, "must replace it; CertificateFile '/c'"},
	{event.NotTLS{Port: 7}, "does not speak TLS on port 7"},
	{event.TLSVersionRefused{}, "TLSVersions +1.1 +1.0"},
	{event.TLSRefused{}, "the server ended the handshake; it may require a ClientCertificate, or another name in Host"},
	{event.TLSEnded{Port: 7}, "the server ended the handshake: it may not support the allowed ciphers or versions (see CipherString, TLSVersions), require a ClientCertificate, or not use TLS on port 7"},
	{event.NoSTARTTLS{}, "use TLSType IMAPS"},
	{event.TunnelFailed{Tunnel: host}, "run the command of Host (rc:3) in a shell: it must print the greeting of an IMAP server"},
	{event.HostUnknown{Host: host}, "check the spelling of Host (rc:3)"},
	{event.NoNameService{}, "names cannot be resolved"},
	{event.ConnectionRefused{Address: "h:143", Host: host, Port: port}, "no server accepts connections on h:143: check Host (rc:3) and Port of IMAPStore s (rc:1)"},
	{event.NetworkUnreachable{}, "check the network connection"},
	{event.NotIMAP{PortKeyword: port}, "check Port of IMAPStore s (rc:1)"},
	{event.NotIMAP{Port: 7}, "if port 7 uses implicit TLS"},
	{event.WrongTLSType{Port: 993, TLSType: "IMAPS"}, "port 993 usually needs TLSType IMAPS"},
	{event.ServerSilent{Timeout: host}, "raise Host (rc:3)"},
	{event.ServerSilent{Timeout: host, Port: 7}, "if port 7 uses implicit TLS"},
	{event.NoGreeting{Port: port}, "check Port of IMAPStore s (rc:1)"},
	{event.ConnectionLost{}, "no message is lost: run mbsync again to continue"},
	{event.MailboxGone{Steps: []event.GoneStep{event.ShowMore{Command: "x"}}}, "these commands are for the first mailbox; x shows them"},
	{event.NameHasFlatten{Flatten: rc3, Exclude: leave}, `set Flatten (rc:3) to a delimiter that no name contains, or exclude it: add "!b" to Patterns (rc:3)`},
	{event.NameOfMapInbox{}, "choose another MapInbox, or rename the mailbox"},
	{event.NameReserved{Exclude: leave}, "rename it on the other side, or exclude it: add \"!b\" to Patterns (rc:3)"},
	{event.NameTwice{Exclude: leave}, "exclude it: add \"!b\" to Patterns (rc:3)"},
	{event.UseNotFound{Word: "Special:Sent", Keyword: "Far", Line: rc3, List: "ls s"}, "write the name of the mailbox instead of Special:Sent (rc:3); to list the mailboxes: ls s"},
	{event.UseNotFound{Word: "Special:Sent", Keyword: "Patterns", Line: rc3, List: "ls s"}, "write the name of the mailbox instead of Special:Sent (rc:3), or remove the word; to list the mailboxes: ls s"},
	{event.UseNotFound{Word: "Special:Sent", Keyword: "Far", Line: rc3, List: "ls s", Was: "A"}, "if the mail is still in 'A', give it the use on the server again, or write this name instead of Special:Sent (rc:3); to list the mailboxes: ls s"},
	{event.UseNotFound{Word: "Special:Sent", Keyword: "Far", Line: rc3, Boxes: []string{"A", "B"}}, "write the name of one of them instead of Special:Sent (rc:3)"},
	{event.UseMoved{Was: "A", Now: "B", Command: "rm S"}, "nothing was changed; give the use to 'A' again on the server, or write this name in the configuration; to synchronize 'B' from now on, remove the sync state: rm S (the next run pairs the messages that both sides have, unless Adopt is no, and copies all others)"},
	{event.UseMoved{Now: "B", Command: "rm S"}, "nothing was changed; give the use to that mailbox again on the server; to synchronize 'B' from now on, remove the sync state: rm S (the next run pairs the messages that both sides have, unless Adopt is no, and copies all others)"},
	{event.NameNotInChannel{Patterns: rc3}, `add "!" at the end of Patterns (rc:3)`},
	{event.NameOfOldVersion{}, ""},
	{event.PatternsMatchNothing{Line: []string{"a", "b"}, Sure: true}, "write: Patterns a b"},
	{event.PatternsMatchNothing{Line: []string{"a", "b"}}, "if blanks are part of a name, write: Patterns a b"},
	{event.PatternsMatchNothing{List: "ls", SubscribedOnly: []event.Place{rc3}}, "to list the mailboxes: ls; with SubscribedOnly (rc:3), it lists only subscribed mailboxes"},
	{event.SubFoldersNeeded{Section: "MaildirStore s", At: rc3, Style: "Verbatim"}, "add to MaildirStore s (rc:3): SubFolders Verbatim (this is the layout of the existing mailboxes)"},
	{event.SubFoldersNeeded{Section: "MaildirStore s", At: rc3, Style: "Maildir++"}, "add to MaildirStore s (rc:3): SubFolders Maildir++"},
	{event.PathNeeded{Section: "MaildirStore s", At: rc3}, "add a line Path to MaildirStore s (rc:3)"},
	{event.NameNotInLayout{SubFolders: rc3}, "set SubFolders Verbatim (rc:3), which allows any name, and move the existing mailboxes, or exclude the mailbox with Patterns"},
	{event.NameHasDelimiter{}, "rename it, or set Flatten in the other store, or exclude the mailbox with Patterns"},
	{event.NoHierarchy{Section: "IMAPStore s", At: rc3}, "add a line Flatten to IMAPStore s (rc:3)"},
	{event.NameOfInbox{}, "rename it" + orExclude},
	{event.NameOfInbox{Spelling: true}, "in capital letters"},
	{event.NameImpossible{}, "rename it on the other side" + orExclude},
}

// TestHints: a fact that is the cause of an error has a hint only; the error has the
// text.
func TestHints(t *testing.T) {
	for _, s := range errorSamples {
		text, hint := Text(s.fact)
		if text != "" || (hint == "") != (s.hint == "") || !strings.Contains(hint, s.hint) {
			t.Errorf("%#v: %q, hint %q; want %q in the hint", s.fact, text, hint, s.hint)
		}
	}
}

// goneSamples has a step of every kind, with its text.
var goneSamples = []struct {
	step event.GoneStep
	text string
}{
	{event.MountStore{Dir: "/m"}, "if a file system belongs to '/m', mount it and run mbsync again; change nothing before. If the mailboxes were removed on purpose, " + goneSection},
	{
		event.ListStore{Command: "x", Path: rc3, Keyword: "Far", InConfig: rc3},
		"list the mailboxes: x; if they have other names now, correct Path (rc:3) or Far (rc:3). Change nothing before you know the reason. If the mailboxes were removed on purpose, " + goneSection,
	},
	{event.Subscribe{SubscribedOnly: rc3}, "subscribe to it with a mail program, or remove SubscribedOnly (rc:3)"},
	{
		event.CompareCopies{Old: "a", New: "b", Side: syncstate.Near, NewCopy: "nb", OldCopy: "na"},
		"if 'a' was renamed to 'b': near side mailbox 'nb' is a new copy of it, and 'na' is the old copy; compare them, then remove the old copy as shown below",
	},
	{
		event.ChangeChannel{Old: "a", New: "b", Keyword: "Far", Value: ":f:b", Channel: "c", InConfig: rc3, Commands: []string{"x", "y"}},
		"if 'a' was renamed to 'b': write Far :f:b in channel 'c' (rc:3), and: x && y",
	},
	{
		event.RenameCounterpart{Old: "a", New: "b", Side: syncstate.Near, Commands: []string{"x"}, Pattern: "b", Patterns: rc3},
		"if 'a' was renamed to 'b', do so on the near side: x; and add b to Patterns (rc:3)",
	},
	{
		event.RenameCounterpart{Old: "a", New: "b", ByHand: event.Renaming{From: "fa", To: "fb", Store: "IMAPStore s"}, Commands: []string{"x"}},
		"if 'a' was renamed to 'b', do so on the far side: rename 'fa' to 'fb' in IMAPStore s with a mail program, then: x",
	},
	{event.UndoRenaming{Commands: []string{"x", "y"}}, "to undo the renaming: x && y"},
	{
		event.RenameFar{Old: "a", New: "b", Renaming: event.Renaming{From: "fa", To: "fb", Store: "IMAPStore s"}},
		"if the near side mailbox 'a' was renamed to 'b': rename 'fa' to 'fb' in IMAPStore s with a mail program",
	},
	{event.CreateAgain{Side: syncstate.Near, Messages: 2, Commands: []string{"x", "y"}}, "to create it again on the near side, with the 2 message(s) of the far side: x && y"},
	{event.RemoveCounterpart{Box: "a", Commands: []string{"x"}}, "to remove 'a' from the far side, too: x"},
	{
		event.RemoveCounterpart{Box: "a", Messages: -1, Store: "IMAPStore s", Commands: []string{"x"}},
		"to remove 'a' from the far side, too, with its message(s), permanently: delete these messages in IMAPStore s with a mail program, then: x",
	},
	{event.ShowMore{Command: "x"}, "these commands are for the first mailbox; x shows them for each mailbox"},
}

var stepMethod = regexp.MustCompile(`(?m)^func \((\w+)\) isGoneStep\(\)`)

// TestGoneSteps: each kind of step has a text, and a sample above that shows it.
func TestGoneSteps(t *testing.T) {
	sampled := make(map[string]bool)
	for _, s := range goneSamples {
		sampled[reflect.TypeOf(s.step).Name()] = true
		if _, hint := Text(event.MailboxGone{Steps: []event.GoneStep{s.step}}); hint != s.text {
			t.Errorf("%#v:\ngot  %q\nwant %q", s.step, hint, s.text)
		}
	}
	source, err := os.ReadFile(filepath.Join("..", "event", "gone.go"))
	if err != nil {
		t.Fatal(err)
	}
	steps := stepMethod.FindAllSubmatch(source, -1)
	for _, m := range steps {
		if !sampled[string(m[1])] {
			t.Errorf("there is no sample of event.%s", m[1])
		}
	}
	if len(steps) == 0 {
		t.Error("no steps found")
	}
}

func TestText(t *testing.T) {
	for _, s := range samples {
		if text, hint := Text(s.fact); text != s.text || hint != s.hint {
			t.Errorf("%#v:\ngot  %q\n     %q\nwant %q\n     %q", s.fact, text, hint, s.text, s.hint)
		}
	}
}

var codeMethod = regexp.MustCompile(`(?m)^func \((\w+)\) Code\(\) Code`)

// TestEveryFactHasText: each kind of fact has a text, and a sample above that shows it.
func TestEveryFactHasText(t *testing.T) {
	sampled := make(map[string]bool)
	for _, s := range samples {
		sampled[reflect.TypeOf(s.fact).Name()] = true
	}
	for _, s := range errorSamples {
		sampled[reflect.TypeOf(s.fact).Name()] = true
	}
	worded := make(map[string]bool)
	for kind := range wordings {
		worded[kind.Name()] = true
	}
	files, err := filepath.Glob(filepath.Join("..", "event", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	facts := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range codeMethod.FindAllSubmatch(source, -1) {
			facts++
			kind := string(m[1])
			if !worded[kind] {
				t.Errorf("there is no text for event.%s", kind)
			}
			if !sampled[kind] {
				t.Errorf("there is no sample of event.%s", kind)
			}
		}
	}
	if facts < 40 {
		t.Errorf("found only %d kinds of facts", facts)
	}
}
