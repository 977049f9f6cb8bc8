package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// FuzzParse checks that nothing makes the parser panic, that it says the same
// each time, that errors and notices name a line that exists, and that a
// password does not show.
func FuzzParse(f *testing.F) {
	old, err := os.ReadFile("testdata/oldstyle.mbsyncrc")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		"", "\n", "\ufeff#\r\n", string(old),
		withChannel("Sync PullNew Push", "Create Slave", "Patterns * !\u201ca b\u201d", "", "Group g c:x,y"),
		withAccount("Pass \"a\\\"b\"", "TLSVersions +1.1 -1.3", "AuthMechs * PLAIN", "SSLVersions TLSv1 SSLv3", "RequireCRAM yes"),
		"\xff\xffpass\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff x\n",
		"Sync None New\nExpunge Both\nExpungeSolo Far\nMaxMessages x\nSyncState ~nobody/x\n", "Host \\\nPass \"x\n\x00\nChannel", "Channel c\nFar ::\nNear :x:\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env := testEnv(map[string]string{"/home/me/.certs/one.pem": "", "/home/me/.certs/two.pem": "", "/home/me/.mbsync/x": ""})
		cfg, notices, err := Parse("/etc/rc", []byte(text), env)
		cfg2, notices2, err2 := Parse("/etc/rc", []byte(text), env)
		if !reflect.DeepEqual(cfg, cfg2) || !reflect.DeepEqual(notices, notices2) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatal("two runs differ")
		}
		lines := strings.Count(text, "\n") + 1
		check := func(pos Pos) {
			if pos.File != "/etc/rc" || pos.Line < 1 || pos.Line > lines {
				t.Fatalf("no such place: %v", pos)
			}
		}
		for _, n := range notices {
			check(n.Pos)
		}
		if err != nil {
			var list ErrorList
			if !errors.As(err, &list) || len(list) == 0 || cfg != nil {
				t.Fatalf("%#v beside %v", err, cfg)
			}
			for _, e := range list {
				check(e.Pos)
			}
			return
		}
		for _, c := range cfg.Channels {
			check(c.At)
			if c.Far.Store == nil || c.Near.Store == nil || c.Ops.Check() != nil || c.Ops.Given != opAll {
				t.Fatalf("incomplete channel %+v", c)
			}
			c.Patterns.Match("a/b")
		}
		for _, s := range cfg.Stores {
			if (s.IMAP == nil) == (s.Maildir == nil) || s.IMAP != nil && s.IMAP.Account == nil || s.Maildir != nil && s.Maildir.Inbox == "" {
				t.Fatalf("incomplete store %+v", s)
			}
		}
		for _, a := range cfg.Accounts {
			if a.Port == 0 || len(a.AuthMechs) == 0 || a.TLSVersions == 0 || a.Host == "" && a.Tunnel == "" {
				t.Fatalf("incomplete account %+v", a)
			}
		}
	})
}
