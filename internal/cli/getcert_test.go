package cli

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"isync/internal/imapclient"
	"isync/internal/testkit"
)

func TestCertTarget(t *testing.T) {
	both := func(implicit, starttls int) []certWay {
		return []certWay{{implicit, imapclient.ImplicitTLS}, {starttls, imapclient.StartTLS}}
	}
	for _, tt := range []struct {
		arg  string
		want certTarget
	}{
		{"mail.example.org", certTarget{"mail.example.org", both(993, 143)}},
		{"mail.example.org:993", certTarget{"mail.example.org", both(993, 993)}},
		{"mail.example.org:143", certTarget{"mail.example.org", []certWay{{143, imapclient.StartTLS}, {143, imapclient.ImplicitTLS}}}},
		{"mail.example.org:1143", certTarget{"mail.example.org", both(1143, 1143)}},
		{"imap://mail.example.org", certTarget{"mail.example.org", []certWay{{143, imapclient.StartTLS}}}},
		{"imaps://mail.example.org:994/", certTarget{"mail.example.org", []certWay{{994, imapclient.ImplicitTLS}}}},
		{"192.0.2.1", certTarget{"192.0.2.1", both(993, 143)}},
		{"::1", certTarget{"::1", both(993, 143)}},
		{"[::1]", certTarget{"::1", both(993, 143)}},
		{"[::1]:1993", certTarget{"::1", both(1993, 1993)}},
		{"IMAPS://[fe80::1%eth0]", certTarget{"fe80::1%eth0", []certWay{{993, imapclient.ImplicitTLS}}}},
	} {
		got, err := parseCertTarget(tt.arg)
		if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(certTarget{}, certWay{})); d != "" || err != nil {
			t.Error(tt.arg, err, d)
		}
	}
	for _, arg := range []string{"", ":993", "host:", "host:0", "host:65536", "host:imaps", "http://host", "imaps://", "a b", "me@host", "a:b:c", "[::1", "host/"} {
		if got, err := parseCertTarget(arg); err == nil {
			t.Errorf("%q: %+v", arg, got)
		}
	}
}

// certWorld is a world without a configuration.
func certWorld(t *testing.T) *world {
	w := &world{tb: t, dir: t.TempDir()}
	w.env = testEnv(w.dir)
	w.env.Stdout, w.env.Stderr = &w.out, &w.err
	return w
}

func (w *world) getCert(code int, target string) {
	w.tb.Helper()
	w.out.Reset()
	w.err.Reset()
	if got := Main(w.env, []string{"mbsync", "--get-cert", target}); got != code {
		w.tb.Fatalf("exit code %d, want %d\n%s%s", got, code, &w.out, &w.err)
	}
}

// firstCert returns the first certificate of a PEM file.
func firstCert(t *testing.T, file []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(file)
	if block == nil {
		t.Fatalf("no certificate in %q", file)
	}
	return block.Bytes
}

// TestGetCert fetches a certificate in both ways, and then has it trusted.
func TestGetCert(t *testing.T) {
	ca := testkit.NewCA(t)
	// Expired, and for somebody else: as a host certificate it is good enough.
	cert := ca.Issue(t, testkit.CertConfig{
		Hosts: []string{"other.example.org", "192.0.2.7"},
		Start: time.Now().Add(-48 * time.Hour), End: time.Now().Add(-time.Hour),
	})
	srv := testkit.StartDovecot(t, testkit.DovecotConfig{RequireTLS: true, Certificate: cert, Rawlog: true})
	for target, starttls := range map[string]bool{
		srv.TLSAddr():              false,
		"imaps://" + srv.TLSAddr(): false,
		srv.Addr():                 true,
		"imap://" + srv.Addr():     true,
	} {
		t.Run(target, func(t *testing.T) {
			w := certWorld(t)
			w.getCert(0, target)
			if got := firstCert(t, w.out.Bytes()); !bytes.Equal(got, cert.Cert.Raw) {
				t.Errorf("another certificate:\n%s", &w.out)
			}
			sum := fmt.Sprintf("%X", sha256.Sum256(cert.Cert.Raw))
			w.says(&w.err, "1: the server's own certificate\n", "CN=other.example.org", "CN=isync test authority",
				"other.example.org, 192.0.2.7", " (expired)", sum[:2]+":"+sum[2:4]+":", "The system does not trust it: ")

			kind, port := "IMAPS", srv.TLSPort
			if starttls {
				kind, port = "STARTTLS", srv.Port
			}
			file := w.out.String()
			w = newWorld(t, fmt.Sprintf("IMAPStore far\nHost %s\nPort %d\nUser user\nPassCmd \"cat '$DIR/secret'\"\nTLSType %s\nSystemCertificates no\nCertificateFile host.pem",
				srv.Host, port, kind))
			w.write("secret", testkit.Password)
			w.write("host.pem", file)
			w.run(0, "-a")
			w.write("host.pem", string(srv.CA.PEM()))
			w.run(1, "-a")
			w.says(&w.err, "certificate of "+srv.Host+" refused: ", "hint: the certificate is valid from ", "must renew the certificate")
		})
	}
}

// TestGetCertChain fetches what a server sends besides its own certificate.
func TestGetCertChain(t *testing.T) {
	ca := testkit.NewCA(t)
	pair := ca.Issue(t, testkit.CertConfig{}).TLS()
	pair.Certificate = append(pair.Certificate, ca.Cert.Raw)
	w := certWorld(t)
	w.getCert(0, testkit.TLSServerWith(t, &tls.Config{Certificates: []tls.Certificate{pair}}))
	w.says(&w.err, "1: the server's own certificate\n", "2: an issuer's certificate\n", "CN=isync test authority (itself)", "The system does not trust it: ")
	for rest := w.out.Bytes(); len(pair.Certificate) > 0; pair.Certificate = pair.Certificate[1:] {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || !bytes.Equal(block.Bytes, pair.Certificate[0]) {
			t.Fatalf("it is not in\n%s", &w.out)
		}
	}
}

// TestGetCertFails asks servers that have none.
func TestGetCertFails(t *testing.T) {
	w := certWorld(t)
	w.getCert(1, fmt.Sprintf("127.0.0.1:%d", deadPort(t)))
	w.says(&w.err, "error: no certificate from 127.0.0.1, port ", "with TLS from the beginning: cannot connect to 127.0.0.1:", "connection refused", "with STARTTLS: ")

	s := testkit.NewScriptServer(t, nil, "S: * OK [CAPABILITY IMAP4rev1] hi\nstall\n", "S: * OK [CAPABILITY IMAP4rev1] hi\n")
	w.getCert(1, s.Addr())
	w.says(&w.err, "with TLS from the beginning: ", "STARTTLS is required but the server does not offer it")
	if w.out.Len() > 0 {
		t.Errorf("printed %s", &w.out)
	}

	w.getCert(1, "nobody@example.org")
	w.says(&w.err, "no host name or address: 'nobody@example.org'")
}

// An IPv6 address in an error is in brackets, once.
func TestGetCertIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this test needs IPv6: %v", err)
	}
	addr := l.Addr().String()
	l.Close()
	w := certWorld(t)
	w.getCert(1, "imaps://"+addr)
	w.says(&w.err, "cannot connect to "+addr+": connection refused")
	if strings.Contains(w.err.String(), "[[") {
		t.Error(&w.err)
	}
}
