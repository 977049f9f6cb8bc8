package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/imapclient"
	"isync/internal/transport"
)

// certTimeout is the timeout for fetching a certificate, the default of Timeout.
const certTimeout = 20 * time.Second

// certTarget is a server whose certificate is to be fetched. The ways are tried in their order.
type certTarget struct {
	host string
	ways []certWay
}

// certWay is a way to connect.
type certWay struct {
	port     int
	security imapclient.Security
}

func (y certWay) String() string {
	how := "with TLS from the beginning"
	if y.security == imapclient.StartTLS {
		how = "with STARTTLS"
	}
	return fmt.Sprintf("port %d %s", y.port, how)
}

// parseCertTarget parses the argument of --get-cert: [imap://|imaps://]HOST[:PORT]. An IPv6
// address before a port is in brackets.
func parseCertTarget(arg string) (certTarget, error) {
	bad := func(why string) (certTarget, error) {
		return certTarget{}, usagef("option '--get-cert': %s: '%s'; write [imap://|imaps://]HOST[:PORT]", why, arg)
	}
	implicit, starttls := true, true
	rest := arg
	if scheme, after, ok := strings.Cut(arg, "://"); ok {
		switch strings.ToLower(scheme) {
		case "imap":
			implicit = false
		case "imaps":
			starttls = false
		default:
			return bad("unknown scheme '" + scheme + "'")
		}
		rest = strings.TrimSuffix(after, "/")
	}
	host, port, err := splitTarget(rest)
	switch {
	case err != nil:
		return bad(err.Error())
	case host == "" || strings.ContainsAny(host, " /@[]"):
		return bad("no host name or address")
	}
	t := certTarget{host: host}
	add := func(wanted bool, usual int, security imapclient.Security) {
		if wanted && port == 0 {
			t.ways = append(t.ways, certWay{usual, security})
		} else if wanted {
			t.ways = append(t.ways, certWay{port, security})
		}
	}
	if port == portIMAP {
		add(starttls, portIMAP, imapclient.StartTLS)
		add(implicit, portIMAPS, imapclient.ImplicitTLS)
	} else {
		add(implicit, portIMAPS, imapclient.ImplicitTLS)
		add(starttls, portIMAP, imapclient.StartTLS)
	}
	return t, nil
}

// splitTarget splits a host and a port; port 0: none is given.
func splitTarget(s string) (host string, port int, err error) {
	if _, err := netip.ParseAddr(s); err == nil {
		return s, 0, nil
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return s[1 : len(s)-1], 0, nil
	}
	if !strings.Contains(s, ":") {
		return s, 0, nil
	}
	host, number, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errors.New("an IPv6 address before a port needs brackets")
	}
	if port, err = strconv.Atoi(number); err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("invalid port")
	}
	return host, port, nil
}

// getCert prints the certificates of a server: in PEM on standard output, described on standard
// error. It does not log in.
func (r *run) getCert(ctx context.Context) int {
	t, err := parseCertTarget(r.c.getCert)
	if err != nil {
		r.tell(event.Error, config.Pos{}, event.CommandLineInvalid{Program: "mbsync", Err: err})
		return exitFailure
	}
	var failed []error
	for _, way := range t.ways {
		cs, err := fetchCerts(ctx, t.host, way)
		if err == nil {
			return r.showCerts(t, way, cs)
		}
		if ctx.Err() != nil {
			return exitFailure
		}
		failed = append(failed, fmt.Errorf("no certificate from %s, %s: %w", t.host, way, err))
		if _, ok := errors.AsType[*net.DNSError](err); ok {
			break // another port would fail, too
		}
	}
	for _, err := range failed {
		f := event.CertificateNotFetched{Err: err}
		if dns, ok := errors.AsType[*net.DNSError](err); ok {
			f.NotFound = dns.IsNotFound
		}
		_, f.NotTLS = errors.AsType[tls.RecordHeaderError](err)
		r.tell(event.Error, config.Pos{}, f)
	}
	return exitFailure
}

// errNoCert is the error for a server without a certificate.
var errNoCert = errors.New("the server presents no certificate")

// fetchCerts connects to a server, accepts any certificate, and logs out.
func fetchCerts(ctx context.Context, host string, way certWay) (tls.ConnectionState, error) {
	var cs tls.ConnectionState
	c, err := imapclient.Dial(ctx, imapclient.Options{
		Host: host, Port: way.port, Timeout: certTimeout, Security: way.security,
		TLS: &tls.Config{
			ServerName: host,
			// Any version is sufficient to show the certificate.
			MinVersion:   tls.VersionTLS10, //nolint:gosec // see above
			CipherSuites: allSuites(),
			// The user wants to see certificates that cannot be verified.
			InsecureSkipVerify: true, //nolint:gosec // see above
			VerifyConnection: func(state tls.ConnectionState) error {
				cs = state
				return nil
			},
		},
	})
	if err == nil {
		_ = c.Logout(ctx)
	}
	if len(cs.PeerCertificates) > 0 {
		return cs, nil // the certificates are known; other errors do not matter
	}
	if err == nil {
		err = errNoCert
	}
	return cs, err
}

// allSuites returns all cipher suites, including insecure ones.
func allSuites() []uint16 {
	var ids []uint16
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// showCerts prints the certificates of a server.
func (r *run) showCerts(t certTarget, way certWay, cs tls.ConnectionState) int {
	var words, file bytes.Buffer
	fmt.Fprintf(&words, "%s, %s (%s)\n", t.host, way, tls.VersionName(cs.Version))
	for i, cert := range cs.PeerCertificates {
		what := "the server's own certificate"
		if i > 0 {
			what = "an issuer's certificate"
		}
		fmt.Fprintf(&words, "\n%d: %s\n", i+1, what)
		describeCert(&words, cert, r.env.Now())
		fmt.Fprintf(&file, "# %s\n# SHA-256 %s\n", printable(cert.Subject.String()), fingerprint(cert))
		_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // a buffer returns no errors
	}
	fmt.Fprintf(&words, "\n%s\n", systemVerdict(t.host, cs))
	_, _ = r.env.Stderr.Write(words.Bytes())
	if _, err := r.env.Stdout.Write(file.Bytes()); err != nil {
		r.tell(event.Error, config.Pos{}, event.CertificatesNotWritten{Err: err})
		return exitFailure
	}
	return exitOK
}

// describeCert describes a certificate.
func describeCert(w *bytes.Buffer, cert *x509.Certificate, now time.Time) {
	line := func(name, value string) { fmt.Fprintf(w, "   %-12s %s\n", name, printable(value)) }
	line("subject", cert.Subject.String())
	issuer := cert.Issuer.String()
	if bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		issuer += " (itself)"
	}
	line("issuer", issuer)
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) > 0 {
		line("names", strings.Join(names, ", "))
	}
	state := ""
	switch {
	case now.Before(cert.NotBefore):
		state = " (not valid yet)"
	case now.After(cert.NotAfter):
		state = " (expired)"
	}
	line("valid", cert.NotBefore.UTC().Format(time.DateTime)+" to "+cert.NotAfter.UTC().Format(time.DateTime)+" UTC"+state)
	line("SHA-256", fingerprint(cert))
}

// fingerprint returns the SHA-256 fingerprint of a certificate in the usual notation.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// printable replaces characters that could control a terminal or end a comment.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '?'
		}
		return c
	}, s)
}

// systemVerdict describes whether the system's authorities trust the certificate.
func systemVerdict(host string, cs tls.ConnectionState) string {
	cfg, err := transport.TLSOptions{ServerName: host, SystemCerts: true}.Config()
	if err == nil {
		err = cfg.VerifyConnection(cs)
	}
	if err == nil {
		return "The system trusts it: no CertificateFile is needed."
	}
	return "The system does not trust it: " + printable(err.Error()) + ".\n" +
		"Compare the SHA-256 fingerprint of the first certificate with that of the administrator\n" +
		"of the server. If they are the same, save the standard output in a file, and add the\n" +
		"line CertificateFile FILE."
}
