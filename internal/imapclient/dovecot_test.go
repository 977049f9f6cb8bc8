package imapclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/google/go-cmp/cmp"

	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/testkit"
	"isync/internal/transport"
)

// TestDovecot runs most commands against a real server, in plain text, under
// TLS of both kinds, and compressed.
func TestDovecot(t *testing.T) {
	d := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"a", "b", "c", "d"}, Compress: true})
	cfg, err := transport.TLSOptions{ServerName: d.Host, PEM: d.CA.PEM()}.Config()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		user     string
		security Security
		compress bool
		depth    int
	}{
		{"a", PlainText, false, 1},
		{"b", StartTLS, false, 0},
		{"c", ImplicitTLS, true, 0},
		{"d", PlainText, true, 3},
	} {
		t.Run(tt.user, func(t *testing.T) {
			opts := Options{
				Host: d.Host, Port: d.Port, Security: tt.security, TLS: cfg, Timeout: 10 * time.Second, PipelineDepth: tt.depth,
				Hooks: Hooks{Unknown: func(what string, err error) { t.Errorf("not understood: %s: %v", what, err) }},
			}
			if tt.security == ImplicitTLS {
				opts.Port = d.TLSPort
			}
			ctx := testContext(t)
			c, err := Dial(ctx, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if tt.depth == 0 {
				err = c.Authenticate(ctx, sasl.NewPlainClient("", tt.user, testkit.Password))
			} else {
				err = c.Login(ctx, tt.user, testkit.Password)
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.compress {
				if err := c.Compress(ctx); err != nil {
					t.Fatal(err)
				}
			}
			converse(ctx, t, c)
			if err := c.Logout(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// converse goes through the life of a mailbox.
func converse(ctx context.Context, t *testing.T, c *Client) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const box = "Entwürfe & ähnliches"
	const n = 100
	_, err := c.Enable(ctx, "QRESYNC")
	check(err)
	ns, err := c.Namespace(ctx)
	check(err)
	if len(ns.Personal) != 1 || ns.Personal[0].Delim != "/" {
		t.Errorf("%+v", ns)
	}
	check(c.Create(ctx, box))
	if err := c.Create(ctx, box); !HasCode(err, imapwire.CodeAlreadyExists) {
		t.Errorf("created twice: %v", err)
	}

	// Messages of very different sizes.
	text := func(i int) string {
		return fmt.Sprintf("Subject: %d\r\nX-TUID: tuid%08d\r\n\r\n%s\r\n", i, i, strings.Repeat("line\r\n", i*i*3))
	}
	date := time.Date(2020, 5, 17, 12, 0, 0, 0, time.FixedZone("", 7200))
	var pending []*Pending[Appended]
	for i := 1; i <= n; i++ {
		m := message(text(i))
		m.Date = date
		if i%2 == 0 {
			m.Flags = mail.FlagSeen | mail.FlagForwarded
		}
		p, err := c.StartAppend(ctx, box, m)
		check(err)
		pending = append(pending, p)
	}
	for i, p := range pending {
		a, err := p.Wait(ctx)
		check(err)
		if a.UID() != mail.UID(i+1) {
			t.Errorf("message %d has the UID %d", i+1, a.UID())
		}
	}
	boxes, err := c.List(ctx, ListRequest{Patterns: []string{"*"}, Status: imapwire.BoxMessages | imapwire.BoxUIDNext})
	check(err)
	found := false
	for _, b := range boxes {
		if b.Name == box {
			found = b.Status != nil && b.Status.Messages == n && b.Status.UIDNext == n+1
		}
	}
	if !found {
		t.Errorf("not listed: %+v", boxes)
	}
	if a, err := c.Append(ctx, box, message("A: b\r\n\r\nx\r\n"), message("A: b\r\n\r\ny\r\n")); err != nil || a.UIDs.Len() != 2 {
		t.Errorf("MULTIAPPEND: %+v, %v", a, err)
	}

	sel, err := c.Select(ctx, box, SelectOptions{CondStore: true})
	check(err)
	if sel.Exists != n+2 || sel.UIDNext != n+3 || sel.UIDValidity == 0 || sel.HighestModSeq == 0 || sel.Settable() != mail.AllFlags {
		t.Errorf("%+v", sel)
	}
	i := 0
	req := FetchRequest{UIDs: mail.UIDSet{{First: 1, Last: n}}, Items: imapwire.ItemFlags | imapwire.ItemDate | imapwire.ItemSize, Body: FullBody}
	check(c.Fetch(ctx, req, func(m *Message) error {
		i++
		var b bytes.Buffer
		if _, err := m.Body.(io.WriterTo).WriteTo(&b); err != nil {
			return err
		}
		want := text(i)
		if m.UID != mail.UID(i) || b.String() != want || m.Size != int64(len(want)) || !m.Date.Equal(date) ||
			m.Flags.Has(mail.FlagSeen|mail.FlagForwarded) != (i%2 == 0) {
			t.Errorf("message %d: UID %d, %d bytes, %v, %s", i, m.UID, b.Len(), m.Date, m.Flags)
		}
		return nil
	}))
	if i != n {
		t.Errorf("%d messages", i)
	}
	uids, err := c.Search(ctx, "UID 20:* HEADER X-TUID tuid00000050")
	check(err)
	if d := cmp.Diff(mail.NewUIDSet(50), uids); d != "" {
		t.Error(d)
	}
	tuids := 0
	check(c.Fetch(ctx, FetchRequest{UIDs: mail.UIDsFrom(50), Body: FieldsBody, Fields: []string{"X-TUID"}}, func(m *Message) error {
		b, err := io.ReadAll(m.Body)
		if m.UID <= n && string(b) != fmt.Sprintf("X-TUID: tuid%08d\r\n\r\n", m.UID) {
			t.Errorf("%d: %q", m.UID, b)
		}
		tuids++
		return err
	}))
	if tuids != n-50+3 {
		t.Errorf("%d TUIDs", tuids)
	}

	_, err = c.Store(ctx, StoreRequest{UIDs: mail.NewUIDSet(1, 2, 3), Flags: mail.FlagDeleted})
	check(err)
	check(c.ExpungeUIDs(ctx, mail.NewUIDSet(1, 2, 4)))
	copied, err := c.Copy(ctx, mail.NewUIDSet(3, 5), "INBOX")
	check(err)
	if copied.Src.Len() != 2 {
		t.Errorf("%+v", copied)
	}
	moved, err := c.Move(ctx, mail.NewUIDSet(7), "INBOX")
	check(err)
	if moved.Dst.Len() != 1 || c.Exists() != n-1 {
		t.Errorf("%+v, %d messages", moved, c.Exists())
	}
	if _, err := c.Copy(ctx, mail.NewUIDSet(5), "nowhere"); !HasCode(err, imapwire.CodeTryCreate) {
		t.Errorf("copy to nowhere: %v", err)
	}
	check(c.Unselect(ctx))

	var gone mail.UIDSet
	changed := map[mail.UID]mail.Flags{}
	again, err := c.Select(ctx, box, SelectOptions{QResync: QResync{
		UIDValidity: sel.UIDValidity, ModSeq: sel.HighestModSeq,
		Vanished: func(s mail.UIDSet) { gone.AddSet(s) },
		Changed:  func(f *imapwire.Fetch) { changed[f.UID] = f.Flags },
	}})
	check(err)
	if d := cmp.Diff(mail.NewUIDSet(1, 2, 7), gone); d != "" {
		t.Error("vanished", d)
	}
	if d := cmp.Diff(map[mail.UID]mail.Flags{3: mail.FlagDeleted}, changed); d != "" {
		t.Error("changed", d)
	}
	if again.HighestModSeq <= sel.HighestModSeq {
		t.Errorf("%+v", again)
	}
	check(c.CloseBox(ctx))
	check(c.Delete(ctx, box))
}
