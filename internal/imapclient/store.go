package imapclient

import (
	"context"
	"strconv"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

// StoreMode says what to do with flags.
type StoreMode uint8

// The modes.
const (
	AddFlags StoreMode = iota
	RemoveFlags
	SetFlags
)

// StoreRequest describes a change of flags.
type StoreRequest struct {
	UIDs  mail.UIDSet
	Mode  StoreMode
	Flags mail.Flags
	// UnchangedSince, if not 0, leaves alone messages that have changed since
	// (CONDSTORE).
	UnchangedSince mail.ModSeq
}

// Stored is the result of a STORE.
type Stored struct {
	// Modified are the messages left alone because of UnchangedSince.
	Modified mail.UIDSet
}

// Store is StartStore and Wait.
func (c *Client) Store(ctx context.Context, req StoreRequest) (Stored, error) {
	p, err := c.StartStore(ctx, req)
	if err != nil {
		return Stored{}, err
	}
	return p.Wait(ctx)
}

// StartStore starts a silent UID STORE. If the server reports flags nevertheless, Hooks.Fetch is called with them.
func (c *Client) StartStore(ctx context.Context, req StoreRequest) (*Pending[Stored], error) {
	text := imapwire.NewCommand("UID STORE").Set(req.UIDs)
	if req.UnchangedSince > 0 {
		text.Raw("(UNCHANGEDSINCE " + strconv.FormatUint(uint64(req.UnchangedSince), 10) + ")")
	}
	text.Raw([...]string{"+FLAGS.SILENT", "-FLAGS.SILENT", "FLAGS.SILENT"}[req.Mode]).Flags(req.Flags)
	var st Stored
	cmd := &command{reports: []imapwire.Kind{imapwire.KindFetch}, completed: func(r *imapwire.Response) error {
		if r.Code.Name == imapwire.CodeModified {
			st.Modified = r.Code.UIDs
		}
		return nil
	}}
	return begin(ctx, c, cmd, text, &st)
}
