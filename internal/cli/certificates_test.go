package cli

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"isync/internal/testkit"
)

// badCertificate is a certificate that is refused.
type badCertificate struct {
	name string
	cert tls.Certificate
	// trusted and untrusted are what is said if CertificateFile has the authority
	// of the test, and if there is no CertificateFile.
	trusted, untrusted verdict
}

// verdict is an error and its hint.
type verdict struct{ err, hint string }

func (b *badCertificate) server(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(testkit.TLSServerWith(t, &tls.Config{Certificates: []tls.Certificate{b.cert}}))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// A refused certificate is reported as refused, never as a lost connection. The hint
// depends on the fault: it does not suggest to trust a certificate that has expired.
func TestRefusedCertificates(t *testing.T) {
	ca := testkit.NewCA(t)
	now := time.Now()
	const pin = "mbsync --get-cert 127.0.0.1:"
	unknown := verdict{"x509: certificate signed by unknown authority", "the certificate is not signed by a trusted CA; if this is your own server, run `mbsync --get-cert "}
	nameless := verdict{"x509: cannot validate certificate for 127.0.0.1", "if this is your own server, run `mbsync --get-cert "}
	dates := func(from, to time.Time) string {
		const day = "2006-01-02"
		return "the certificate is valid from " + from.UTC().Format(day) + " to " + to.UTC().Format(day) +
			"; check the clock of this machine (date); if it is right, the administrator of the server must renew the certificate\n"
	}
	outdated := func(from, to time.Time, what string) badCertificate {
		v := verdict{"x509: certificate has expired or is not yet valid: current time ", dates(from, to)}
		return badCertificate{what, ca.Issue(t, testkit.CertConfig{Start: from, End: to}).TLS(), v, v}
	}
	broken := ca.Issue(t, testkit.CertConfig{}).TLS()
	broken.Certificate = [][]byte{broken.Certificate[0][:len(broken.Certificate[0])-1]}
	malformed := verdict{"x509: malformed certificate", "no client can use this certificate; the administrator of the server must replace it\n"}
	wrongHost := verdict{"x509: cannot validate certificate for 127.0.0.1", "the certificate is for other.example.org: use one of these names in Host (rc:2); if this is your own server, run `mbsync --get-cert "}
	for _, b := range []badCertificate{
		outdated(now.Add(-48*time.Hour), now.Add(-time.Hour), "expired"),
		outdated(now.Add(-48*30*24*time.Hour), now.Add(-30*24*time.Hour), "expired long ago"),
		outdated(now.Add(48*time.Hour), now.Add(96*time.Hour), "not yet valid"),
		{"wrong host", ca.WrongName(t).TLS(), wrongHost, wrongHost},
		{"unknown issuer", testkit.NewCA(t).Issue(t, testkit.CertConfig{}).TLS(), unknown, unknown},
		{"self-signed", testkit.SelfSigned(t, testkit.CertConfig{}).TLS(), unknown, unknown},
		{"an authority's own", testkit.NewCA(t).TLS(), nameless, nameless},
		{"malformed", broken, malformed, malformed},
	} {
		for _, file := range []string{"", "CertificateFile ca.pem"} {
			v := b.untrusted
			if file != "" {
				v = b.trusted
			}
			t.Run(strings.TrimSpace(b.name+" "+file), func(t *testing.T) {
				w := newWorld(t, fmt.Sprintf("IMAPStore far\nHost 127.0.0.1\nTLSType IMAPS\nPort %s\n%s", b.server(t), file))
				w.write("ca.pem", string(ca.PEM()))
				for _, args := range [][]string{{"-a"}, {"-ls", "far"}, {"--check", "--online"}} {
					w.run(1, args...)
					all := w.out.String() + w.err.String()
					// The report breaks lines.
					all = strings.Join(strings.Fields(all), " ")
					for _, want := range []string{"certificate of 127.0.0.1 refused: " + v.err, v.hint} {
						if !strings.Contains(all, strings.TrimSpace(want)) {
							t.Errorf("%s: %q is not in:\n%s%s", args, want, &w.out, &w.err)
						}
					}
					if strings.Contains(all, "lost") {
						t.Errorf("%s: called lost:\n%s%s", args, &w.out, &w.err)
					}
					if advised := strings.Contains(all, pin); advised != strings.Contains(v.hint, "--get-cert") {
						t.Errorf("%s: --get-cert advised: %v\n%s%s", args, advised, &w.out, &w.err)
					}
				}
			})
		}
	}
}
