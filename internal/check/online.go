package check

import (
	"context"
	"crypto/tls"
	"fmt"
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
	c.ok("%s on the server: %s", count(len(names), "mailbox"), some(names))
}

// abilities tells what is made of what the server can do, and what the rest costs.
func (c *checker) abilities(srv Server, a *config.Account) {
	title := "used"
	for _, k := range capabilities {
		if k.gain != "" && (srv.Has(k.name) || k.instead != "" && srv.Has(k.instead)) {
			gain := k.gain
			if k.name == compression && a.Compress == config.Yes {
				gain = "the connection is compressed, as Compress wants"
			} else if k.name == compression && a.Compress == config.No {
				continue
			}
			c.row(title, k.name, gain)
			title = ""
		}
	}
	if a.Compress == config.Yes && !srv.Has(compression) {
		c.note("", "Compress yes (%s) is of no effect: the server cannot compress", a.Pos("Compress"))
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
		c.note("whoever runs the server should renew it", "%s, which is soon", text)
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

// pairs lists both stores of a channel and tells what a run would find.
func (c *checker) pairs(ctx context.Context, l *link) {
	if c.failed[l.Far.Store.At] || c.failed[l.Near.Store.At] {
		return
	}
	found := channel.List(ctx, []channel.Selection{l.sel}, channel.Options{Global: c.Config.Global, Open: c.Open})
	if len(found) == 0 {
		return
	}
	f := found[0]
	if f.Err != nil {
		c.error(f.Err)
		return
	}
	for _, err := range f.Left {
		c.fail("", "%v", err)
	}
	if len(l.Patterns) == 0 || l.named != nil {
		return
	}
	if len(f.Pairs) == 0 {
		c.note("mbsync -ls "+shellQuote(l.Far.Store.Name)+" lists what there is", "the patterns match no mailbox of either side")
		return
	}
	var only [2][]string // by the side it is missing on
	both := 0
	for i, p := range f.Pairs {
		noFar, noNear := missing(f.Known[i])
		switch {
		case noNear:
			only[config.Near] = append(only[config.Near], p.Name)
		case noFar:
			only[config.Far] = append(only[config.Far], p.Name)
		default:
			both++
		}
	}
	c.ok("%s: %d on both sides", count(len(f.Pairs), "mailbox")+" matched", both)
	for t, names := range only {
		side, other := config.Side(t), config.Side(t).Other()
		if len(names) == 0 {
			continue
		}
		text := fmt.Sprintf("%s on the %s side only: %s", count(len(names), "mailbox"), other, some(names))
		switch {
		case l.ops.On[side].Has(config.OpCreate):
			c.ok("%s; to be created on the %s side, unless they were removed there", text, side)
		case l.ops.On[other].Has(config.OpRemove):
			c.note("Create or -C"+side.String()[:1]+" makes them", "%s; removed if synchronized before and empty now, else an error", text)
		default:
			c.fail("Create, or -C"+side.String()[:1]+", makes them on the "+side.String()+" side; Patterns can exclude them",
				"%s; without Create a run cannot synchronize them", text)
		}
	}
}
