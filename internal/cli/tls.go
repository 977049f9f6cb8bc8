package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/transport"
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
	lo, hi, whole := a.TLSVersions.Range()
	if !whole {
		return nil, &placedError{a.Pos("TLSVersions"), fmt.Errorf("TLSVersions allows %s: the versions between them must be allowed, too", a.TLSVersions)}
	}
	if a.Host == "" && len(a.Certificates) == 0 {
		return nil, &placedError{a.Pos("TLSType"), errors.New("TLSType with Tunnel needs Host, the name that the server's certificate must have, or CertificateFile with that very certificate")}
	}
	o := transport.TLSOptions{
		ServerName:  a.Host,
		SystemCerts: a.SystemCertificates,
		MinVersion:  lo, MaxVersion: hi,
	}
	if a.TLSSessionCache {
		o.Server = fmt.Sprintf("%q %d %q", a.Host, a.Port, a.Tunnel)
		if dir := w.cache(); dir != nil {
			o.Sessions = sessionStore{dir, w.readOnly}
		}
	}
	if a.CipherString != "" {
		var err error
		if o.CipherSuites, err = w.ciphers(a, lo, hi); err != nil {
			return nil, &placedError{a.Pos("CipherString"), err}
		}
	}
	for _, f := range a.Certificates {
		// Each file is checked separately, so that an error can name it.
		if _, err := (transport.TLSOptions{PEM: append(slices.Clip(f.Data), '\n')}).Config(); err != nil {
			return nil, &placedError{f.Pos, fmt.Errorf("CertificateFile '%s': %w", f.Path, err)}
		}
		o.PEM = append(append(o.PEM, f.Data...), '\n')
	}
	switch {
	case a.ClientCertificate != "":
		cert, err := w.keyPair(a)
		if err != nil {
			return nil, err
		}
		o.ClientCert = &cert
	case a.ClientKey != "":
		return nil, &placedError{a.Pos("ClientKey"), errors.New("ClientKey has no effect without ClientCertificate")}
	}
	cfg, err := o.Config()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Label(), err)
	}
	return cfg, nil
}

// ciphers returns the cipher suites of CipherString. They have no effect from TLS 1.3 on.
func (w *workshop) ciphers(a *config.Account, lo, hi uint16) ([]uint16, error) {
	list, err := transport.ParseCiphers(a.CipherString)
	if err != nil {
		return nil, fmt.Errorf("CipherString '%s': %w", a.CipherString, err)
	}
	switch {
	case lo >= tls.VersionTLS13:
		w.warnOnce(a.Pos("CipherString"), a, event.CipherStringIgnored{})
	case len(list.TLS13) > 0 && hi >= tls.VersionTLS13:
		w.warnOnce(a.Pos("CipherString"), a, event.CipherIgnored{Cipher: list.TLS13[0]})
	}
	return list.Suites, nil
}

// warnOnce warns about a place in the configuration, but only once for all stores of an account.
func (w *workshop) warnOnce(pos config.Pos, a *config.Account, f event.Fact) {
	w.mu.Lock()
	seen := w.warned[pos]
	if w.warned == nil {
		w.warned = make(map[config.Pos]bool)
	}
	w.warned[pos] = true
	w.mu.Unlock()
	if !seen {
		w.tellOfSection(event.Warning, pos, a.Label(), f)
	}
}

// aboutCiphers returns the names that CipherString can contain.
func aboutCiphers(e *transport.CipherError) event.Fact {
	f := event.CipherUnknown{Word: e.Word}
	f.Names, f.Groups = transport.CipherNames()
	// Names of ciphers are long, so more typing errors are accepted.
	f.Meant = config.Nearest(e.Word, slices.Concat(f.Groups, f.Names), max(2, len(e.Word)/4-1))
	return f
}

// keyPair reads the client certificate of an account and its private key. Both may be in one
// file.
func (w *workshop) keyPair(a *config.Account) (tls.Certificate, error) {
	at := a.Pos("ClientCertificate")
	fail := func(pos config.Pos, keyword string, err error) (tls.Certificate, error) {
		return tls.Certificate{}, &placedError{pos, fmt.Errorf("cannot use %s: %w", keyword, err)}
	}
	cert, err := w.env.Config.ReadFile(a.ClientCertificate)
	if err != nil {
		return fail(at, "ClientCertificate", err)
	}
	key := cert
	if a.ClientKey != "" {
		at = a.Pos("ClientKey")
		if key, err = w.env.Config.ReadFile(a.ClientKey); err != nil {
			return fail(at, "ClientKey", err)
		}
	}
	pair, err := transport.ClientCertificate(cert, key)
	if e, ok := errors.AsType[*transport.KeyError](err); ok {
		return fail(at, "the private key for ClientCertificate", e.Err)
	}
	if err != nil {
		return fail(a.Pos("ClientCertificate"), "ClientCertificate", err)
	}
	return pair, nil
}
