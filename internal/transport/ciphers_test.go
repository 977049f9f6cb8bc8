package transport

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names returns the names of suites, in the order of the table.
func (l CipherList) names() string {
	var out []string
	for _, s := range suites {
		if slices.Contains(l.Suites, s.id) {
			out = append(out, s.openSSL)
		}
	}
	return strings.Join(out, " ")
}

func TestCiphers(t *testing.T) {
	const (
		ecdheGCM = "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384"
		chacha   = " ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305"
	)
	for _, tt := range []struct{ list, want string }{
		{"AES128-SHA", "AES128-SHA"},
		{"aes128-sha", "AES128-SHA"},
		{"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
		{"AES256-SHA:AES128-SHA", "AES128-SHA AES256-SHA"},
		{"AES256-SHA, AES128-SHA;AES128-SHA256  ", "AES128-SHA256 AES128-SHA AES256-SHA"},
		{"ECDHE+AESGCM:ECDHE+CHACHA20", ecdheGCM + chacha},
		{"EECDH+AES128+ECDSA+AESGCM", "ECDHE-ECDSA-AES128-GCM-SHA256"},
		{"HIGH:!AES:!aNULL:!eNULL:!MD5:!RC4:@STRENGTH", strings.TrimSpace(chacha)},
		{"CHACHA20:AES128-SHA:!AES128:AES128-SHA", strings.TrimSpace(chacha)},
		{"CHACHA20:AES128-SHA:-AES128:AES128-SHA", strings.TrimSpace(chacha) + " AES128-SHA"},
		{"CHACHA20:+CHACHA20", strings.TrimSpace(chacha)},
		{"ALL:!kRSA:!SHA1:!SHA256:!CHACHA20", ecdheGCM},
		{"3DES", "ECDHE-RSA-DES-CBC3-SHA DES-CBC3-SHA"},
		{"RC4-SHA:3DES:!ECDHE+3DES", "DES-CBC3-SHA RC4-SHA"},
		{"RC4:DES-CBC3-SHA:@SECLEVEL=2", "DES-CBC3-SHA"},
		{"SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384"},
		// Suites that crypto/tls does not have.
		{
			"ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-SHA384:" +
				"TLS_DHE_RSA_WITH_AES_128_CCM_8:SRP-RSA-AES-128-CBC-SHA:EXP-RC2-CBC-MD5:TLS_RSA_WITH_CAMELLIA_128_CBC_SHA",
			"ECDHE-RSA-AES128-GCM-SHA256",
		},
	} {
		got, err := ParseCiphers(tt.list)
		if d := cmp.Diff(tt.want, got.names()); d != "" || err != nil {
			t.Error(tt.list, err, d)
		}
	}
	got, err := ParseCiphers("TLS_AES_128_GCM_SHA256:AES128-SHA:!TLS_CHACHA20_POLY1305_SHA256")
	if d := cmp.Diff([]string{"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}, got.TLS13); d != "" || err != nil {
		t.Error(err, d)
	}
}

func TestCipherErrors(t *testing.T) {
	for _, tt := range []struct{ list, word string }{
		{"HIHG", "HIHG"},
		{"HIGH:!aNUL", "aNUL"},
		{"ECDHE-RSA-AES127-GCM-SHA256", "ECDHE-RSA-AES127-GCM-SHA256"},
		{"HIGH:@SECLEVEL=6", "@SECLEVEL=6"},
		{"HIGH:@SECLEVL=2", "@SECLEVL=2"},
		{"ECDHE+", ""},
		{"!", ""},
		{"TLS_AES", "TLS_AES"},
		{strings.Repeat("x", 1000), strings.Repeat("x", 1000)},
		{"", ""},
		{"!HIGH", ""},
		{"aNULL:LOW", ""},
		{"TLS_AES_128_GCM_SHA256", ""},
		{"RC4:@SECLEVEL=3", ""},
	} {
		_, err := ParseCiphers(tt.list)
		e, ok := errors.AsType[*CipherError](err)
		if !ok || e.Word != tt.word {
			t.Errorf("%q: %#v", tt.list, err)
		}
	}
}

// TestCiphersOpenSSL compares what lists mean with what OpenSSL says.
func TestCiphersOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("this test needs openssl")
	}
	lists := []string{
		"DEFAULT", "ALL", "HIGH:!aNULL", "ALL:@SECLEVEL=3", "ALL:@SECLEVEL=4", "ALL:@SECLEVEL=5", "HIGH:-AES128:AES128+ECDHE",
		"HIGH:!SHA1", "DEFAULT:!DEFAULT:-AES256", "ECDHE+AESGCM:kRSA+AES256", "HIGH:!kRSA:kRSA", "FIPS:+ECDHE:!SHA256", "AES128-SHA:AES256-SHA:-aRSA:RSA",
		"EECDH+aRSA+SHA", "SUITEB128", "TLSv1.2+kRSA", "kRSA+SSLv3:ECDHE+TLSv1",
	}
	names, groups := CipherNames()
	for _, word := range slices.Concat(names, groups) {
		if !slices.Contains([]string{"3DES", "RC4", "MEDIUM"}, word) && !strings.Contains(word, "CBC3") && !strings.Contains(word, "RC4") {
			lists = append(lists, word)
		}
	}
	for _, list := range lists {
		out, err := exec.Command(openssl, "ciphers", "-s", "-tls1_2", list).CombinedOutput()
		if err != nil {
			t.Logf("%s: openssl does not know it: %s", list, out)
			continue
		}
		theirs := strings.Split(strings.TrimSpace(string(out)), ":")
		theirs = slices.DeleteFunc(theirs, func(s string) bool { return !slices.Contains(names, s) })
		got, err := ParseCiphers(list)
		if err != nil {
			t.Error(list, err)
			continue
		}
		ours := strings.Fields(got.names())
		slices.Sort(theirs)
		slices.Sort(ours)
		if d := cmp.Diff(theirs, ours); d != "" {
			t.Errorf("%s: theirs, ours\n%s", list, d)
		}
	}
	// Everything that OpenSSL knows is known.
	out, err := exec.Command(openssl, "ciphers", "ALL:COMPLEMENTOFALL").Output()
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.SplitSeq(strings.TrimSpace(string(out)), ":") {
		if _, err := ParseCiphers("HIGH:" + word); err != nil {
			t.Error(err)
		}
	}
}

// The table has each suite of crypto/tls that a list can be about.
func TestCipherTable(t *testing.T) {
	for _, id := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if slices.Contains(id.SupportedVersions, tls.VersionTLS12) &&
			!slices.ContainsFunc(suites, func(s suite) bool { return s.id == id.ID }) {
			t.Errorf("%s is missing", id.Name)
		}
	}
}

// oldServer speaks one version of TLS, with one suite.
func oldServer(t *testing.T, version, suite uint16) (host string, port int, cert *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "old"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{
		MinVersion: version, MaxVersion: version, CipherSuites: []uint16{suite},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				s := tls.Server(conn, cfg)
				if _, err := s.Write([]byte("* OK [CAPABILITY IMAP4rev1] hi\r\n")); err != nil {
					return
				}
				_, _ = s.Read(make([]byte, 100))
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "127.0.0.1", l.Addr().(*net.TCPAddr).Port, cert
}

// TestOldTLS connects to servers that can do little, if that is allowed.
func TestOldTLS(t *testing.T) {
	const gcm = tls.TLS_RSA_WITH_AES_128_GCM_SHA256
	for _, tt := range []struct {
		name           string
		version, suite uint16
		minVersion     uint16
		ciphers        string
		ok             bool
	}{
		{"1.0 as it was", tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.VersionTLS10, "", true},
		{"1.0, 3DES only", tls.VersionTLS10, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.VersionTLS10, "", true},
		{"1.0, RC4 only", tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA, tls.VersionTLS10, "", false},
		{"1.0, RC4 named", tls.VersionTLS10, tls.TLS_RSA_WITH_RC4_128_SHA, tls.VersionTLS10, "RC4", true},
		{"1.0 not allowed", tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.VersionTLS12, "", false},
		{"1.1", tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.VersionTLS11, "", true},
		{"1.2, no forward secrecy", tls.VersionTLS12, gcm, tls.VersionTLS12, "", false},
		{"1.2, no forward secrecy, allowed", tls.VersionTLS12, gcm, tls.VersionTLS12, "DEFAULT@SECLEVEL=1:kRSA", true},
		{"1.2, not the one wanted", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, "CHACHA20", false},
		{"1.2, the one wanted", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, "CHACHA20", true},
		{"1.3", tls.VersionTLS13, 0, tls.VersionTLS12, "AES128-SHA", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host, port, cert := oldServer(t, tt.version, tt.suite)
			o := TLSOptions{ServerName: host, MinVersion: tt.minVersion, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})}
			if tt.ciphers != "" {
				list, err := ParseCiphers(tt.ciphers)
				if err != nil {
					t.Fatal(err)
				}
				o.CipherSuites = list.Suites
			}
			cfg, err := o.Config()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, err := DialTCP(ctx, host, port, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err = NewLink(conn, 0).StartTLS(ctx, cfg); (err == nil) != tt.ok {
				t.Error(err)
			}
		})
	}
}

func FuzzCiphers(f *testing.F) {
	for _, s := range []string{"HIGH:!aNULL:@STRENGTH", "ECDHE+AESGCM,-AES128;+SHA", "TLS_RSA_WITH_AES_128_CBC_SHA @SECLEVEL=3", "DEFAULT", "!!", "+:-:+", "A+B+C", "TLS__WITH_"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		got, err := ParseCiphers(list)
		if (err == nil) != (len(got.Suites) > 0) {
			t.Fatalf("%+v, %v", got, err)
		}
		if err != nil {
			_ = err.Error()
			return
		}
		// What is banned stays so, and naming all of it changes nothing.
		again, err := ParseCiphers(strings.ReplaceAll(got.names(), " ", ":"))
		if err != nil || again.names() != got.names() {
			t.Errorf("%q: %q, then %q, %v", list, got.names(), again.names(), err)
		}
		if b, err := ParseCiphers(list + ":!ECDHE:!3DES:!RC4:ALL"); err == nil && strings.Contains(b.names(), "ECDHE") {
			t.Errorf("%q: %s", list, b.names())
		}
	})
}
