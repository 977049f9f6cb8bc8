package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// scramServer returns the server's side of a conversation.
func scramServer(t *testing.T, name, user, password string, cb scram.ChannelBinding) *scram.ServerConversation {
	t.Helper()
	hash := scram.SHA256
	if strings.HasPrefix(name, scramSHA1) {
		hash = scram.SHA1
	}
	srv, err := hash.NewServer(func(u string) (scram.StoredCredentials, error) {
		if u != user {
			return scram.StoredCredentials{}, fmt.Errorf("no user %q", u)
		}
		c, err := hash.NewClientUnprepped(user, password, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	})
	if err != nil {
		t.Fatal(err)
	}
	if cb.IsSupported() {
		return srv.NewConversationWithChannelBinding(cb)
	}
	return srv.NewConversation()
}

// choose returns the first choice for one mechanism.
func choose(t *testing.T, name string, bindings ...scram.ChannelBinding) *Choice {
	t.Helper()
	choices, err := Select(Request{Offered: []string{name}, Allowed: []string{name}, Encrypted: true, ClientCertificate: true, Bindings: bindings})
	if err != nil {
		t.Fatal(err)
	}
	return &choices[0]
}

// converse plays a conversation to its end, or to the first error of the client.
func converse(c sasl.Client, srv *scram.ServerConversation) error {
	_, msg, err := c.Start()
	for range 2 {
		if err != nil {
			return err
		}
		answer, _ := srv.Step(string(msg)) // an error is in the answer as well
		msg, err = c.Next([]byte(answer))
	}
	if err != nil {
		return err
	}
	if p := c.(Prover); true {
		return p.Proven()
	}
	return nil
}

func TestSCRAM(t *testing.T) {
	cb := scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("bound")}
	other := scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("elsewhere")}
	unique := scram.NewTLSUniqueBinding([]byte("bound"))
	for _, hash := range []string{scramSHA1, scramSHA256} {
		for _, tt := range []struct {
			name, user, password string
			ours                 []scram.ChannelBinding // for -PLUS
			plus                 bool
			theirs               scram.ChannelBinding
			serverPassword       string // if it differs
			want                 string // of the error
		}{
			{name: "plain", user: "me", password: "secret"},
			{name: "names to escape", user: "a=b,c", password: "pass,word="},
			{name: "prepared", user: "me", password: "\u2168\u00ad\u00a0x", serverPassword: "IX x"},
			{name: "cannot be prepared", user: "me", password: "\U0001f511"},
			{name: "wrong", user: "me", password: "secret", serverPassword: "other", want: "the server says invalid-proof"},
			{name: "bound", user: "me", password: "secret", plus: true, ours: []scram.ChannelBinding{cb}, theirs: cb},
			{name: "bound elsewhere", user: "me", password: "secret", plus: true, ours: []scram.ChannelBinding{cb}, theirs: other, want: "the server says channel-bindings-dont-match"},
			{name: "bound another way", user: "me", password: "secret", plus: true, ours: []scram.ChannelBinding{cb}, theirs: unique, want: "the server says unsupported-channel-binding-type"},
			{name: "not offered", user: "me", password: "secret", ours: []scram.ChannelBinding{cb}},
			{name: "the offer was changed", user: "me", password: "secret", ours: []scram.ChannelBinding{cb}, theirs: cb, want: "the server says server-does-support-channel-binding"},
			{name: "cannot", user: "me", password: "secret", theirs: cb},
		} {
			t.Run(hash+"/"+tt.name, func(t *testing.T) {
				name := hash
				if tt.plus {
					name += plusSuffix
				}
				known := tt.password
				if tt.serverPassword != "" {
					known = tt.serverPassword
				}
				var keys Keys
				for range 2 { // the second time the keys are known
					c := choose(t, name, tt.ours...).NewClient(Login{User: tt.user, Password: tt.password, Keys: &keys})
					err := converse(c, scramServer(t, name, tt.user, known, tt.theirs))
					if fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") {
						t.Errorf("got %v, want %q", err, tt.want)
					}
				}
				if len(keys.clients) != 1 {
					t.Errorf("%d keys", len(keys.clients))
				}
			})
		}
	}
}

// TestSCRAMVectors has the example of RFC 7677 §3: nothing but the right nonce
// of ours is needed for the answer to be the one there.
func TestSCRAMVectors(t *testing.T) {
	c := newSCRAMClient(keyID{scramSHA256, "user", "pencil"}).WithNonceGenerator(func() string { return "rOprNGfwEbeRWgbNEkqO" })
	s := &scramClient{name: scramSHA256, conv: c.NewConversation()}
	if _, first, err := s.Start(); err != nil || string(first) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Errorf("%s, %v", first, err)
	}
	final, err := s.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	if want := "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="; err != nil || string(final) != want {
		t.Errorf("%s, %v", final, err)
	}
	if s.Proven() == nil {
		t.Error("proven too early")
	}
	if rest, err := s.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")); err != nil || rest == nil || len(rest) > 0 || s.Proven() != nil {
		t.Errorf("%q, %v, %v", rest, err, s.Proven())
	}
	if _, err := s.Next(nil); err == nil {
		t.Error("goes on after the end")
	}
}

// A server that does not know the password, or wants us to be busy or careless,
// gets nowhere.
func TestSCRAMHostile(t *testing.T) {
	signature := "v=" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, tt := range []struct{ name, first, final, want string }{
		{"wrong signature", "r=$NONCE,s=c2FsdA==,i=4096", signature, ErrImpostor.Error()},
		{"no signature", "r=$NONCE,s=c2FsdA==,i=4096", "", ErrImpostor.Error()},
		{"empty signature", "r=$NONCE,s=c2FsdA==,i=4096", "v=", ErrImpostor.Error()},
		{"error at last", "r=$NONCE,s=c2FsdA==,i=4096", "e=no-resources,x=y", "the server says no-resources"},
		{"strange error", "e=\x1b[2J" + strings.Repeat("x", 1000), "", "the server says \"\\x1b[2Jxxxx"},
		{"too many iterations", "r=$NONCE,s=c2FsdA==,i=10000001", "", "requires 10000001 hash iterations"},
		{"far too many iterations", "r=$NONCE,s=c2FsdA==,i=99999999999999999999", "", "hash iterations; the limit is"},
		{"too few iterations", "r=$NONCE,s=c2FsdA==,i=1", "", "too few iterations (1)"},
		{"no iterations", "r=$NONCE,s=c2FsdA==,i=-4096", "", "too few iterations"},
		{"another nonce", "r=abc,s=c2FsdA==,i=4096", "", "did not extend client nonce"},
		{"extension", "m=x,r=$NONCE,s=c2FsdA==,i=4096", "", "extensions are not supported"},
		{"nothing", "", "", "not enough fields"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := choose(t, scramSHA256).NewClient(Login{User: "me", Password: "hunter2"})
			_, first, err := c.Start()
			if err != nil {
				t.Fatal(err)
			}
			_, nonce, _ := strings.Cut(string(first), "r=")
			_, err = c.Next([]byte(strings.ReplaceAll(tt.first, "$NONCE", nonce+"x")))
			if err == nil {
				_, err = c.Next([]byte(tt.final))
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if c.(Prover).Proven() == nil {
				t.Error("proven")
			}
		})
	}
}

func FuzzSCRAM(f *testing.F) {
	f.Add("r=$NONCE,s=c2FsdA==,i=4096", "v=AAAA")
	f.Add("e=other-error", "")
	f.Add("r=,s=,i=", "e=")
	f.Fuzz(func(t *testing.T, first, final string) {
		if _, rest, ok := strings.Cut(first, "i="); ok && len(strings.Trim(rest, "0")) > 5 {
			t.Skip("too slow")
		}
		c := choose(t, scramSHA1).NewClient(Login{User: "me", Password: "hunter2"})
		_, ours, _ := c.Start()
		_, nonce, _ := strings.Cut(string(ours), "r=")
		for _, msg := range []string{strings.ReplaceAll(first, "$NONCE", nonce), final} {
			if _, err := c.Next([]byte(msg)); err != nil {
				break
			}
		}
		if c.(Prover).Proven() == nil {
			t.Fatal("a server that does not know the password has proven that it does")
		}
	})
}

// TestBindings compares both ends of real connections.
func TestBindings(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version uint16
		want    []scram.ChannelBindingType
	}{
		{"1.3", tls.VersionTLS13, []scram.ChannelBindingType{scram.ChannelBindingTLSExporter, scram.ChannelBindingTLSServerEndpoint}},
		{"1.2", tls.VersionTLS12, []scram.ChannelBindingType{scram.ChannelBindingTLSUnique, scram.ChannelBindingTLSServerEndpoint}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert := selfSigned(t)
			a, b := net.Pipe()
			server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tt.version})
			client := tls.Client(a, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // this is not about certificates
			done := make(chan error, 1)
			go func() { done <- server.Handshake() }()
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			defer a.Close()
			state, theirs := client.ConnectionState(), server.ConnectionState()
			got := Bindings(&state)
			if len(got) != len(tt.want) {
				t.Fatalf("%d bindings", len(got))
			}
			for i, cb := range got {
				if cb.Type != tt.want[i] {
					t.Errorf("binding %d is %s", i, cb.Type)
				}
			}
			var want []byte
			if tt.version == tls.VersionTLS12 {
				want = theirs.TLSUnique
			} else {
				cb, err := scram.NewTLSExporterBinding(&theirs)
				if err != nil {
					t.Fatal(err)
				}
				want = cb.Data
			}
			if string(got[0].Data) != string(want) || len(want) == 0 {
				t.Errorf("ours %x, theirs %x", got[0].Data, want)
			}
			// Without the extended master secret tls-unique is not safe.
			if tt.version == tls.VersionTLS12 {
				state.TLSUnique = nil
				if got := Bindings(&state); len(got) != 1 || got[0].Type != scram.ChannelBindingTLSServerEndpoint {
					t.Errorf("%v", got)
				}
			}
		})
	}
	if Bindings(nil) != nil || Bindings(&tls.ConnectionState{}) != nil {
		t.Error("bindings to nothing")
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// What the simpler mechanisms say.
func TestClients(t *testing.T) {
	l := Login{User: "tim,=", Password: "tanstaaftanstaaf", Host: "imap.example", Port: 993}
	for _, tt := range []struct {
		name      string
		user      string
		first     string // "-": none
		challenge string
		want      string
	}{
		{name: "PLAIN", first: "\x00tim,=\x00tanstaaftanstaaf"},
		{name: "EXTERNAL", first: "tim,="},
		{name: "OAUTHBEARER", first: "n,a=tim=2C=3D,\x01host=imap.example\x01port=993\x01auth=Bearer tanstaaftanstaaf\x01\x01", challenge: `{"status":"invalid_token"}`, want: "\x01"},
		{name: "XOAUTH2", first: "user=tim,=\x01auth=Bearer tanstaaftanstaaf\x01\x01", challenge: `{"status":"400"}`, want: ""},
		// The example of RFC 2195 §2.
		{name: "CRAM-MD5", user: "tim", first: "-", challenge: "<1896.697170952@postoffice.reston.mci.net>", want: "tim b913a602c7eda7a495b4e6e7334d3890"},
	} {
		login := l
		if tt.user != "" {
			login.User = tt.user
		}
		c := choose(t, tt.name).NewClient(login)
		name, first, err := c.Start()
		if name != tt.name || err != nil || (first == nil) != (tt.first == "-") || first != nil && string(first) != tt.first {
			t.Errorf("%s: %s, %q, %v", tt.name, name, first, err)
		}
		if tt.challenge == "" {
			continue
		}
		if got, err := c.Next([]byte(tt.challenge)); err != nil || string(got) != tt.want || got == nil {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
		if got, err := c.Next(nil); err == nil {
			t.Errorf("%s: goes on with %q", tt.name, got)
		}
	}
	// The mechanism LOGIN.
	choices, err := Select(Request{Offered: []string{"LOGIN"}, LoginDisabled: true, Encrypted: true})
	if err != nil {
		t.Fatal(err)
	}
	c := choices[0].NewClient(l)
	if _, first, _ := c.Start(); first != nil {
		t.Errorf("%q", first)
	}
	for _, want := range []string{l.User, l.Password} {
		if got, err := c.Next([]byte("whatever:")); string(got) != want || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := c.Next(nil); err == nil {
		t.Error("goes on")
	}
}

// The errors of servers that do not accept a token can be read, and have no
// token in them.
func TestTokenErrors(t *testing.T) {
	for _, tt := range []struct{ challenge, want string }{
		{`{"status":"invalid_token","scope":"https://mail.example/","openid-configuration":"x"}`, "the token is not accepted, status invalid_token, scope https://mail.example/"},
		{`{"status":401,"schemes":"bearer"}`, "the token is not accepted, status 401"},
		{`{"status":"no t0ken-t0ken"}`, "the token is not accepted, status no ****"},
		{`{"status":"\u001b[2J"}`, `the token is not accepted, status "\x1b[2J"`},
		{`{}`, "the token is not accepted"},
		{"", "the token is not accepted"},
		{"nonsense", "the token is not accepted"},
	} {
		for _, name := range []string{"XOAUTH2", "OAUTHBEARER"} {
			c := choose(t, name).NewClient(Login{User: "me", Password: "t0ken-t0ken"})
			f := c.(Failer)
			if f.Failure() != nil {
				t.Error("failed before it began")
			}
			if _, err := c.Next([]byte(tt.challenge)); err != nil {
				t.Error(err)
			}
			var e *TokenError
			if err := f.Failure(); !errors.As(err, &e) || err.Error() != tt.want {
				t.Errorf("%s: got %v, want %s", tt.challenge, err, tt.want)
			}
		}
	}
}
