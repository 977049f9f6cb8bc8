package imapclient

import (
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/mail"
)

func TestSession(t *testing.T) {
	ctx := testContext(t)
	c := connect(t, Options{}, "LITERAL+", func(p *peer) {
		p.answer(`LOGIN "joe" "pa\"ss"`, "* CAPABILITY IMAP4rev1 UIDPLUS\n")
		p.answer(`SELECT "Entw&APw-rfe"`, "* 3 EXISTS\n* FLAGS (\\Seen)\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 9]\n* OK [PERMANENTFLAGS (\\Seen \\*)] y\n")
		p.answer("UID FETCH 1:* (UID FLAGS RFC822.SIZE)", "* 1 FETCH (UID 3 FLAGS (\\Seen) RFC822.SIZE 12)\n* 2 FETCH (RFC822.SIZE 13 UID 5 FLAGS ())\n")
		p.answer("UID FETCH 3,5 (UID FLAGS BODY.PEEK[])", "* 1 FETCH (UID 3 FLAGS (\\Seen) BODY[] {4}\nab\n)\n* 2 FETCH (BODY[] {1}\nx UID 5 FLAGS ())\n")
		p.answer(`UID STORE 3 +FLAGS.SILENT (\Deleted)`, "")
		p.answer("UID EXPUNGE 3", "* 1 EXPUNGE\n")
		p.answer("LOGOUT", "* BYE see you\n")
	})
	if err := c.Login(ctx, "joe", `pa"ss`); err != nil {
		t.Fatal(err)
	}
	if !c.Caps().Has("UIDPLUS") || c.Caps().Has("LITERAL+") {
		t.Errorf("capabilities %v", c.Caps())
	}
	sel, err := c.Select(ctx, "Entwürfe", SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := Selected{
		Exists: 3, HasExists: true, UIDValidity: 7, UIDNext: 9, HasPermanent: true,
		Flags: imapwire.FlagSet{Flags: mail.FlagSeen}, Permanent: imapwire.FlagSet{Flags: mail.FlagSeen, Any: true},
	}
	if d := cmp.Diff(want, sel); d != "" {
		t.Error(d)
	}
	if sel.Settable() != mail.FlagSeen|mail.FlagForwarded || c.Exists() != 3 {
		t.Error(sel.Settable(), c.Exists())
	}
	var metas []mail.Meta
	err = c.Fetch(ctx, FetchRequest{UIDs: mail.UIDsFrom(1), Items: imapwire.ItemFlags | imapwire.ItemSize}, func(m *Message) error {
		metas = append(metas, mail.Meta{UID: m.UID, Flags: m.Flags, Size: m.Size})
		return nil
	})
	if d := cmp.Diff([]mail.Meta{{UID: 3, Flags: mail.FlagSeen, Size: 12}, {UID: 5, Size: 13}}, metas); d != "" || err != nil {
		t.Error(d, err)
	}
	got := map[mail.UID]string{}
	err = c.Fetch(ctx, FetchRequest{UIDs: mail.NewUIDSet(3, 5), Items: imapwire.ItemFlags, Body: FullBody}, func(m *Message) error {
		b, err := io.ReadAll(m.Body)
		got[m.UID] = string(b) + "/" + m.Flags.String()
		return err
	})
	if d := cmp.Diff(map[mail.UID]string{3: "ab\r\n/S", 5: "x/"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if _, err := c.Store(ctx, StoreRequest{UIDs: mail.NewUIDSet(3), Flags: mail.FlagDeleted}); err != nil {
		t.Error(err)
	}
	if err := c.ExpungeUIDs(ctx, mail.NewUIDSet(3)); err != nil || c.Exists() != 2 {
		t.Error(err, c.Exists())
	}
	if err := c.Logout(ctx); err != nil {
		t.Error(err)
	}
	err = c.Noop(ctx)
	if _, ok := errors.AsType[*ConnectionError](err); !ok {
		t.Errorf("after the end: %v", err)
	}
}

// TestAmpersandsForget: what was learned from one server is not used for another.
func TestAmpersandsForget(t *testing.T) {
	var a Ampersands
	a.learn("a&-b")
	a.noteName("A&B", true)
	if !a.escaped() || !a.isRaw("A&B") {
		t.Error("nothing was learned")
	}
	a.Forget()
	if a.escaped() || a.isRaw("A&B") {
		t.Error("something is still known")
	}
	a.learn("a&b")
	a.Forget()
	if a.learn("a&-b"); !a.escaped() {
		t.Error("an earlier name decides about later ones")
	}
}
