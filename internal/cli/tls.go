package cli

import (
	"crypto/tls"
	"errors"
	"fmt"

	"isync/internal/config"
	"isync/internal/imapclient"
)

// placedError is an error with a place in the configuration.
type placedError struct {
	pos config.Pos
	err error
}

func (e *placedError) Error() string { return e.err.Error() }

func (e *placedError) Unwrap() error { return e.err }

// tlsConfig makes the TLS configuration of an account.
func (w *workshop) tlsConfig(a *config.Account) (*tls.Config, error) {
	if a.CipherString != "" {
		return nil, &unsupportedError{a.Pos("CipherString"), "CipherString"}
	}
	lo, hi, whole := a.TLSVersions.Range()
	if !whole {
		return nil, &placedError{a.Pos("TLSVersions"), fmt.Errorf("TLSVersions leaves %s, with a gap between, which cannot be offered", a.TLSVersions)}
	}
	o := imapclient.TLSOptions{
		ServerName:  a.Host,
		SystemCerts: a.SystemCertificates,
		MinVersion:  lo, MaxVersion: hi,
	}
	for _, f := range a.Certificates {
		// Each by itself first, so that an error can name the file.
		if _, err := (imapclient.TLSOptions{PEM: f.Data}).Config(); err != nil {
			return nil, &placedError{f.Pos, fmt.Errorf("CertificateFile '%s': %w", f.Path, err)}
		}
		o.PEM = append(append(o.PEM, f.Data...), '\n')
	}
	switch {
	case a.ClientCertificate != "":
		key := a.ClientKey
		if key == "" {
			key = a.ClientCertificate
		}
		cert, err := w.keyPair(a.ClientCertificate, key)
		if err != nil {
			return nil, &placedError{a.Pos("ClientCertificate"), fmt.Errorf("cannot use ClientCertificate: %w", err)}
		}
		o.ClientCert = &cert
	case a.ClientKey != "":
		return nil, &placedError{a.Pos("ClientKey"), errors.New("ClientKey is of no use without ClientCertificate")}
	}
	cfg, err := o.Config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Label(), err)
	}
	return cfg, nil
}

// keyPair reads a certificate and its private key.
func (w *workshop) keyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := w.env.Config.ReadFile(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := w.env.Config.ReadFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}
