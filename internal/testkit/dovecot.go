package testkit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"
)

// Password is the password of every user of a Dovecot.
const Password = "test \"pass\\word"

// DovecotConfig configures a Dovecot. The zero value is a fully featured server with one user,
// "user".
type DovecotConfig struct {
	// Users; all have the same Password.
	Users []string
	// Storage is the mailbox format: "sdbox" (the default), "mdbox" or "maildir", whose
	// sub-folders are directories.
	Storage string
	// Separator is the hierarchy delimiter, "/" by default.
	Separator string
	// Prefix is the prefix of the personal namespace.
	Prefix string
	// Mechanisms are the SASL mechanisms; by default "plain login cram-md5
	// scram-sha-1 scram-sha-256".
	Mechanisms string
	// RequireTLS disables plain text authentication without TLS.
	RequireTLS bool
	// Certificate is the certificate of the server; nil: a valid one.
	Certificate *Certificate
	// ClientCA, if set, makes the server ask for client certificates.
	ClientCA *CA
	// Rawlog records what clients send; see Commands.
	Rawlog bool
	// Compress offers COMPRESS=DEFLATE.
	Compress bool
	// Capability, if set, replaces the capabilities that are announced after login. The server
	// still supports the others.
	Capability string
	// OAuth, if set, enables OAUTHBEARER and XOAUTH2 in addition to passwords.
	OAuth *DovecotOAuth
	// Extra lines for the end of the configuration file.
	Extra string
}

// DovecotOAuth configures the provider whose tokens a Dovecot accepts.
type DovecotOAuth struct {
	// IntrospectionURL is the URL where the server checks tokens (RFC 7662). It contains the
	// server's credentials.
	IntrospectionURL string
	// ConfigurationURL is the URL of the provider's configuration, which the server sends to
	// clients.
	ConfigurationURL string
}

// Dovecot is a running server.
type Dovecot struct {
	Endpoint

	cfg     DovecotConfig
	dir     string
	program string
	mail    account
	proc    *process
}

// account is the owner of the mail.
type account struct {
	name, group string
	uid, gid    int
}

// StartDovecot starts a Dovecot that is stopped with the test.
func StartDovecot(tb testing.TB, cfg DovecotConfig) *Dovecot {
	tb.Helper()
	program := FindProgram(tb, "dovecot", "dovecot-imapd")
	if cfg.Users == nil {
		cfg.Users = []string{"user"}
	}
	if cfg.Storage == "" {
		cfg.Storage = "sdbox"
	}
	if cfg.Separator == "" {
		cfg.Separator = "/"
	}
	if cfg.Mechanisms == "" {
		cfg.Mechanisms = "plain login cram-md5 scram-sha-1 scram-sha-256"
		if cfg.OAuth != nil {
			cfg.Mechanisms += " oauthbearer xoauth2"
		}
	}
	d := &Dovecot{Endpoint: Endpoint{Host: "127.0.0.1", CA: NewCA(tb)}, cfg: cfg, dir: shortTempDir(tb), program: program}
	if cfg.RequireTLS {
		// Dovecot treats a connection between equal addresses like TLS.
		d.Host = "127.0.0.2"
	}
	if err := d.prepare(tb); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	// This is registered before the first start, because Restart replaces the process.
	tb.Cleanup(func() {
		if err := d.Stop(); err != nil {
			tb.Errorf("dovecot: %v", err)
		}
		if tb.Failed() {
			tb.Logf("log of dovecot:\n%s", d.Log())
		}
	})
	if err := d.start(tb); err != nil {
		tb.Fatalf("dovecot: %v\n%s", err, d.Log())
	}
	return d
}

// prepare makes the directories and files of the server.
func (d *Dovecot) prepare(tb testing.TB) error {
	if err := os.Chmod(d.dir, 0o755); err != nil {
		return err
	}
	var err error
	if d.mail, err = mailOwner(); err != nil {
		return err
	}
	for _, sub := range []string{"home", "users", "rawlog", "login"} {
		if err := os.Mkdir(d.path(sub), 0o755); err != nil {
			return err
		}
		if err := d.give(d.path(sub)); err != nil {
			return err
		}
	}
	// The login processes, which run as another user, write to it.
	if err := os.Chmod(d.path("login"), 0o777); err != nil {
		return err
	}
	cert := d.cfg.Certificate
	if cert == nil {
		cert = d.CA.Issue(tb, CertConfig{})
	}
	files := map[string][]byte{"cert.pem": cert.PEM(), "key.pem": cert.KeyPEM(tb)}
	if o := d.cfg.OAuth; o != nil {
		files["oauth2.conf"] = fmt.Appendf(nil, dovecotOAuth, o.IntrospectionURL, o.ConfigurationURL)
	}
	if d.cfg.ClientCA != nil {
		files["client-ca.pem"] = d.cfg.ClientCA.PEM()
	}
	for name, data := range files {
		if err := os.WriteFile(d.path(name), data, 0o644); err != nil {
			return err
		}
	}
	for _, u := range d.cfg.Users {
		d.AddUser(tb, u)
	}
	return nil
}

// mailOwner returns the owner of the mail. Servers do not let root read mail.
func mailOwner() (account, error) {
	u, err := user.Current()
	if err == nil && u.Uid == "0" {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return account{}, err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return account{}, err
	}
	a := account{name: u.Username, group: g.Name}
	_, err = fmt.Sscan(u.Uid+" "+u.Gid, &a.uid, &a.gid)
	return a, err
}

func (d *Dovecot) path(name string) string { return filepath.Join(d.dir, name) }

// give changes the owner of a directory to the owner of the mail.
func (d *Dovecot) give(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, d.mail.uid, d.mail.gid)
}

// AddUser adds a user. The server may be running.
func (d *Dovecot) AddUser(tb testing.TB, name string) {
	tb.Helper()
	if err := d.addUser(name); err != nil {
		tb.Fatalf("dovecot: adding user %s: %v", name, err)
	}
}

func (d *Dovecot) addUser(name string) error {
	raw := filepath.Join(d.path("rawlog"), name)
	if err := os.Mkdir(raw, 0o755); err != nil {
		return err
	}
	if err := d.give(raw); err != nil {
		return err
	}
	// Each user has a separate file, because Dovecot detects changes of a file only with a
	// resolution of a second.
	line := fmt.Sprintf("%s:{PLAIN}%s\n", name, Password)
	return os.WriteFile(filepath.Join(d.path("users"), name), []byte(line), 0o644)
}

// CopyUser adds a user with the same mailboxes, UIDs and flags as another one. The other user's
// sessions must not have a mailbox selected.
func (d *Dovecot) CopyUser(from, to string) error {
	if err := d.addUser(to); err != nil {
		return err
	}
	home := d.Home(to)
	if err := os.CopyFS(home, os.DirFS(d.Home(from))); err != nil {
		return err
	}
	return filepath.WalkDir(home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return d.give(path)
	})
}

// start chooses ports and starts the server. It retries, because another program may take a port
// in between.
func (d *Dovecot) start(tb testing.TB) error {
	var err error
	for range 5 {
		if d.Port, d.TLSPort, err = freePorts(d.Host); err != nil {
			return err
		}
		if err = d.run(); err == nil {
			return nil
		}
		_ = d.Stop()
		if !strings.Contains(d.Log(), "already in use") {
			return err
		}
		tb.Logf("dovecot: a port was taken, trying others")
		if err := os.Remove(d.path("log")); err != nil {
			return err
		}
	}
	return err
}

// run starts the server on its ports and waits until it answers.
func (d *Dovecot) run() error {
	var conf bytes.Buffer
	if err := dovecotConf.Execute(&conf, d.vars()); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("dovecot.conf"), conf.Bytes(), 0o644); err != nil {
		return err
	}
	// The output is a file, because children would keep a pipe open after the end of the server.
	out, err := os.Create(d.path("out"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(d.program, "-F", "-c", d.path("dovecot.conf"))
	cmd.Stdout, cmd.Stderr = out, out
	proc, err := start(cmd)
	if err != nil {
		return err
	}
	d.proc = proc
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := greeted(d.Addr())
		switch {
		case proc.ended():
			said, _ := os.ReadFile(out.Name())
			return fmt.Errorf("has ended: %v: %s", proc.err, said)
		case err == nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("does not answer: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop stops the server, and waits for all of its processes. The mail is kept until the end of
// the test.
func (d *Dovecot) Stop() error {
	if d.proc == nil {
		return nil
	}
	// Sessions end properly, so that the mail is consistent. The other processes have no data to
	// lose, and are slow to end.
	err := errors.Join(d.endSessions(), d.proc.kill())
	d.proc = nil
	return err
}

// Restart starts the server again on the same ports, after Stop.
func (d *Dovecot) Restart(tb testing.TB) {
	tb.Helper()
	if err := d.Stop(); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	if err := d.run(); err != nil {
		tb.Fatalf("dovecot: %v\n%s", err, d.Log())
	}
}

// Suspend suspends all processes of the server, with their sessions, until resume is called
// or the test ends. Their connections stay open, and the kernel still accepts further ones.
func (d *Dovecot) Suspend(tb testing.TB) (resume func()) {
	tb.Helper()
	group := d.proc.cmd.Process.Pid
	if err := stopGroup(group); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
	var once sync.Once
	resume = func() {
		once.Do(func() {
			if err := continueGroup(group); err != nil {
				tb.Errorf("dovecot: %v", err)
			}
		})
	}
	tb.Cleanup(resume)
	return resume
}

// Dir returns the directory of all files of the server.
func (d *Dovecot) Dir() string { return d.dir }

// Home returns the home directory of a user.
func (d *Dovecot) Home(name string) string { return filepath.Join(d.path("home"), name) }

// Log returns the log of the server.
func (d *Dovecot) Log() string {
	data, err := os.ReadFile(d.path("log"))
	if err != nil {
		return ""
	}
	return string(data)
}

// Traits returns the peculiarities of the server.
func (d *Dovecot) Traits() Traits {
	t := Traits{
		Prefix: d.cfg.Prefix, Separator: d.cfg.Separator,
		Stored: storedByDovecot,
	}
	if d.cfg.Prefix == "INBOX"+d.cfg.Separator {
		t.RefusesName = noInboxChildren(d.cfg.Separator)
	}
	return t
}

// storedByDovecot returns a message as Dovecot stores it: without NUL, which it cannot send in a
// literal, and without excess CR.
func storedByDovecot(body string) string {
	body = strings.ReplaceAll(body, "\x00", "\x80")
	return strings.TrimSuffix(strings.ReplaceAll(body, "\r\r\n", "\r\n"), "\r")
}

// Doveadm runs doveadm on the server's configuration, with the given input,
// and returns its output.
func (d *Dovecot) Doveadm(tb testing.TB, stdin string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(FindProgram(tb, "doveadm", "dovecot-imapd"), append([]string{"-c", d.path("dovecot.conf")}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("doveadm %q: %v: %s", args, err, &stderr)
	}
	return string(out)
}

// Kick ends all sessions of a user and waits for their end.
func (d *Dovecot) Kick(tb testing.TB, name string) {
	tb.Helper()
	d.Doveadm(tb, "", "kick", name)
	if err := d.waitGone(); err != nil {
		tb.Fatalf("dovecot: %v", err)
	}
}

// freePorts returns two ports that are free at this moment.
func freePorts(host string) (a, b int, err error) {
	la, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, 0, err
	}
	defer la.Close()
	lb, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, 0, err
	}
	defer lb.Close()
	return la.Addr().(*net.TCPAddr).Port, lb.Addr().(*net.TCPAddr).Port, nil
}

// greeted waits for the greeting of an IMAP server.
func greeted(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "* OK") {
		return fmt.Errorf("greeting %q", line)
	}
	return nil
}

// vars are what the template of the configuration needs.
func (d *Dovecot) vars() map[string]any {
	location := map[string]string{
		"sdbox":   "sdbox:~/mail",
		"mdbox":   "mdbox:~/mail",
		"maildir": "maildir:~/mail:LAYOUT=fs:INBOX=~/inbox",
	}[d.cfg.Storage]
	if location == "" {
		location = d.cfg.Storage
	}
	return map[string]any{
		"Dir": d.dir, "Host": d.Host, "Port": d.Port, "TLSPort": d.TLSPort,
		"Root": os.Geteuid() == 0, "Mail": map[string]any{"User": d.mail.name, "Group": d.mail.group, "UID": d.mail.uid, "GID": d.mail.gid},
		"Location": location, "C": d.cfg,
	}
}

// dovecotOAuth is the configuration of passdb oauth2. Tokens are checked at each login, so a
// revoked token is rejected at once.
const dovecotOAuth = `introspection_mode = post
introspection_url = %s
username_attribute = username
active_attribute = active
active_value = true
openid_configuration_url = %s
`

// dovecotConf is the configuration. For speed, fsync and the delays after failed logins are off.
var dovecotConf = template.Must(template.New("dovecot.conf").Parse(`
base_dir = {{.Dir}}/run
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/log
instance_name = isync-test
protocols = imap
listen = {{.Host}}
{{if not .Root}}
default_internal_user = {{.Mail.User}}
default_internal_group = {{.Mail.Group}}
default_login_user = {{.Mail.User}}
{{end}}
ssl = {{if .C.RequireTLS}}required{{else}}yes{{end}}
ssl_cert = <{{.Dir}}/cert.pem
ssl_key = <{{.Dir}}/key.pem
ssl_min_protocol = TLSv1.2
{{if .C.ClientCA}}
ssl_ca = <{{.Dir}}/client-ca.pem
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
{{end}}
disable_plaintext_auth = {{if .C.RequireTLS}}yes{{else}}no{{end}}
auth_mechanisms = {{.C.Mechanisms}}
auth_failure_delay = 0
auth_verbose = yes
mail_fsync = never
mail_max_userip_connections = 50
first_valid_uid = 1
mail_location = {{.Location}}
{{if .C.Rawlog}}rawlog_dir = {{.Dir}}/rawlog/%u{{end}}
{{if .C.Capability}}imap_capability = {{.C.Capability}}{{end}}
namespace inbox {
  inbox = yes
  separator = {{.C.Separator}}
  prefix = {{.C.Prefix}}
}
{{if .C.OAuth}}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {{.Dir}}/oauth2.conf
}
{{end}}
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {{.Dir}}/users/%u
}
userdb {
  driver = static
  args = uid={{.Mail.UID}} gid={{.Mail.GID}} home={{.Dir}}/home/%u
}
service imap-login {
  chroot =
  {{if .C.Rawlog}}executable = imap-login -R {{.Dir}}/login{{end}}
  inet_listener imap {
    port = {{.Port}}
  }
  inet_listener imaps {
    port = {{.TLSPort}}
    ssl = yes
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
{{if .C.Compress}}
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}
{{end}}
{{.C.Extra}}
`))
