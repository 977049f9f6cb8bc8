// Package store is the contract between the engine and the stores of mail: a Store holds mailboxes, a Mailbox holds messages with UIDs and flags.
// IMAP servers (store/imap), Maildir trees (store/maildir) and a memory store
// for tests (store/mem) implement it; store/storetest is the suite that each of
// them passes.
//
// The shape is "batch in, per-item completion out": a batch lets a store
// pipeline commands or flush files together, and the completion of each item
// lets the engine journal it. Completion callbacks may run on any goroutine,
// but never two of one call at the same time, and never after the call (or, for
// an Appender, its Finish) has returned. They must not call back into the
// store.
//
// Errors: a *StoreError means that the whole store cannot be used (connection lost,
// login refused), a *BoxError that this mailbox cannot be used. What happens to a single
// message is a result handed to its completion, not an error of the call. Items
// whose completion was not called when a call fails are undecided: perhaps they
// were done.
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

	// Caps connects if need be and tells what the store can do.
	Caps(ctx context.Context) (Caps, error)

	// List returns the mailboxes of the store, in no particular order.
	List(ctx context.Context, req ListRequest) ([]Box, error)

	// Open opens a mailbox. It fails with an error that wraps ErrNoBox if there
	// is none of that name, and that is all that is wrong.
	// Several mailboxes may be open at once; whoever opens one closes it.
	Open(ctx context.Context, box string, req OpenRequest) (Mailbox, error)

	// Create creates a mailbox (and, where the store needs them, its parents).
	// It is no error if it exists already.
	Create(ctx context.Context, box string) error

	// Delete deletes an empty mailbox that is not open. It fails, and deletes
	// nothing, if the mailbox holds messages. Sub-folders are left alone.
	Delete(ctx context.Context, box string) error

	// Close ends all sessions. Mailboxes still open become unusable.
	Close() error

	Place
}

// Local is implemented by stores that live in the local file system.
type Local interface {
	// BoxPath returns the directory of the mailbox, whether it exists or not.
	BoxPath(box string) (string, error)
	// Root returns the directory of the mailboxes. The inbox may be elsewhere.
	Root() string
}

// InboxHolder is implemented by stores whose inbox may live among the other
// mailboxes, so that it is one of those that a wildcard finds: under the Path of
// a Maildir, or on an IMAP server whose mailbox names have no prefix, or one that
// begins with INBOX.
type InboxHolder interface {
	InboxAmongOthers(ctx context.Context) (bool, error)
}

// Folder is implemented by stores in which different names may lead to the same
// mailbox, as where a file system does not tell capital letters from small ones.
type Folder interface {
	// Fold returns the same for two canonical names if they do. What it returns
	// depends on what is known of the file system, so it is for comparing at one
	// moment only.
	Fold(box string) string
}

// Aliaser is implemented by stores in which a mailbox may have several canonical
// names.
type Aliaser interface {
	// SameBox reports whether two canonical names lead to the same mailbox, as far
	// as that is known.
	SameBox(a, b string) bool
}

// Caps tells what a store can do.
type Caps struct {
	// CRLF: messages end their lines in CR LF (IMAP), else in LF (Maildir).
	CRLF bool
	// NeedsSize: Outgoing.Size must be known before a message is put.
	NeedsSize bool
	// ReportsUIDs: Append tells the UID of each stored message (RFC 4315).
	ReportsUIDs bool
	// SelectiveExpunge: Remove can remove exactly the given messages.
	SelectiveExpunge bool
}

// ListRequest limits a listing to what is needed.
type ListRequest struct {
	// Inbox: the inbox and its children are wanted, wherever they live. InboxAmong:
	// they are if they live among the others (see InboxHolder).
	Inbox, InboxAmong bool
	// Others: everything but the inbox and its children is wanted. OthersIfAny:
	// that, too, but it is no error if the store cannot have any.
	Others, OthersIfAny bool
	// Marks: marks are wanted, of most of the mailboxes.
	Marks bool
}

// Wants reports whether a mailbox of that canonical name was asked for.
func (r ListRequest) Wants(box string) bool {
	if mail.IsInbox(box) {
		return r.Inbox || r.InboxAmong
	}
	return r.Others || r.OthersIfAny
}

// Box is a mailbox found by List.
type Box struct {
	Name string // canonical
	// Mark is that of a Marker, if ListRequest.Marks asks for it and the store
	// can tell it along with the listing.
	Mark string
}

// OpenRequest says what a mailbox is opened for.
type OpenRequest struct {
	// ReadOnly promises that nothing will be changed; the store then writes
	// nothing at all, not even files or marks of its own (a dry run).
	ReadOnly bool
	// Deposit promises that messages will be stored, and nothing else: of the
	// mailbox only Append and Close work. The store may do with less then than
	// it needs for other uses.
	Deposit bool
	// Prefetch, unless 0, says that messages that are new in the mailbox will be fetched,
	// if they have at most so many bytes. If the store knows that there are new ones, it
	// may request them at once. That changes no result.
	Prefetch int64
	// Pipelined, if not nil, says that no session is set aside for the mailbox.
	Pipelined *Pipelined
	// OldValidity, if not nil, returns the UIDVALIDITY of the mailbox in the last
	// run; 0: unknown. It is called if the store has to make a new one, which must
	// be higher.
	OldValidity func() uint32
}

// Info describes an open mailbox.
type Info struct {
	// UIDValidity is 0 only on a server that reports none.
	UIDValidity uint32
	// UIDNext is higher than every UID in use (RFC 9051 §2.3.1.1). Never 0.
	UIDNext mail.UID
	// UIDNextGuessed: the store does not report UIDNEXT. UIDNext is then only above
	// the UIDs of the existing messages.
	UIDNextGuessed bool
	// Flags are the flags that the mailbox can hold permanently.
	Flags mail.Flags
}

// Mailbox is an open mailbox. Its methods may be called concurrently, but not
// Close together with any other.
type Mailbox interface {
	// Info returns what is known of the mailbox since it was opened or last
	// scanned.
	Info() Info

	// Scan lists the messages that are needed, ascending by UID.
	Scan(ctx context.Context, need Need) (*Listing, error)

	// Fetch reads messages in the order given and hands each to the sink,
	// which must not keep it or its body. A message that has vanished is
	// skipped. If one cannot be read, the sink gets it with Err set. An error
	// of the sink ends the fetch and is returned as it is.
	Fetch(ctx context.Context, items []FetchItem, sink func(*Incoming) error) error

	// Append starts storing messages; done is called once for every message
	// that Put has accepted, in the order they were put, unless Put or Finish
	// returns an error: then it is not called for those that are not known to
	// be stored. What concerns the mailbox or the store as a whole (a full disk
	// or account, a server that is busy) is such an error, never the result of
	// a message. The Appender must be finished.
	Append(ctx context.Context, done func(AppendResult)) (Appender, error)

	// SetFlags changes flags; done is called once for each change, in any
	// order, with the index of the change, unless SetFlags returns an error:
	// then some changes may not be done. A message that has vanished is
	// done with ErrGone or, where the store cannot tell, with nil.
	SetFlags(ctx context.Context, changes []FlagChange, done func(i int, err error)) error

	// Remove removes messages that are marked as deleted: exactly those of
	// req.UIDs, or, with All, every one in the mailbox. A message that is not
	// marked (any more) stays.
	Remove(ctx context.Context, req RemoveRequest) error

	// Close leaves the mailbox. It expunges nothing.
	Close(ctx context.Context) error
}

// Filer is implemented by mailboxes that keep each message in a file.
type Filer interface {
	// MessagePath returns the path of the file, as far as it is known without looking;
	// "" if there is no such message. The file may have been renamed in the meantime.
	MessagePath(u mail.UID) string
}

// Trasher is implemented by mailboxes of stores that can move messages to
// their trash mailbox themselves.
type Trasher interface {
	// Trash puts copies of the messages into the mailbox trash of the same
	// store, which is created if it is not there. The messages may be gone
	// from this mailbox afterwards, or must still be removed. They must be
	// marked as deleted; a store that finds one not to be so (any more) may let
	// it stay, with ErrGone. done is called once for each message, with its
	// index, unless Trash returns an error.
	Trash(ctx context.Context, uids []mail.UID, trash string, done func(i int, err error)) error
}

// Preparer is implemented by mailboxes of which a Scan takes time, but waits for
// nobody.
type Preparer interface {
	// Prepare does what can be done of the next Scan beforehand. That lists
	// what has changed since, and reports what has gone wrong here.
	Prepare(ctx context.Context)
}

// Renewer is implemented by mailboxes that may answer from remembered data.
type Renewer interface {
	// Renew drops all remembered data about the mailbox, from this run and from
	// earlier ones, and asks for UIDNEXT again. The next Scan makes a full
	// listing.
	Renew(ctx context.Context) error
}

// Checker is implemented by mailboxes that others may remove, or replace by another
// one of the same name, while they are open.
type Checker interface {
	// Check fails if the mailbox was removed or replaced.
	Check(ctx context.Context) error
}

// Recaller is implemented by mailboxes that keep the UIDs of missing messages, so
// that such a message keeps its UID if it comes back.
type Recaller interface {
	// Recall is called before the first Scan. known returns the UIDs that the sync
	// state pairs. The mailbox must forget missing messages with other UIDs: their
	// deletion has been propagated, so they are new if they come back (but see
	// Paired.Expired). After the call, the mailbox may give new UIDs to messages with UIDs of another mailbox.
	Recall(ctx context.Context, known func() Paired) error
}

// Paired is what the sync state pairs of the messages of a mailbox.
type Paired struct {
	UIDs mail.UIDSet
	// Recorded are all messages that the state, or what is noted beside it, knows of,
	// also those that are not paired. Above Upto, a message that is not among them is
	// new. Up to it, it was dealt with: its deletion was propagated, for example.
	Recorded mail.UIDSet
	Upto     mail.UID
	// Expired: messages may have expired here. The other side has them, and their UIDs
	// here are not known. So if a message comes back, it may be one of these, and is
	// not new.
	Expired bool
	// At is when the state was written. If it is not zero, the mailbox was listed,
	// and found in order, some time before.
	At time.Time
}

// Raiser is implemented by local mailboxes that note the highest assigned UID in a file
// of its own, which may be out of date: restored from a backup, for example.
type Raiser interface {
	// RaiseUIDs makes to the highest assigned UID, if it is below.
	RaiseUIDs(ctx context.Context, to mail.UID) error
	// IsProvisional reports whether a UID that a Scan has returned is not that of the
	// message: the mailbox is read-only, and the message has none yet.
	IsProvisional(u mail.UID) bool
}

// Rememberer is implemented by mailboxes that can find out faster what has
// changed if they remember what they have listed, from one run to the next.
type Rememberer interface {
	// Remember saves the listing of the mailbox. A mailbox may also do so by itself
	// at any time. This only affects speed.
	Remember(ctx context.Context)
}

// PartLister is implemented by mailboxes that keep the beginning of a listing that was
// not completed, so that the next listing, also of another Mailbox, needs only the rest.
type PartLister interface {
	// PartListed returns the number of messages of the beginning that is kept.
	PartListed() int
}

// Marker is implemented by stores that can tell whether mailboxes have changed
// without opening them.
//
// A mark is an opaque text. As long as a mailbox has the same one it holds the
// same messages with the same flags; if the store is not sure of that the mark
// is "". That it has another one means nothing.
type Marker interface {
	// Marks returns the marks of mailboxes, "" for those that there are not.
	Marks(ctx context.Context, boxes []string) ([]string, error)
}

// AheadMarker is a Marker that may have requested marks before somebody asks for them.
type AheadMarker interface {
	Marker
	// MarksAhead returns marks that were requested, "" for others. If there are none, it
	// does not even connect.
	MarksAhead(ctx context.Context, boxes []string) ([]string, error)
	// NeedMarks makes the next run request the marks of mailboxes ahead, if they are opened in
	// this run.
	NeedMarks(boxes []string)
}

// Marked is implemented by mailboxes of a Marker.
type Marked interface {
	// Mark returns the mark that the mailbox had when it was opened.
	Mark() string
}

// Settler is implemented by mailboxes of a Marker.
type Settler interface {
	// SettledMark returns the mark that the mailbox has now if, since it was opened, it was
	// changed by nothing but the calls of this Mailbox; "": that is not known. So as long as it has
	// this mark, there is nothing in it that the user of this Mailbox does not know.
	SettledMark() string
}

// Need says what a listing must hold. A store may return more than was asked
// for in each message, but no other messages.
type Need struct {
	// UIDs limits the listing. A range that ends in mail.MaxUID means "to the
	// end", including messages that arrived since the mailbox was opened.
	UIDs mail.UIDSet
	// Flags: the flags are wanted.
	Flags bool
	// SizesFrom: the sizes of messages with at least this UID are wanted;
	// 0 = of none.
	SizesFrom mail.UID
	// TUIDs: the X-TUID headers are wanted.
	TUIDs bool
	// MessageIDs: the Message-ID headers are wanted.
	MessageIDs bool
	// Known: the messages were in an earlier listing of the same Mailbox. Only further data
	// are wanted of those that still exist, so a server need not be asked for changes first.
	Known bool
}

// Listing is the outcome of a scan. It belongs to the caller.
type Listing struct {
	Messages   []mail.Meta         // ascending by UID, each UID once
	TUIDs      map[mail.UID]string // messages that have one; if asked for
	MessageIDs map[mail.UID]string // messages that have one; if asked for
}

// FetchItem names a message to read.
type FetchItem struct {
	UID mail.UID
	// Flags of the message as listed. They are used if the store does not send them
	// along with the message.
	Flags mail.Flags
	// HeaderOnly: the body is not needed. Size is still that of the whole
	// message.
	HeaderOnly bool
}

// Incoming is a message in the course of being read. It and its body are valid
// only until the sink returns.
type Incoming struct {
	UID   mail.UID
	Flags mail.Flags // as of now
	Date  time.Time  // arrival: INTERNALDATE, or the file's mtime; may be zero
	Size  int64      // of the whole message, as the store counts
	// Body yields the message, or its header only if that was asked for. It
	// also is an io.Seeker if the message is stored with LF line ends.
	Body io.Reader
	// Err is set, and Body nil, if this message could not be read.
	Err error
}

// Appender takes messages to be stored. It is for one goroutine.
type Appender interface {
	// Put stores a message; it has consumed the body when it returns. A nil
	// error means that the message was accepted and its completion will be
	// called; an error that nothing more can be stored. An error of m.Body's
	// own making is returned as *BodyError: that message was dropped without a
	// trace and the Appender remains usable.
	Put(ctx context.Context, m *Outgoing) error
	// Finish waits until every message put has completed.
	Finish(ctx context.Context) error
}

// Outgoing is a message to be stored. The store does not keep it or its body
// beyond Put.
type Outgoing struct {
	// Key identifies the message in its completion; its meaning is the
	// caller's.
	Key   int
	Flags mail.Flags
	Date  time.Time // zero: the time of storing
	// Size is the exact number of bytes that Body writes, -1 if unknown.
	Size int64
	// Body writes the message, with the line ends the store wants. It is
	// called once.
	Body io.WriterTo
}

// AppendResult tells what became of one message.
type AppendResult struct {
	Key int
	// UID is that of the stored message; 0 if the store does not tell, or the
	// message was refused.
	UID mail.UID
	// Err is set if the store refused this message.
	Err error
	// Path is the file of the stored message, in stores that keep each in a file.
	Path string
	// More: the completion of another message follows at once, as they became
	// fact together.
	More bool
}

// FlagChange asks to set and to clear flags of one message. Add and Remove are
// disjoint.
type FlagChange struct {
	UID         mail.UID
	Add, Remove mail.Flags
}

// RemoveRequest says which messages to remove.
type RemoveRequest struct {
	// UIDs: these. Only for stores with Caps.SelectiveExpunge.
	UIDs mail.UIDSet
	// All: all that are marked as deleted; UIDs is ignored.
	All bool
	// Kept are messages that the other side keeps. If one of them comes back, it is not
	// new.
	Kept mail.UIDSet
	// Gone, if not nil, is told of messages that this call has removed for good,
	// each once. A store that cannot tell, or not of all, leaves them out.
	Gone func(mail.UID)
}
