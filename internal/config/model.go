package config

import (
	"slices"
	"strings"
	"time"

	"isync/internal/mail"
)

// Config is a valid configuration. It is not modified after loading.
type Config struct {
	// File is the name of the file as it was given or found. Dir is its directory, which relative
	// paths refer to.
	File, Dir string
	// Files are the file and all included files, in the order of reading.
	Files []File

	Global   Global
	Accounts []*Account // including those of Inline accounts
	Stores   []*Store
	Channels []*Channel
	Groups   []*Group
}

// Account returns the account with a name; nil: there is none. If several have the name, it is
// the first one. The same applies to Store, Channel and Group.
func (c *Config) Account(name string) *Account {
	for _, a := range c.Accounts {
		if a.Name == name && !a.Inline {
			return a
		}
	}
	return nil
}

// IsShadowed reports whether an account is not used because an earlier account has the same name.
func (c *Config) IsShadowed(a *Account) bool { return !a.Inline && c.Account(a.Name) != a }

// Passwords returns the first place of a password or client secret in each file that contains
// one.
func (c *Config) Passwords() (places []Pos) {
	for _, a := range c.Accounts {
		pos := a.SecretInFile()
		if pos.IsSet() && !slices.ContainsFunc(places, func(p Pos) bool { return p.File == pos.File }) {
			places = append(places, pos)
		}
	}
	return places
}

// Store returns the store with a name; nil: there is none.
func (c *Config) Store(name string) *Store { return find(c.Stores, name) }

// Channel returns the channel with a name; nil: there is none.
func (c *Config) Channel(name string) *Channel { return find(c.Channels, name) }

// Group returns the group with a name; nil: there is none.
func (c *Config) Group(name string) *Group { return find(c.Groups, name) }

type named interface{ name() string }

func find[T named](list []T, name string) (found T) {
	for _, x := range list {
		if x.name() == name {
			return x
		}
	}
	return found
}

func (s *Store) name() string   { return s.Name }
func (c *Channel) name() string { return c.Name }
func (g *Group) name() string   { return g.Name }

// Given holds the places of the keywords of an object.
type Given struct {
	at map[string]Pos // by canonicalKeyword
}

// Pos returns the last place of a keyword, in any case, or of a deprecated keyword that replaces
// it. It is unset if the value is a default.
func (g Given) Pos(keyword string) Pos { return g.at[canonicalKeyword(keyword)] }

func (g *Given) set(keyword string, pos Pos) {
	if g.at == nil {
		g.at = make(map[string]Pos)
	}
	g.at[canonicalKeyword(keyword)] = pos
}

// Global holds the global options, except the defaults for channels, which each Channel contains.
type Global struct {
	Given
	// FSync: data that must survive a crash is flushed to disk.
	FSync bool
	// FieldDelimiter separates the parts of state file names.
	FieldDelimiter byte
	// BufferLimit is the maximum size in bytes of messages in transit in memory.
	BufferLimit int64
	// MetricsFile is the file for metrics; "": none.
	MetricsFile string
}

// TLSType is the way in which connections are encrypted.
type TLSType uint8

// The values of TLSType.
const (
	TLSNone     TLSType = iota // unencrypted
	TLSStartTLS                // STARTTLS after connecting (RFC 9051 §6.2.1)
	TLSIMAPS                   // implicit TLS (RFC 8314)
)

var tlsTypeNames = []string{"None", "STARTTLS", "IMAPS"}

// String returns the spelling of the configuration file.
func (t TLSType) String() string { return tlsTypeNames[t] }

// Account is an IMAP server with the settings for connections and logins.
type Account struct {
	Given
	Name string // for an Inline account the name of its store
	At   Pos    // beginning of the section, here and below
	// Inline: the account is part of the IMAPStore of the same name.
	Inline bool

	// Provider is the name of the mail provider whose preset sets the missing keywords; "": none.
	// Preset holds the keywords that it has set.
	Provider string
	Preset   []string

	Host    string // may be empty with Tunnel
	Port    int    // 1..65535
	Timeout time.Duration
	Tunnel  string // command that is used instead of a TCP connection; "": none

	// At most one of User and UserCmd is set, and at most one of Pass, PassCmd, UseKeychain and
	// OAuth. A command that begins with '+' uses the terminal.
	User, UserCmd string
	Pass          Secret
	PassCmd       string
	UseKeychain   bool
	OAuth         OAuth
	// AuthMechs are the allowed SASL mechanisms, in upper case; "*": all that are secure enough.
	// It is never empty.
	AuthMechs []string

	TLS                TLSType
	TLSVersions        TLSVersions
	SystemCertificates bool
	// TLSSessionCache: TLS sessions are resumed in later runs.
	TLSSessionCache bool
	Certificates    []CertificateFile
	// LostCertificates are certificate files that could not be read.
	LostCertificates []LostCertificate
	// ClientCertificate and ClientKey are paths; "": none.
	ClientCertificate, ClientKey string
	CipherString                 string

	// Connections is the maximum number of simultaneous connections.
	Connections int
	// Retries is the number of attempts to repeat an operation after a temporary failure, and
	// RetryMax the maximum wait before each of them.
	Retries  int
	RetryMax time.Duration
	// WatchMailboxes are names or patterns of mailboxes. Each of these gets its own connection if
	// the server cannot report changes of all mailboxes; empty: only the INBOX.
	WatchMailboxes []string
	// PollInterval is the interval at which mailboxes are polled whose changes are not reported.
	// SafetyInterval is the interval for all others, in case a report was lost. IdleRefresh is
	// the maximum duration of an IDLE command (RFC 2177).
	PollInterval, SafetyInterval, IdleRefresh time.Duration
	// PipelineDepth is the maximum number of commands in flight; 0:
	// imapclient.DefaultPipelineDepth.
	PipelineDepth int
	// Compress: connections are compressed (RFC 4978); Unset: only connections that were measured
	// and found slow.
	Compress Tristate
	// DisableExtensions are capabilities that must not be used, in upper case.
	DisableExtensions []string
}

// Label returns the name of the account in messages.
func (a *Account) Label() string {
	if a.Inline {
		return "IMAPStore " + quote(a.Name)
	}
	return "IMAPAccount " + quote(a.Name)
}

// CertificateFile is a file of additional trusted certificates.
type CertificateFile struct {
	Path string
	Data []byte // its contents, not parsed yet
	Pos  Pos
}

// LostCertificate is a certificate file that could not be read.
type LostCertificate struct {
	Path   string
	Reason string
	Pos    Pos
}

// Store is an IMAPStore or a MaildirStore.
type Store struct {
	Given
	Name string
	At   Pos

	// Path is the prefix of mailbox names. For a MaildirStore it is a resolved local path, whose
	// last component may be a part of a name. For an IMAPStore it is unchanged.
	Path string
	// HasPath distinguishes an empty Path from none.
	HasPath bool
	// MaxSize is the limit in bytes above which only placeholders of messages are stored here; 0:
	// no limit. MaxSize of a channel is included.
	MaxSize int64
	// MapInbox is an additional name of the inbox; "": none.
	MapInbox string
	// Flatten replaces "/" in mailbox names; "": names are not flattened.
	Flatten string
	// Trash is the mailbox to which messages are moved before they are expunged; "": none.
	Trash string
	// TrashUse, if not empty, is a special use (SpecialUses). Trash is then the mailbox with this
	// use on the IMAP server.
	TrashUse                     string
	TrashNewOnly, TrashRemoteNew bool

	// Exactly one of these is set.
	IMAP    *IMAPStore
	Maildir *MaildirStore
}

// Label returns the name of the store in messages.
func (s *Store) Label() string {
	if s.IMAP != nil {
		return "IMAPStore " + quote(s.Name)
	}
	return "MaildirStore " + quote(s.Name)
}

// IMAPStore holds the settings that only an IMAPStore has.
type IMAPStore struct {
	Account        *Account
	UseNamespace   bool
	PathDelimiter  byte // 0: determined by the server
	SubscribedOnly bool
}

// SubFolders is the layout of sub-folders on disk.
type SubFolders uint8

// The layouts of sub-folders.
const (
	SubFoldersUnset SubFolders = iota // detected from the existing sub-folders
	SubFoldersVerbatim
	SubFoldersMaildirPP
	SubFoldersLegacy
)

var subFoldersNames = []string{"Verbatim", "Maildir++", "Legacy"}

// String returns the spelling in the configuration file; "": unset.
func (s SubFolders) String() string {
	if s == SubFoldersUnset {
		return ""
	}
	return subFoldersNames[s-1]
}

// MaildirStore holds the settings that only a MaildirStore has.
type MaildirStore struct {
	Inbox         string // resolved path without a trailing slash
	InfoDelimiter byte
	AltMap        bool
	SubFolders    SubFolders
	// LocalPoll is the interval at which directories are polled that the operating system cannot
	// watch.
	LocalPoll time.Duration
}

// End is one side of a channel.
type End struct {
	Store *Store
	// Box is the mailbox as written, possibly empty. With Patterns it is a prefix of the mailbox
	// names. Without Patterns, "" is the inbox.
	Box string
	// Use, if not empty, is a special use (SpecialUses). Box is then the mailbox with this use on
	// the IMAP server.
	Use string
	Pos Pos
}

// String returns the spelling in the configuration file.
func (e End) String() string { return ":" + e.Store.Name + ":" + e.Box }

// Tristate is a boolean that may be unset.
type Tristate uint8

// The values of a Tristate.
const (
	Unset Tristate = iota
	No
	Yes
)

// StateKind determines the names of state files.
type StateKind uint8

const (
	// StateGlobal: Prefix, followed by a name made of the stores and mailboxes of both sides.
	StateGlobal StateKind = iota
	// StatePrefix: Prefix, followed by the name of the near mailbox.
	StatePrefix
	// StateInBox: inside the near mailbox; there is no Prefix.
	StateInBox
)

// SyncState is the place of state files.
type SyncState struct {
	Kind   StateKind
	Prefix string // resolved local path, whose last component may be a part of a name
}

// Channel connects two stores. It contains the global and built-in defaults. Pos of a keyword
// that is set globally is that place.
type Channel struct {
	Given
	Name string
	At   Pos

	Far, Near End
	Patterns  Patterns
	// Ops is the selection of the file. Options of the command line have precedence (Ops.Over);
	// the result must pass Ops.Check.
	Ops Ops
	// MaxMessages limits the number of messages on ExpireSide; 0: no limit.
	MaxMessages  int
	ExpireUnread Tristate
	ExpireSide   Side
	// Adopt: messages that both sides have are paired if the sync state is missing or older than
	// the mailboxes.
	Adopt bool
	// MaxDelete limits the deletions that a run propagates to a mailbox.
	MaxDelete       DeleteLimit
	CopyArrivalDate bool
	SyncState       SyncState
	// Watch: --watch includes the channel by default.
	Watch bool
	Hooks Hooks
}

// Hooks are shell commands that are run after a synchronization; empty: none.
type Hooks struct {
	OnChange string // something was changed on either side
	OnNew    string // there are new messages on the near side
	OnError  string // something has failed
}

// DeleteLimit is a number of messages, or a percentage of those in a mailbox.
type DeleteLimit struct {
	Value   int
	Percent bool
}

// End returns side t of the channel.
func (c *Channel) End(t Side) End {
	if t == Far {
		return c.Far
	}
	return c.Near
}

// Group is a name for several channels.
type Group struct {
	Name    string
	At      Pos
	Members []Member
	// Watch is Unset or No. No: channels that do not set Watch themselves are not watched.
	Watch Tristate
}

// Member is a reference to a channel.
type Member struct {
	ChannelRef
	// Channel is nil if no channel has the name: a warning when loading, an error when the group
	// is used.
	Channel *Channel
	Pos     Pos
}

// ChannelRef is a reference to a channel, optionally with mailboxes in place of those that its
// patterns select.
type ChannelRef struct {
	Name  string
	Boxes []string // nil: none are named
}

// ParseChannelRef parses "channel[:mailbox[,mailbox]...]". With argument (on the command line), new lines
// separate mailboxes, too. An empty mailbox name is the inbox. ok is false if the channel name is
// empty.
func ParseChannelRef(s string, argument bool) (ref ChannelRef, ok bool) {
	name, boxes, has := strings.Cut(s, ":")
	ref.Name = name
	if !has {
		return ref, name != ""
	}
	if argument {
		boxes = strings.ReplaceAll(boxes, "\n", ",")
	}
	ref.Boxes = strings.Split(boxes, ",")
	for i, b := range ref.Boxes {
		if b == "" {
			ref.Boxes[i] = mail.Inbox
		}
	}
	return ref, name != ""
}
