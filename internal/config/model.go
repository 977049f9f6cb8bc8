package config

import (
	"slices"
	"strings"
	"time"

	"isync/internal/mail"
)

// Config is a configuration that has passed all checks. It is not changed
// after loading.
type Config struct {
	// File is the file's name as it was given or found, Dir the directory that
	// holds it, which relative paths were resolved against.
	File, Dir string
	// Files are the file and all that it includes, in the order of reading.
	Files []File

	Global   Global
	Accounts []*Account // including those that were written into a store
	Stores   []*Store
	Channels []*Channel
	Groups   []*Group
}

// Account returns the account of that name, or nil. Of several the first
// counts, here and in the following.
func (c *Config) Account(name string) *Account {
	for _, a := range c.Accounts {
		if a.Name == name && !a.Inline {
			return a
		}
	}
	return nil
}

// IsShadowed reports whether an account has the name of an earlier one, to which all stores
// refer. So it is not used.
func (c *Config) IsShadowed(a *Account) bool { return !a.Inline && c.Account(a.Name) != a }

// Passwords returns the first place of a password, or client secret, in each file that holds
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

// Store returns the store of that name, or nil.
func (c *Config) Store(name string) *Store { return find(c.Stores, name) }

// Channel returns the channel of that name, or nil.
func (c *Config) Channel(name string) *Channel { return find(c.Channels, name) }

// Group returns the group of that name, or nil.
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

// Given tells where the keywords of an object were given.
type Given struct {
	at map[string]Pos // by canonical keyword, lower case
}

// Pos returns where the keyword, written in any case, was given: its last
// place, or the one of the deprecated spelling that took its part. It is
// nowhere if the value is a default.
func (g Given) Pos(keyword string) Pos { return g.at[canonicalKeyword(keyword)] }

func (g *Given) set(keyword string, pos Pos) {
	if g.at == nil {
		g.at = make(map[string]Pos)
	}
	g.at[canonicalKeyword(keyword)] = pos
}

// Global holds the options that stand before all sections, apart from the
// defaults for channels, which have been worked into the channels.
type Global struct {
	Given
	// FSync: flush to disk what must survive a crash.
	FSync bool
	// FieldDelimiter separates the parts of state file names.
	FieldDelimiter byte
	// BufferLimit is how much memory messages in transit may take, in bytes.
	BufferLimit int64
	// MetricsFile is the file for metrics; "": none.
	MetricsFile string
}

// TLSType tells when a connection is secured.
type TLSType uint8

// The ways to secure a connection.
const (
	TLSNone     TLSType = iota // not at all
	TLSStartTLS                // STARTTLS right after connecting
	TLSIMAPS                   // TLS from the first byte
)

var tlsTypeNames = []string{"None", "STARTTLS", "IMAPS"}

// String returns the spelling of the configuration file.
func (t TLSType) String() string { return tlsTypeNames[t] }

// Account tells how to reach an IMAP server and to log in.
type Account struct {
	Given
	Name string // for an Inline account that of its store
	At   Pos    // where the section begins, here and in the following
	// Inline: the account was written into the IMAPStore of the same name.
	Inline bool

	// Provider is the name of the mail provider whose preset fills in what is not given;
	// "": none. Preset holds the keywords that it has filled in.
	Provider string
	Preset   []string

	Host    string // may be empty if there is a Tunnel
	Port    int    // 1..65535
	Timeout time.Duration
	Tunnel  string // command to talk to instead of a socket; empty: none

	// At most one of User and UserCmd is set, and at most one of Pass, PassCmd,
	// UseKeychain and OAuth. A command that begins with '+' talks on the terminal.
	User, UserCmd string
	Pass          Secret
	PassCmd       string
	UseKeychain   bool
	OAuth         OAuth
	// AuthMechs holds the acceptable SASL mechanisms, upper case; "*" stands
	// for all that are secure enough. Never empty.
	AuthMechs []string

	TLS                TLSType
	TLSVersions        TLSVersions
	SystemCertificates bool
	// TLSSessionCache: TLS sessions are resumed in later runs.
	TLSSessionCache bool
	Certificates    []CertificateFile
	// LostCertificates are files of certificates that could not be read.
	LostCertificates []LostCertificate
	// ClientCertificate and ClientKey are paths; empty if not given.
	ClientCertificate, ClientKey string
	CipherString                 string

	// Connections is how many connections there may be at a time.
	Connections int
	// Retries is how often an operation is tried again after a failure that may pass,
	// and RetryMax the maximum of the waits before that.
	Retries  int
	RetryMax time.Duration
	// WatchMailboxes are names or patterns of the mailboxes that get a connection of their
	// own if the server cannot report changes of all mailboxes; empty: the INBOX.
	WatchMailboxes []string
	// PollInterval is how often mailboxes are polled whose changes are not reported, and
	// SafetyInterval how often all others are, in case a report was lost. IdleRefresh is
	// the longest duration of an IDLE command.
	PollInterval, SafetyInterval, IdleRefresh time.Duration
	// PipelineDepth limits the commands in flight; 0: imapclient.DefaultPipelineDepth.
	PipelineDepth int
	// Compress says whether to compress what is transferred; Unset: if the
	// connection was measured, and is slow.
	Compress Tristate
	// DisableExtensions holds capabilities not to use, upper case.
	DisableExtensions []string
}

// Label names the account in messages.
func (a *Account) Label() string {
	if a.Inline {
		return "IMAPStore " + quote(a.Name)
	}
	return "IMAPAccount " + quote(a.Name)
}

// CertificateFile is a file of further certificates to trust.
type CertificateFile struct {
	Path string
	Data []byte // its contents, not looked into yet
	Pos  Pos
}

// LostCertificate is a file of certificates that could not be read.
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

	// Path is put before mailbox names. For a Maildir it is a resolved local
	// path that may end in a part of a name; for IMAP it is as written.
	Path string
	// HasPath tells an empty Path from none.
	HasPath bool
	// MaxSize in bytes is the limit above which messages stored here become
	// placeholders; 0: no limit. A channel's MaxSize has been worked in.
	MaxSize int64
	// MapInbox is the name that the inbox appears under as well; may be empty.
	MapInbox string
	// Flatten replaces the "/" in mailbox names; empty: nothing does.
	Flatten string
	// Trash is the mailbox that messages are put in before they are expunged;
	// empty: none.
	Trash string
	// TrashUse, if not empty, says that Trash is not a name, but means the mailbox of an
	// IMAP server with this special use (SpecialUses).
	TrashUse                     string
	TrashNewOnly, TrashRemoteNew bool

	// Exactly one of these is set.
	IMAP    *IMAPStore
	Maildir *MaildirStore
}

// Label names the store in messages.
func (s *Store) Label() string {
	if s.IMAP != nil {
		return "IMAPStore " + quote(s.Name)
	}
	return "MaildirStore " + quote(s.Name)
}

// IMAPStore is what only an IMAPStore has.
type IMAPStore struct {
	Account        *Account
	UseNamespace   bool
	PathDelimiter  byte // 0: ask the server
	SubscribedOnly bool
}

// SubFolders is the way sub-folders are laid out on disk.
type SubFolders uint8

// The layouts of sub-folders.
const (
	SubFoldersUnset SubFolders = iota // detected from the existing sub-folders
	SubFoldersVerbatim
	SubFoldersMaildirPP
	SubFoldersLegacy
)

var subFoldersNames = []string{"Verbatim", "Maildir++", "Legacy"}

// String returns the spelling of the configuration file, "" if unset.
func (s SubFolders) String() string {
	if s == SubFoldersUnset {
		return ""
	}
	return subFoldersNames[s-1]
}

// MaildirStore is what only a MaildirStore has.
type MaildirStore struct {
	Inbox         string // resolved path, without a trailing slash
	InfoDelimiter byte
	AltMap        bool
	SubFolders    SubFolders
	// LocalPoll is how often directories are polled that the operating system cannot watch.
	LocalPoll time.Duration
}

// End is one side of a channel.
type End struct {
	Store *Store
	// Box is the mailbox as written, possibly empty. With Patterns it is a
	// prefix of the mailbox names; without, an empty one stands for the inbox.
	Box string
	// Use, if not empty, says that Box is not a name, but means the mailbox of an IMAP server
	// with this special use (SpecialUses).
	Use string
	Pos Pos
}

// String returns the end as it is written.
func (e End) String() string { return ":" + e.Store.Name + ":" + e.Box }

// Tristate is a boolean that may not have been given.
type Tristate uint8

// The values of a Tristate.
const (
	Unset Tristate = iota
	No
	Yes
)

// StateKind tells how the name of a state file is made.
type StateKind uint8

const (
	// StateGlobal: Prefix, followed by a name made of the stores and mailboxes
	// of both sides.
	StateGlobal StateKind = iota
	// StatePrefix: Prefix, followed by the name of the near mailbox.
	StatePrefix
	// StateInBox: inside the near mailbox; there is no Prefix.
	StateInBox
)

// SyncState tells where state files are kept.
type SyncState struct {
	Kind   StateKind
	Prefix string // a resolved local path; may end in a part of a name
}

// Channel connects two stores. Precedence between the channel, the global
// defaults and the built-in ones has been worked out; Pos of a keyword that was
// given globally is that place.
type Channel struct {
	Given
	Name string
	At   Pos

	Far, Near End
	Patterns  Patterns
	// Ops is what the file selects; options from the command line go over it
	// (Ops.Over), and then it needs another Ops.Check.
	Ops Ops
	// MaxMessages limits the messages on ExpireSide; 0: no limit.
	MaxMessages  int
	ExpireUnread Tristate
	ExpireSide   Side
	// Adopt: messages that both sides have are paired if there is no sync state, or it is
	// older than the mailboxes.
	Adopt bool
	// MaxDelete limits the deletions that a run propagates to a mailbox.
	MaxDelete       DeleteLimit
	CopyArrivalDate bool
	SyncState       SyncState
	// Watch: the channel is watched without being named.
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

// End returns the side t of the channel.
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
	// Watch is Unset or No. No: channels that do not set Watch themselves are left out.
	Watch Tristate
}

// Member is a reference to a channel.
type Member struct {
	ChannelRef
	// Channel is nil if there is none of that name: a warning when loading, an
	// error when the group is used.
	Channel *Channel
	Pos     Pos
}

// ChannelRef is a reference to a channel, possibly with mailboxes that replace
// those its patterns select.
type ChannelRef struct {
	Name  string
	Boxes []string // nil if none are named
}

// ParseChannelRef reads "channel[:box[,box]...]". On the command line (argument
// = true) new lines separate mailboxes too. An empty name of a mailbox is that of
// the inbox. ok is false if the name of the channel is empty.
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
