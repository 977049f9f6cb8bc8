package check

import (
	"context"
	"errors"

	"isync/internal/mail"
	"isync/internal/store"
)

// unseen stands for the store of a server that is not asked. It is taken to hold
// the mailboxes that the other side of the channel would have there, and the
// inbox, which every server has. All of them can be opened. So what fails with it also
// fails with the real server.
type unseen struct {
	store.Store
	boxes []string
	// inboxAmong is the answer of InboxAmongOthers.
	inboxAmong bool
}

var _ store.InboxHolder = (*unseen)(nil)

var errUnseen = errors.New("the server was not asked")

func (u *unseen) Caps(context.Context) (store.Caps, error) {
	return store.Caps{CRLF: true, NeedsSize: true, ReportsUIDs: true, SelectiveExpunge: true}, nil
}

func (u *unseen) List(_ context.Context, req store.ListRequest) (boxes []store.Box, err error) {
	for _, b := range u.boxes {
		if req.Wants(b) && b != mail.Inbox {
			boxes = append(boxes, store.Box{Name: b})
		}
	}
	if req.Wants(mail.Inbox) {
		boxes = append(boxes, store.Box{Name: mail.Inbox})
	}
	return boxes, nil
}

func (u *unseen) InboxAmongOthers(context.Context) (bool, error) { return u.inboxAmong, nil }

func (u *unseen) Open(_ context.Context, _ string, req store.OpenRequest) (store.Mailbox, error) {
	var validity uint32
	if req.OldValidity != nil {
		validity = req.OldValidity()
	}
	return unseenBox{validity}, nil
}

func (u *unseen) Create(context.Context, string) error { return errUnseen }
func (u *unseen) Delete(context.Context, string) error { return errUnseen }
func (u *unseen) Close() error                         { return nil }

// unseenBox is a mailbox of which nothing but its name is known.
type unseenBox struct{ validity uint32 }

func (b unseenBox) Info() store.Info {
	return store.Info{UIDValidity: b.validity, UIDNext: mail.MaxUID, UIDNextGuessed: true, Flags: mail.AllFlags}
}

// Count implements store.Counter: nobody knows.
func (unseenBox) Count() int { return -1 }

func (unseenBox) Scan(context.Context, store.Need) (*store.Listing, error) {
	return &store.Listing{}, nil
}

func (unseenBox) Fetch(context.Context, []store.FetchItem, func(*store.Incoming) error) error {
	return errUnseen
}

func (unseenBox) Append(context.Context, func(store.AppendResult)) (store.Appender, error) {
	return nil, errUnseen
}

func (unseenBox) SetFlags(context.Context, []store.FlagChange, func(int, error)) error {
	return errUnseen
}

func (unseenBox) Remove(context.Context, store.RemoveRequest) error { return errUnseen }
func (unseenBox) Close(context.Context) error                       { return nil }
