package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/store"
	"isync/internal/transport"
	"isync/internal/ui"
	"isync/internal/vfs"
	"isync/internal/vfs/vfstest"
)

// Errors that a test cannot have for real.
func TestExplain(t *testing.T) {
	w := newWorld(t, far(993, "TLSType STARTTLS"))
	r := &run{env: w.env, c: &commandLine{config: "rc"}, reporter: reporter{events: ui.New(ui.Options{Out: &w.out, Err: &w.err})}}
	if !r.load() {
		t.Fatal(w.err.String())
	}
	at := func(err error) error { return &store.StoreError{Store: "far", Err: err} }
	path := func(errno syscall.Errno) error {
		return &store.BoxError{Store: "near", Box: "INBOX", Err: &fs.PathError{Op: "open", Path: "/mail/tmp/x", Err: errno}}
	}
	conn := func(waiting imapclient.Waiting, err error) error {
		return at(&imapclient.ConnectionError{Host: "h", Waiting: waiting, Err: err})
	}
	named := func(r store.NameReason, box string) error {
		return &store.BoxError{Store: "far", Box: box, Err: &store.NameError{Reason: r, Name: box, Text: "bad name"}}
	}
	for _, c := range []struct {
		err        error
		text, hint string
	}{
		{at(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}), "no such host", "check the spelling of Host (rc:2)"},
		{at(&net.DNSError{Err: "server misbehaving", Name: "h"}), "misbehaving", "host names cannot be resolved: check the network connection"},
		{at(&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}), "unreachable", "check the network connection"},
		{at(tls.AlertError(70)), "protocol version not supported", "the server may be too old for TLS 1.2: add the line TLSVersions +1.1 +1.0, which is not secure"},
		{at(tls.AlertError(40)), "handshake failure", "the server ended the handshake; it may require a ClientCertificate, or another name in Host"},
		{conn("the greeting", &transport.TimeoutError{After: 20}), "nothing for", "port 993 usually needs TLSType IMAPS"},
		{conn("UID FETCH", &transport.TimeoutError{After: 20}), "nothing for", "the server does not answer; if it is only slow, raise Timeout of IMAPStore \"far\" (rc:1)"},
		{conn("UID FETCH", errors.New("reset")), "reset", "no message is lost: run mbsync again to continue"},
		{at(&imapclient.ResponseError{Command: "APPEND", Status: imapwire.StatusNo, Code: imapwire.Code{Name: "OVERQUOTA"}}), "OVERQUOTA", "the account on the server is full: delete messages there, then run mbsync again"},
		{path(syscall.EACCES), "mailbox 'INBOX': open /mail/tmp/x: permission denied", "check the permissions: ls -ld '/mail/tmp/x' and the directories above it"},
		{&store.BoxError{Store: "near", Box: "INBOX", Err: &os.LinkError{Op: "rename", Old: "/mail/new/x", New: "/mail/cur/x", Err: syscall.EACCES}}, "permission denied", "check the permissions: ls -ld '/mail/cur/x' and the directories above it"},
		{path(syscall.ENOSPC), "no space left", "the disk is full. No message is lost: free some space, then run mbsync again to continue"},
		{path(syscall.EDQUOT), "quota", "your disk quota is used up. No message is lost: free some space, then run mbsync again to continue"},
		{path(syscall.EROFS), "read-only", "the file system of '/mail/tmp/x' is mounted read-only"},
		{path(syscall.EIO), "input/output", "the disk may be damaged: check the kernel log (dmesg)"},
		{engine.ErrLocked, "locked", "another mbsync is synchronizing this mailbox; run mbsync again when it has finished"},
		{fmt.Errorf("%w on both sides", engine.ErrUIDValidity), "on both sides", "the mailbox was replaced"},
		{named(store.NameInbox, "inbox"), "bad name", "write INBOX in capital letters for the inbox"},
		{named(store.NameInbox, "Mail"), "bad name", "rename it, or exclude the mailbox with Patterns"},
		{named(store.NameDelimiter, "a.b"), "bad name", "rename it, or set Flatten in the other store"},
		{named(store.NameFlat, "a/b"), "bad name", "add a line Flatten to IMAPStore \"far\" (rc:1)"},
		{named(store.NameSystem, "con"), "bad name", "rename it on the other side, or exclude"},
		{named(store.NameTaken, "Foo"), "bad name", "rename it on the other side, or exclude"},
		{named(store.NameInvalid, "a//b"), "bad name", ""},
		{errors.New("two\nlines"), "two; lines", ""},
	} {
		got := r.explain(fmt.Errorf("doing something: %w", c.err))
		if len(got) != 1 || got[0].Fact == nil || !strings.Contains(got[0].Text, c.text) || !strings.HasPrefix(got[0].Hint, c.hint) || c.hint == "" && got[0].Hint != "" {
			t.Errorf("%v:\n%q", c.err, got)
		}
	}

	// Both sides at once are two errors.
	if got := r.explain(errors.Join(engine.ErrLocked, path(syscall.EIO))); len(got) != 2 || got[0].Hint == got[1].Hint {
		t.Errorf("%q", got)
	}
	// That a run was told to stop is no news.
	canceled := fmt.Errorf("listing: %w", context.Canceled)
	if got := r.explain(canceled); len(got) != 1 {
		t.Errorf("%q", got)
	}
	r.ended.Store(2)
	if got := r.explain(canceled); len(got) != 0 {
		t.Errorf("%q", got)
	}
	// A place in the configuration stands in front.
	r.cfg = nil
	if got := r.explain(&placedError{config.Pos{File: "rc", Line: 7}, errors.New("that is wrong")}); got[0].Place != (event.Place{File: "rc", Line: 7}) || got[0].Text != "that is wrong" {
		t.Errorf("%q", got)
	}
}

// localWorld has two Maildirs with a message in the far one.
func localWorld(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb, "MaildirStore far\nInbox far")
	for _, dir := range []string{"far/new", "far/tmp", "far/cur", "near/new", "near/tmp", "near/cur"} {
		if err := os.MkdirAll(filepath.Join(w.dir, dir), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	w.write("far/cur/1700000000.one:2,S", "Subject: one\n\nText\n")
	w.write("far/cur/1700000001.two:2,S", "Subject: two\n\nText\n")
	return w
}

// A disk that is full costs a run, and nothing else: the next one completes it.
func TestFullDisk(t *testing.T) {
	w := localWorld(t)
	fault := vfstest.NewFault(vfs.OS{})
	w.env.FS = fault
	fault.Inject(vfstest.Rule{Ops: vfstest.OpWrite, Nth: 3, Err: syscall.ENOSPC, Every: true})
	w.run(1, "-a")
	w.says(&w.err, "no space left on device", "hint: the disk is full.")
	if len(w.hints()) != 1 {
		t.Errorf("%s", &w.err)
	}
	w.env.FS = vfs.OS{}
	w.run(0, "-a")
	w.run(0, "-ae")
}

func TestLocked(t *testing.T) {
	w := localWorld(t)
	w.run(0, "-a")
	f, err := (vfs.OS{}).OpenFile(filepath.Join(w.dir, "state/INBOX.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := (vfs.OS{}).Lock(f, false); err != nil {
		t.Fatal(err)
	}
	w.run(1, "-a")
	w.says(&w.err, "error: channel 'c': channel is locked", "hint: another mbsync is synchronizing this mailbox")
}

// TestErrorCodes: an error has the code of its cause, however it is wrapped; if the
// cause is unknown, the code says whether a store or a mailbox failed.
func TestErrorCodes(t *testing.T) {
	w := newWorld(t, "IMAPStore far\nHost imap.example\nPort 993\nTLSType None\n\nMaildirStore near\nPath /mail/\nInbox /mail/INBOX\n")
	cfg, _, err := config.Load(config.Options{File: "rc", Env: w.env.Config})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{env: w.env, c: &commandLine{}, cfg: cfg}
	far := func(err error) error { return &store.StoreError{Store: "far", Err: err} }
	for want, err := range map[event.Code]error{
		"mailbox-locked":      fmt.Errorf("in vain: %w", engine.ErrLocked),
		"uidvalidity-changed": engine.ErrUIDValidity,
		"uidnext-went-back":   engine.ErrWentBack,
		"state-lost":          engine.ErrStateLost,
		"mailbox-missing":     engine.ErrBoxMissing,
		"mailbox-vanished":    store.ErrNoBox,
		"login-refused":       far(&auth.RefusedError{Err: errors.New("no")}),
		"no-mechanism":        far(&auth.SelectError{Msg: "no"}),
		"connection-refused":  far(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"no-starttls":         far(imapclient.ErrNoStartTLS),
		"disk-full":           &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC},
		"config-file-missing": &config.ReadError{Err: fs.ErrNotExist},
		"config-invalid":      config.ErrorList{{Msg: "no"}},
		"store-failed":        far(errors.New("no")),
		"mailbox-failed":      &store.BoxError{Store: "near", Box: "b", Err: errors.New("no")},
		"failed":              errors.New("no"),
	} {
		if got := r.explain(err); len(got) != 1 || got[0].Fact.Code() != want {
			t.Errorf("%v: %+v, want code %s", err, got, want)
		}
	}
}
