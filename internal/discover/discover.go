package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"isync/internal/provider"
)

// Server is a server that may have the mail of an address.
type Server struct {
	Host string
	Port int
	TLS  provider.Encryption
	// User is the user name that the server wants; "": unknown.
	User string
	// Password and OAuth are the ways to log in. Neither: unknown.
	Password, OAuth bool
}

// Source is where a server was found. The order is that of preference.
type Source uint8

// The sources.
const (
	Preset     Source = iota // the table of providers
	MX                       // the mail exchanger of the domain belongs to a provider of the table
	Autoconfig               // https://autoconfig.DOMAIN
	WellKnown                // https://DOMAIN/.well-known/autoconfig
	ISPDB                    // https://autoconfig.thunderbird.net
	SRV                      // the SRV records of the domain
)

var sourceNames = []string{"the table of providers", "MX record", "autoconfig", "autoconfig", "ISPDB", "SRV record"}

// String names the source.
func (s Source) String() string { return sourceNames[s] }

// Finding is a server with where it was found.
type Finding struct {
	Server
	Source Source
	// From names what was asked: a URL, or a name.
	From string
	// Provider is the provider in the table; nil: it is not there.
	Provider *provider.Provider
	// Foreign: the name of the server comes from DNS, whose answers are not authenticated,
	// and it is outside of the domain. The user has to agree (RFC 6186, section 6).
	Foreign bool
}

// Attempt is a source that gave no server.
type Attempt struct {
	Source Source
	From   string
	Err    error
}

// Result is what is known of a domain.
type Result struct {
	// Found has the servers, the best first. Empty: none was found.
	Found []Finding
	// Failed has the sources that gave no server, in their order.
	Failed []Attempt
}

// Options describe which sources Find uses.
type Options struct {
	// Offline: Find uses only the table of providers.
	Offline bool
	// DialDNS connects to a name server; nil: to one of the system.
	DialDNS func(ctx context.Context, network, address string) (net.Conn, error)
	// Transport makes the requests; nil: one of its own.
	Transport http.RoundTripper
	// Limit is the time limit of Find; 0: 10 seconds.
	Limit time.Duration
}

const (
	defaultLimit = 10 * time.Second
	// Each request has a shorter limit, so that its error is known.
	limitShare = 0.8
)

// ErrNone says that a source knows no server.
var ErrNone = errors.New("no server found")

// Find finds the servers of an address. It returns when no source can still give a better
// answer, or at the time limit. The error is only that of ctx.
func Find(ctx context.Context, a Address, o Options) (Result, error) {
	if p, ok := provider.ByDomain(a.Domain); ok {
		return Result{Found: []Finding{ofProvider(p, a, Preset, a.Domain)}}, nil
	}
	if o.Offline {
		return Result{}, nil
	}
	limit := o.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	inner, cancel := context.WithTimeout(ctx, time.Duration(float64(limit)*limitShare))
	defer cancel()
	asked := questions(a, o)
	type answer struct {
		n     int
		found []Finding
		err   error
	}
	answers := make(chan answer, len(asked))
	var wg sync.WaitGroup
	for i, q := range asked {
		wg.Go(func() {
			found, err := q.ask(inner)
			answers <- answer{i, found, err}
		})
	}
	defer wg.Wait()
	defer cancel() // before Wait
	results := make([]*answer, len(asked))
	for range asked {
		got := <-answers
		results[got.n] = &got
		if settled := func() bool {
			for _, r := range results {
				if r == nil {
					return false
				}
				if len(r.found) > 0 {
					return true
				}
			}
			return true
		}(); settled {
			break
		}
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	var out Result
	for i, r := range results {
		switch {
		case r == nil:
		case len(r.found) > 0:
			out.Found = append(out.Found, r.found...)
		default:
			out.Failed = append(out.Failed, Attempt{asked[i].source, asked[i].from, r.err})
		}
	}
	return out, nil
}

// ofProvider returns what the table says about a provider.
func ofProvider(p provider.Provider, a Address, source Source, from string) Finding {
	return Finding{
		Server: Server{
			Host: p.HostFor(a.String()), Port: p.Port, TLS: p.TLS,
			Password: p.Secret != provider.TokenOnly, OAuth: p.OAuth != "",
		},
		Source: source, From: from, Provider: &p,
	}
}

// question is one of those that are asked at the same time.
type question struct {
	source Source
	from   string
	ask    func(context.Context) ([]Finding, error)
}

// questions returns what to ask, in the order of preference.
func questions(a Address, o Options) []question {
	resolver := newResolver(o.DialDNS)
	list := []question{{MX, a.Domain, func(ctx context.Context) ([]Finding, error) { return byMX(ctx, resolver, a) }}}
	web := newWeb(o.Transport)
	for _, u := range []struct {
		source Source
		url    string
	}{
		{Autoconfig, "https://autoconfig." + a.Domain + "/mail/config-v1.1.xml"},
		{WellKnown, "https://" + a.Domain + "/.well-known/autoconfig/mail/config-v1.1.xml"},
		{ISPDB, "https://autoconfig.thunderbird.net/v1.1/" + a.Domain},
	} {
		list = append(list, question{u.source, u.url, func(ctx context.Context) ([]Finding, error) {
			data, err := web.get(ctx, u.url)
			if err != nil {
				return nil, err
			}
			s, err := parseClientConfig(data, a)
			if err != nil {
				return nil, err
			}
			return []Finding{{Server: s, Source: u.source, From: u.url}}, nil
		}})
	}
	return append(list, question{SRV, a.Domain, func(ctx context.Context) ([]Finding, error) { return bySRV(ctx, resolver, a) }})
}

// byMX finds the provider of a mail exchanger.
func byMX(ctx context.Context, r *net.Resolver, a Address) ([]Finding, error) {
	list, err := r.LookupMX(ctx, a.Domain+".")
	if err != nil && len(list) == 0 {
		return nil, dnsError(err)
	}
	for _, mx := range list {
		host := hostName(mx.Host)
		if host == "" {
			continue
		}
		if p, ok := provider.ByMX(host); ok {
			return []Finding{ofProvider(p, a, MX, host)}, nil
		}
	}
	return nil, errors.New("the mail exchanger belongs to no provider of the table")
}

// maxTargets is how many SRV records are used.
const maxTargets = 4

// bySRV finds servers by RFC 6186. Those with TLS from the first byte come first (RFC 8314).
func bySRV(ctx context.Context, r *net.Resolver, a Address) ([]Finding, error) {
	var out []Finding
	var failed error
	for _, service := range []struct {
		name string
		tls  provider.Encryption
	}{{"imaps", provider.IMAPS}, {"imap", provider.STARTTLS}} {
		_, list, err := r.LookupSRV(ctx, service.name, "tcp", a.Domain+".")
		if err != nil && len(list) == 0 {
			if failed == nil {
				failed = dnsError(err)
			}
			continue
		}
		for _, s := range list[:min(len(list), maxTargets)] {
			host := hostName(s.Target) // "." says that there is no such service
			if host == "" || s.Port == 0 {
				continue
			}
			out = append(out, Finding{
				Server: Server{Host: host, Port: int(s.Port), TLS: service.tls},
				Source: SRV, From: "_" + service.name + "._tcp." + a.Domain,
				Foreign: !within(host, a.Domain),
			})
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case failed != nil:
		return nil, failed
	}
	return nil, ErrNone
}

// dnsError returns an error without the address of the name server.
func dnsError(err error) error {
	e, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return err
	case e.IsNotFound:
		return ErrNone
	case e.IsTimeout:
		return errors.New("the name server did not answer in time")
	}
	return fmt.Errorf("the DNS query has failed: %s", strings.TrimSpace(e.Err))
}
