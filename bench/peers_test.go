package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// site is a home directory and an account of its own, for one program.
type site struct {
	server *server
	user   string
	relay  *testkit.Relay
	home   string
	// replica is another account on the same server, reached without a relay,
	// for programs that do not know Maildirs.
	replica string
	place   place
	// account are further lines for the account in our configuration.
	account string
	// deliveries is how many messages each of some mailboxes has got.
	deliveries int
	// toggled says whether flags that are changed back and forth are set.
	toggled map[byte]bool
}

// near is the Maildir of the inbox.
func (s *site) near() string { return filepath.Join(s.home, "mail", "INBOX") }

// far is the Maildir that is the far side, if place.twin is set.
func (s *site) far() string { return filepath.Join(s.home, "far", "INBOX") }

// peer is a program to be measured.
type peer struct {
	name string
	// prepare writes the configuration and returns how the program is run.
	prepare func(tb testing.TB, program string, s *site) invocation
	program string
	// maildir: it keeps the mail in a Maildir, else in the replica.
	maildir bool
}

// ours is the name of this program among its peers.
const ours = "ours"

// findPeers returns those of the programs that are there.
func findPeers(t *testing.T, wanted []string) []peer {
	found := []peer{{name: ours, prepare: prepareMbsync("TLSType", true), program: findOurs(t), maildir: true}}
	if path := os.Getenv("BEFORE"); path != "" {
		found = append(found, peer{name: "before", prepare: prepareMbsync("TLSType", true), program: path, maildir: true})
	}
	for _, c := range []struct {
		peer
		find func(tb testing.TB) string
	}{
		{peer{name: "mbsync", prepare: prepareMbsync("TLSType", false), maildir: true}, func(tb testing.TB) string {
			tb.Helper()
			return testkit.FindMbsync15(tb).Path
		}},
		{peer{name: "mbsync-1.4", prepare: prepareMbsync("SSLType", false), maildir: true}, installed("mbsync", "isync")},
		{peer{name: "interimap", prepare: prepareInterimap}, installed("interimap", "interimap")},
		{peer{name: "offlineimap", prepare: prepareOfflineimap, maildir: true}, installed("offlineimap", "offlineimap3")},
	} {
		if !slices.Contains(wanted, c.name) {
			continue
		}
		p := c.peer
		// As a test of its own, so that it alone is skipped.
		t.Run("find "+c.name, func(t *testing.T) { p.program = c.find(t) })
		if p.program == "" {
			fmt.Printf("%s is not there: skipped\n", c.name)
			continue
		}
		found = append(found, p)
	}
	return found
}

func installed(binary, pkg string) func(testing.TB) string {
	return func(tb testing.TB) string {
		tb.Helper()
		return testkit.FindProgram(tb, binary, pkg)
	}
}

// findOurs returns our binary, which is built unless MBSYNC names it.
func findOurs(t *testing.T) string {
	if path := os.Getenv("MBSYNC"); path != "" {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := filepath.Join(t.TempDir(), "mbsync")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "isync/cmd/mbsync")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

func (s *site) write(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(s.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// quoted is a word of our configuration file.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// prepareMbsync is for all mbsyncs, which have one configuration language but
// for the spelling of TLSType, and for lines that only ours has.
func prepareMbsync(tlsType string, own bool) func(testing.TB, string, *site) invocation {
	return func(tb testing.TB, program string, s *site) invocation {
		boxes := "Patterns *\nCreate Near\n"
		if s.place.literal {
			boxes = ""
		}
		fsync := "no"
		if s.place.fsync {
			fsync = "yes"
		}
		rc := s.write(tb, "mbsyncrc", fmt.Sprintf(`FSync %s

%s
MaildirStore near
Path %s/
Inbox %s
SubFolders Verbatim

Channel c
Far :far:
Near :near:
%sExpunge Both
SyncState %s/
`, fsync, s.farStore(tb, tlsType, own), filepath.Join(s.home, "mail"), s.near(), boxes, filepath.Join(s.home, "sync")))
		for _, dir := range []string{"mail", "sync"} {
			if err := os.MkdirAll(filepath.Join(s.home, dir), 0o700); err != nil {
				tb.Fatal(err)
			}
		}
		if !s.place.boxes {
			seedMaildir(tb, s.near(), 0, nil)
		}
		return invocation{[]string{program, "-q", "-c", rc, "c"}, s.home}
	}
}

// farStore is the section about the far side.
func (s *site) farStore(tb testing.TB, tlsType string, own bool) string {
	tb.Helper()
	if s.place.twin != nil {
		return fmt.Sprintf("MaildirStore far\nPath %s/\nInbox %s\nSubFolders Verbatim\n", filepath.Dir(s.far()), s.far())
	}
	host, security := "127.0.0.1", "None"
	if s.place.tls {
		ca := s.write(tb, "ca.pem", string(s.server.At().CA.PEM()))
		host, security = "localhost", "IMAPS\nSystemCertificates no\nCertificateFile "+ca
	}
	account := ""
	if own {
		account = s.account
	}
	return fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser %s\nPass %s\n%s %s\nAuthMechs LOGIN\n%s",
		host, s.relay.Port(), s.user, quoted(testkit.Password), tlsType, security, account)
}

// prepareInterimap is for a program that synchronizes two servers.
func prepareInterimap(tb testing.TB, program string, s *site) invocation {
	boxes := "INBOX"
	if s.place.boxes {
		boxes = "list/*"
	}
	section := func(port int, user string) string {
		return fmt.Sprintf("type = imap\nhost = 127.0.0.1\nport = %d\nSTARTTLS = NO\nauth = LOGIN PLAIN\nusername = %s\npassword = %s\n",
			port, user, testkit.Password)
	}
	rc := s.write(tb, "interimap.conf", fmt.Sprintf("database = %s\nlist-mailbox = %s\nlogfile = %s\n\n[local]\n%s\n[remote]\n%s",
		filepath.Join(s.home, "interimap.db"), boxes, filepath.Join(s.home, "interimap.log"),
		section(s.server.At().Port, s.replica), section(s.relay.Port(), s.user)))
	return invocation{[]string{program, "--quiet", "--config=" + rc}, s.home}
}

func prepareOfflineimap(tb testing.TB, program string, s *site) invocation {
	rc := s.write(tb, "offlineimaprc", fmt.Sprintf(`[general]
accounts = a
metadata = %s
fsync = False

[Account a]
localrepository = l
remoterepository = r

[Repository l]
type = Maildir
localfolders = %s

[Repository r]
type = IMAP
remotehost = 127.0.0.1
remoteport = %d
remoteuser = %s
remotepass = %s
ssl = no
starttls = no
auth_mechanisms = LOGIN
folderfilter = lambda name: name == 'INBOX'
`, filepath.Join(s.home, "meta"), filepath.Join(s.home, "mail"), s.relay.Port(), s.user,
		strings.ReplaceAll(testkit.Password, "%", "%%")))
	return invocation{[]string{program, "-c", rc, "-o", "-u", "quiet"}, s.home}
}
