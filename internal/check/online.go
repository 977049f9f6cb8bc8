package check

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"isync/internal/channel"
	"isync/internal/config"
)

// Server is what was found out by connecting to a server and logging in.
type Server struct {
	// Took is the time from connecting to the end of the login.
	Took time.Duration
	// TLS is nil if the connection is not encrypted.
	TLS *tls.ConnectionState
	// LoggedIn: the user is in.
	LoggedIn bool
	// Caps are the capabilities after the login, in upper case, sorted.
	Caps []string
	// Has tells whether a capability can be used: the server has it, or
	// something that includes it, and it is not disabled.
	Has func(name string) bool
	// Err is why it ended early.
	Err error
}

// expirySoon is when the end of a certificate is worth a note.
const expirySoon = 21 * 24 * time.Hour

// online connects to the server of a store and reports what it is like.
func (c *checker) online(ctx context.Context, s *config.Store) {
	srv := c.Probe(ctx, s)
	if ctx.Err() != nil {
		return
	}
	if srv.TLS != nil {
		c.certificate(srv.TLS)
	}
	if srv.Err != nil {
		c.failed[s.At] = true
		c.error(srv.Err)
		return
	}
	c.ok("connected and logged in within %d ms", srv.Took.Milliseconds())
	c.field("offers", strings.Join(srv.Caps, " "))
	c.abilities(srv, s.IMAP.Account)
	st := c.open(s)
	if st == nil {
		return
	}
	names, err := channel.ListStore(ctx, st, c.everything(s))
	if err != nil {
		c.failed[s.At] = true
		c.error(err)
		return
	}
	c.sizes[s.At] = len(names)
	c.ok("%s on the server: %s", count(len(names), "mailbox"), some(names))
}

// abilities tells what is made of what the server can do, and what the rest costs.
func (c *checker) abilities(srv Server, a *config.Account) {
	title := "used"
	for _, k := range capabilities {
		if k.gain != "" && (srv.Has(k.name) || k.instead != "" && srv.Has(k.instead)) {
			gain := k.gain
			if k.name == compression && a.Compress == config.Yes {
				gain = "the connection is compressed, as set by Compress"
			} else if k.name == compression && a.Compress == config.No {
				continue
			}
			c.row(title, k.name, gain)
			title = ""
		}
	}
	if a.Compress == config.Yes && !srv.Has(compression) {
		c.note("", "Compress yes (%s) has no effect: the server does not support compression", a.Pos("Compress"))
	}
	title = "missing"
	var serious []capability
	for _, k := range capabilities {
		if k.loss == "" || srv.Has(k.name) || k.instead != "" && srv.Has(k.instead) {
			continue
		}
		if k.serious {
			serious = append(serious, k)
			continue
		}
		c.row(title, k.name, k.loss)
		title = ""
	}
	for _, k := range serious {
		c.note("", "the server lacks %s: %s", k.name, k.loss)
	}
}

// certificate tells what the server has shown.
func (c *checker) certificate(cs *tls.ConnectionState) {
	text := tls.VersionName(cs.Version)
	if len(cs.PeerCertificates) == 0 {
		c.ok("%s", text)
		return
	}
	cert := cs.PeerCertificates[0]
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{cert.Subject.String()}
	}
	left := cert.NotAfter.Sub(c.Now())
	text += ", certificate for " + some(names) + ", from " + issuer(cert.Issuer.CommonName, cert.Issuer.Organization) +
		", valid until " + cert.NotAfter.Format(time.DateOnly)
	switch {
	case left < 0:
		c.note("", "%s: it has expired, and is accepted because it is in CertificateFile", text)
	case left < expirySoon:
		c.note("the administrator of the server should renew it", "%s, which is soon", text)
	default:
		c.ok("%s", text)
	}
}

func issuer(name string, organization []string) string {
	if len(organization) > 0 {
		return organization[0]
	}
	return name
}

// some shows the first few of a list.
func some(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
