package imap_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/store"
	"isync/internal/store/imap"
	"isync/internal/store/storetest"
	"isync/internal/testkit"
)

// options returns those for a user of the server, with warnings as errors.
func options(t testing.TB, s testkit.Server, user string) imap.Options {
	return imap.Options{
		Name:         "far",
		Client:       imapclient.Options{Host: s.At().Host, Port: s.At().Port, Timeout: 20 * time.Second},
		Login:        loginWith(user, testkit.Password),
		UseNamespace: true,
		Warn:         func(f event.Fact) { t.Errorf("warning: %s", textOf(f)) },
	}
}

func loginWith(user, password string) func(context.Context, *imapclient.Client) error {
	return func(ctx context.Context, c *imapclient.Client) error { return c.Login(ctx, user, password) }
}

func asType[T error](err error) (T, bool) { return errors.AsType[T](err) }

func TestSuite(t *testing.T) {
	type variant struct {
		name   string
		start  func(testing.TB) testkit.Server
		change func(*imap.Options)
	}
	dovecot := func(cfg testkit.DovecotConfig) func(testing.TB) testkit.Server {
		return func(tb testing.TB) testkit.Server { tb.Helper(); return testkit.StartDovecot(tb, cfg) }
	}
	variants := []variant{
		{name: "sdbox", start: dovecot(testkit.DovecotConfig{})},
		{name: "maildir", start: dovecot(testkit.DovecotConfig{Storage: "maildir:~/Maildir", Separator: ".", Prefix: "INBOX."})},
		{
			name:  "poor",
			start: dovecot(testkit.DovecotConfig{Capability: "IMAP4rev1", Storage: "mdbox"}),
			change: func(o *imap.Options) {
				o.Client.PipelineDepth = 1
				o.MaxSessions = 2
				o.HasPath, o.Path = true, "Mail/"
				o.SubscribedOnly = false
			},
		},
	}
	for _, k := range testkit.Kinds() {
		variants = append(variants, variant{name: k.Name, start: k.Start})
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			server := v.start(t)
			traits := server.Traits()
			var users atomic.Int32
			storetest.Run(t, storetest.Config{
				Refuses:      traits.RefusesName,
				KeepsParents: traits.KeepsParents,
				RefusesText:  traits.RefusesText,
				Stored:       traits.Stored,
				Unmarked:     true,
				Bare:         v.name != "sdbox",
				New: func(t testing.TB) storetest.Backend {
					user := fmt.Sprintf("user%d", users.Add(1))
					server.AddUser(t, user)
					opts := options(t, server, user)
					if v.change != nil {
						v.change(&opts)
					}
					return storetest.Backend{Open: func(testing.TB) store.Store { return imap.New(opts) }}
				},
			})
		})
	}
}
