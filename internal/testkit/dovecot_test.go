//go:build unix

package testkit

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func login(user string) string {
	return fmt.Sprintf("a LOGIN %s %q", user, Password)
}

func TestDovecot(t *testing.T) {
	for _, storage := range []string{"sdbox", "mdbox", "maildir"} {
		t.Run(storage, func(t *testing.T) {
			d := StartDovecot(t, DovecotConfig{Users: []string{"ann", "bob"}, Storage: storage, Rawlog: true, Compress: true})
			conn, r := dial(t, d.Addr())
			got := talk(t, conn, r, login("ann"), "b CAPABILITY", "c CREATE x/y", "d APPEND x/y {3+}\r\nabc", "e SELECT x/y", "f LOGOUT")
			for _, want := range []string{"COMPRESS=DEFLATE", "* 1 EXISTS", "f OK"} {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			want := []string{"CAPABILITY", "CREATE x/y", "APPEND x/y {}", "SELECT x/y", "LOGOUT"}
			if diff := cmp.Diff(want, d.Commands(t, "ann")); diff != "" {
				t.Error(diff)
			}
			if got := d.Commands(t, "bob"); len(got) != 0 {
				t.Errorf("bob sent %q", got)
			}
			// The connection that waited for the greeting sent nothing.
			if got := d.LoginSessions(t); len(got) != 1 || len(got[0]) != 1 || !strings.HasPrefix(got[0][0], "LOGIN ann ") {
				t.Errorf("before login: %q", got)
			}
			d.ForgetCommands(t)
			if got := d.Commands(t, "ann"); len(got) != 0 {
				t.Errorf("commands not forgotten: %q", got)
			}
			if got := d.Doveadm(t, "", "search", "-u", "ann", "mailbox", "x/y", "all"); len(strings.Split(strings.TrimSpace(got), "\n")) != 1 {
				t.Errorf("doveadm: %q", got)
			}
			d.AddUser(t, "late")
			conn, r = dial(t, d.Addr())
			if got := talk(t, conn, r, login("late")); !strings.Contains(got, "a OK") {
				t.Errorf("the user added later: %s", got)
			}
		})
	}
}

func TestDovecotTLS(t *testing.T) {
	d := StartDovecot(t, DovecotConfig{RequireTLS: true})
	conn, r := dial(t, d.Addr())
	if got := talk(t, conn, r, "x CAPABILITY", login("user")); !strings.Contains(got, "LOGINDISABLED") || !strings.Contains(got, "a NO") {
		t.Errorf("without TLS: %s", got)
	}
	talk(t, conn, r, "s STARTTLS")
	conf := &tls.Config{RootCAs: d.CA.Pool(), ServerName: d.Host}
	secure := tls.Client(conn, conf)
	if got := talk(t, secure, bufio.NewReader(secure), login("user"), "z LOGOUT"); !strings.Contains(got, "a OK") {
		t.Errorf("STARTTLS: %s", got)
	}
	for _, name := range []string{"127.0.0.1", "localhost"} {
		conf.ServerName = name
		secure, err := tls.Dial("tcp", d.TLSAddr(), conf)
		if err != nil {
			t.Fatal(err)
		}
		if got := talk(t, secure, bufio.NewReader(secure), login("user"), "z LOGOUT"); !strings.Contains(got, "a OK") {
			t.Errorf("IMAPS: %s", got)
		}
		secure.Close()
	}
}

func TestBadCertificates(t *testing.T) {
	ca := NewCA(t)
	for name, cert := range map[string]*Certificate{
		"certificate is valid for other.example.org": ca.WrongName(t),
		"certificate has expired":                    ca.Expired(t),
		"":                                           ca.Issue(t, CertConfig{}),
		"unknown authority":                          NewCA(t).Issue(t, CertConfig{}),
	} {
		conn := TLSServer(t, cert)
		c, err := tls.Dial("tcp", conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
		if err == nil {
			c.Close()
		}
		if (err == nil) != (name == "") || err != nil && !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDovecotStops(t *testing.T) {
	var d *Dovecot
	var pids, groups []int
	if !groupRuns(syscall.Getpgrp()) {
		t.Error("this test does not run")
	}
	t.Run("server", func(t *testing.T) {
		d = StartDovecot(t, DovecotConfig{})
		conn, r := dial(t, d.Addr())
		talk(t, conn, r, login("user"))
		pids = append(pids, d.proc.cmd.Process.Pid)
		// Dovecot may log the login after it has answered.
		for end := time.Now().Add(10 * time.Second); mailProcess.FindString(d.Log()) == "" && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		for _, m := range mailProcess.FindAllStringSubmatch(d.Log(), -1) {
			pid, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		groups = append(groups, d.proc.cmd.Process.Pid)
		if len(pids) != 2 {
			t.Errorf("processes %v", pids)
		}
		for _, pid := range pids {
			if processGroup(pid) != groups[0] {
				t.Errorf("process %d is not in group %d", pid, groups[0])
			}
		}
		d.Restart(t)
		if _, err := r.ReadString('\n'); err == nil {
			t.Log("a farewell was sent")
		}
		conn, r = dial(t, d.Addr())
		talk(t, conn, r, login("user"))
		d.Kick(t, "user")
		groups = append(groups, d.proc.cmd.Process.Pid)
	})
	for _, g := range groups {
		if groupRuns(g) {
			t.Errorf("something of process group %d still runs", g)
		}
	}
	if _, err := net.Dial("tcp", d.Addr()); err == nil {
		t.Error("the port still answers")
	}
	if _, err := os.Stat(d.Dir()); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestDovecotCapability(t *testing.T) {
	d := StartDovecot(t, DovecotConfig{Capability: "IMAP4rev1 LITERAL-", Separator: ".", Prefix: "INBOX."})
	conn, r := dial(t, d.Addr())
	got := talk(t, conn, r, login("user"), "b CAPABILITY", `c LIST "" ""`, "d CREATE INBOX.sub", "z LOGOUT")
	for _, want := range []string{"* CAPABILITY IMAP4rev1 LITERAL-\r\n", `"."`, "d OK"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func TestParseCommands(t *testing.T) {
	data := "123456789.123456 a1 NOOP\r\n123456789.123456 a2 APPEND x {7}\r\n123456789.123456 ab\r\n123456789.123456 cd\n (x) {2+}\r\n123456789.123456 zz\r\n123456789.123456 DONE\r\n\r\n123456789.123456 a3 LOGOUT\r\n123456789.123456 a4 X"
	want := []string{"NOOP", "APPEND x {} (x) {}", "DONE", "LOGOUT", "X"}
	if diff := cmp.Diff(want, parseCommands(stripTimes([]byte(data)))); diff != "" {
		t.Error(diff)
	}
}
