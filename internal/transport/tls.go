package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// TLSOptions are the settings for TLS connections to a server.
type TLSOptions struct {
	// ServerName is the host name or address that the certificate must be valid for. An IPv6
	// address may have brackets and a zone.
	ServerName string
	// SystemCerts: the certificate authorities of the system are trusted.
	SystemCerts bool
	// PEM holds additional certificates; if it is not empty, there must be at least one. They are
	// trusted as authorities. A server that presents exactly one of them as its own certificate
	// is accepted, whatever the names and validity of that certificate are.
	PEM []byte
	// MinVersion and MaxVersion are TLS versions, such as tls.VersionTLS12; 0: the default of
	// crypto/tls, at least TLS 1.2.
	MinVersion, MaxVersion uint16
	// CipherSuites are the permitted suites of TLS 1.0 to 1.2; see ParseCiphers. nil: the default
	// of crypto/tls, or oldSuites if versions before 1.2 are allowed, because such servers often
	// support none of the default suites.
	CipherSuites []uint16
	// ClientCert, if not nil, is sent to servers that request a certificate.
	ClientCert *tls.Certificate
	// Sessions, if not nil, keeps the tickets of TLS sessions between runs. Server identifies the
	// server there, for example by host and port.
	Server   string
	Sessions SessionStore
}

// Config makes a configuration for crypto/tls. All connections to the server should share it,
// because it holds session tickets.
func (o TLSOptions) Config() (*tls.Config, error) {
	name := bareHost(o.ServerName)
	if addr, err := netip.ParseAddr(name); err == nil {
		name = addr.WithZone("").String()
	}
	var roots *x509.CertPool
	if o.SystemCerts {
		var err error
		if roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("cannot load the system's certificates: %w", err)
		}
	} else {
		roots = x509.NewCertPool()
	}
	pinned, err := parsePEM(o.PEM)
	if err != nil {
		return nil, err
	}
	if len(pinned) == 0 && len(o.PEM) > 0 {
		return nil, errNoPEM
	}
	for _, cert := range pinned {
		roots.AddCert(cert)
	}
	cfg := &tls.Config{
		ServerName:   name,
		RootCAs:      roots,
		MinVersion:   o.MinVersion,
		MaxVersion:   o.MaxVersion,
		CipherSuites: o.CipherSuites,
		// VerifyConnection replaces the skipped verification and also accepts pinned
		// certificates.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verify(cs, name, roots, pinned)
		},
	}
	cfg.ClientSessionCache = &sessionCache{id: o.identity(), store: o.Sessions, verify: cfg.VerifyConnection, now: time.Now}
	if cfg.CipherSuites == nil && o.MinVersion != 0 && o.MinVersion < tls.VersionTLS12 {
		cfg.CipherSuites = oldSuites()
	}
	if o.ClientCert != nil {
		cfg.Certificates = []tls.Certificate{*o.ClientCert}
	}
	return cfg, nil
}

// errNoPEM is the error for a file without certificates.
var errNoPEM = errors.New("there is no certificate in it (PEM is expected: -----BEGIN CERTIFICATE-----)")

// KeyError reports an invalid private key.
type KeyError struct{ Err error }

func (e *KeyError) Error() string { return "private key: " + e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

// ClientCertificate makes a client certificate of two PEM files, which may be identical. The
// error is a *KeyError if the key is invalid.
func ClientCertificate(cert, key []byte) (tls.Certificate, error) {
	certs, err := parsePEM(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	if len(certs) == 0 {
		return tls.Certificate{}, errNoPEM
	}
	found := false
	for rest := key; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return tls.Certificate{}, &KeyError{errors.New("it is encrypted; to decrypt it: openssl pkey -in FILE -out NEWFILE")}
		}
		found = found || strings.HasSuffix(block.Type, "PRIVATE KEY")
	}
	if !found {
		return tls.Certificate{}, &KeyError{errors.New("there is none (PEM is expected: -----BEGIN PRIVATE KEY-----)")}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, &KeyError{errors.New(strings.TrimPrefix(err.Error(), "tls: "))}
	}
	return pair, nil
}

// parsePEM returns the certificates in a PEM file. It ignores other blocks.
func parsePEM(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return certs, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("malformed certificate: %w", err)
		}
		certs = append(certs, cert)
	}
}

// verify checks the certificate that the server presents.
func verify(cs tls.ConnectionState, name string, roots *x509.CertPool, pinned []*x509.Certificate) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the server presents no certificate")
	}
	leaf := cs.PeerCertificates[0]
	for _, cert := range pinned {
		if bytes.Equal(cert.Raw, leaf.Raw) {
			return nil
		}
	}
	if name == "" {
		return errors.New("no host name to check the server's certificate against")
	}
	between := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}
