package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"syscall"

	"isync/internal/auth"
	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
	"isync/internal/transport"
	"isync/internal/uidmap"
)

// hint returns the advice that goes with the error, "" if there is none that is
// better than the error itself.
func (a *adviser) hint() string {
	for _, advise := range []func(*adviser) string{
		(*adviser).aboutSync, (*adviser).aboutNames, (*adviser).aboutUIDMaps, (*adviser).aboutFiles, (*adviser).aboutLogin, (*adviser).aboutTLS, (*adviser).aboutNetwork, (*adviser).aboutConfig,
	} {
		if h := advise(a); h != "" {
			return h
		}
	}
	return ""
}

func (a *adviser) is(target error) bool { return errors.Is(a.err, target) }

// aboutSync advises about pairs of mailboxes.
func (a *adviser) aboutSync() string {
	if _, ok := errors.AsType[*imap.OthersMarkedError](a.err); ok {
		return "undelete these messages, or expunge the mailbox with another program"
	}
	switch {
	case a.is(channel.ErrPerhapsRenamed):
		return "if this is the new name of a mailbox that does not exist any more, follow the hints for that mailbox; otherwise, Create (-C) creates missing mailboxes"
	case a.is(engine.ErrBoxMissing):
		return "with Create (-C) missing mailboxes are created"
	case a.is(engine.ErrLocked):
		return "another mbsync is at work on this mailbox; this one passes it over"
	case a.is(engine.ErrUIDValidity):
		return "the mailbox was replaced, and its messages cannot be matched with the sync state; nothing was changed. " +
			"To start again, remove the sync state of this mailbox (to avoid duplicates, empty one side first)"
	case a.is(engine.ErrWentBack):
		return "the mailbox was probably restored from a backup, or deleted and created again; nothing was changed. If this is a mistake, restore the mailbox and run mbsync again. " +
			"Otherwise, remove the sync state of this mailbox: then all messages on both sides count as new (to avoid duplicates, empty one side first)"
	case a.is(store.ErrCrowded):
		return "with more Connections in the section of the account it works, if the server grants them"
	case a.is(store.ErrNoBox):
		return "it was there a moment ago; another program may have removed it"
	case imapclient.HasCode(a.err, "OVERQUOTA"):
		return "the account on the server is full: delete something there, then run mbsync again"
	}
	return ""
}

// aboutUIDMaps advises about UIDs in databases.
func (a *adviser) aboutUIDMaps() string {
	if e, ok := errors.AsType[*convertError](a.err); ok {
		return e.hint
	}
	if e, ok := errors.AsType[*maildir.ForkedError](a.err); ok {
		return "another mbsync was run on this mailbox; nothing was changed. If that was by mistake, move its file away ('" + e.Other + "'); else ours"
	}
	switch {
	case a.is(uidmap.ErrForeign):
		return "nothing was changed. If the mbsync that wrote it still can read it, run its mdconvert -n on this mailbox, then ours with -a"
	case a.is(uidmap.ErrDamaged):
		return "restore " + uidmap.FileName + " from a backup; as long as it is damaged the mailbox is left alone"
	case a.is(maildir.ErrMapLost):
		return "it may have been converted by mdconvert; run mbsync again"
	case a.is(uidmap.ErrChanged):
		return "run mbsync again; if that does not help, locks do not work on this file system"
	}
	return ""
}

// aboutFiles advises about the file system.
func (a *adviser) aboutFiles() string {
	var errno syscall.Errno
	if !errors.As(a.err, &errno) {
		return ""
	}
	path := a.path()
	switch errno {
	case syscall.ENOSPC:
		return "the disk is full. Nothing is lost: free some space, then run mbsync again, and it goes on from here"
	case syscall.EDQUOT:
		return "your disk quota is used up. Nothing is lost: free some space, then run mbsync again, and it goes on from here"
	case syscall.EROFS:
		return "the file system of '" + path + "' is mounted read-only"
	case syscall.EACCES, syscall.EPERM:
		if path != "" {
			return "check who may use it: ls -ld '" + path + "' and the directories above"
		}
	case syscall.EMFILE, syscall.ENFILE:
		return "too many files are open: see ulimit -n"
	case syscall.EIO:
		return "the disk may be broken: look at the kernel's log"
	}
	return ""
}

// aboutLogin advises about user names, passwords, and ways to log in.
func (a *adviser) aboutLogin() string {
	if e, ok := errors.AsType[*auth.SelectError](a.err); ok {
		return a.aboutMechanisms(e)
	}
	if a.account == nil {
		return ""
	}
	switch {
	case a.is(auth.ErrNoUser):
		return "add User, or UserCmd, which prints it, to " + a.account.Label() + " (" + a.account.At.String() + ")"
	case a.is(auth.ErrNoPrompt):
		return "add PassCmd, a command that prints the password, to " + a.account.Label() + " (" + a.account.At.String() + ")"
	}
	if e, ok := errors.AsType[*auth.CommandError](a.err); ok {
		keyword, what := "PassCmd", "the password"
		if e.Command == strings.TrimPrefix(a.account.UserCmd, "+") {
			keyword, what = "UserCmd", "the user name"
		}
		if e.Err != nil && (errors.Is(e.Err, auth.ErrNoOutput) || errors.Is(e.Err, auth.ErrEmptyLine)) {
			return a.keyword(keyword) + " must print " + what + " in the first line of its output"
		}
		return "try by hand what " + a.keyword(keyword) + " does; it is run by sh -c, in the environment of mbsync"
	}
	if e, ok := errors.AsType[*auth.KeychainError](a.err); ok {
		return a.aboutKeychain(e)
	}
	if a.is(auth.ErrImpostor) {
		return "the password was not sent, but do not try again before you know what is between you and the server"
	}
	if e, ok := errors.AsType[*auth.SCRAMError](a.err); ok && (e.Value == auth.SCRAMBindingDiffers || e.Value == auth.SCRAMDowngrade) {
		return "somebody takes the encryption off between you and the server; if that is the provider itself, and all is well, use AuthMechs with SCRAM-SHA-256 or PLAIN"
	}
	if e, ok := errors.AsType[*refusedError](a.err); ok {
		return a.aboutRefused(e)
	}
	e, ok := errors.AsType[*imapclient.ResponseError](a.err)
	if !ok || e.Command != "LOGIN" && !strings.HasPrefix(e.Command, "AUTHENTICATE") {
		return ""
	}
	switch {
	case e.Code.Name == "PRIVACYREQUIRED":
		return "use TLSType STARTTLS or IMAPS: the server wants an encrypted connection"
	case e.Code.Name == "CONTACTADMIN":
		return "the server says that its administrator has to do something about the account"
	case e.Status == imapwire.StatusBad || e.Code.Name == "CANNOT":
		return "the server offers a way to log in that it does not know how to use; name another one with AuthMechs"
	}
	return "the server cannot do it just now; try again later"
}

// aboutMechanisms advises about AuthMechs that leave no way to log in.
func (a *adviser) aboutMechanisms(e *auth.SelectError) string {
	if a.account != nil {
		for _, name := range a.account.AuthMechs {
			if text := config.UnknownMechanism(name); text != "" {
				return "correct " + a.keyword("AuthMechs") + ": " + text
			}
		}
	}
	return e.Hint
}

// credentials names the keywords that user name and password come from.
func (a *adviser) credentials() string {
	var names []string
	for _, k := range []string{"User", "UserCmd", "Pass", "PassCmd", "UseKeychain"} {
		if pos := a.account.Pos(k); pos.IsSet() {
			names = append(names, k+" ("+pos.String()+")")
		}
	}
	if len(names) == 0 {
		return "User and password of " + a.account.Label() + " (" + a.account.At.String() + ")"
	}
	return strings.Join(names, " and ")
}

// The usual ports.
const (
	portIMAP  = 143
	portIMAPS = 993
)

// aboutTLS advises about encryption and certificates.
func (a *adviser) aboutTLS() string {
	if e, ok := errors.AsType[*transport.CipherError](a.err); ok {
		return aboutCiphers(e)
	}
	if a.account == nil {
		return ""
	}
	if h := a.aboutCertificate(); h != "" {
		return h
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](a.err); ok {
		return fmt.Sprintf("the server does not speak TLS on port %d: use Port 143 with TLSType STARTTLS, Port 993 with TLSType IMAPS", a.account.Port)
	}
	if alert, ok := errors.AsType[tls.AlertError](a.err); ok {
		if strings.Contains(alert.Error(), "version") {
			return "the server may be too old for TLS 1.2: TLSVersions +1.1 +1.0 allows what is no longer considered secure"
		}
		return "the server ended the handshake; it may want a ClientCertificate, or the name of another Host"
	}
	if conn, ok := errors.AsType[*imapclient.ConnectionError](a.err); ok && conn.Waiting == "the TLS handshake" && !timedOut(a.err) && a.account.Tunnel == "" {
		return "the server ended the handshake: it may not have the ciphers or versions that are allowed (see CipherString, TLSVersions), want a ClientCertificate, " +
			"or not speak TLS on port " + fmt.Sprint(a.account.Port)
	}
	if strings.Contains(a.err.Error(), "STARTTLS is required") {
		return "if the server has a port for TLS (usually 993), use TLSType IMAPS; TLSType None sends everything in clear text"
	}
	return ""
}

// aboutCertificate advises about certificates that are not good enough.
func (a *adviser) aboutCertificate() string {
	h := a.refusedCertificate()
	for _, f := range a.account.LostCertificates {
		if h != "" {
			h += fmt.Sprintf("; CertificateFile '%s' (%s) could not be read: %s", f.Path, f.Pos, f.Reason)
		}
	}
	return h
}

// refusedCertificate advises about a certificate that was refused.
func (a *adviser) refusedCertificate() string {
	trust, show := "if you know that it is the right one, save it in a file and name that with CertificateFile", ""
	if a.account.Tunnel == "" {
		show = ": " + a.getCert()
	}
	if e, ok := errors.AsType[x509.HostnameError](a.err); ok {
		names := slices.Clone(e.Certificate.DNSNames)
		for _, ip := range e.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if len(names) > 0 {
			const most = 5
			return fmt.Sprintf("the certificate is for %s: use one of these names in %s; %s%s",
				strings.Join(names[:min(most, len(names))], ", "), a.keyword("Host"), trust, show)
		}
		return trust + show
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](a.err); ok {
		if e.Reason == x509.Expired {
			return invalidTime(e.Cert)
		}
		return trust + show
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](a.err); ok {
		return "nobody who is trusted has issued the certificate; " + trust + show
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](a.err); ok {
		return trust + show
	}
	if conn, ok := errors.AsType[*imapclient.ConnectionError](a.err); ok && conn.Malformed() {
		return "no client can use this certificate; the administrator of the server must replace it"
	}
	return ""
}

// invalidTime advises about a certificate that is not valid yet, or any more.
// It does not suggest CertificateFile, which would accept the certificate for good.
func invalidTime(cert *x509.Certificate) string {
	const day = "2006-01-02"
	return fmt.Sprintf("the certificate is valid from %s to %s; check the clock of this machine (date); if it is right, the administrator of the server must renew the certificate",
		cert.NotBefore.Format(day), cert.NotAfter.Format(day))
}

// getCert returns the command that fetches the server's certificate.
func (a *adviser) getCert() string {
	target := net.JoinHostPort(strings.Trim(a.account.Host, "[]"), fmt.Sprint(a.account.Port))
	if a.account.TLS == config.TLSStartTLS && a.account.Port != portIMAP {
		target = "imap://" + target
	}
	return "mbsync --get-cert " + target + " >FILE"
}

// aboutNetwork advises about connections.
func (a *adviser) aboutNetwork() string {
	if a.account == nil {
		return ""
	}
	if _, ok := errors.AsType[*transport.TunnelError](a.err); ok {
		return "try by hand what " + a.keyword("Tunnel") + " does: it is run by sh -c and must show the greeting of an IMAP server"
	}
	if dns, ok := errors.AsType[*net.DNSError](a.err); ok {
		if dns.IsNotFound {
			return "check " + a.keyword("Host") + " for typing errors"
		}
		return "names cannot be resolved: is there a network connection?"
	}
	switch {
	case a.is(syscall.ECONNREFUSED):
		return "nobody listens there: check " + a.keyword("Host") + " and " + a.keyword("Port") + ", and whether the server is running"
	case a.is(syscall.ENETUNREACH), a.is(syscall.EHOSTUNREACH):
		return "is there a network connection?"
	}
	conn, _ := errors.AsType[*imapclient.ConnectionError](a.err)
	greeting := conn != nil && conn.Waiting == "the greeting"
	if e, ok := errors.AsType[*imapclient.ProtocolError](a.err); ok {
		return a.aboutProtocol(e)
	}
	if greeting && a.account.TLS != config.TLSIMAPS && a.account.Port == portIMAPS {
		return "port 993 usually wants TLSType IMAPS"
	}
	if timedOut(a.err) {
		if conn != nil && conn.Waiting == "the TLS handshake" && a.account.Port == portIMAP && a.account.TLS == config.TLSIMAPS {
			return "port 143 usually wants TLSType STARTTLS"
		}
		slow := "the server does not answer; if it is merely slow, raise " + a.keyword("Timeout")
		if greeting && a.account.TLS != config.TLSIMAPS && a.account.Port != portIMAP && a.account.Tunnel == "" {
			slow += fmt.Sprintf("; if port %d uses implicit TLS, use TLSType IMAPS", a.account.Port)
		}
		return slow
	}
	if greeting && a.account.Tunnel == "" {
		return "the server may take no connections just now, or not so many (see Connections): try again later; if that does not help, check " + a.keyword("Port")
	}
	if conn != nil {
		return "nothing is lost: run mbsync again, and it goes on from here"
	}
	return ""
}

// aboutProtocol advises about servers that do not speak IMAP.
func (a *adviser) aboutProtocol(e *imapclient.ProtocolError) string {
	if e.Protocol == "" && e.Line == "" && a.account.TLS != config.TLSIMAPS {
		return fmt.Sprintf("if port %d uses implicit TLS, as port 993 does, use TLSType IMAPS", a.account.Port)
	}
	return "check " + a.keyword("Port") + ": IMAP is usually on port 143 (TLSType STARTTLS) or 993 (TLSType IMAPS)"
}

// timedOut tells whether something took too long.
func timedOut(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// aboutConfig advises about the configuration.
func (a *adviser) aboutConfig() string {
	if _, ok := errors.AsType[*config.NotFoundError](a.err); ok {
		return "write one (mbsync(1) tells how), or name it with -c"
	}
	if strings.HasPrefix(a.err.Error(), "cannot read configuration file") && a.is(fs.ErrNotExist) {
		return "check the name after -c"
	}
	return ""
}
