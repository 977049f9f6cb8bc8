package testkit

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"text/template"
)

// Dovecot24 is a running Dovecot 2.4 in a jail. It has one configuration. Tests that need others
// use Dovecot, the installed version, whose configuration syntax differs.
type Dovecot24 struct {
	Endpoint
	*jail

	oauth *DovecotOAuth
}

// StartDovecot24 starts a Dovecot 2.4 with one user, "user", that is stopped with the test.
// Mailboxes with certain names get a special use when they are created.
func StartDovecot24(tb testing.TB) *Dovecot24 {
	tb.Helper()
	return startDovecot24(tb, nil)
}

// StartDovecot24OAuth starts a Dovecot 2.4 that also accepts tokens, with OAUTHBEARER and
// XOAUTH2.
func StartDovecot24OAuth(tb testing.TB, o *DovecotOAuth) *Dovecot24 {
	tb.Helper()
	return startDovecot24(tb, o)
}

func startDovecot24(tb testing.TB, o *DovecotOAuth) *Dovecot24 {
	tb.Helper()
	d := &Dovecot24{Endpoint: Endpoint{Host: "127.0.0.1", CA: NewCA(tb)}, jail: newJail(tb, "dovecot-trixie"), oauth: o}
	if err := d.prepare(tb); err != nil {
		tb.Fatalf("dovecot 2.4: %v", err)
	}
	d.AddUser(tb, "user")
	if err := serve(tb, &d.Endpoint, d.jail, d.run); err != nil {
		tb.Fatalf("dovecot 2.4: %v\n%s", err, d.Log())
	}
	return d
}

func (d *Dovecot24) prepare(tb testing.TB) error {
	if err := d.mkdir("etc/dovecot/users", "run/dovecot", "var/lib/dovecot", "home"); err != nil {
		return err
	}
	cert := d.CA.Issue(tb, CertConfig{})
	for name, text := range map[string]string{
		"etc/dovecot/cert.pem": string(cert.PEM()),
		"etc/dovecot/key.pem":  string(cert.KeyPEM(tb)),
	} {
		if err := d.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// AddUser adds a user. The server may be running.
func (d *Dovecot24) AddUser(tb testing.TB, name string) {
	tb.Helper()
	err := d.mkdir(filepath.Join("home", name))
	if err == nil {
		err = d.write(filepath.Join("etc/dovecot/users", name), fmt.Sprintf("%s:{PLAIN}%s\n", name, Password))
	}
	if err != nil {
		tb.Fatalf("dovecot 2.4: adding user %s: %v", name, err)
	}
}

// run starts the server on its ports.
func (d *Dovecot24) run() (*process, error) {
	var conf bytes.Buffer
	err := dovecot24Conf.Execute(&conf, map[string]any{"Host": d.Host, "Port": d.Port, "TLSPort": d.TLSPort, "UID": d.owner.uid, "GID": d.owner.gid, "OAuth": d.oauth})
	if err != nil {
		return nil, err
	}
	if err := d.write("etc/dovecot/dovecot.conf", conf.String()); err != nil {
		return nil, err
	}
	return d.start(d.command("/usr/sbin/dovecot", "-F"))
}

// Restart starts the server again on the same ports; see Stop.
func (d *Dovecot24) Restart(tb testing.TB) {
	tb.Helper()
	d.restart(tb, &d.Endpoint, d.run)
}

// Traits returns the peculiarities of the server, which are those of Dovecot 2.3.
func (d *Dovecot24) Traits() Traits {
	return Traits{Separator: "/", Stored: storedByDovecot}
}

// dovecot24Conf is the configuration. All processes run as one user.
var dovecot24Conf = template.Must(template.New("dovecot.conf").Parse(`
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = /run/dovecot
state_dir = /var/lib/dovecot
log_path = syslog
protocols = imap
listen = {{.Host}}
default_internal_user = mail
default_internal_group = mail
default_login_user = mail
ssl = yes
ssl_server_cert_file = /etc/dovecot/cert.pem
ssl_server_key_file = /etc/dovecot/key.pem
auth_allow_cleartext = yes
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256{{if .OAuth}} oauthbearer xoauth2{{end}}
auth_failure_delay = 0
mail_fsync = never
mail_max_userip_connections = 50
first_valid_uid = 1
mail_driver = sdbox
mail_path = ~/mail
namespace inbox {
  inbox = yes
  separator = /
  mailbox "[Gmail]/Gesendet" {
    special_use = \Sent
  }
  mailbox "[Gmail]/送信済みメール" {
    special_use = \Sent
  }
  mailbox "[Gmail]/Alle Nachrichten" {
    special_use = \All
  }
  mailbox "[Gmail]/すべてのメール" {
    special_use = \All
  }
}
{{if .OAuth}}
oauth2 {
  introspection_mode = post
  introspection_url = {{.OAuth.IntrospectionURL}}
  username_attribute = username
  active_attribute = active
  active_value = true
  openid_configuration_url = {{.OAuth.ConfigurationURL}}
}
passdb oauth2 {
  mechanisms_filter = oauthbearer xoauth2
}
{{end}}
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users/%{user}
}
userdb static {
  fields {
    uid = {{.UID}}
    gid = {{.GID}}
    home = /home/%{user}
  }
}
service imap-login {
  chroot =
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
`))
