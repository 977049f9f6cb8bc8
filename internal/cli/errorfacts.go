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
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/maildir"
	"isync/internal/transport"
	"isync/internal/uidmap"
)

// fact returns the fact that describes the error; nil: there is none besides its text.
func (d *diagnosis) fact() event.Fact {
	for _, about := range []func(*diagnosis) event.Fact{
		(*diagnosis).aboutSync, (*diagnosis).aboutNames, (*diagnosis).aboutUIDMaps, (*diagnosis).aboutFiles, (*diagnosis).aboutLogin, (*diagnosis).aboutTLS, (*diagnosis).aboutNetwork, (*diagnosis).aboutConfig,
	} {
		if f := about(d); f != nil {
			return f
		}
	}
	return nil
}

func (d *diagnosis) is(target error) bool { return errors.Is(d.err, target) }

// aboutSync diagnoses errors of mailbox pairs.
func (d *diagnosis) aboutSync() event.Fact {
	if _, ok := errors.AsType[*imap.OthersMarkedError](d.err); ok {
		return event.DeletedByOthers{}
	}
	switch {
	case d.is(channel.ErrPerhapsRenamed):
		return event.PerhapsRenamed{}
	case d.is(engine.ErrBoxMissing):
		return event.MailboxMissing{}
	case d.is(engine.ErrLocked):
		return event.MailboxLocked{}
	case d.is(engine.ErrUIDValidity):
		return event.UIDValidityChanged{}
	case d.is(engine.ErrWentBack):
		return event.UIDNextWentBack{}
	case d.is(engine.ErrStateLost):
		return event.StateLost{}
	case d.is(store.ErrCrowded):
		return event.TooFewConnections{}
	case d.is(store.ErrNoBox):
		return event.MailboxVanished{}
	case imapclient.HasCode(d.err, "OVERQUOTA"):
		return event.OverQuota{}
	}
	return nil
}

// aboutUIDMaps diagnoses errors of UID databases.
func (d *diagnosis) aboutUIDMaps() event.Fact {
	if e, ok := errors.AsType[*maildir.ForkedError](d.err); ok {
		return event.UIDsForked{Other: e.Other}
	}
	switch {
	case d.is(uidmap.ErrForeign):
		return event.UIDMapForeign{}
	case d.is(uidmap.ErrDamaged):
		return event.UIDMapDamaged{File: uidmap.FileName}
	case d.is(maildir.ErrMapLost):
		return event.UIDMapLost{}
	case d.is(uidmap.ErrChanged):
		return event.UIDMapChanged{}
	}
	return nil
}

// aboutFiles diagnoses errors of the file system.
func (d *diagnosis) aboutFiles() event.Fact {
	var errno syscall.Errno
	if !errors.As(d.err, &errno) {
		return nil
	}
	path := d.path()
	switch errno {
	case syscall.ENOSPC:
		return event.DiskFull{}
	case syscall.EDQUOT:
		return event.QuotaUsedUp{}
	case syscall.EROFS:
		return event.ReadOnlyFileSystem{Path: path}
	case syscall.EACCES, syscall.EPERM:
		if path != "" {
			return event.PermissionDenied{Path: path}
		}
	case syscall.EMFILE, syscall.ENFILE:
		return event.TooManyOpenFiles{}
	case syscall.EIO:
		return event.DiskBroken{}
	}
	return nil
}

// aboutLogin diagnoses errors of user names, passwords and login methods.
func (d *diagnosis) aboutLogin() event.Fact {
	if e, ok := errors.AsType[*auth.SelectError](d.err); ok {
		return d.aboutMechanisms(e)
	}
	if d.account == nil {
		return nil
	}
	if f := d.aboutTokens(); f != nil {
		return f
	}
	switch {
	case d.is(auth.ErrNoUser):
		return event.NoUser{Section: d.account.Label(), At: placeOf(d.account.At)}
	case d.is(auth.ErrNoPrompt):
		return event.NoPassword{Section: d.account.Label(), At: placeOf(d.account.At)}
	}
	if e, ok := errors.AsType[*auth.CommandError](d.err); ok {
		keyword := commandKeyword(d.account, e.Command)
		if e.Err != nil && (errors.Is(e.Err, auth.ErrNoOutput) || errors.Is(e.Err, auth.ErrEmptyLine)) {
			return event.CommandWithoutOutput{Keyword: d.keyword(keyword), User: keyword == "UserCmd"}
		}
		return event.CommandFailed{Keyword: d.keyword(keyword)}
	}
	if e, ok := errors.AsType[*auth.KeychainError](d.err); ok {
		return aboutKeychain(e)
	}
	if d.is(auth.ErrImpostor) {
		return event.ServerNotGenuine{}
	}
	if e, ok := errors.AsType[*auth.SCRAMError](d.err); ok && (e.Value == auth.SCRAMBindingDiffers || e.Value == auth.SCRAMDowngrade) {
		return event.TLSIntercepted{}
	}
	if e, ok := errors.AsType[*auth.RefusedError](d.err); ok {
		return d.aboutRefused(e)
	}
	return d.aboutLoginAnswer()
}

// aboutLoginAnswer diagnoses responses to a login other than refused credentials.
func (d *diagnosis) aboutLoginAnswer() event.Fact {
	e, ok := errors.AsType[*imapclient.ResponseError](d.err)
	if !ok || e.Command != "LOGIN" && !strings.HasPrefix(e.Command, "AUTHENTICATE") {
		return nil
	}
	switch {
	case e.Code.Name == "PRIVACYREQUIRED":
		return event.LoginNeedsEncryption{}
	case e.Code.Name == "CONTACTADMIN":
		return event.LoginNeedsAdmin{}
	case e.Status == imapwire.StatusBad || e.Code.Name == "CANNOT":
		return event.LoginUnsupported{}
	}
	return event.LoginUnavailable{}
}

// aboutMechanisms returns the reason why AuthMechs allows no login method.
func (d *diagnosis) aboutMechanisms(e *auth.SelectError) event.Fact {
	f := e.Fact
	if d.account != nil {
		for _, name := range d.account.AuthMechs {
			if misspelled, unknown := config.UnknownMechanism(name); unknown {
				f.Misspelled, f.Keyword = misspelled, d.keyword("AuthMechs")
				break
			}
		}
	}
	return f
}

// credentials returns the keywords of the user name and password.
func (d *diagnosis) credentials() []event.Keyword {
	var found []event.Keyword
	for _, k := range []string{"User", "UserCmd", "Pass", "PassCmd", "UseKeychain", "OAuth"} {
		if d.account.Pos(k).IsSet() {
			found = append(found, d.keyword(k))
		}
	}
	if len(found) == 0 {
		return []event.Keyword{{Name: "User and password", Section: d.account.Label(), Place: placeOf(d.account.At)}}
	}
	return found
}

// aboutRefused diagnoses a refused login.
func (d *diagnosis) aboutRefused(e *auth.RefusedError) event.Fact {
	m := e.Mechanism
	f := event.LoginRefused{
		Mechanism:   strings.TrimSuffix(m.Name, "-PLUS"),
		Certificate: m.Certificate, Token: m.Token, Digest: !m.Cleartext && d.account.TLS != config.TLSNone,
		Keywords: d.credentials(),
	}
	if d.account.HasOAuth() {
		f.Command = authCommand(d.configFile, d.account)
	}
	if m.Certificate {
		f.Keywords = []event.Keyword{d.keyword("ClientCertificate")}
	}
	return f
}

// The usual ports.
const (
	portIMAP  = 143
	portIMAPS = 993
)

// alertProtocolVersion is the TLS alert protocol_version (RFC 8446 §6.2).
const alertProtocolVersion tls.AlertError = 70

// aboutTLS diagnoses errors of encryption and certificates.
func (d *diagnosis) aboutTLS() event.Fact {
	if e, ok := errors.AsType[*transport.CipherError](d.err); ok {
		return aboutCiphers(e)
	}
	if d.account == nil {
		return nil
	}
	if f := d.aboutCertificate(); f != nil {
		return f
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](d.err); ok {
		return event.NotTLS{Port: d.account.Port}
	}
	if alert, ok := errors.AsType[tls.AlertError](d.err); ok {
		if alert == alertProtocolVersion {
			return event.TLSVersionRefused{}
		}
		return event.TLSRefused{}
	}
	if conn, ok := errors.AsType[*imapclient.ConnectionError](d.err); ok && conn.Waiting == imapclient.ForTLS && !timedOut(d.err) && d.account.Tunnel == "" {
		return event.TLSEnded{Port: d.account.Port}
	}
	if d.is(imapclient.ErrNoStartTLS) {
		return event.NoSTARTTLS{}
	}
	return nil
}

// aboutCertificate diagnoses refused certificates.
func (d *diagnosis) aboutCertificate() event.Fact {
	trust := d.trust()
	if e, ok := errors.AsType[x509.HostnameError](d.err); ok {
		names := slices.Clone(e.Certificate.DNSNames)
		for _, ip := range e.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		const most = 5
		return event.CertificateOfOther{Names: names[:min(most, len(names))], Host: d.keyword("Host"), Trust: trust}
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](d.err); ok {
		if e.Reason == x509.Expired {
			return event.CertificateNotValidNow{From: e.Cert.NotBefore, To: e.Cert.NotAfter, Trust: trust}
		}
		return event.CertificateInvalid{Trust: trust}
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](d.err); ok {
		return event.CertificateUntrusted{Trust: trust}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](d.err); ok {
		return event.CertificateInvalid{Trust: trust}
	}
	if conn, ok := errors.AsType[*imapclient.ConnectionError](d.err); ok && conn.Malformed() {
		return event.CertificateMalformed{Trust: trust}
	}
	return nil
}

// trust returns how the user can trust the unverified certificate of the server.
func (d *diagnosis) trust() event.Trust {
	var t event.Trust
	if d.account.Tunnel == "" {
		t.Command = d.getCert()
	}
	for _, f := range d.account.LostCertificates {
		t.Unreadable = append(t.Unreadable, event.UnreadableFile{Path: f.Path, Place: placeOf(f.Pos), Reason: f.Reason})
	}
	return t
}

// getCert returns the command that fetches the server's certificate.
func (d *diagnosis) getCert() string {
	target := net.JoinHostPort(strings.Trim(d.account.Host, "[]"), fmt.Sprint(d.account.Port))
	if d.account.TLS == config.TLSStartTLS && d.account.Port != portIMAP {
		target = "imap://" + target
	}
	return "mbsync --get-cert " + target + " > FILE"
}

// aboutNetwork diagnoses connection errors.
func (d *diagnosis) aboutNetwork() event.Fact {
	if d.account == nil {
		return nil
	}
	if _, ok := errors.AsType[*transport.TunnelError](d.err); ok {
		return event.TunnelFailed{Tunnel: d.keyword("Tunnel")}
	}
	if dns, ok := errors.AsType[*net.DNSError](d.err); ok {
		if dns.IsNotFound {
			return event.HostUnknown{Host: d.keyword("Host")}
		}
		return event.NoNameService{}
	}
	switch {
	case d.is(syscall.ECONNREFUSED):
		return event.ConnectionRefused{Address: net.JoinHostPort(strings.Trim(d.account.Host, "[]"), fmt.Sprint(d.account.Port)), Host: d.keyword("Host"), Port: d.keyword("Port")}
	case d.is(syscall.ENETUNREACH), d.is(syscall.EHOSTUNREACH):
		return event.NetworkUnreachable{}
	}
	if e, ok := errors.AsType[*imapclient.ProtocolError](d.err); ok {
		return d.aboutProtocol(e)
	}
	return d.aboutLostConnection()
}

// aboutLostConnection determines the stage at which a connection was lost.
func (d *diagnosis) aboutLostConnection() event.Fact {
	conn, _ := errors.AsType[*imapclient.ConnectionError](d.err)
	greeting := conn != nil && conn.Waiting == imapclient.ForGreeting
	if greeting && d.account.TLS != config.TLSIMAPS && d.account.Port == portIMAPS {
		return event.WrongTLSType{Port: portIMAPS, TLSType: "IMAPS"}
	}
	if timedOut(d.err) {
		if conn != nil && conn.Waiting == imapclient.ForTLS && d.account.Port == portIMAP && d.account.TLS == config.TLSIMAPS {
			return event.WrongTLSType{Port: portIMAP, TLSType: "STARTTLS"}
		}
		f := event.ServerSilent{Timeout: d.keyword("Timeout")}
		if greeting && d.account.TLS != config.TLSIMAPS && d.account.Port != portIMAP && d.account.Tunnel == "" {
			f.Port = d.account.Port
		}
		return f
	}
	switch {
	case greeting && d.account.Tunnel == "":
		return event.NoGreeting{Port: d.keyword("Port")}
	case conn != nil:
		return event.ConnectionLost{}
	}
	return nil
}

// aboutProtocol diagnoses servers that do not speak IMAP.
func (d *diagnosis) aboutProtocol(e *imapclient.ProtocolError) event.Fact {
	if e.Protocol == "" && e.Line == "" && d.account.TLS != config.TLSIMAPS {
		return event.NotIMAP{Port: d.account.Port}
	}
	return event.NotIMAP{PortKeyword: d.keyword("Port")}
}

// timedOut reports whether an error is a timeout.
func timedOut(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}

// aboutConfig diagnoses errors of the configuration file.
func (d *diagnosis) aboutConfig() event.Fact {
	if _, ok := errors.AsType[*config.NotFoundError](d.err); ok {
		return event.NoConfigFile{}
	}
	if _, ok := errors.AsType[*config.ReadError](d.err); ok && d.is(fs.ErrNotExist) {
		return event.ConfigFileMissing{}
	}
	return nil
}
