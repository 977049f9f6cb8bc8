package testkit

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// CyrusConfig configures a Cyrus. The zero value is the configuration of Debian's package, with
// one user, "user": the mailboxes of a user are below the inbox, with "." as delimiter.
type CyrusConfig struct {
	// Users; all have the same Password.
	Users []string
	// Trixie: Cyrus 3.10 of Debian trixie is used, not the version of this system.
	Trixie bool
	// Modern: mailboxes are beside the inbox, with "/" as delimiter.
	Modern bool
	// Hide are capabilities that are not announced, separated by spaces.
	Hide string
	// Extra lines for the end of imapd.conf.
	Extra string
}

// Cyrus is a running server in a jail.
type Cyrus struct {
	Endpoint
	*jail

	cfg CyrusConfig
}

// cyrusRealm is the SASL realm of the passwords.
const cyrusRealm = "cyrus.test"

// cyrusForbids are the characters that are invalid in mailbox names.
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
		// The default is off since 3.10. Older versions do not have this option.
		"allowstarttls: yes",
		"tls_server_cert: /etc/cert.pem",
		"tls_server_key: /etc/key.pem",
		// The inbox of a user is created at the first login.
		"autocreate_post: yes",
		"autocreate_quota: 0",
		"autocreate_users: anyone",
		// By default, it replaces every byte above 127 in headers with X.
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
		// It does not start without time zones. One is sufficient.
		"etc/zoneinfo/zones.tab": "+513030 -0000731 Europe/London\n",
	} {
		if err := c.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// AddUser adds a user. The server may be running.
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

// Restart starts the server again on the same ports; see Stop.
func (c *Cyrus) Restart(tb testing.TB) {
	tb.Helper()
	c.restart(tb, &c.Endpoint, c.run)
}

// Traits returns the peculiarities of the server.
func (c *Cyrus) Traits() Traits {
	t := Traits{
		KeepsParents: true,
		Prefix:       "INBOX.", Separator: ".", RefusesName: func(name string) bool { return noInboxChildren(".")(name) || strings.ContainsAny(name, cyrusForbids) },
		// It rejects text that is not a valid mail message.
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

// isHeader reports whether each line is a header field or its continuation.
func isHeader(header string) bool {
	for _, line := range strings.Split(header, "\r\n") {
		if line != "" && line[0] != ' ' && line[0] != '\t' && !strings.Contains(line, ":") {
			return false
		}
	}
	return true
}

// serve chooses ports for a server in a jail and starts it. It retries, because another program
// may take a port in between.
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
		// Ignore the output of earlier attempts.
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
