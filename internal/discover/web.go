package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxDocument is the size of the largest document that is read, in bytes.
const maxDocument = 256 << 10

// maxRedirects is how many redirections are followed.
const maxRedirects = 3

// web makes requests over HTTPS. It sends no cookies, no referrer, and nothing about the user.
type web struct{ client http.Client }

func newWeb(t http.RoundTripper) *web {
	if t == nil {
		t = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}
	}
	return &web{http.Client{
		Transport: t,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case r.URL.Scheme != "https":
				return errors.New("it redirects to a page without TLS")
			case len(via) > maxRedirects:
				return errors.New("too many redirects")
			}
			r.Header.Del("Referer")
			return nil
		},
	}}
}

// get returns the document at a URL.
func (w *web) get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "mbsync")
	r.Header.Set("Accept", "text/xml, application/xml")
	resp, err := w.client.Do(r)
	if err != nil {
		return nil, webError(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return nil, ErrNone
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer is HTTP %d", resp.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, webError(ctx, err)
	case len(data) > maxDocument:
		return nil, fmt.Errorf("the answer is larger than %d KiB", maxDocument>>10)
	}
	return data, nil
}

// webError returns an error without the URL, which is shown anyway.
func webError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return ErrNone
		}
		return dnsError(err)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return shorten(err)
}
