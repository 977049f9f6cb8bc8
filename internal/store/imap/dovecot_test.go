package imap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/storetest"
	"isync/internal/testkit"
)

// options returns those for a user of the server, with warnings as errors.
func options(t testing.TB, d *testkit.Dovecot, user string) imap.Options {
	return imap.Options{
		Name:         "far",
		Client:       imapclient.Options{Host: d.Host, Port: d.Port, Timeout: 20 * time.Second},
		Login:        loginWith(user, testkit.Password),
		UseNamespace: true,
		Warn:         func(text string) { t.Errorf("warning: %s", text) },
	}
}

func loginWith(user, password string) func(context.Context, *imapclient.Client) error {
	return func(ctx context.Context, c *imapclient.Client) error { return c.Login(ctx, user, password) }
}

func asType[T error](err error) (T, bool) { return errors.AsType[T](err) }

// stored is what Dovecot makes of a message: it cannot send NUL in a literal,
// and it drops a CR that is too much.
func stored(body string) string {
	body = strings.ReplaceAll(body, "\x00", "\x80")
	return strings.TrimSuffix(strings.ReplaceAll(body, "\r\r\n", "\r\n"), "\r")
}

func TestSuite(t *testing.T) {
	for _, c := range []struct {
		name    string
		dovecot testkit.DovecotConfig
		change  func(*imap.Options)
		refuses func(name string) bool
	}{
		{name: "sdbox"},
		{
			name:    "maildir",
			dovecot: testkit.DovecotConfig{Storage: "maildir:~/Maildir", Separator: ".", Prefix: "INBOX."},
			refuses: func(name string) bool {
				// With the prefix the children of the inbox are the other mailboxes.
				return strings.Contains(name, ".") || strings.HasPrefix(name, "INBOX/")
			},
		},
		{
			name: "poor",
			dovecot: testkit.DovecotConfig{
				Capability: "IMAP4rev1", Storage: "mdbox",
			},
			change: func(o *imap.Options) {
				o.Client.PipelineDepth = 1
				o.MaxSessions = 2
				o.HasPath, o.Path = true, "Mail/"
				o.SubscribedOnly = false
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := testkit.StartDovecot(t, c.dovecot)
			var users atomic.Int32
			storetest.Run(t, storetest.Config{
				Refuses:  c.refuses,
				Stored:   stored,
				Unmarked: true,
				New: func(t testing.TB) storetest.Backend {
					user := fmt.Sprintf("user%d", users.Add(1))
					d.AddUser(t, user)
					opts := options(t, d, user)
					if c.change != nil {
						c.change(&opts)
					}
					return storetest.Backend{Open: func(testing.TB) store.Store { return imap.New(opts) }}
				},
			})
		})
	}
}
