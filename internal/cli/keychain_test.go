package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

// UseKeychain asks for the password of User on Host, once; its errors have a
// place.
func TestUseKeychain(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the keyring is not asked through the library alone")
	}
	keyring.MockInit()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	var got string
	srv := startLoginServer(t, "AUTH=PLAIN SASL-IR", nil, func(_ *loginConn, _ int, _, first string) string {
		got = first
		return "OK in"
	})
	rc := fmt.Sprintf("IMAPStore far\nHost 127.0.0.1\nPort %d\nUserCmd \"echo me\"\nUseKeychain yes\nTLSType None\nAuthMechs PLAIN\n", srv.port)
	w := newWorld(t, rc)
	w.run(1, "-a")
	w.says(&w.err, "rc:5: error: channel 'c': store 'far': login failed: cannot get the password of IMAPStore \"far\": keyring, password of 'me' on '127.0.0.1': there is none",
		"hint: to store it: secret-tool store --label='mbsync 127.0.0.1' service 127.0.0.1 username me")
	if tried := srv.tried(); tried != "" {
		t.Errorf("tried %s", tried)
	}
	const password = "s3cret-w0rd"
	if err := keyring.Set("127.0.0.1", "me", password); err != nil {
		t.Fatal(err)
	}
	w.run(0, "-a", "-DN")
	if got != "\x00me\x00"+password {
		t.Errorf("sent %q", got)
	}
	w.silent(password, base64.StdEncoding.EncodeToString([]byte(got)))

	if _, err := os.Stat(fmt.Sprintf("/run/user/%d", os.Getuid())); err == nil {
		return // there may be a bus
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	w.run(1, "-a")
	w.says(&w.err, "rc:5: error: ", "there is no D-Bus session bus", "hint: the Secret Service needs the D-Bus session bus")
}

// A keyring has nothing for a server without a name.
func TestKeychainWithoutHost(t *testing.T) {
	w := newWorld(t, "IMAPStore far\nTunnel \"printf '* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5] hi\\\\r\\\\n'; read line\"\nUser me\nUseKeychain yes\nAuthMechs CRAM-MD5\n")
	w.run(1, "-a")
	w.says(&w.err, "rc:4: error: ", "no Host is set", "hint: set Host, or use PassCmd")
}

func TestStoreCommand(t *testing.T) {
	for _, tt := range []struct{ goos, host, user, want string }{
		{"linux", "h", "me@h", "secret-tool store --label='mbsync h' service h username me@h"},
		{"linux", "h", "it's me", `secret-tool store --label='mbsync h' service h username 'it'\''s me'`},
		{"darwin", "h", "me you", "security add-internet-password -r imap -s h -a 'me you' -w"},
		{"windows", "h", "me", `cmdkey /generic:"h:me" /user:"me" /pass`},
	} {
		if got := storeCommand(tt.goos, tt.host, tt.user); got != tt.want {
			t.Errorf("%s", got)
		}
	}
	for _, word := range []string{"", "plain", "a b", "it's", "$(x)", "`x`", "a\nb", "~", "!"} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellQuote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q becomes %q, %v", word, out, err)
		}
	}
	if !strings.HasPrefix(shellQuote("~"), "'") {
		t.Error("~ is not quoted")
	}
}
