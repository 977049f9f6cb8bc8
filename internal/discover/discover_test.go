package discover

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"isync/internal/provider"
	"isync/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a web server for any host, and a name server, of a test.
type site struct {
	tb testing.TB

	mu sync.Mutex
	// pages are by URL without the scheme; requests has what was asked for.
	pages    map[string]http.HandlerFunc
	requests []string
	records  map[string][]dns.RR // by name and type, such as "example.org. MX"
	asked    []string
	slow     atomic.Bool // the name server does not answer

	options Options
}

func startSite(t *testing.T) *site {
	t.Helper()
	s := &site{tb: t, pages: make(map[string]http.HandlerFunc), records: make(map[string][]dns.RR)}
	ca := testkit.NewCA(t)
	web := httptest.NewUnstartedServer(http.HandlerFunc(s.serveWeb))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testkit.CertConfig{
		Hosts: []string{"example.org", "autoconfig.example.org", "autoconfig.thunderbird.net", "www.example.net", "xn--bcher-kva.example", "autoconfig.xn--bcher-kva.example"},
	}).TLS()}}
	web.StartTLS()
	t.Cleanup(web.Close)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, web.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	names := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(s.serveDNS), NotifyStartedFunc: func() { close(started) }}
	served := make(chan error, 1)
	go func() { served <- names.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		_ = names.Shutdown()
		<-served
	})
	s.options = Options{
		Transport: transport,
		DialDNS: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
		Limit: 20 * time.Second,
	}
	return s
}

func (s *site) serveWeb(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Host+r.URL.String())
	page := s.pages[r.Host+r.URL.Path]
	s.mu.Unlock()
	if len(r.Cookies()) > 0 || r.Referer() != "" {
		s.tb.Errorf("too much is sent: %v", r.Header)
	}
	if page == nil {
		http.NotFound(w, r)
		return
	}
	page(w, r)
}

func (s *site) serveDNS(w dns.ResponseWriter, r *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := new(dns.Msg)
	answer.SetReply(r)
	for _, q := range r.Question {
		key := q.Name + " " + dns.TypeToString[q.Qtype]
		s.asked = append(s.asked, key)
		answer.Answer = append(answer.Answer, s.records[key]...)
	}
	if len(answer.Answer) == 0 {
		answer.Rcode = dns.RcodeNameError
	}
	if !s.slow.Load() {
		_ = w.WriteMsg(answer)
	}
}

func (s *site) record(text string) {
	rr, err := dns.NewRR(text)
	if err != nil {
		s.tb.Fatal(err)
	}
	key := rr.Header().Name + " " + dns.TypeToString[rr.Header().Rrtype]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[key] = append(s.records[key], rr)
}

func (s *site) page(url, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[url] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

// document is one in the format of the ISPDB.
func document(servers ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>` + strings.Join(servers, "\n") + `
<outgoingServer type="smtp"><hostname>smtp.example.org</hostname></outgoingServer></emailProvider></clientConfig>`
}

func server(kind, host, port, socket string, auth ...string) string {
	s := fmt.Sprintf("<incomingServer type=%q><hostname>%s</hostname><port>%s</port><socketType>%s</socketType><username>%%EMAILADDRESS%%</username>", kind, host, port, socket)
	for _, a := range auth {
		s += "<authentication>" + a + "</authentication>"
	}
	return s + "</incomingServer>"
}

func imaps(host string) string { return server("imap", host, "993", "SSL", "password-cleartext") }

func (s *site) find(address string) Result {
	s.tb.Helper()
	a, err := ParseAddress(address)
	if err != nil {
		s.tb.Fatal(err)
	}
	r, err := Find(s.tb.Context(), a, s.options)
	if err != nil {
		s.tb.Fatal(err)
	}
	return r
}

const (
	autoconfigPage = "autoconfig.example.org/mail/config-v1.1.xml"
	wellKnownPage  = "example.org/.well-known/autoconfig/mail/config-v1.1.xml"
	ispdbPage      = "autoconfig.thunderbird.net/v1.1/example.org"
)

// Each source is used, and those before it in the order are better.
func TestSources(t *testing.T) {
	s := startSite(t)
	steps := []struct {
		add    func()
		source Source
		host   string
	}{
		{func() { s.record("_imaps._tcp.example.org. 60 IN SRV 1 1 9930 mail.example.org.") }, SRV, "mail.example.org"},
		{func() { s.page(ispdbPage, document(imaps("ispdb.example.org"))) }, ISPDB, "ispdb.example.org"},
		{func() { s.page(wellKnownPage, document(imaps("known.example.org"))) }, WellKnown, "known.example.org"},
		{func() { s.page(autoconfigPage, document(imaps("auto.example.org"))) }, Autoconfig, "auto.example.org"},
		{func() { s.record("example.org. 60 IN MX 10 in1-smtp.messagingengine.com.") }, MX, "imap.fastmail.com"},
	}
	for _, step := range steps {
		step.add()
		r := s.find("me@Example.ORG")
		if len(r.Found) == 0 || r.Found[0].Source != step.source || r.Found[0].Host != step.host || r.Found[0].Foreign {
			t.Errorf("%v: got %+v", step.source, r)
		}
	}
	s.mu.Lock()
	all := append(slices.Clone(s.requests), s.asked...)
	s.mu.Unlock()
	for _, asked := range all {
		if strings.Contains(asked, "me") && strings.Contains(asked, "me@") || strings.Contains(asked, "?") {
			t.Errorf("more than the domain was sent: %s", asked)
		}
	}
}

// The table needs no network, and neither does what is found with Offline.
func TestNoNetwork(t *testing.T) {
	// Its own site, since requests that were canceled may still arrive at that of another test.
	s := startSite(t)
	if r := s.find("me@posteo.de"); len(r.Found) != 1 || r.Found[0].Source != Preset || r.Found[0].Provider.Name != "posteo" {
		t.Errorf("%+v", r)
	}
	s.options.Offline = true
	if r := s.find("me@example.org"); len(r.Found)+len(r.Failed) != 0 {
		t.Errorf("%+v", r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests)+len(s.asked) != 0 {
		t.Errorf("asked %q, %q", s.requests, s.asked)
	}
}

func TestNothing(t *testing.T) {
	s := startSite(t)
	r := s.find("me@example.org")
	if len(r.Found) != 0 || len(r.Failed) != 5 {
		t.Errorf("%+v", r)
	}
	for _, f := range r.Failed {
		if f.Err == nil || f.From == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestSRV(t *testing.T) {
	for name, tt := range map[string]struct {
		records []string
		want    []Finding
	}{
		"order": {
			[]string{"_imap._tcp.example.org. 60 IN SRV 1 1 143 a.example.org.", "_imaps._tcp.example.org. 60 IN SRV 20 1 993 c.example.org.", "_imaps._tcp.example.org. 60 IN SRV 10 1 993 b.example.org."},
			[]Finding{
				{Server: Server{Host: "b.example.org", Port: 993}, Source: SRV, From: "_imaps._tcp.example.org"},
				{Server: Server{Host: "c.example.org", Port: 993}, Source: SRV, From: "_imaps._tcp.example.org"},
				{Server: Server{Host: "a.example.org", Port: 143, TLS: provider.STARTTLS}, Source: SRV, From: "_imap._tcp.example.org"},
			},
		},
		"elsewhere": {
			[]string{"_imaps._tcp.example.org. 60 IN SRV 1 1 993 imap.evilexample.org."},
			[]Finding{{Server: Server{Host: "imap.evilexample.org", Port: 993}, Source: SRV, From: "_imaps._tcp.example.org", Foreign: true}},
		},
		"no such service": {[]string{"_imaps._tcp.example.org. 60 IN SRV 0 0 0 ."}, nil},
		"an address":      {[]string{"_imaps._tcp.example.org. 60 IN SRV 0 0 993 127.0.0.1."}, nil},
		"odd letters":     {[]string{`_imaps._tcp.example.org. 60 IN SRV 0 0 993 a\032\027b.example.org.`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t)
			for _, r := range tt.records {
				s.record(r)
			}
			if d := cmp.Diff(tt.want, s.find("me@example.org").Found); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestHostileAnswers: no answer of a server leads to a server without TLS, or takes too much
// memory or time.
func TestHostileAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		page http.HandlerFunc
		want string
	}{
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			for range 10000 {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		}, "larger than 256 KiB"},
		"without TLS": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.org/x", http.StatusFound)
		}, "without TLS"},
		"endless": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "too many redirects"},
		"failure": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "HTTP 500"},
		"HTML":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html><body>Welcome</html>")) }, "not in the format"},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, "not in the format"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(document(imaps("a.example.org"))[:200]))
		}, "not in the format"},
		"other letter": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`<?xml version="1.0" encoding="utf-7"?><clientConfig/>`))
		}, "not in the format"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t)
			s.pages[autoconfigPage] = tt.page
			r := s.find("me@example.org")
			if len(r.Found) != 0 || len(r.Failed) != 5 || !strings.Contains(r.Failed[1].Err.Error(), tt.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Redirections are followed, within HTTPS.
func TestRedirect(t *testing.T) {
	s := startSite(t)
	s.pages[autoconfigPage] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://www.example.net/c", http.StatusFound)
	}
	s.page("www.example.net/c", document(imaps("imap.example.net")))
	if r := s.find("me@example.org"); len(r.Found) != 1 || r.Found[0].Host != "imap.example.net" {
		t.Errorf("%+v", r)
	}
}

// A certificate that is not valid for the name is not accepted.
func TestCertificateOfAnother(t *testing.T) {
	s := startSite(t)
	s.page("autoconfig.example.com/mail/config-v1.1.xml", document(imaps("imap.example.com")))
	if r := s.find("me@example.com"); len(r.Found) != 0 {
		t.Errorf("%+v", r)
	}
}

// Servers that do not answer take no longer than the limit, and Ctrl-C ends it at once.
func TestLimit(t *testing.T) {
	s := startSite(t)
	quit := make(chan struct{})
	defer close(quit)
	wait := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	}
	s.pages[autoconfigPage], s.pages[wellKnownPage] = wait, wait
	s.page(ispdbPage, document(imaps("imap.example.org")))
	s.slow.Store(true)
	s.options.Limit = 3 * time.Second
	begin := time.Now()
	r := s.find("me@example.org")
	if len(r.Found) != 1 || r.Found[0].Source != ISPDB || !strings.Contains(r.Failed[1].Err.Error(), "no answer in time") {
		t.Errorf("%+v", r)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	s.options.Limit = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	a, _ := ParseAddress("me@example.org")
	if _, err := Find(ctx, a, s.options); err == nil {
		t.Error("no error")
	}
}

func TestInternationalDomain(t *testing.T) {
	s := startSite(t)
	s.page("autoconfig.xn--bcher-kva.example/mail/config-v1.1.xml", document(imaps("imap.%EMAILDOMAIN%")))
	r := s.find("ich@Bücher.example")
	want := Server{Host: "imap.xn--bcher-kva.example", Port: 993, User: "ich@bücher.example", Password: true}
	if len(r.Found) != 1 || r.Found[0].Server != want {
		t.Errorf("%+v", r)
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"me@example.org": "me@example.org", " me+x@EXAMPLE.org. ": "me+x@example.org", `"a@b"@example.org`: `"a@b"@example.org`,
		"ich@bücher.example": "ich@xn--bcher-kva.example",
		"me":                 "", "@example.org": "", "me@": "", "me@localhost": "", "me@127.0.0.1": "", "me@[::1]": "", "a b@example.org": "",
		"me@exa mple.org": "", "me@-x.org": "", "me@x..org": "", "me\x1b@example.org": "", "me@example.org/x": "", "me@example.org:80": "",
		"me@" + strings.Repeat("a", 64) + ".org": "",
	} {
		a, err := ParseAddress(text)
		if (err == nil) != (want != "") || err == nil && a.String() != want {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
}
