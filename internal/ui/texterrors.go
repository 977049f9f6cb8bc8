package ui

import (
	"fmt"
	"strings"

	"isync/internal/event"
)

// hints makes the hint of an error, which has a text of its own.
func hints[F event.Fact](hint func(F) string) wording {
	return advises(func(f F) (string, string) { return "", hint(f) })
}

// hint makes a hint that is always the same; "": the text of the error is sufficient.
func hint[F event.Fact](text string) wording { return hints(func(F) string { return text }) }

const hintAgain = "nothing is lost: run mbsync again, and it goes on from here"

// syncHints are about errors of pairs of mailboxes.
var syncHints = []wording{
	hint[event.Failed](""),
	hint[event.StoreFailed](""),
	hint[event.MailboxFailed](""),
	hints(func(f event.ConfigInvalid) string { return f.Hint }),
	hint[event.DeletedByOthers]("undelete these messages, or expunge the mailbox with another program"),
	hint[event.PerhapsRenamed]("if this is the new name of a mailbox that does not exist any more, follow the hints for that mailbox; otherwise, Create (-C) creates missing mailboxes"),
	hints(func(f event.TooManyDeletions) string {
		if f.Boxes {
			return fmt.Sprintf("to remove these mailboxes on the %s side, too: %s\nto create them on the %s side again: %s", f.Side, f.Allow, f.Side.Other(), f.Restore)
		}
		return fmt.Sprintf("to delete these messages on the %s side, too: %s\nto copy them to the %s side again, and remove the marks of deletion: %s", f.Side, f.Allow, f.Side.Other(), f.Restore)
	}),
	hints(func(f event.MessageNotCopied) string { return "to give this message up: " + f.Skip }),
	hint[event.MailboxMissing]("with Create (-C) missing mailboxes are created"),
	hint[event.MailboxLocked]("another mbsync is at work on this mailbox; this one passes it over"),
	hint[event.UIDValidityChanged]("the mailbox was replaced, and its messages cannot be matched with the sync state; nothing was changed. " +
		"To start again, remove the sync state of this mailbox: then the messages that both sides have are paired (unless Adopt is no), and all others are copied"),
	hint[event.UIDNextWentBack]("the mailbox was probably restored from a backup, or deleted and created again; nothing was changed. If this is a mistake, restore the mailbox and run mbsync again. " +
		"Otherwise, remove the sync state of this mailbox: then the messages that both sides have are paired (unless Adopt is no), and all others are copied"),
	hint[event.StateLost]("restore the sync state from a backup. Otherwise, remove its journal and the file that ends in .new: the next run copies all messages in both directions, " +
		"because of 'Adopt no'. Without 'Adopt no', it pairs the messages that both sides have"),
	hint[event.TooFewConnections]("with more Connections in the section of the account it works, if the server grants them"),
	hint[event.MailboxVanished]("it was there a moment ago; another program may have removed it"),
	hint[event.OverQuota]("the account on the server is full: delete something there, then run mbsync again"),
}

// fileHints are about errors of files, among them the databases of UIDs.
var fileHints = []wording{
	hints(func(f event.UIDsForked) string {
		return "another mbsync was run on this mailbox; nothing was changed. If that was by mistake, move its file away ('" + f.Other + "'); else ours"
	}),
	hint[event.UIDMapForeign]("nothing was changed. If the mbsync that wrote it still can read it, run its mdconvert -n on this mailbox, then ours with -a"),
	hints(func(f event.UIDMapDamaged) string {
		return "restore " + f.File + " from a backup; as long as it is damaged the mailbox is left alone"
	}),
	hint[event.UIDMapLost]("it may have been converted by mdconvert; run mbsync again"),
	hint[event.UIDMapChanged]("run mbsync again; if that does not help, locks do not work on this file system"),
	hint[event.DiskFull]("the disk is full. Nothing is lost: free some space, then run mbsync again, and it goes on from here"),
	hint[event.QuotaUsedUp]("your disk quota is used up. Nothing is lost: free some space, then run mbsync again, and it goes on from here"),
	hints(func(f event.ReadOnlyFileSystem) string {
		return "the file system of '" + f.Path + "' is mounted read-only"
	}),
	hints(func(f event.PermissionDenied) string {
		return "check who may use it: ls -ld '" + f.Path + "' and the directories above"
	}),
	hint[event.TooManyOpenFiles]("too many files are open: see ulimit -n"),
	hint[event.DiskBroken]("the disk may be broken: look at the kernel's log"),
	hint[event.NoConfigFile]("write one (mbsync(1) tells how), or name it with -c"),
	hint[event.ConfigFileMissing]("check the name after -c"),
}

// loginHints are about user names, passwords, and ways to log in.
var loginHints = []wording{
	hints(func(f event.NoUser) string {
		return "add User, or UserCmd, which prints it, to " + f.Section + " (" + f.At.String() + ")"
	}),
	hints(func(f event.NoPassword) string {
		return "add PassCmd, a command that prints the password, to " + f.Section + " (" + f.At.String() + ")"
	}),
	hints(func(f event.CommandFailed) string {
		return "try by hand what " + keywordText(f.Keyword) + " does; it is run by sh -c, in the environment of mbsync"
	}),
	hints(func(f event.CommandWithoutOutput) string {
		what := "the password"
		if f.User {
			what = "the user name"
		}
		return keywordText(f.Keyword) + " must print " + what + " in the first line of its output"
	}),
	hint[event.KeychainUnusable]("if the key chain cannot be used, use PassCmd instead of UseKeychain"),
	hint[event.KeychainNeedsHost]("without Host use PassCmd"),
	hint[event.KeychainNeedsSession]("the Secret Service is reached over the bus of a session, which cron, for one, does not have: set DBUS_SESSION_BUS_ADDRESS there, or use PassCmd"),
	hints(func(f event.NotInKeychain) string { return "to put it there: " + f.Command }),
	hint[event.ServerNotGenuine]("the password was not sent, but do not try again before you know what is between you and the server"),
	hint[event.TLSIntercepted]("somebody takes the encryption off between you and the server; if that is the provider itself, and all is well, use AuthMechs with SCRAM-SHA-256 or PLAIN"),
	hints(refusedHint),
	hint[event.LoginNeedsEncryption]("use TLSType STARTTLS or IMAPS: the server wants an encrypted connection"),
	hint[event.LoginNeedsAdmin]("the server says that its administrator has to do something about the account"),
	hint[event.LoginUnsupported]("the server offers a way to log in that it does not know how to use; name another one with AuthMechs"),
	hint[event.LoginUnavailable]("the server cannot do it just now; try again later"),
	hints(func(f event.NoMechanism) string {
		if f.Misspelled.Word != "" {
			return "correct " + keywordText(f.Keyword) + ": " + unknownMechanismText(f.Misspelled)
		}
		switch f.Remedy {
		case event.EncryptOrAllow:
			return "use TLSType STARTTLS or IMAPS; if the connection is safe all the same, allow it with AuthMechs " + f.Mechanism
		case event.AllowOffered:
			return "the server offers " + f.Mechanism + " as well: allow it with AuthMechs"
		case event.Encrypt:
			return "it may offer more on an encrypted connection: use TLSType STARTTLS or IMAPS"
		case event.AddCertificate:
			return "add ClientCertificate, or ask the provider for other ways to log in"
		}
		return ""
	}),
}

// refusedHint returns the hint for a refused login.
func refusedHint(f event.LoginRefused) string {
	words := make([]string, len(f.Keywords))
	for i, k := range f.Keywords {
		words[i] = keywordText(k)
	}
	check := "check " + strings.Join(words, " and ")
	switch {
	case f.Certificate:
		return check + ": the server must know whom it belongs to; AuthMechs names other ways to log in"
	case f.Token && f.Command != "":
		return check + "; if they are right, the provider may have withdrawn the access, or given it for another mailbox: " + f.Command
	case f.Token:
		return check + "; the password must be an access token of OAuth 2.0 that is still good, and good for IMAP"
	}
	check += "; many providers want a password made for the application instead of the one for their web site"
	if f.Digest {
		check += fmt.Sprintf("; if they are right, the server may not keep the password in a form that %s works with: try AuthMechs PLAIN LOGIN", f.Mechanism)
	}
	return check
}

// tlsHints are about encryption and certificates.
var tlsHints = []wording{
	hints(cipherHint),
	hints(func(f event.CertificateOfOther) string {
		if len(f.Names) == 0 {
			return trustText(f.Trust) + lostText(f.Trust)
		}
		return fmt.Sprintf("the certificate is for %s: use one of these names in %s; %s%s",
			strings.Join(f.Names, ", "), keywordText(f.Host), trustText(f.Trust), lostText(f.Trust))
	}),
	hints(func(f event.CertificateNotValidNow) string {
		// CertificateFile would accept it for good, so it is not suggested.
		const day = "2006-01-02"
		return fmt.Sprintf("the certificate is valid from %s to %s; check the clock of this machine (date); if it is right, the administrator of the server must renew the certificate",
			f.From.Format(day), f.To.Format(day)) + lostText(f.Trust)
	}),
	hints(func(f event.CertificateUntrusted) string {
		return "nobody who is trusted has issued the certificate; " + trustText(f.Trust) + lostText(f.Trust)
	}),
	hints(func(f event.CertificateInvalid) string { return trustText(f.Trust) + lostText(f.Trust) }),
	hints(func(f event.CertificateMalformed) string {
		return "no client can use this certificate; the administrator of the server must replace it" + lostText(f.Trust)
	}),
	hints(func(f event.NotTLS) string {
		return fmt.Sprintf("the server does not speak TLS on port %d: use Port 143 with TLSType STARTTLS, Port 993 with TLSType IMAPS", f.Port)
	}),
	hint[event.TLSVersionRefused]("the server may be too old for TLS 1.2: TLSVersions +1.1 +1.0 allows what is no longer considered secure"),
	hint[event.TLSRefused]("the server ended the handshake; it may want a ClientCertificate, or the name of another Host"),
	hints(func(f event.TLSEnded) string {
		return "the server ended the handshake: it may not have the ciphers or versions that are allowed (see CipherString, TLSVersions), want a ClientCertificate, " +
			"or not speak TLS on port " + fmt.Sprint(f.Port)
	}),
	hint[event.NoSTARTTLS]("if the server has a port for TLS (usually 993), use TLSType IMAPS; TLSType None sends everything in clear text"),
}

// cipherHint returns the hint for an invalid CipherString.
func cipherHint(f event.CipherUnknown) string {
	if f.Word == "" {
		return "known are groups (" + strings.Join(f.Groups, ", ") + ") and single ones, such as " + f.Names[0] + "; mbsync(1) tells how they combine"
	}
	known := "known are " + strings.Join(f.Groups, ", ") + ", and " + strings.Join(f.Names, ", ")
	if f.Meant != "" {
		return "did you mean " + f.Meant + "? " + known
	}
	return known
}

// trustText says how to trust a certificate.
func trustText(t event.Trust) string {
	text := "if you know that it is the right one, save it in a file and name that with CertificateFile"
	if t.Command != "" {
		text += ": " + t.Command
	}
	return text
}

// lostText names the certificate files that could not be read.
func lostText(t event.Trust) string {
	text := ""
	for _, f := range t.Unreadable {
		text += fmt.Sprintf("; CertificateFile '%s' (%s) could not be read: %s", f.Path, f.Place, f.Reason)
	}
	return text
}

// networkHints are about connections.
var networkHints = []wording{
	hints(func(f event.TunnelFailed) string {
		return "try by hand what " + keywordText(f.Tunnel) + " does: it is run by sh -c and must show the greeting of an IMAP server"
	}),
	hints(func(f event.HostUnknown) string { return "check " + keywordText(f.Host) + " for typing errors" }),
	hint[event.NoNameService]("names cannot be resolved: is there a network connection?"),
	hints(func(f event.ConnectionRefused) string {
		return "nobody listens there: check " + keywordText(f.Host) + " and " + keywordText(f.Port) + ", and whether the server is running"
	}),
	hint[event.NetworkUnreachable]("is there a network connection?"),
	hints(func(f event.NotIMAP) string {
		if f.Port != 0 {
			return fmt.Sprintf("if port %d uses implicit TLS, as port 993 does, use TLSType IMAPS", f.Port)
		}
		return "check " + keywordText(f.PortKeyword) + ": IMAP is usually on port 143 (TLSType STARTTLS) or 993 (TLSType IMAPS)"
	}),
	hints(func(f event.WrongTLSType) string {
		return fmt.Sprintf("port %d usually wants TLSType %s", f.Port, f.TLSType)
	}),
	hints(func(f event.ServerSilent) string {
		text := "the server does not answer; if it is merely slow, raise " + keywordText(f.Timeout)
		if f.Port != 0 {
			text += fmt.Sprintf("; if port %d uses implicit TLS, use TLSType IMAPS", f.Port)
		}
		return text
	}),
	hints(func(f event.NoGreeting) string {
		return "the server may take no connections just now, or not so many (see Connections): try again later; if that does not help, check " + keywordText(f.Port)
	}),
	hint[event.ConnectionLost](hintAgain),
}

// keywordText names a keyword, with its place if it is given.
func keywordText(k event.Keyword) string {
	if k.Section == "" {
		return k.Name + " (" + k.Place.String() + ")"
	}
	return k.Name + " of " + k.Section + " (" + k.Place.String() + ")"
}
