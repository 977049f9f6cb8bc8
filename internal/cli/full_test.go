package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// TestFullAccount: an account that is at its quota does not keep messages from being
// expunged there, and after that there is room for the new one, in the same run. Where
// nothing makes room, there is an error, and nothing is lost.
func TestFullAccount(t *testing.T) {
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Extra: "mail_plugins = quota\n" +
		"plugin {\n  quota = count:User quota\n  quota_vsizes = yes\n  quota_rule = *:messages=8\n  quota_grace = 0\n}\n"})
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType None\nAuthMechs PLAIN\n\n", srv.Host, srv.Port)+
		"MaildirStore near2\nInbox near2\n\nChannel d\nFar :far:INBOX\nNear :near2:INBOX\nCreate Near\nExpunge Both\nSyncState *\n")
	w.write("secret", testkit.Password+"\n")
	var mails []testkit.Mail
	for i := range 8 {
		mails = append(mails, testkit.Mail{Body: fmt.Sprintf("Subject: s%d\r\nMessage-Id: <m%d@x>\r\n\r\nHello\r\n", i, i)})
	}
	srv.Seed(t, "user", "INBOX", mails...)
	w.run(0, "d")
	box := filepath.Join(w.dir, "near2")
	deliver := func(name string) {
		text := fmt.Sprintf("Subject: %s\nMessage-Id: <%s@x>\n\nHello\n", name, name)
		if err := os.WriteFile(filepath.Join(box, "new", "1700000000."+name+".user"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	deliver("new1")
	w.run(1, "d")
	w.says(&w.err, "uota")
	files, err := filepath.Glob(filepath.Join(box, "*", "*,U=*"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%v %v", files, err)
	}
	marked := 0
	for _, f := range files {
		base, flags, _ := strings.Cut(filepath.Base(f), ":2,")
		if data, _ := os.ReadFile(f); strings.Contains(string(data), "new1") || marked == 6 {
			continue
		}
		marked++
		if err := os.Rename(f, filepath.Join(box, "cur", base+":2,"+flags+"T")); err != nil {
			t.Fatal(err)
		}
	}
	w.run(0, "d")
	w.run(0, "d")
	far := strings.Count(srv.Doveadm(t, "", "fetch", "-u", "user", "uid", "mailbox", "INBOX", "all"), "uid:")
	near := 0
	for _, d := range []string{"new", "cur"} {
		names, _ := os.ReadDir(filepath.Join(box, d))
		near += len(names)
	}
	if far != 3 || near != 3 {
		t.Errorf("far has %d messages, near %d; 3 each are wanted\n%s%s", far, near, &w.out, &w.err)
	}
}
