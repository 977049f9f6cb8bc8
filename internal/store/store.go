// Package store is the contract between the engine and the stores of mail: a Store holds
// mailboxes, and a Mailbox holds messages with UIDs and flags. IMAP servers (store/imap),
// Maildir trees (store/maildir) and a memory store for tests (store/mem) implement it.
// store/storetest is the test suite that each of them passes.
//
// Calls take a batch of items, and call a completion function for each item. With a batch,
// a store can pipeline commands or flush files together. With the completion, the engine
// can journal each item. Completion functions may run on any goroutine, but never two of one
// call at the same time, and never after the call (or, for an Appender, its Finish) has
// returned. They must not call the store.
//
// A *StoreError means that the whole store cannot be used: the connection is lost, or the
// login was refused. A *BoxError means that this mailbox cannot be used. The failure of a
// single message is not an error of the call, but is passed to its completion function. If a
// call fails, the items whose completion was not called are undecided: they may be done or not.
package store

import (
	"context"
	"io"
	"time"

	"isync/internal/mail"
)

// Store is one store of the configuration. It is safe for concurrent use.
type Store interface {
	// Name returns the store's name in the configuration.
	Name() string

	// Caps returns the abilities of the store. It connects if necessary.
	Caps(ctx context.Context) (Caps, error)

	// List returns the mailboxes of the store, in no particular order.
	List(ctx context.Context, req ListRequest) ([]Box, error)

	// Open opens a mailbox. If the only problem is that no mailbox has this name, the error
	// wraps ErrNoBox. Several mailboxes may be open at once. The caller closes each of them.
	Open(ctx context.Context, box string, req OpenRequest) (Mailbox, error)

	// Create creates a mailbox, and its parents if the store needs them. If the mailbox
	// exists already, Create does nothing.
	Create(ctx context.Context, box string) error

	// Delete deletes an empty mailbox that is not open. It fails, and deletes
	// nothing, if the mailbox holds messages. Sub-folders are left alone.
	Delete(ctx context.Context, box string) error

	// Close ends all sessions. Open mailboxes cannot be used any more.
	Close() error

	Place
}

// Local is implemented by stores in the local file system.
type Local interface {
	// BoxPath returns the directory of the mailbox, whether it exists or not.
	BoxPath(box string) (string, error)
	// Root returns the directory of the mailboxes. The inbox may be elsewhere.
	Root() string
}

// InboxHolder is implemented by stores whose inbox may be among the other mailboxes, so that
// a wildcard matches it. That is the case if the inbox is below the Path of a Maildir, and
// on an IMAP server whose mailbox names have no prefix, or a prefix that begins with INBOX.
type InboxHolder interface {
	InboxAmongOthers(ctx context.Context) (bool, error)
}

// Folder is implemented by stores in which different names may mean the same mailbox,
// because the file system ignores case, for example.
type Folder interface {
	// Fold returns the same text for two canonical names that mean the same mailbox.
	// The text depends on what is known about the file system at that moment, so it must
	// not be stored.
	Fold(box string) string
}

// Aliaser is implemented by stores in which a mailbox may have several canonical
// names.
type Aliaser interface {
	// SameBox reports whether two canonical names are known to mean the same mailbox.
	SameBox(a, b string) bool
}

// Caps are the abilities of a store.
type Caps struct {
	// CRLF: lines of messages end with CR LF (IMAP); otherwise with LF (Maildir).
	CRLF bool
	// NeedsSize: Outgoing.Size must be known before a message is put.
	NeedsSize bool
	// ReportsUIDs: Append returns the UID of each stored message (RFC 4315).
	ReportsUIDs bool
	// SelectiveExpunge: Remove can remove exactly the given messages.
	SelectiveExpunge bool
}

// ListRequest says which mailboxes are to be listed.
type ListRequest struct {
	// Inbox: list the inbox and its children, wherever they are. InboxAmong: list them
	// if they are among the other mailboxes (see InboxHolder).
	Inbox, InboxAmong bool
	// Others: list everything except the inbox and its children. OthersIfAny: the same,
	// but without an error if the store cannot have other mailboxes.
	Others, OthersIfAny bool
	// Marks: the caller needs the marks of most mailboxes (see Marker).
	Marks bool
}

// Wants reports whether a mailbox with this canonical name is to be listed.
func (r ListRequest) Wants(box string) bool {
	if mail.IsInbox(box) {
		return r.Inbox || r.InboxAmong
	}
	return r.Others || r.OthersIfAny
}

// Box is a mailbox found by List.
type Box struct {
	Name string // canonical
	// Mark is the mark of the mailbox (see Marker), if ListRequest.Marks is set and the
	// store gets it together with the listing.
	Mark string
}

// OpenRequest describes the purpose of opening a mailbox.
type OpenRequest struct {
	// ReadOnly: the caller changes nothing. The store writes nothing at all, not even its
	// own files (a dry run).
	ReadOnly bool
	// Deposit: the caller only stores messages. Only Append and Close work, so the store
	// need not do what other calls require.
	Deposit bool
	// Prefetch, unless 0: the caller will fetch new messages of up to this many bytes. If
	// the store knows that there are new messages, it may request them at once. This does
	// not change any result.
	Prefetch int64
	// Pipelined, if not nil: no session is reserved for the mailbox.
	Pipelined *Pipelined
	// OldValidity, if not nil, returns the UIDVALIDITY of the mailbox in the last run; 0:
	// unknown. The store calls it to choose a new UIDVALIDITY, which must be higher.
	OldValidity func() uint32
}

// Info describes an open mailbox.
type Info struct {
	// UIDValidity is 0 only if the server does not report it.
	UIDValidity uint32
	// UIDNext is higher than every UID in use (RFC 9051 §2.3.1.1). Never 0.
	UIDNext mail.UID
	// UIDNextGuessed: the server does not report UIDNEXT. UIDNext is then the highest UID
	// of the existing messages, plus one.
	UIDNextGuessed bool
	// Flags are the flags that the mailbox can store permanently.
	Flags mail.Flags
}

// Mailbox is an open mailbox. Its methods may be called concurrently, except Close.
type Mailbox interface {
	// Info returns the state of the mailbox when it was opened or last scanned.
	Info() Info

	// Scan lists the needed messages in ascending order of their UIDs.
	Scan(ctx context.Context, need Need) (*Listing, error)

	// Fetch reads messages in the given order, and passes each to the sink, which must
	// not keep it or its body. Fetch skips messages that do not exist any more. If a
	// message cannot be read, the sink gets it with Err set. An error of the sink ends the
	// fetch, and is returned as it is.
	Fetch(ctx context.Context, items []FetchItem, sink func(*Incoming) error) error

	// Append starts storing messages. done is called once for every message that Put has
	// accepted, in the order of the calls of Put. If Put or Finish returns an error, done
	// is not called for messages that are not known to be stored. A problem of the whole
	// mailbox or store (a full disk or account, a busy server) is such an error, never the
	// result of a message. The caller must call Finish of the Appender.
	Append(ctx context.Context, done func(AppendResult)) (Appender, error)

	// SetFlags changes flags. done is called once for each change with the index of the
	// change, in any order. If SetFlags returns an error, some changes may be missing. For a
	// message that does not exist any more, done gets ErrGone, or nil if the store cannot
	// tell.
	SetFlags(ctx context.Context, changes []FlagChange, done func(i int, err error)) error

	// Remove expunges messages that are marked as deleted: those of req.UIDs or, with
	// All, all of the mailbox. It does not expunge a message that is not marked (any more).
	Remove(ctx context.Context, req RemoveRequest) error

	// Close closes the mailbox. It expunges nothing.
	Close(ctx context.Context) error
}

// Filer is implemented by mailboxes that keep each message in a file.
type Filer interface {
	// MessagePath returns the last known path of the file; "": there is no such
	// message. The file may have been renamed in the meantime.
	MessagePath(u mail.UID) string
}

// Trasher is implemented by mailboxes of stores that can copy or move messages to their
// own trash mailbox.
type Trasher interface {
	// Trash copies or moves the messages to the mailbox trash of the same store. It
	// creates that mailbox if necessary. A message that was only copied must still be
	// removed. The messages must be marked as deleted. If one is not marked (any more), the
	// store may leave it alone, and call done with ErrGone. done is called once for each
	// message with its index, unless Trash returns an error.
	Trash(ctx context.Context, uids []mail.UID, trash string, done func(i int, err error)) error
}

// Preparer is implemented by mailboxes whose Scan takes time, but does not wait for a
// server.
type Preparer interface {
	// Prepare does as much of the next Scan as possible. The Scan then lists what has
	// changed since, and returns the errors of Prepare.
	Prepare(ctx context.Context)
}

// Renewer is implemented by mailboxes that use stored listings.
type Renewer interface {
	// Renew drops all stored data about the mailbox, from this run and from earlier
	// ones, and asks for UIDNEXT again. The next Scan makes a full listing.
	Renew(ctx context.Context) error
}

// Checker is implemented by mailboxes that other programs may remove, or replace by
// another mailbox of the same name, while they are open.
type Checker interface {
	// Check fails if the mailbox was removed or replaced.
	Check(ctx context.Context) error
}

// Recaller is implemented by mailboxes that store the UIDs of missing messages, so that a
// message that comes back keeps its UID.
type Recaller interface {
	// Recall is called before the first Scan. known returns the UIDs that the sync state
	// pairs. The mailbox must forget missing messages with other UIDs: their deletion has
	// been propagated, so they are new if they come back (but see Paired.Expired). After the
	// call, the mailbox may give new UIDs to messages with UIDs of another mailbox.
	Recall(ctx context.Context, known func() Paired) error
}

// Paired are the messages of a mailbox that the sync state pairs.
type Paired struct {
	UIDs mail.UIDSet
	// Recorded are all messages in the state and in the notes beside it, including
	// unpaired ones. A message above Upto that is not recorded is new. A message up to
	// Upto that is not recorded has been processed: its deletion was propagated, for example.
	Recorded mail.UIDSet
	Upto     mail.UID
	// Expired: messages may have expired in this mailbox. The other side still has them, and
	// their UIDs in this mailbox are not known. So a message that comes back may be one of
	// them, and is not new.
	Expired bool
	// At is the time when the state was written. If it is not zero, the mailbox was
	// listed without an error some time before.
	At time.Time
}

// Raiser is implemented by local mailboxes that store the highest assigned UID in a
// separate file. The file may be out of date if it was restored from a backup, for example.
type Raiser interface {
	// RaiseUIDs raises the highest assigned UID to to, if it is lower.
	RaiseUIDs(ctx context.Context, to mail.UID) error
	// IsProvisional reports whether a UID that a Scan has returned is not stored, because
	// the mailbox is read-only, and the message has no UID yet.
	IsProvisional(u mail.UID) bool
}

// Rememberer is implemented by mailboxes that can save their listing, to find changes
// faster in the next run.
type Rememberer interface {
	// Remember saves the listing of the mailbox. A mailbox may also do so by itself
	// at any time. This only affects speed.
	Remember(ctx context.Context)
}

// PartLister is implemented by mailboxes that save the beginning of an incomplete listing.
// The next listing of the mailbox then requests only the rest.
type PartLister interface {
	// PartListed returns the number of messages in the saved beginning.
	PartListed() int
}

// Marker is implemented by stores that can tell without opening a mailbox whether it has
// changed.
//
// A mark is an opaque text. While a mailbox has the same mark, it has the same messages
// with the same flags. If the store cannot guarantee that, the mark is "". A different
// mark does not mean that the mailbox has changed.
type Marker interface {
	// Marks returns the marks of mailboxes, "" for those that do not exist.
	Marks(ctx context.Context, boxes []string) ([]string, error)
}

// AheadMarker is a Marker that may request marks before they are needed.
type AheadMarker interface {
	Marker
	// MarksAhead returns the marks that were requested, and "" for other mailboxes. If none
	// were requested, it does not connect.
	MarksAhead(ctx context.Context, boxes []string) ([]string, error)
	// NeedMarks makes the next run request the marks of mailboxes early, if they are
	// opened in this run.
	NeedMarks(boxes []string)
}

// Marked is implemented by mailboxes of a Marker.
type Marked interface {
	// Mark returns the mark that the mailbox had when it was opened.
	Mark() string
}

// Settler is implemented by mailboxes of a Marker.
type Settler interface {
	// SettledMark returns the current mark of the mailbox if only calls of this Mailbox
	// have changed it since it was opened; "": that is not known. So while the mailbox has
	// this mark, the user of this Mailbox knows its contents.
	SettledMark() string
}

// Need describes a listing. A store may return more data about each message than
// requested, but no other messages.
type Need struct {
	// UIDs limits the listing. A range that ends in mail.MaxUID means "to the
	// end", including messages that arrived since the mailbox was opened.
	UIDs mail.UIDSet
	// Flags: list the flags.
	Flags bool
	// SizesFrom: list the sizes of messages from this UID on, in bytes; 0: no sizes.
	SizesFrom mail.UID
	// TUIDs: list the X-TUID headers.
	TUIDs bool
	// MessageIDs: list the Message-ID headers.
	MessageIDs bool
	// Known: the messages were in an earlier listing of the same Mailbox. The listing only
	// adds data about those that still exist, so a server need not be asked for changes
	// first.
	Known bool
	// Recorded yields the messages that the sync state records, in any order, with the flags
	// that were last synchronized; nil: not known. A store that does not read the flags of
	// each message must read those of the messages that seem to have other flags.
	Recorded func(yield func(mail.UID, mail.Flags) bool)
}

// Listing is the result of a scan. The caller owns it.
type Listing struct {
	Messages   []mail.Meta         // ascending by UID, each UID once
	TUIDs      map[mail.UID]string // messages that have one; if asked for
	MessageIDs map[mail.UID]string // messages that have one; if asked for
}

// FetchItem names a message to read.
type FetchItem struct {
	UID mail.UID
	// Flags are the listed flags of the message, for stores that do not return flags
	// together with the message.
	Flags mail.Flags
	// HeaderOnly: the body is not needed. Size is still that of the whole
	// message.
	HeaderOnly bool
}

// Incoming is a message that is being read. It and its body are valid only until the
// sink returns.
type Incoming struct {
	UID   mail.UID
	Flags mail.Flags // as of now
	Date  time.Time  // arrival: INTERNALDATE, or the file's mtime; may be zero
	Size  int64      // of the whole message, as the store counts
	// Body contains the message, or only its header if HeaderOnly was set. It is also an
	// io.Seeker if the message is stored with LF line ends.
	Body io.Reader
	// Err is set, and Body nil, if this message could not be read.
	Err error
}

// Appender stores messages. Only one goroutine may use it.
type Appender interface {
	// Put stores a message. It has read the whole body when it returns. If the error is
	// nil, the message was accepted, and its completion will be called. A *BodyError means
	// that m.Body has failed: the message was dropped, and the Appender can still be used.
	// After any other error, no more messages can be stored.
	Put(ctx context.Context, m *Outgoing) error
	// Finish waits for the completion of all messages.
	Finish(ctx context.Context) error
}

// Outgoing is a message to be stored. The store does not use it or its body after Put
// has returned.
type Outgoing struct {
	// Key identifies the message in its completion. The store does not interpret it.
	Key   int
	Flags mail.Flags
	Date  time.Time // zero: the time of storing
	// Size is the exact number of bytes that Body writes, -1 if unknown.
	Size int64
	// Body writes the message, with the line ends of the store (Caps.CRLF). It is called
	// once.
	Body io.WriterTo
}

// AppendResult is the result for one message.
type AppendResult struct {
	Key int
	// UID is the UID of the stored message; 0: the store does not report it, or has
	// refused the message.
	UID mail.UID
	// Err is set if the store refused this message.
	Err error
	// Path is the file of the stored message, in stores that keep each message in a file.
	Path string
	// More: the completion of another message follows at once, because they were stored
	// together.
	More bool
}

// FlagChange is a change of the flags of one message. Add and Remove have no flag in
// common.
type FlagChange struct {
	UID         mail.UID
	Add, Remove mail.Flags
}

// RemoveRequest says which messages to remove.
type RemoveRequest struct {
	// UIDs are the messages. This requires a store with Caps.SelectiveExpunge.
	UIDs mail.UIDSet
	// All: remove all messages that are marked as deleted, and ignore UIDs.
	All bool
	// Kept are messages that the other side keeps. If one of them comes back, it is not
	// a new message.
	Kept mail.UIDSet
	// Gone, if not nil, is called once for each message that this call has certainly
	// removed.
	Gone func(mail.UID)
}
