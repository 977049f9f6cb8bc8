package event

import "time"

// The facts in this file are causes of errors. The error has its own text with places and names.
// The fact adds a code and advice.

// Remedy is the advice if no mechanism can be used to log in.
type Remedy uint8

// The remedies.
const (
	NoRemedy Remedy = iota
	// EncryptOrAllow: the mechanism is safe on an encrypted connection; AuthMechs can
	// allow it on this one.
	EncryptOrAllow
	// AllowOffered: the server offers the mechanism; AuthMechs can allow it.
	AllowOffered
	// Encrypt: servers may offer more on an encrypted connection.
	Encrypt
	// AddCertificate: the server wants a client certificate.
	AddCertificate
)

// Trust describes how to trust a certificate that cannot be verified.
type Trust struct {
	// Command fetches the certificate; "": there is none.
	Command string
	// Unreadable are the CertificateFiles that could not be read.
	Unreadable []UnreadableFile
}

// UnreadableFile is a CertificateFile that cannot be read.
type UnreadableFile struct {
	Path   string
	Place  Place
	Reason string
}

// Keyword is a keyword of the configuration.
type Keyword struct {
	Name string
	// Place is the line of the keyword. If the keyword is not set, Section is where it
	// could be set, as messages name it, and Place is the line of that section.
	Place   Place
	Section string
}

// Failed: an error that has no code of its own.
type Failed struct{}

// Code implements Fact.
func (Failed) Code() Code { return "failed" }

// StoreFailed: a store cannot be used, and no other code applies.
type StoreFailed struct{}

// Code implements Fact.
func (StoreFailed) Code() Code { return "store-failed" }

// MailboxFailed: a mailbox cannot be synchronized, and no other code applies.
type MailboxFailed struct{}

// Code implements Fact.
func (MailboxFailed) Code() Code { return "mailbox-failed" }

// ConfigInvalid: a line of the configuration cannot be understood.
type ConfigInvalid struct {
	Hint string // what to write, as package config knows
}

// Code implements Fact.
func (ConfigInvalid) Code() Code { return "config-invalid" }

// DeletedByOthers: messages that others have marked as deleted would be expunged, too.
type DeletedByOthers struct{}

// Code implements Fact.
func (DeletedByOthers) Code() Code { return "deleted-by-others" }

// PerhapsRenamed: a mailbox does not exist, and another mailbox of the channel, which is gone,
// may have been renamed to it.
type PerhapsRenamed struct{}

// Code implements Fact.
func (PerhapsRenamed) Code() Code { return "perhaps-renamed" }

// MailboxMissing: a mailbox does not exist and may not be created.
type MailboxMissing struct{}

// Code implements Fact.
func (MailboxMissing) Code() Code { return "mailbox-missing" }

// MailboxLocked: another mbsync is working on the pair.
type MailboxLocked struct{}

// Code implements Fact.
func (MailboxLocked) Code() Code { return "mailbox-locked" }

// UIDValidityChanged: UIDVALIDITY of a mailbox has changed, and its messages cannot be
// matched.
type UIDValidityChanged struct{}

// Code implements Fact.
func (UIDValidityChanged) Code() Code { return "uidvalidity-changed" }

// UIDNextWentBack: UIDNEXT is lower than UIDs that were synchronized.
type UIDNextWentBack struct{}

// Code implements Fact.
func (UIDNextWentBack) Code() Code { return "uidnext-went-back" }

// StateLost: the sync state is missing, but there is the journal of a run that continued one.
type StateLost struct{}

// Code implements Fact.
func (StateLost) Code() Code { return "state-lost" }

// TooFewConnections: more connections are needed than the server or Connections allow.
type TooFewConnections struct{}

// Code implements Fact.
func (TooFewConnections) Code() Code { return "too-few-connections" }

// MailboxVanished: a mailbox was listed, but does not exist any more.
type MailboxVanished struct{}

// Code implements Fact.
func (MailboxVanished) Code() Code { return "mailbox-vanished" }

// OverQuota: the account on the server is full.
type OverQuota struct{}

// Code implements Fact.
func (OverQuota) Code() Code { return "over-quota" }

// UIDsForked: the mailbox has the UID database of the C program and that of this program, and
// both were used.
type UIDsForked struct {
	Other string // that of the other program
}

// Code implements Fact.
func (UIDsForked) Code() Code { return "uids-forked" }

// UIDMapForeign: the database of UIDs is in the format of another program.
type UIDMapForeign struct{}

// Code implements Fact.
func (UIDMapForeign) Code() Code { return "uid-map-foreign" }

// UIDMapDamaged: the database of UIDs cannot be read.
type UIDMapDamaged struct {
	File string
}

// Code implements Fact.
func (UIDMapDamaged) Code() Code { return "uid-map-damaged" }

// UIDMapLost: the database of UIDs does not exist any more.
type UIDMapLost struct{}

// Code implements Fact.
func (UIDMapLost) Code() Code { return "uid-map-lost" }

// UIDMapChanged: another program has changed the database of UIDs at the same time.
type UIDMapChanged struct{}

// Code implements Fact.
func (UIDMapChanged) Code() Code { return "uid-map-changed" }

// DiskFull: there is no space left.
type DiskFull struct{}

// Code implements Fact.
func (DiskFull) Code() Code { return "disk-full" }

// QuotaUsedUp: the quota of the user on the file system is used up.
type QuotaUsedUp struct{}

// Code implements Fact.
func (QuotaUsedUp) Code() Code { return "quota-used-up" }

// ReadOnlyFileSystem: the file system is mounted read-only.
type ReadOnlyFileSystem struct {
	Path string
}

// Code implements Fact.
func (ReadOnlyFileSystem) Code() Code { return "read-only-file-system" }

// PermissionDenied: mbsync has no permission for a file or directory.
type PermissionDenied struct {
	Path string
}

// Code implements Fact.
func (PermissionDenied) Code() Code { return "permission-denied" }

// TooManyOpenFiles: the process, or the system, has too many open files.
type TooManyOpenFiles struct{}

// Code implements Fact.
func (TooManyOpenFiles) Code() Code { return "too-many-open-files" }

// DiskBroken: reading or writing has failed.
type DiskBroken struct{}

// Code implements Fact.
func (DiskBroken) Code() Code { return "disk-broken" }

// NoUser: no user name is configured.
type NoUser struct {
	Section string
	At      Place
}

// Code implements Fact.
func (NoUser) Code() Code { return "no-user" }

// NoPassword: no password is configured, and there is no terminal to ask for it.
type NoPassword struct {
	Section string
	At      Place
}

// Code implements Fact.
func (NoPassword) Code() Code { return "no-password" }

// CommandFailed: the command that prints a user name or password has failed.
type CommandFailed struct {
	Keyword Keyword
}

// Code implements Fact.
func (CommandFailed) Code() Code { return "command-failed" }

// CommandWithoutOutput: the command for a user name or password printed nothing.
type CommandWithoutOutput struct {
	Keyword Keyword
	User    bool // else: the password
}

// Code implements Fact.
func (CommandWithoutOutput) Code() Code { return "command-without-output" }

// KeychainUnusable: the keyring of the system cannot be used.
type KeychainUnusable struct{}

// Code implements Fact.
func (KeychainUnusable) Code() Code { return "keychain-unusable" }

// KeychainNeedsHost: a password cannot be looked up without the name of the host.
type KeychainNeedsHost struct{}

// Code implements Fact.
func (KeychainNeedsHost) Code() Code { return "keychain-needs-host" }

// KeychainNeedsSession: there is no session bus, over which the keyring is reached.
type KeychainNeedsSession struct{}

// Code implements Fact.
func (KeychainNeedsSession) Code() Code { return "keychain-needs-session" }

// NotInKeychain: the keyring does not have the password.
type NotInKeychain struct {
	Command string // adds it
}

// Code implements Fact.
func (NotInKeychain) Code() Code { return "not-in-keychain" }

// ServerNotGenuine: the server could not prove that it knows the password.
type ServerNotGenuine struct{}

// Code implements Fact.
func (ServerNotGenuine) Code() Code { return "server-not-genuine" }

// TLSIntercepted: the login shows that the TLS connection does not end at the server.
type TLSIntercepted struct{}

// Code implements Fact.
func (TLSIntercepted) Code() Code { return "tls-intercepted" }

// LoginRefused: the server refuses the user name and password, or the token or
// certificate that replaces them.
type LoginRefused struct {
	Mechanism string
	// Certificate and Token: the mechanism needs these instead of a password. Digest:
	// the mechanism works only if the server stores the password in a certain form.
	Certificate, Token, Digest bool
	Keywords                   []Keyword // the sources of the secrets
	Command                    string    // obtains another token; "": the account has no OAuth
}

// Code implements Fact.
func (LoginRefused) Code() Code { return "login-refused" }

// LoginNeedsEncryption: the server accepts logins on encrypted connections only.
type LoginNeedsEncryption struct{}

// Code implements Fact.
func (LoginNeedsEncryption) Code() Code { return "login-needs-encryption" }

// LoginNeedsAdmin: according to the server, its administrator has to act.
type LoginNeedsAdmin struct{}

// Code implements Fact.
func (LoginNeedsAdmin) Code() Code { return "login-needs-admin" }

// LoginUnsupported: the server offers a mechanism that does not work there.
type LoginUnsupported struct{}

// Code implements Fact.
func (LoginUnsupported) Code() Code { return "login-unsupported" }

// LoginUnavailable: the server cannot check the login at the moment.
type LoginUnavailable struct{}

// Code implements Fact.
func (LoginUnavailable) Code() Code { return "login-unavailable" }

// NoMechanism: no mechanism to log in is both offered and allowed.
type NoMechanism struct {
	// Remedy is what may help, with Mechanism.
	Remedy    Remedy
	Mechanism string
	// Misspelled is a word of AuthMechs that is not the name of a mechanism, if there
	// is one.
	Misspelled MechanismUnknown
	Keyword    Keyword
}

// Code implements Fact.
func (NoMechanism) Code() Code { return "no-mechanism" }

// CipherUnknown: CipherString contains the unknown name Word, or is invalid as a whole.
type CipherUnknown struct {
	Word          string
	Meant         string // a guess, or ""
	Groups, Names []string
}

// Code implements Fact.
func (CipherUnknown) Code() Code { return "cipher-unknown" }

// CertificateOfOther: the certificate is for other names than Host.
type CertificateOfOther struct {
	Names []string // at most a few; none: it has no names
	Host  Keyword
	Trust Trust
}

// Code implements Fact.
func (CertificateOfOther) Code() Code { return "certificate-of-other" }

// CertificateNotValidNow: the certificate is not valid yet, or any more.
type CertificateNotValidNow struct {
	From, To time.Time
	Trust    Trust
}

// Code implements Fact.
func (CertificateNotValidNow) Code() Code { return "certificate-not-valid-now" }

// CertificateUntrusted: no authority that the system trusts has issued the certificate.
type CertificateUntrusted struct {
	Trust Trust
}

// Code implements Fact.
func (CertificateUntrusted) Code() Code { return "certificate-untrusted" }

// CertificateInvalid: the certificate cannot be verified.
type CertificateInvalid struct {
	Trust Trust
}

// Code implements Fact.
func (CertificateInvalid) Code() Code { return "certificate-invalid" }

// CertificateMalformed: no client can use the certificate.
type CertificateMalformed struct {
	Trust Trust
}

// Code implements Fact.
func (CertificateMalformed) Code() Code { return "certificate-malformed" }

// NotTLS: the server does not speak TLS on that port.
type NotTLS struct {
	Port int
}

// Code implements Fact.
func (NotTLS) Code() Code { return "not-tls" }

// TLSVersionRefused: the server does not accept the TLS versions that are allowed.
type TLSVersionRefused struct{}

// Code implements Fact.
func (TLSVersionRefused) Code() Code { return "tls-version-refused" }

// TLSRefused: the server has ended the TLS handshake with an alert.
type TLSRefused struct{}

// Code implements Fact.
func (TLSRefused) Code() Code { return "tls-refused" }

// TLSEnded: the connection has ended within the TLS handshake.
type TLSEnded struct {
	Port int
}

// Code implements Fact.
func (TLSEnded) Code() Code { return "tls-ended" }

// NoSTARTTLS: the server does not offer STARTTLS.
type NoSTARTTLS struct{}

// Code implements Fact.
func (NoSTARTTLS) Code() Code { return "no-starttls" }

// TunnelFailed: the command of a tunnel does not connect to a server.
type TunnelFailed struct {
	Tunnel Keyword
}

// Code implements Fact.
func (TunnelFailed) Code() Code { return "tunnel-failed" }

// HostUnknown: the host name has no address.
type HostUnknown struct {
	Host Keyword
}

// Code implements Fact.
func (HostUnknown) Code() Code { return "host-unknown" }

// NoNameService: host names cannot be resolved.
type NoNameService struct{}

// Code implements Fact.
func (NoNameService) Code() Code { return "no-name-service" }

// ConnectionRefused: nothing listens on that port.
type ConnectionRefused struct {
	Address    string // host and port
	Host, Port Keyword
}

// Code implements Fact.
func (ConnectionRefused) Code() Code { return "connection-refused" }

// NetworkUnreachable: the network of the server cannot be reached.
type NetworkUnreachable struct{}

// Code implements Fact.
func (NetworkUnreachable) Code() Code { return "network-unreachable" }

// NotIMAP: the server on the port does not speak IMAP.
type NotIMAP struct {
	PortKeyword Keyword
	// Port, if not 0, may use TLS from the beginning.
	Port int
}

// Code implements Fact.
func (NotIMAP) Code() Code { return "not-imap" }

// WrongTLSType: the port usually needs another TLSType.
type WrongTLSType struct {
	Port    int
	TLSType string
}

// Code implements Fact.
func (WrongTLSType) Code() Code { return "wrong-tls-type" }

// ServerSilent: the server does not answer in time.
type ServerSilent struct {
	Timeout Keyword
	// Port, if not 0, may use TLS from the beginning.
	Port int
}

// Code implements Fact.
func (ServerSilent) Code() Code { return "server-silent" }

// NoGreeting: the server closed the connection without a greeting.
type NoGreeting struct {
	Port Keyword
}

// Code implements Fact.
func (NoGreeting) Code() Code { return "no-greeting" }

// ConnectionLost: the connection was lost.
type ConnectionLost struct{}

// Code implements Fact.
func (ConnectionLost) Code() Code { return "connection-lost" }

// NoConfigFile: there is no configuration file in the usual places.
type NoConfigFile struct{}

// Code implements Fact.
func (NoConfigFile) Code() Code { return "no-config-file" }

// ConfigFileMissing: the configuration file that -c names does not exist.
type ConfigFileMissing struct{}

// Code implements Fact.
func (ConfigFileMissing) Code() Code { return "config-file-missing" }
