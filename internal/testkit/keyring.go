package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Keyring is a Secret Service of a test with its own session bus.
type Keyring struct {
	// Bus is the address of the bus, for DBUS_SESSION_BUS_ADDRESS.
	Bus string

	env []string
	// process is the keyring daemon.
	process *process
}

// StartKeyring starts a bus and gnome-keyring, which has an unlocked, empty key
// ring. Both end with the test.
func StartKeyring(tb testing.TB) *Keyring {
	tb.Helper()
	bus := FindProgram(tb, "dbus-daemon", "dbus")
	daemon := FindProgram(tb, "gnome-keyring-daemon", "gnome-keyring")
	dir := shortTempDir(tb)
	socket := filepath.Join(dir, "bus")
	k := &Keyring{Bus: "unix:path=" + socket}
	k.env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir,
		"DBUS_SESSION_BUS_ADDRESS="+k.Bus)
	k.start(tb, "", bus, "--session", "--nofork", "--nopidfile", "--address="+k.Bus)
	k.await(tb, "the bus", func() error {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err
	})
	k.process = k.start(tb, "the key ring's own", daemon, "--unlock", "--foreground", "--components=secrets", "--control-directory="+filepath.Join(dir, "control"))
	k.await(tb, "the key ring", func() error { return k.owned(tb) })
	return k
}

// start starts a program.
func (k *Keyring) start(tb testing.TB, stdin, program string, args ...string) *process {
	tb.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdin = k.env, strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := start(cmd)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.kill(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("%s: %s", filepath.Base(program), &out)
		}
	})
	return p
}

// await waits until look returns no error.
func (k *Keyring) await(tb testing.TB, what string, look func() error) {
	tb.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s does not answer: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// owned returns an error if the bus has no Secret Service.
func (k *Keyring) owned(tb testing.TB) error {
	send := FindProgram(tb, "dbus-send", "dbus")
	cmd := exec.Command(send, "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets")
	cmd.Env = k.env
	out, err := cmd.CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte("boolean true")) {
		err = errors.New("nobody is org.freedesktop.secrets")
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Store stores a password with the command that the documentation gives to users.
func (k *Keyring) Store(tb testing.TB, service, user, password string) {
	tb.Helper()
	tool := FindProgram(tb, "secret-tool", "libsecret-tools")
	cmd := exec.Command(tool, "store", "--label=mail", "service", service, "username", user)
	cmd.Env, cmd.Stdin = k.env, strings.NewReader(password)
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("secret-tool: %v: %s", err, out)
	}
}

// Lock locks the keyring. No user can be asked for its password.
func (k *Keyring) Lock(tb testing.TB) {
	tb.Helper()
	send := FindProgram(tb, "dbus-send", "dbus")
	cmd := exec.Command(send, "--session", "--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets",
		"org.freedesktop.Secret.Service.Lock", "array:objpath:/org/freedesktop/secrets/collection/login")
	cmd.Env = k.env
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("locking the key ring: %v: %s", err, out)
	}
}

// Suspend stops the keyring from answering until the end of the test, as if it waited for its
// user.
func (k *Keyring) Suspend(tb testing.TB) {
	tb.Helper()
	group := k.process.cmd.Process.Pid
	if err := stopGroup(group); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := continueGroup(group); err != nil {
			tb.Error(err)
		}
	})
}
