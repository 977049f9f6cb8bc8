package cli

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"isync/internal/testkit"
)

// silent checks that none of the secrets, nor the base64 of any, is in the
// output of the last run.
func (w *world) silent(secrets ...string) {
	w.tb.Helper()
	all := w.out.String() + w.err.String()
	for _, s := range secrets {
		b64 := base64.StdEncoding.EncodeToString([]byte(s))
		// Within the base64 of something longer it looks otherwise, depending on
		// where it begins there.
		forms := []string{s, hex.EncodeToString([]byte(s)), url.QueryEscape(s), strings.TrimRight(b64, "=")}
		for pad := 1; pad < 3; pad++ {
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", pad) + s))
			if len(enc) > 12 {
				forms = append(forms, enc[4:len(enc)-4])
			}
		}
		for _, form := range forms {
			if strings.Contains(all, form) {
				w.tb.Errorf("%q shows, as %q, in:\n%s", s, form, all)
			}
		}
	}
}

// masked checks that of an authentication that is shown nothing is, but the
// mechanism.
func (w *world) masked() {
	w.tb.Helper()
	seen := false
	for line := range strings.Lines(w.out.String()) {
		_, sent, isSent := strings.Cut(line, " > ")
		_, got, isGot := strings.Cut(line, " < ")
		sent, got = strings.TrimSpace(sent), strings.TrimSpace(got)
		words := strings.Fields(sent)
		switch {
		case isSent && len(words) > 1 && (words[1] == "AUTHENTICATE" || words[1] == "LOGIN"):
			seen = true
			if len(words) > 3 && words[3] != "****" {
				w.tb.Errorf("shown: %s", line)
			}
		case isSent && len(words) == 1 && words[0] != "****", isGot && strings.HasPrefix(got, "+") && got != "+ ****":
			w.tb.Errorf("shown: %s", line)
		}
	}
	if !seen {
		w.tb.Error("no authentication is shown")
	}
}

// The ways to send the first response: with the command, and behind it.
var firstResponses = []string{"", "DisableExtensions SASL-IR\n"}

// Each mechanism that Dovecot has, with a right and a wrong password.
func TestDovecotMechanisms(t *testing.T) {
	mechs := []string{"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"}
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{Users: []string{"user"}})
	srv.Seed(t, "user", "INBOX", testkit.Mail{Body: "Subject: x\r\n\r\nHello\r\n"})
	for i, mech := range slices.Concat(mechs, mechs, []string{"*"}) {
		t.Run(mech, func(t *testing.T) {
			w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType IMAPS\nCertificateFile ca.pem\nAuthMechs %s\n%s",
				srv.Host, srv.TLSPort, strings.ToLower(mech), firstResponses[i/len(mechs)%2]))
			w.write("ca.pem", string(srv.CA.PEM()))
			w.write("secret", testkit.Password+"\n")
			w.run(0, "-a", "-Dn")
			w.says(&w.out, "pulled 1 new message(s)")
			sent := "AUTHENTICATE " + mech
			switch mech {
			case "LOGIN":
				sent = `LOGIN "user"`
			case "*":
				sent = "AUTHENTICATE SCRAM-SHA-256"
			}
			w.says(&w.out, sent)
			w.silent(testkit.Password)
			w.masked()

			const wrong = "wrong-and-secret"
			w.write("secret", wrong+"\n")
			w.run(1, "-a", "-DN")
			w.says(&w.err, "AUTHENTICATIONFAILED", "hint: check User (rc:4) and PassCmd (rc:5)")
			w.silent(wrong, testkit.Password)
			w.masked()
			if n := strings.Count(w.out.String(), "> A"); n == 0 || strings.Count(w.out.String(), "AUTHENTICATE ")+strings.Count(w.out.String(), " LOGIN ") != 1 {
				t.Errorf("not one attempt:\n%s", &w.out)
			}
		})
	}
}

// Logging in with a client certificate, with and without a user name.
func TestDovecotExternal(t *testing.T) {
	ca := testkit.NewCA(t)
	cfg := testkit.DovecotConfig{Users: []string{"user"}, Mechanisms: "external plain", ClientCA: ca}
	// To this one a certificate is just another name for the user.
	noExternal := testkit.StartDovecot(t, cfg)
	cfg.Extra = "passdb {\n  driver = static\n  args = nopassword\n  mechanisms = external\n}\n"
	external := testkit.StartDovecot(t, cfg)
	cert := ca.Issue(t, testkit.CertConfig{Hosts: []string{"user"}, Client: true})
	stranger := ca.Issue(t, testkit.CertConfig{Hosts: []string{"stranger"}, Client: true})
	for _, tt := range []struct {
		name, lines string
		srv         *testkit.Dovecot
		cert        *testkit.Certificate
		want        []string // commands
		fails       string
	}{
		{"without a name", "", external, cert, []string{"AUTHENTICATE EXTERNAL"}, ""},
		{"with the name", "User user\n", external, cert, []string{"AUTHENTICATE EXTERNAL"}, ""},
		{"without a name, behind the command", firstResponses[1], external, cert, []string{"AUTHENTICATE EXTERNAL"}, ""},
		{"another way", "User user\nPassCmd \"cat '$DIR/secret'\"\nAuthMechs PLAIN\n", external, cert, []string{"AUTHENTICATE PLAIN"}, ""},
		{"not that one, but a password", "User user\nPassCmd \"cat '$DIR/secret'\"\n", noExternal, cert, []string{"AUTHENTICATE EXTERNAL", "AUTHENTICATE PLAIN"}, ""},
		{"not that one", "User user\n", external, stranger, []string{"AUTHENTICATE EXTERNAL"}, "hint: check ClientCertificate (rc:6)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rc := fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nTLSType IMAPS\nCertificateFile ca.pem\nClientCertificate cert.pem\nClientKey key.pem\n", tt.srv.Host, tt.srv.TLSPort)
			w := newWorld(t, rc+tt.lines)
			w.write("ca.pem", string(tt.srv.CA.PEM()))
			w.write("cert.pem", string(tt.cert.PEM()))
			w.write("key.pem", string(tt.cert.KeyPEM(t)))
			w.write("secret", testkit.Password+"\n")
			code := 0
			if tt.fails != "" {
				code = 1
			}
			w.run(code, "-a", "-DN")
			w.says(&w.err, tt.fails)
			w.masked()
			var got []string
			for line := range strings.Lines(w.out.String()) {
				if _, cmd, ok := strings.Cut(line, "AUTHENTICATE "); ok && strings.Contains(line, " > ") {
					got = append(got, "AUTHENTICATE "+strings.Fields(cmd)[0])
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("sent %q\n%s%s", got, &w.out, &w.err)
			}
		})
	}
}

// introspection is an OAuth 2.0 server that knows one token (RFC 7662).
func introspection(t *testing.T, token string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		got := form.Get("token")
		if got == "" {
			got = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"active": got == token, "email": "user", "username": "user"})
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/introspect"
}

// Tokens, short and long, against a server that asks another one about them.
func TestDovecotTokens(t *testing.T) {
	for _, size := range []int{20, 3000, 5900} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			token := strings.Repeat("t0ken.-_~+/", size/10)[:size-2] + "=="
			file := t.TempDir() + "/oauth2.conf.ext"
			conf := "introspection_url = " + introspection(t, token) + "\nintrospection_mode = post\nusername_attribute = email\nactive_attribute = active\nactive_value = true\n"
			if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
				t.Fatal(err)
			}
			srv := testkit.StartDovecot(t, testkit.DovecotConfig{
				Mechanisms: "oauthbearer xoauth2",
				Extra:      "passdb {\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = " + srvFile(t, file) + "\n}\n",
			})
			for i, mech := range []string{"XOAUTH2", "OAUTHBEARER", "XOAUTH2", "OAUTHBEARER"} {
				w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType IMAPS\nCertificateFile ca.pem\nAuthMechs %s\n%s",
					srv.Host, srv.TLSPort, mech, firstResponses[i/2]))
				w.write("ca.pem", string(srv.CA.PEM()))
				w.write("secret", token+"\n")
				w.run(0, "-a", "-Dn")
				w.says(&w.out, "AUTHENTICATE "+mech)
				w.silent(token, token[:15])
				w.masked()
				wrong := "bad" + token
				w.write("secret", wrong+"\n")
				w.run(1, "-a", "-DN")
				w.says(&w.err, "server refused AUTHENTICATE "+mech, "the token is not accepted, status ", "hint: check User (rc:4) and PassCmd (rc:5); the password must be a valid access token")
				w.silent(wrong, token, token[:15])
				w.masked()
			}
			if t.Failed() {
				t.Log(srv.Log())
			}
		})
	}
}

// srvFile makes a file of a test readable for a server that may run as somebody
// else.
func srvFile(t *testing.T, path string) string {
	t.Helper()
	for dir := path; dir != "/" && strings.HasPrefix(dir, os.TempDir()+"/"); dir = dir[:strings.LastIndexByte(dir, '/')] {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			_ = os.Chmod(dir, 0o755)
		}
	}
	return path
}
