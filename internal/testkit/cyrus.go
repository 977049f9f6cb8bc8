package testkit

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// CyrusConfig says how a Cyrus is set up. The zero value is what Debian's
// package configures, with one user, "user": the mailboxes of a user are below
// the inbox, with dots between the parts of their names.
type CyrusConfig struct {
	// Users; all have the same Password.
	Users []string
	// Trixie: the one of Debian trixie, 3.10, instead of this system's.
	Trixie bool
	// Modern: names are as they are elsewhere, beside the inbox and with slashes.
	Modern bool
	// Hide are capabilities not to be announced, with spaces between them.
	Hide string
	// Extra lines for the end of imapd.conf.
	Extra string
}

// Cyrus is a running server, in a jail.
type Cyrus struct {
	Endpoint
	*jail

	cfg CyrusConfig
}

// cyrusRealm is the name of the server, to which the passwords belong.
const cyrusRealm = "cyrus.test"

// cyrusForbids are characters that no name of a mailbox has.
const cyrusForbids = "\"\\;{}"

// StartCyrus starts a Cyrus that is stopped with the test.
func StartCyrus(tb testing.TB, cfg CyrusConfig) *Cyrus {
	tb.Helper()
	root := "cyrus"
	if cfg.Trixie {
		root = "cyrus-trixie"
	}
	c := &Cyrus{Endpoint: Endpoint{Host: "127.0.0.1", CA: NewCA(tb)}, jail: newJail(tb, root), cfg: cfg}
	if cfg.Users == nil {
		cfg.Users = []string{"user"}
	}
	if err := c.prepare(tb); err != nil {
		tb.Fatalf("cyrus: %v", err)
	}
	for _, u := range cfg.Users {
		c.AddUser(tb, u)
	}
	if err := serve(tb, &c.Endpoint, c.jail, c.run); err != nil {
		tb.Fatalf("cyrus: %v\n%s", err, c.Log())
	}
	return c
}

func (c *Cyrus) prepare(tb testing.TB) error {
	if err := c.mkdir("var/lib/cyrus/socket", "var/lib/cyrus/db", "var/spool/cyrus", "run/cyrus", "etc/zoneinfo"); err != nil {
		return err
	}
	for _, dir := range []string{"var/lib", "var/lib/cyrus", "run"} {
		if err := c.own(dir); err != nil {
			return err
		}
	}
	cert := c.CA.Issue(tb, CertConfig{})
	var b strings.Builder
	for _, l := range []string{
		"configdirectory: /var/lib/cyrus",
		"partition-default: /var/spool/cyrus",
		"defaultpartition: default",
		"mboxname_lockpath: /run/cyrus/lock",
		"proc_path: /run/cyrus/proc",
		"idlesocket: /run/cyrus/idle",
		"cyrus_user: mail",
		"cyrus_group: mail",
		"servername: " + cyrusRealm,
		"zoneinfo_dir: /etc/zoneinfo",
		"sasl_pwcheck_method: auxprop",
		"sasl_auxprop_plugin: sasldb",
		"sasl_sasldb_path: /var/lib/sasldb2",
		"sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256",
		"allowplaintext: yes",
		"failedloginpause: 0",
		// Off unless told otherwise since 3.10; not known before.
		"allowstarttls: yes",
		"tls_server_cert: /etc/cert.pem",
		"tls_server_key: /etc/key.pem",
		// A user's inbox is made at the first login.
		"autocreate_post: yes",
		"autocreate_quota: 0",
		"autocreate_users: anyone",
		// It would put an X in place of every byte above 127 in headers.
		"munge8bit: no",
	} {
		fmt.Fprintln(&b, l)
	}
	modern := "no"
	if c.cfg.Modern {
		modern = "yes"
	}
	fmt.Fprintf(&b, "altnamespace: %s\nunixhierarchysep: %s\n", modern, modern)
	if c.cfg.Hide != "" {
		fmt.Fprintln(&b, "suppress_capabilities:", c.cfg.Hide)
	}
	fmt.Fprintln(&b, c.cfg.Extra)
	for name, text := range map[string]string{
		"etc/imapd.conf": b.String(),
		"etc/cert.pem":   string(cert.PEM()),
		"etc/key.pem":    string(cert.KeyPEM(tb)),
		// It does not start without time zones; one is enough.
		"etc/zoneinfo/zones.tab": "+513030 -0000731 Europe/London\n",
	} {
		if err := c.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// AddUser adds a user, also while the server runs.
func (c *Cyrus) AddUser(tb testing.TB, name string) {
	tb.Helper()
	err := c.jail.run(Password, "/usr/sbin/saslpasswd2", "-p", "-c", "-f", "/var/lib/sasldb2", "-u", cyrusRealm, name)
	if err != nil {
		tb.Fatalf("cyrus: adding user %s: %v", name, err)
	}
}

// run starts the server on its ports.
func (c *Cyrus) run() (*process, error) {
	conf := fmt.Sprintf(`START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="/usr/lib/cyrus/bin/imapd -U 30" listen="%s" prefork=0 maxchild=50
  imaps cmd="/usr/lib/cyrus/bin/imapd -s -U 30" listen="%s" prefork=0 maxchild=50
}
EVENTS {
}
DAEMON {
  idled cmd="/usr/lib/cyrus/bin/idled"
}
`, c.Addr(), c.TLSAddr())
	if err := c.write("etc/cyrus.conf", conf); err != nil {
		return nil, err
	}
	return c.start(c.command("/usr/lib/cyrus/bin/master", "-p", "/run/cyrus/pid", "-M", "/etc/cyrus.conf", "-C", "/etc/imapd.conf"))
}

// Restart starts the server again, on the same ports; see Stop.
func (c *Cyrus) Restart(tb testing.TB) {
	tb.Helper()
	c.restart(tb, &c.Endpoint, c.run)
}

// Traits tells what clients have to expect.
func (c *Cyrus) Traits() Traits {
	t := Traits{
		KeepsParents: true,
		Prefix:       "INBOX.", Separator: ".", RefusesName: func(name string) bool { return noInboxChildren(".")(name) || strings.ContainsAny(name, cyrusForbids) },
		// It takes nothing that could not have come by mail.
		RefusesText: func(body string) bool {
			header, _, ends := strings.Cut("\r\n"+body, "\r\n\r\n")
			return strings.ContainsAny(strings.ReplaceAll(body, "\r\n", ""), "\n\x00") || !isHeader(header) ||
				!ends && !strings.HasSuffix(header, "\r\n")
		},
	}
	if c.cfg.Modern {
		t.Prefix, t.Separator, t.RefusesName = "", "/", func(name string) bool { return strings.ContainsAny(name, cyrusForbids) }
	}
	return t
}

// isHeader reports whether each line is a field, or goes on with one.
func isHeader(header string) bool {
	for _, line := range strings.Split(header, "\r\n") {
		if line != "" && line[0] != ' ' && line[0] != '\t' && !strings.Contains(line, ":") {
			return false
		}
	}
	return true
}

// serve picks ports for a server in a jail and starts it; another program may
// snatch a port in between, so it tries again.
func serve(tb testing.TB, e *Endpoint, j *jail, run func() (*process, error)) error {
	for attempt := 1; ; attempt++ {
		var err error
		if e.Port, e.TLSPort, err = freePorts(e.Host); err != nil {
			return err
		}
		out, log := j.output(), j.log.text()
		proc, err := run()
		if err == nil {
			err = answers(e.Addr(), proc)
		}
		// Not what an earlier attempt has logged.
		said := strings.ToLower(strings.TrimPrefix(j.output(), out) + strings.TrimPrefix(j.log.text(), log))
		taken := strings.Contains(said, "in use") || strings.Contains(said, "unable to bind")
		switch {
		case err == nil && !taken:
			return nil
		case !taken || attempt == 5:
			return errors.Join(err, errors.New("does not start"))
		}
		tb.Log("a port was taken, trying others")
		if err := j.stop(); err != nil {
			return err
		}
	}
}

// answers waits until a server answers.
func answers(addr string, proc *process) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := greeted(addr)
		var exit *exec.ExitError
		switch {
		case err == nil:
			return nil
		case proc.ended() && errors.As(proc.err, &exit):
			return fmt.Errorf("has ended: %w", proc.err)
		case proc.ended():
			return errors.New("has ended")
		case time.Now().After(deadline):
			return fmt.Errorf("does not answer: %w", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
