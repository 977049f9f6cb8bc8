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

// TLSOptions describe whom to trust and how to encrypt.
type TLSOptions struct {
	// ServerName is the host name, or address, that certificates must be for;
	// an IPv6 one may be in brackets and have a zone.
	ServerName string
	// SystemCerts trusts the certificate authorities of the system.
	SystemCerts bool
	// PEM holds further certificates, one at least unless it is empty. As authorities they are trusted in
	// addition; and a server that presents exactly one of them as its own is
	// accepted whatever that certificate's names and validity.
	PEM []byte
	// MinVersion and MaxVersion are TLS versions (tls.VersionTLS12); 0 leaves
	// it to crypto/tls, which means at least 1.2.
	MinVersion, MaxVersion uint16
	// CipherSuites limits those of TLS 1.0 to 1.2, see ParseCiphers; nil leaves
	// it to crypto/tls, unless versions before 1.2 are allowed, whose servers
	// often have none of the suites that it uses.
	CipherSuites []uint16
	// ClientCert, if not nil, is shown to servers that ask for one.
	ClientCert *tls.Certificate
	// Server identifies the server, such as host and port, for Sessions: if not nil, it keeps the
	// tickets of TLS sessions from one run to the next.
	Server   string
	Sessions SessionStore
}

// Config makes a configuration for crypto/tls. It should be shared by all
// connections to the server: it holds session tickets.
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
		// VerifyConnection does what this skips, and knows pinned certificates.
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

// errNoPEM is what a file without certificates leads to.
var errNoPEM = errors.New("there is no certificate in it (PEM is expected: -----BEGIN CERTIFICATE-----)")

// KeyError says that a private key is not good.
type KeyError struct{ Err error }

func (e *KeyError) Error() string { return "private key: " + e.Err.Error() }

func (e *KeyError) Unwrap() error { return e.Err }

// ClientCertificate makes a client certificate of PEM files, which may be the
// same. The error is a *KeyError if it is about the key.
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

// parsePEM reads the certificates in a PEM file; other things in it are
// ignored.
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
