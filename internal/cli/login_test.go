package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/xdg-go/scram"

	"isync/internal/config"
	"isync/internal/imapclient"
	"isync/internal/store/imap"
	"isync/internal/testkit"
	"isync/internal/ui"
)

// account describes an account of a loginServer, without TLS.
func account(name string, srv *loginServer, lines ...string) string {
	return fmt.Sprintf("IMAPAccount %s\nHost %s\nPort %d\nUser me\nPassCmd \"echo run >>'$DIR/runs'; echo s3cret-w0rd\"\nTLSType None\n", name, srv.host, srv.port) +
		strings.Join(lines, "\n") + "\n\n"
}

const twoChannels = "IMAPStore far\nAccount acc\n\nIMAPStore far2\nAccount acc\n\nMaildirStore near2\nInbox near2\n\nChannel c2\nFar :far2:\nNear :near2:\nCreate Near\nSyncState state2/\n"

// runs tells how often the command of the password was run.
func (w *world) runs() int {
	w.tb.Helper()
	data, err := os.ReadFile(w.dir + "/runs")
	if err != nil && !os.IsNotExist(err) {
		w.tb.Fatal(err)
	}
	return strings.Count(string(data), "run")
}

// A wrong password is sent once in a run, whoever else would like to; a server
// that is busy is asked again; another mechanism is for servers that do not know
// what to do with the one before.
func TestOneWrongPassword(t *testing.T) {
	always := func(answer string) func(*loginConn, int, string, string) string {
		return func(*loginConn, int, string, string) string { return answer }
	}
	only := func(mech, answer string) func(*loginConn, int, string, string) string {
		return func(_ *loginConn, _ int, m, _ string) string {
			if m == mech {
				return "OK in"
			}
			return answer
		}
	}
	const again = "is not tried again"
	for _, tt := range []struct {
		name, caps, lines string
		judge             func(*loginConn, int, string, string) string
		code              int
		tried             string
		says, saysNot     string
	}{
		{name: "wrong", lines: "AuthMechs LOGIN", judge: always("NO [AUTHENTICATIONFAILED] wrong"), code: 1, tried: "LOGIN", says: again},
		{name: "wrong, without a code", lines: "AuthMechs LOGIN", judge: always("NO LOGIN failed."), code: 1, tried: "LOGIN", says: again},
		{name: "not authorized", lines: "AuthMechs LOGIN", judge: always("NO [AUTHORIZATIONFAILED] no"), code: 1, tried: "LOGIN", says: again},
		{name: "expired", lines: "AuthMechs LOGIN", judge: always("NO [EXPIRED] old"), code: 1, tried: "LOGIN", says: again},
		{name: "locked", lines: "AuthMechs LOGIN", judge: always("NO Too many failed logins, try again later"), code: 1, tried: "LOGIN", says: again},
		{name: "wrong, by a server that says BAD", lines: "AuthMechs PLAIN LOGIN", caps: "SASL-IR AUTH=PLAIN", judge: always("BAD invalid password"), code: 1, tried: "PLAIN", says: again},
		{name: "wrong, with other mechanisms", lines: "AuthMechs PLAIN LOGIN", caps: "AUTH=PLAIN", judge: always("NO [AUTHENTICATIONFAILED] wrong"), code: 1, tried: "PLAIN", says: again},
		{name: "busy", lines: "AuthMechs LOGIN", judge: always("NO [UNAVAILABLE] later"), code: 1, tried: "LOGIN LOGIN", saysNot: again},
		{name: "busy, in other words", lines: "AuthMechs LOGIN", judge: always("NO Too many simultaneous connections. (Failure)"), code: 1, tried: "LOGIN LOGIN", saysNot: again},
		{name: "limit", lines: "AuthMechs LOGIN", judge: always("NO [LIMIT] enough"), code: 1, tried: "LOGIN LOGIN", saysNot: again},
		{name: "wrong, then good", lines: "AuthMechs LOGIN", judge: func(_ *loginConn, n int, _, _ string) string {
			return []string{"NO [AUTHENTICATIONFAILED] wrong", "OK in"}[min(n, 2)-1]
		}, code: 1, tried: "LOGIN", says: again},
		{name: "busy, then good", lines: "AuthMechs LOGIN", judge: func(_ *loginConn, n int, _, _ string) string {
			return []string{"NO [UNAVAILABLE] later", "OK in"}[min(n, 2)-1]
		}, code: 1, tried: "LOGIN LOGIN", saysNot: again},
		{name: "mechanism", lines: "AuthMechs CRAM-MD5 PLAIN LOGIN", caps: "AUTH=CRAM-MD5 AUTH=PLAIN", judge: only("LOGIN", "BAD unknown command"), tried: "CRAM-MD5 PLAIN LOGIN"},
		{name: "mechanism, properly", lines: "AuthMechs CRAM-MD5 PLAIN", caps: "AUTH=CRAM-MD5 AUTH=PLAIN", judge: only("PLAIN", "NO [CANNOT] not that"), tried: "CRAM-MD5 PLAIN"},
		{name: "mechanism, in words", lines: "AuthMechs CRAM-MD5 PLAIN", caps: "AUTH=CRAM-MD5 AUTH=PLAIN", judge: only("PLAIN", "NO Unsupported authentication mechanism."), tried: "CRAM-MD5 PLAIN"},
		{name: "no mechanism left", lines: "AuthMechs CRAM-MD5", caps: "AUTH=CRAM-MD5", judge: always("NO [CANNOT] not that"), code: 1, tried: "CRAM-MD5", says: "rc:7: error: channel 'c': store 'far': login failed: no authentication mechanism can be used: the server offers CRAM-MD5, LOGIN; AuthMechs allows CRAM-MD5"},
		{name: "clear text", lines: "AuthMechs LOGIN", judge: always("OK in"), tried: "LOGIN", says: "rc:7: warning: IMAPAccount \"acc\": the password is sent in clear text over an unencrypted connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := startLoginServer(t, tt.caps, nil, func(c *loginConn, n int, mech, first string) string {
				if strings.Contains(mech, "CRAM") && tt.name == "wrong, with other mechanisms" {
					c.ask("<1@x>")
				}
				return tt.judge(c, n, mech, first)
			})
			w := newWorld(t, account("acc", srv, tt.lines)+twoChannels)
			w.run(tt.code, "-a", "-DN")
			if got := srv.tried(); got != tt.tried {
				t.Errorf("tried %s, want %s", got, tt.tried)
			}
			w.says(&w.err, tt.says)
			if tt.saysNot != "" && strings.Contains(w.err.String(), tt.saysNot) {
				t.Errorf("%q is in:\n%s", tt.saysNot, &w.err)
			}
			if n := w.runs(); n > 1 {
				t.Errorf("the command was run %d times", n)
			}
			if tt.code != 0 && len(w.hints()) == 0 {
				t.Errorf("no hint:\n%s", &w.err)
			}
			w.silent("s3cret-w0rd")
			if t.Failed() {
				t.Logf("%s%s", &w.out, &w.err)
			}
		})
	}
}

// Two accounts that are the same in all but their names do not get two tries
// either.
func TestOneWrongPasswordOfTwins(t *testing.T) {
	srv := startLoginServer(t, "", nil, func(*loginConn, int, string, string) string { return "NO [AUTHENTICATIONFAILED] wrong" })
	rc := strings.Replace(twoChannels, "Account acc\n\nMaildir", "Account twin\n\nMaildir", 1)
	w := newWorld(t, account("acc", srv, "AuthMechs LOGIN")+account("twin", srv, "AuthMechs LOGIN")+rc)
	w.run(1, "-a")
	if got := srv.tried(); got != "LOGIN" {
		t.Errorf("tried %s", got)
	}
	w.says(&w.err, "channel 'c': store 'far': login failed: the same login has failed before in this run, and is not tried again: server refused LOGIN: NO [AUTHENTICATIONFAILED] wrong")
}

// A server that does not wait until the password is there is connected to once
// more, and nobody is asked again.
func TestSlowPassword(t *testing.T) {
	for _, args := range [][]string{{"-a"}, {"--check", "--online"}} {
		srv := startLoginServer(t, "", nil, func(*loginConn, int, string, string) string { return "OK in" })
		slow := strings.Replace(account("acc", srv, "AuthMechs LOGIN"), "echo s3cret", "sleep 0.3; echo s3cret", 1)
		w := newWorld(t, slow+"IMAPStore far\nAccount acc\n")
		srv.impatient.Store(1)
		w.run(0, args...)
		if got := srv.tried(); !strings.HasPrefix(got, "LOGIN") || w.runs() != 1 { // the check does so twice
			t.Errorf("%s: tried %s, asked %d times", args, got, w.runs())
		}
		if w.says(&w.err, "rc:"); strings.Contains(w.err.String(), "error") {
			t.Errorf("%s:\n%s", args, &w.err)
		}
		// There is an end to it.
		srv.impatient.Store(100)
		w.run(1, args...)
		if left := srv.impatient.Load(); left != 98 || w.runs() != 2 {
			t.Errorf("%s: %d connections, asked %d times", args, 100-left, w.runs()-1)
		}
		if !strings.Contains(w.out.String()+w.err.String(), "Disconnected for inactivity") {
			t.Errorf("%s:\n%s%s", args, &w.out, &w.err)
		}
	}
}

// Stores of one account can be listed one after the other, and asked about the
// password once.
func TestListStoresOfOneAccount(t *testing.T) {
	srv := startLoginServer(t, "", nil, func(*loginConn, int, string, string) string { return "OK in" })
	w := newWorld(t, account("acc", srv, "AuthMechs LOGIN")+twoChannels)
	w.run(0, "-ls")
	w.says(&w.out, "===== far:\nINBOX\n===== far2:\nINBOX\n")
	if n := w.runs(); n != 1 {
		t.Errorf("the command was run %d times", n)
	}
}

// However many want an account at the same time, there is one for all of them.
func TestOneAccountForAll(t *testing.T) {
	w := newWorld(t, "IMAPAccount acc\nHost host.example\nPass x\nCipherString AES256:TLS_AES_128_GCM_SHA256\n\nIMAPStore far\nAccount acc\n\nIMAPStore far2\nAccount acc\n")
	cfg, shop := w.workshop()
	const n = 50
	got := make([]*imap.Sessions, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			var err error
			if got[i], err = shop.account(cfg.Store([]string{"far", "far2"}[i%2])); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	for i, s := range got {
		if s != got[0] {
			t.Errorf("%d has sessions of its own", i)
		}
	}
}

// workshop loads the configuration and returns what makes stores of it.
func (w *world) workshop() (*config.Config, *workshop) {
	w.tb.Helper()
	cfg, _, err := config.Load(config.Options{File: "rc", Env: w.env.Config})
	if err != nil {
		w.tb.Fatal(err)
	}
	r := &run{env: w.env, cfg: cfg, c: &commandLine{}, reporter: reporter{events: ui.New(ui.Options{Out: &w.out, Err: &w.err})}}
	return cfg, r.workshop()
}

// Many connections at the same time ask for the password once, and if it is
// wrong, send it once.
func TestConcurrentLogins(t *testing.T) {
	for _, good := range []bool{true, false} {
		t.Run(fmt.Sprint(good), func(t *testing.T) {
			srv := startLoginServer(t, "AUTH=PLAIN SASL-IR", nil, func(*loginConn, int, string, string) string {
				if good {
					return "OK in"
				}
				return "NO [AUTHENTICATIONFAILED] wrong"
			})
			w := newWorld(t, account("acc", srv, "AuthMechs PLAIN")+"IMAPStore far\nAccount acc\n")
			cfg, shop := w.workshop()
			const n = 20
			var wg sync.WaitGroup
			var mu sync.Mutex
			failed := 0
			for range n {
				wg.Go(func() {
					c, err := imapclient.Dial(t.Context(), imapclient.Options{Host: srv.host, Port: srv.port})
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = c.Logout(context.Background()) }()
					if err := shop.login(cfg.Store("far"))(t.Context(), c); err != nil {
						mu.Lock()
						failed++
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			want, wantFailed := n, 0
			if !good {
				want, wantFailed = 1, n
			}
			if got := len(strings.Fields(srv.tried())); got != want || failed != wantFailed {
				t.Errorf("%d attempts, %d failed", got, failed)
			}
			if w.runs() != 1 {
				t.Errorf("the command was run %d times", w.runs())
			}
			if n := strings.Count(w.err.String(), "clear text"); n != 1 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// Channel binding, over real TLS, with a server that insists on the right one.
func TestChannelBinding(t *testing.T) {
	const password = "s3cret-w0rd"
	const offer = "SASL-IR LOGINDISABLED AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS"
	ca := testkit.NewCA(t)
	cert := ca.Issue(t, testkit.CertConfig{})
	for _, tt := range []struct {
		name, caps, lines string
		plus              bool
		cb                scram.ChannelBindingType
		tried             string
		fails, hint       string
	}{
		{name: "1.3", caps: offer, plus: true, cb: scram.ChannelBindingTLSExporter, tried: "SCRAM-SHA-256-PLUS"},
		{name: "1.2", caps: offer, plus: true, lines: "TLSVersions -1.3", cb: scram.ChannelBindingTLSUnique, tried: "SCRAM-SHA-256-PLUS"},
		{name: "SHA-1", caps: "LOGINDISABLED AUTH=SCRAM-SHA-1-PLUS", plus: true, cb: scram.ChannelBindingTLSExporter, tried: "SCRAM-SHA-1-PLUS"},
		{name: "the other type", caps: offer, plus: true, cb: scram.ChannelBindingTLSServerEndpoint, tried: "SCRAM-SHA-256-PLUS SCRAM-SHA-256-PLUS"},
		{name: "the offer was changed", caps: "LOGINDISABLED AUTH=SCRAM-SHA-256", plus: true, cb: scram.ChannelBindingTLSExporter, tried: "SCRAM-SHA-256", fails: "the server says server-does-support-channel-binding", hint: "TLS ends before the server"},
		{name: "not offered", caps: "LOGINDISABLED AUTH=SCRAM-SHA-256", tried: "SCRAM-SHA-256"},
		{name: "not allowed", caps: offer, lines: "AuthMechs SCRAM-SHA-256", plus: true, cb: scram.ChannelBindingTLSExporter, tried: "SCRAM-SHA-256"},
		{name: "somebody in between", caps: offer, plus: true, tried: "SCRAM-SHA-256-PLUS", fails: "the server says channel-bindings-dont-match", hint: "TLS ends before the server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := startLoginServer(t, tt.caps, cert, scramJudge(t, password, tt.plus, tt.cb))
			rc := fmt.Sprintf("IMAPStore far\nHost 127.0.0.1\nPort %d\nUser me\nPass %s\nTLSType IMAPS\nCertificateFile ca.pem\n%s\n", srv.port, password, tt.lines)
			w := newWorld(t, rc)
			w.write("ca.pem", string(ca.PEM()))
			code := 0
			if tt.fails != "" {
				code = 1
			}
			w.run(code, "-a", "-DN")
			if got := srv.tried(); got != tt.tried {
				t.Errorf("tried %s, want %s", got, tt.tried)
			}
			w.says(&w.err, tt.fails, tt.hint)
			w.silent(password)
			if t.Failed() {
				t.Logf("%s%s", &w.out, &w.err)
			}
		})
	}
}

// What a server cannot do is not tried on each connection.
func TestBindingIsRemembered(t *testing.T) {
	const password = "s3cret-w0rd"
	ca := testkit.NewCA(t)
	srv := startLoginServer(t, "LOGINDISABLED AUTH=SCRAM-SHA-256-PLUS", ca.Issue(t, testkit.CertConfig{}), scramJudge(t, password, true, scram.ChannelBindingTLSServerEndpoint))
	w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost 127.0.0.1\nPort %d\nUser me\nPass %s\nTLSType IMAPS\nCertificateFile ca.pem\n", srv.port, password))
	w.write("ca.pem", string(ca.PEM()))
	cfg, shop := w.workshop()
	opts, err := shop.client(cfg.Store("far"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SCRAM-SHA-256-PLUS SCRAM-SHA-256-PLUS", "SCRAM-SHA-256-PLUS"} {
		c, err := imapclient.Dial(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := shop.login(cfg.Store("far"))(t.Context(), c); err != nil {
			t.Error(err)
		}
		_ = c.Logout(t.Context())
		if got := srv.tried(); got != want {
			t.Errorf("tried %s, want %s", got, want)
		}
	}
}

// A server that only pretends to know the password is not talked to.
func TestImpostor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		judge func(c *loginConn, n int, mech, first string) string
	}{
		{"wrong signature", func(c *loginConn, _ int, _, first string) string {
			_, nonce, _ := strings.Cut(first, "r=")
			c.ask("r=" + nonce + "x,s=c2FsdA==,i=4096")
			if c.ask("v=AAAA") == "*" {
				return "BAD cancelled"
			}
			return "OK in"
		}},
		{"no signature", func(c *loginConn, _ int, _, first string) string {
			_, nonce, _ := strings.Cut(first, "r=")
			c.ask("r=" + nonce + "x,s=c2FsdA==,i=4096")
			return "OK in"
		}},
		{"nothing at all", func(*loginConn, int, string, string) string { return "OK in" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := startLoginServer(t, "AUTH=SCRAM-SHA-256 AUTH=PLAIN", nil, tt.judge)
			w := newWorld(t, account("acc", srv, "AuthMechs SCRAM-SHA-256 PLAIN")+twoChannels)
			w.run(1, "-a", "-DN")
			if got := srv.tried(); got != "SCRAM-SHA-256" {
				t.Errorf("tried %s", got)
			}
			w.says(&w.err, "the server does not prove that it knows the password", "hint: the password was not sent", "is not tried again")
			if strings.Contains(w.out.String(), "SELECT") {
				t.Errorf("the server was talked to:\n%s", &w.out)
			}
		})
	}
}
