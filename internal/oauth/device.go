package oauth

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	"golang.org/x/oauth2"
)

// discardLog returns a log that goes nowhere: it could hold addresses with codes.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

const (
	// deviceTimeout is how long a code for a device is good for if the provider does not
	// say so.
	deviceTimeout = 15 * time.Minute
	// maxInterval limits how often the provider is asked.
	maxInterval = 60
	// defaultInterval is that of RFC 8628 §3.2, in seconds.
	defaultInterval = 5
)

// device obtains a token by the device flow (RFC 8628).
func (c *Client) device(ctx context.Context, cfg *oauth2.Config, d Dialog) (*oauth2.Token, time.Time, error) {
	const what = "ask for a code"
	var from time.Time
	if cfg.Endpoint.DeviceAuthURL == "" {
		return nil, from, ErrNoDevice
	}
	var opts []oauth2.AuthCodeOption
	if cfg.ClientSecret != "" {
		opts = append(opts, oauth2.SetAuthURLParam("client_secret", cfg.ClientSecret))
	}
	limited, cancel := c.request(ctx)
	da, err := cfg.DeviceAuth(limited, opts...)
	err = requestError(limited, cfg.Endpoint.DeviceAuthURL, what, err)
	cancel()
	if err != nil {
		return nil, from, err
	}
	if da.DeviceCode == "" || da.UserCode == "" || da.VerificationURI == "" {
		return nil, from, &RequestError{Server: hostOf(cfg.Endpoint.DeviceAuthURL), What: what, Err: errors.New("the answer has no code")}
	}
	if da.Expiry.IsZero() {
		da.Expiry = time.Now().Add(deviceTimeout)
	}
	if da.Interval <= 0 {
		da.Interval = defaultInterval
	}
	d.Code(DeviceCode{Visit: clean(da.VerificationURI), Code: clean(da.UserCode), Complete: clean(da.VerificationURIComplete), Expires: da.Expiry})

	ctx, cancel = context.WithDeadlineCause(ctx, da.Expiry, ErrNoConsent)
	defer cancel()
	for {
		from = time.Now()
		t, err := cfg.DeviceAccessToken(context.WithValue(ctx, oauth2.HTTPClient, c.http()), da)
		if err == nil {
			return t, time.Now(), nil
		}
		if ctx.Err() != nil {
			return nil, from, context.Cause(ctx)
		}
		err = requestError(ctx, cfg.Endpoint.TokenURL, "get the token", err)
		r, ok := errors.AsType[*RequestError](err)
		switch {
		case ok && r.Code == "access_denied":
			return nil, from, &RefusedError{r.Code, r.Description}
		case ok && r.Code == "expired_token":
			return nil, from, ErrNoConsent
		case !ok || !r.Passing():
			return nil, from, err
		}
		// RFC 8628 §3.5: after a timeout, ask less often.
		da.Interval = min(2*da.Interval, maxInterval)
	}
}
