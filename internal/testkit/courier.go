package testkit

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// CourierConfig configures a Courier. The zero value is the configuration of Debian's package,
// with one user, "user".
type CourierConfig struct {
	// Users; all have the same Password.
	Users []string
	// Capability, if set, replaces the announced capabilities. The server still supports the
	// others.
	Capability string
}

// Courier is a running server in a jail.
type Courier struct {
	Endpoint
	*jail

	cfg   CourierConfig
	mu    sync.Mutex
	users []string
}

// courierLib is the directory of most of its programs.
const courierLib = "/usr/lib/courier"

// StartCourier starts a Courier that is stopped with the test.
func StartCourier(tb testing.TB, cfg CourierConfig) *Courier {
	tb.Helper()
	c := &Courier{Endpoint: Endpoint{Host: "127.0.0.1", CA: NewCA(tb)}, jail: newJail(tb, "courier"), cfg: cfg}
	if cfg.Users == nil {
		cfg.Users = []string{"user"}
	}
	if c.cfg.Capability == "" {
		c.cfg.Capability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"
	}
	if err := c.prepare(tb); err != nil {
		tb.Fatalf("courier: %v", err)
	}
	for _, u := range cfg.Users {
		c.AddUser(tb, u)
	}
	if err := serve(tb, &c.Endpoint, c.jail, c.run); err != nil {
		tb.Fatalf("courier: %v\n%s", err, c.Log())
	}
	return c
}

func (c *Courier) prepare(tb testing.TB) error {
	if err := c.mkdir("etc/courier", "etc/courier/shared", "run/courier", "run/courier/authdaemon", "home", "var/lib/courier"); err != nil {
		return err
	}
	cert := c.CA.Issue(tb, CertConfig{})
	for name, text := range map[string]string{
		"etc/courier/authdaemonrc": "authmodulelist=\"authuserdb\"\nauthmodulelistorig=\"authuserdb\"\ndaemons=2\n" +
			"authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=\"\"\nLOGGEROPTS=\"\"\n",
		"etc/courier/imapd.pem": string(cert.PEM()) + string(cert.KeyPEM(tb)),
	} {
		if err := c.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// AddUser adds a user. The server may be running.
func (c *Courier) AddUser(tb testing.TB, name string) {
	tb.Helper()
	if err := c.addUser(name); err != nil {
		tb.Fatalf("courier: adding user %s: %v", name, err)
	}
}

func (c *Courier) addUser(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users = append(c.users, name)
	home := filepath.Join("home", name)
	if err := c.mkdir(home); err != nil {
		return err
	}
	if err := c.jail.run("", "/usr/bin/maildirmake.courier", "/"+home+"/Maildir"); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(Password))
	var public, secret strings.Builder
	for _, u := range c.users {
		fmt.Fprintf(&public, "%s\thome=/home/%s|uid=%d|gid=%d\n", u, u, c.owner.uid, c.owner.gid)
		fmt.Fprintf(&secret, "%s\tsystempw={SHA256}%s\n", u, base64.StdEncoding.EncodeToString(sum[:]))
	}
	for file, text := range map[string]string{"userdb": public.String(), "userdbshadow": secret.String()} {
		path := "/etc/courier/" + file
		if err := c.jail.run(text+".\n", courierLib+"/courier-authlib/makedatprog", "-", path+".tmp", path+".dat"); err != nil {
			return err
		}
	}
	return nil
}

// run starts the server on its ports.
func (c *Courier) run() (*process, error) {
	socket := c.path("run/courier/authdaemon/socket")
	_ = os.Remove(socket) // left over from a previous start
	if _, err := c.start(c.command(courierLib + "/courier-authlib/authdaemond")); err != nil {
		return nil, err
	}
	// Logins fail until the socket exists.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, errors.New("authdaemond does not start")
		}
	}
	login := []string{courierLib + "/courier/imaplogin", "/usr/bin/imapd", "Maildir"}
	daemon := func(port int, before ...string) (*process, error) {
		args := []string{
			"-address=" + c.Host, "-maxprocs=100", "-maxperip=50", "-nodnslookup", "-noidentlookup",
			strconv.Itoa(port),
		}
		cmd := c.command("/usr/sbin/couriertcpd", append(append(args, before...), login...)...)
		cmd.Env = append(
			cmd.Env, "IMAP_CAPABILITY="+c.cfg.Capability, "IMAP_CAPABILITY_TLS="+c.cfg.Capability+" AUTH=PLAIN",
			"IMAP_KEYWORDS=1", "IMAP_ACL=1", "IMAP_UMASK=022", "IMAP_USELOCKS=1", "IMAP_ENHANCEDIDLE=0",
			"IMAP_IDLE_TIMEOUT=60", "IMAP_CHECK_ALL_FOLDERS=0", "IMAP_OBSOLETE_CLIENT=0", "IMAP_DISABLETHREADSORT=0",
			"IMAP_MAILBOX_SANITY_CHECK=1", "IMAP_TRASHFOLDERNAME=Trash", "IMAP_EMPTYTRASH=Trash:7",
			"IMAP_SHAREDINDEXFILE=/etc/courier/shared/index", "MAILDIRPATH=Maildir", "HEADERFROM=X-IMAP-Sender",
			"COURIERTLS=/usr/bin/couriertls", "TLS_CERTFILE=/etc/courier/imapd.pem", "TLS_VERIFYPEER=NONE",
			"IMAP_TLS_REQUIRED=0", "IMAP_STARTTLS=YES",
			// The directory watcher of Courier is found by this name. All jails share the name
			// space.
			"GAM_CLIENT_ID="+filepath.Base(c.dir),
		)
		if len(before) > 0 {
			cmd.Env = append(cmd.Env, "IMAP_TLS=1")
		}
		return c.start(cmd)
	}
	if _, err := daemon(c.TLSPort, "/usr/bin/couriertls", "-server", "-tcpd"); err != nil {
		return nil, err
	}
	return daemon(c.Port)
}

// Restart starts the server again on the same ports; see Stop.
func (c *Courier) Restart(tb testing.TB) {
	tb.Helper()
	c.restart(tb, &c.Endpoint, c.run)
}

// Traits returns the peculiarities of the server.
func (c *Courier) Traits() Traits {
	return Traits{
		Prefix: "INBOX.", Separator: ".", RefusesName: noInboxChildren("."),
		// It stores lines, not bytes.
		Stored: func(body string) string {
			body = strings.ReplaceAll(strings.ReplaceAll(body, "\r", ""), "\n", "\r\n")
			if !strings.HasSuffix(body, "\n") {
				body += "\r\n"
			}
			return body
		},
	}
}
