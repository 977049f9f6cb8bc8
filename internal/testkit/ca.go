package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// CA is a certification authority made for a test.
type CA struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// serial numbers the certificates: TLS libraries require distinct serial numbers.
var serial atomic.Int64

// NewCA makes a certification authority.
func NewCA(tb testing.TB) *CA {
	tb.Helper()
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(serial.Add(1)),
		Subject:               pkix.Name{CommonName: "isync test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	key := newKey(tb)
	return &CA{Cert: sign(tb, tmpl, tmpl, key.Public(), key), key: key}
}

// Certificate is a certificate with its private key.
type Certificate struct {
	Cert *x509.Certificate
	key  crypto.Signer
}

// CertConfig describes a certificate. The zero value is a valid one for a server at localhost,
// 127.0.0.1, 127.0.0.2 and ::1.
type CertConfig struct {
	Hosts  []string // names and addresses instead of the default ones
	Start  time.Time
	End    time.Time
	Client bool // for a client
}

// Issue makes a certificate signed by the authority.
func (ca *CA) Issue(tb testing.TB, c CertConfig) *Certificate {
	tb.Helper()
	key := newKey(tb)
	return &Certificate{Cert: sign(tb, c.template(), ca.Cert, key.Public(), ca.key), key: key}
}

// SelfSigned makes a self-signed certificate.
func SelfSigned(tb testing.TB, c CertConfig) *Certificate {
	tb.Helper()
	key := newKey(tb)
	tmpl := c.template()
	return &Certificate{Cert: sign(tb, tmpl, tmpl, key.Public(), key), key: key}
}

// template returns the certificate without the fields of the issuer.
func (c *CertConfig) template() *x509.Certificate {
	if c.Hosts == nil {
		c.Hosts = []string{"localhost", "127.0.0.1", "127.0.0.2", "::1"}
	}
	if c.Start.IsZero() {
		c.Start = time.Now().Add(-time.Hour)
	}
	if c.End.IsZero() {
		c.End = time.Now().Add(12 * time.Hour)
	}
	usage := x509.ExtKeyUsageServerAuth
	if c.Client {
		usage = x509.ExtKeyUsageClientAuth
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial.Add(1)),
		Subject:      pkix.Name{CommonName: c.Hosts[0]},
		NotBefore:    c.Start,
		NotAfter:     c.End,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{usage},
	}
	for _, h := range c.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	return tmpl
}

// WrongName makes a certificate for a host other than the test's.
func (ca *CA) WrongName(tb testing.TB) *Certificate {
	tb.Helper()
	return ca.Issue(tb, CertConfig{Hosts: []string{"other.example.org"}})
}

// Expired makes a certificate that expired an hour ago.
func (ca *CA) Expired(tb testing.TB) *Certificate {
	tb.Helper()
	return ca.Issue(tb, CertConfig{Start: time.Now().Add(-48 * time.Hour), End: time.Now().Add(-time.Hour)})
}

// Pool returns a pool that contains only the authority.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// TLS returns the authority's self-signed certificate for crypto/tls.
func (ca *CA) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{ca.Cert.Raw}, PrivateKey: ca.key, Leaf: ca.Cert}
}

// PEM returns the authority's certificate.
func (ca *CA) PEM() []byte { return certPEM(ca.Cert) }

// File writes the authority's certificate to a file of the test.
func (ca *CA) File(tb testing.TB) string {
	tb.Helper()
	return writeTemp(tb, "ca.pem", ca.PEM())
}

// PEM returns the certificate.
func (c *Certificate) PEM() []byte { return certPEM(c.Cert) }

// KeyPEM returns the private key.
func (c *Certificate) KeyPEM(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Files writes certificate and key to files of the test.
func (c *Certificate) Files(tb testing.TB) (cert, key string) {
	tb.Helper()
	return writeTemp(tb, "cert.pem", c.PEM()), writeTemp(tb, "key.pem", c.KeyPEM(tb))
}

// TLS returns the certificate for crypto/tls.
func (c *Certificate) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{c.Cert.Raw}, PrivateKey: c.key, Leaf: c.Cert}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func writeTemp(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
