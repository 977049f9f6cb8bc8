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

const hintAgain = "no message is lost: run mbsync again to continue"

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
	hints(func(f event.MessageNotCopied) string { return "to skip this message: " + f.Skip }),
	hint[event.MailboxMissing]("to create missing mailboxes, set Create (-C)"),
	hint[event.MailboxLocked]("another mbsync is synchronizing this mailbox; run mbsync again when it has finished"),
	hint[event.UIDValidityChanged]("the mailbox was replaced, and its messages cannot be matched with the sync state; nothing was changed. " +
		"To start again, remove the sync state of this mailbox: then the messages that both sides have are paired (unless Adopt is no), and all others are copied"),
	hint[event.UIDNextWentBack]("the mailbox was probably restored from a backup, or deleted and created again; nothing was changed. If this is a mistake, restore the mailbox and run mbsync again. " +
		"Otherwise, remove the sync state of this mailbox: then the messages that both sides have are paired (unless Adopt is no), and all others are copied"),
	hint[event.StateLost]("restore the sync state from a backup. Otherwise, remove its journal and the file that ends in .new: the next run copies all messages in both directions, " +
		"because of 'Adopt no'. Without 'Adopt no', it pairs the messages that both sides have"),
	hint[event.TooFewConnections]("raise Connections in the section of the account"),
	hint[event.MailboxVanished]("another program may have removed it during the run"),
	hint[event.OverQuota]("the account on the server is full: delete messages there, then run mbsync again"),
}

// fileHints are about errors of files, among them the databases of UIDs.
var fileHints = []wording{
	hints(func(f event.UIDsForked) string {
		return "another mbsync was run on this mailbox; nothing was changed. If that was by mistake, move its file away ('" + f.Other + "'); otherwise move the file of this mbsync away"
	}),
	hint[event.UIDMapForeign]("nothing was changed. If the mbsync that wrote it can still read it, run its mdconvert -n on this mailbox, then mdconvert -a of this version"),
	hints(func(f event.UIDMapDamaged) string {
		return "restore " + f.File + " from a backup; until then, the mailbox is not synchronized"
	}),
	hint[event.UIDMapLost]("mdconvert may have converted the mailbox; run mbsync again"),
	hint[event.UIDMapChanged]("run mbsync again; if that does not help, locks do not work on this file system"),
	hint[event.DiskFull]("the disk is full. No message is lost: free some space, then run mbsync again to continue"),
	hint[event.QuotaUsedUp]("your disk quota is used up. No message is lost: free some space, then run mbsync again to continue"),
	hints(func(f event.ReadOnlyFileSystem) string {
		return "the file system of '" + f.Path + "' is mounted read-only"
	}),
	hints(func(f event.PermissionDenied) string {
		return "check the permissions: ls -ld '" + f.Path + "' and the directories above it"
	}),
	hint[event.TooManyOpenFiles]("too many files are open: raise the limit (ulimit -n)"),
	hint[event.DiskBroken]("the disk may be damaged: check the kernel log (dmesg)"),
	hint[event.NoConfigFile]("create one with 'mbsync --setup ADDRESS', or name one with -c FILE"),
	hint[event.ConfigFileMissing]("check the name after -c"),
}

// loginHints are about user names, passwords, and ways to log in.
var loginHints = []wording{
	hints(func(f event.NoUser) string {
		return "add a line User, or UserCmd with a command that prints the user name, to " + f.Section + " (" + f.At.String() + ")"
	}),
	hints(func(f event.NoPassword) string {
		return "add a line PassCmd, with a command that prints the password, to " + f.Section + " (" + f.At.String() + ")"
	}),
	hints(func(f event.CommandFailed) string {
		return "run the command of " + keywordText(f.Keyword) + " in a shell, and check its output and its exit code"
	}),
	hints(func(f event.CommandWithoutOutput) string {
		what := "the password"
		if f.User {
			what = "the user name"
		}
		return keywordText(f.Keyword) + " must print " + what + " in the first line of its output"
	}),
	hint[event.KeychainUnusable]("unlock the keyring, or use PassCmd instead of UseKeychain"),
	hint[event.KeychainNeedsHost]("set Host, or use PassCmd"),
	hint[event.KeychainNeedsSession]("the Secret Service needs the D-Bus session bus, which a cron job does not have: set DBUS_SESSION_BUS_ADDRESS there, or use PassCmd"),
	hints(func(f event.NotInKeychain) string { return "to store it: " + f.Command }),
	hint[event.ServerNotGenuine]("the password was not sent; this may be a man-in-the-middle attack: check the connection to the server before you try again"),
	hint[event.TLSIntercepted]("TLS ends before the server, so this may be a man-in-the-middle attack; if it is a proxy of the provider, add the line AuthMechs SCRAM-SHA-256 or AuthMechs PLAIN"),
	hints(refusedHint),
	hint[event.LoginNeedsEncryption]("use TLSType STARTTLS or IMAPS: the server requires an encrypted connection"),
	hint[event.LoginNeedsAdmin]("contact the administrator of the server: the account needs it"),
	hint[event.LoginUnsupported]("the server offers a mechanism that it does not support; select another one with AuthMechs"),
	hint[event.LoginUnavailable]("the server is temporarily unavailable; try again later"),
	hints(func(f event.NoMechanism) string {
		if f.Misspelled.Word != "" {
			return "correct " + keywordText(f.Keyword) + ": " + unknownMechanismText(f.Misspelled)
		}
		switch f.Remedy {
		case event.EncryptOrAllow:
			return "use TLSType STARTTLS or IMAPS; if the connection is secure in another way, add the line AuthMechs " + f.Mechanism
		case event.AllowOffered:
			return "the server offers " + f.Mechanism + ", too: allow it with AuthMechs"
		case event.Encrypt:
			return "use TLSType STARTTLS or IMAPS: the server may offer more mechanisms on an encrypted connection"
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
		return check + ": the server must accept this certificate; AuthMechs selects other ways to log in"
	case f.Token && f.Command != "":
		return check + "; if they are correct, the access may have been revoked, or be for another mailbox; log in again: " + f.Command
	case f.Token:
		return check + "; the password must be a valid access token of OAuth 2.0 with the scope for IMAP"
	}
	check += "; many providers require an app password instead of the password for their web site"
	if f.Digest {
		check += fmt.Sprintf("; if they are correct, the server may not store the password in a form that supports %s: add the line AuthMechs PLAIN LOGIN", f.Mechanism)
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
		return "the certificate is not signed by a trusted CA; " + trustText(f.Trust) + lostText(f.Trust)
	}),
	hints(func(f event.CertificateInvalid) string { return trustText(f.Trust) + lostText(f.Trust) }),
	hints(func(f event.CertificateMalformed) string {
		return "no client can use this certificate; the administrator of the server must replace it" + lostText(f.Trust)
	}),
	hints(func(f event.NotTLS) string {
		return fmt.Sprintf("the server does not speak TLS on port %d: use Port 143 with TLSType STARTTLS, or Port 993 with TLSType IMAPS", f.Port)
	}),
	hint[event.TLSVersionRefused]("the server may be too old for TLS 1.2: add the line TLSVersions +1.1 +1.0, which is not secure"),
	hint[event.TLSRefused]("the server ended the handshake; it may require a ClientCertificate, or another name in Host"),
	hints(func(f event.TLSEnded) string {
		return "the server ended the handshake: it may not support the allowed ciphers or versions (see CipherString, TLSVersions), require a ClientCertificate, " +
			"or not use TLS on port " + fmt.Sprint(f.Port)
	}),
	hint[event.NoSTARTTLS]("if the server has a port for TLS (usually 993), use TLSType IMAPS; TLSType None sends everything in clear text"),
}

// cipherHint returns the hint for an invalid CipherString.
func cipherHint(f event.CipherUnknown) string {
	if f.Word == "" {
		return "write groups (" + strings.Join(f.Groups, ", ") + ") or ciphers, such as " + f.Names[0] + "; see CipherString in mbsync(1)"
	}
	known := "known ciphers: " + strings.Join(f.Groups, ", ") + ", and " + strings.Join(f.Names, ", ")
	if f.Meant != "" {
		return "did you mean " + f.Meant + "? " + known
	}
	return known
}

// trustText says how to trust a certificate.
func trustText(t event.Trust) string {
	get := "save its certificate in a file"
	if t.Command != "" {
		get = "run `" + t.Command + "`"
	}
	return "if this is your own server, " + get + ", compare the fingerprint, and add the line CertificateFile FILE"
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
		return "run the command of " + keywordText(f.Tunnel) + " in a shell: it must print the greeting of an IMAP server"
	}),
	hints(func(f event.HostUnknown) string { return "check the spelling of " + keywordText(f.Host) }),
	hint[event.NoNameService]("host names cannot be resolved: check the network connection"),
	hints(func(f event.ConnectionRefused) string {
		return "no server accepts connections on " + f.Address + ": check " + keywordText(f.Host) + " and " + keywordText(f.Port) + ", and that the server is running"
	}),
	hint[event.NetworkUnreachable]("check the network connection"),
	hints(func(f event.NotIMAP) string {
		if f.Port != 0 {
			return fmt.Sprintf("if port %d uses implicit TLS, as port 993 does, use TLSType IMAPS", f.Port)
		}
		return "check " + keywordText(f.PortKeyword) + ": IMAP is usually on port 143 (TLSType STARTTLS) or 993 (TLSType IMAPS)"
	}),
	hints(func(f event.WrongTLSType) string {
		return fmt.Sprintf("port %d usually needs TLSType %s", f.Port, f.TLSType)
	}),
	hints(func(f event.ServerSilent) string {
		text := "the server does not answer; if it is only slow, raise " + keywordText(f.Timeout)
		if f.Port != 0 {
			text += fmt.Sprintf("; if port %d uses implicit TLS, use TLSType IMAPS", f.Port)
		}
		return text
	}),
	hints(func(f event.NoGreeting) string {
		return "try again later: the server may be overloaded, or allow fewer connections (see Connections); if that does not help, check " + keywordText(f.Port)
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
