package openid

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// device is a request for consent by a program that has no browser.
type device struct {
	userCode string
	client   string
	scopes   []string
	expires  time.Time
	interval time.Duration
	polls    []time.Time

	subject        string
	at             time.Time
	denied, served bool
}

// StoreDeviceAuthorization implements op.DeviceAuthorizationStorage.
func (s *state) StoreDeviceAuthorization(_ context.Context, clientID, deviceCode, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[deviceCode] = &device{userCode: userCode, client: clientID, scopes: scopes, expires: expires, interval: s.cfg.DeviceInterval}
	return nil
}

// slowDown makes the library answer slow_down: it does so itself when its storage is too slow.
var slowDown = context.DeadlineExceeded

// GetDeviceAuthorizatonState implements op.DeviceAuthorizationStorage: a device polls.
func (s *state) GetDeviceAuthorizatonState(_ context.Context, clientID, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[deviceCode]
	if d == nil || d.client != clientID {
		return nil, errors.New("there is no such device code")
	}
	now := time.Now()
	early := len(d.polls) > 0 && now.Sub(d.polls[len(d.polls)-1]) < d.interval/2
	d.polls = append(d.polls, now)
	if early || s.slow > 0 {
		s.slow = max(0, s.slow-1)
		d.interval += 5 * time.Second // RFC 8628, section 3.5
		return nil, slowDown
	}
	r := &op.DeviceAuthorizationState{
		ClientID: d.client, Scopes: d.scopes, Expires: d.expires, Denied: d.denied,
		Done: d.subject != "", Subject: d.subject, AuthTime: d.at,
	}
	if d.served || now.After(d.expires) {
		// Of something that is done, the library does not ask whether it has expired.
		r.Done, r.Expires = false, time.Time{}
	}
	d.served = d.served || r.Done
	return r, nil
}

// find returns the device with a user code as a person types it. s.mu is held.
func (s *state) find(userCode string) *device {
	plain := func(code string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == ' ' {
				return -1
			}
			return r
		}, strings.ToUpper(code))
	}
	for _, d := range s.devices {
		if plain(d.userCode) == plain(userCode) {
			return d
		}
	}
	return nil
}

// decide notes what a user has decided about a device. An empty user refuses.
func (s *state) decide(userCode, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.find(userCode)
	switch {
	case d == nil || time.Now().After(d.expires) || d.served:
		return fmt.Errorf("there is no device with the code %q", userCode)
	case user == "":
		d.denied = true
		return nil
	case !slices.Contains(s.cfg.Users, user):
		return fmt.Errorf("there is no user %q", user)
	}
	d.subject, d.at = user, time.Now()
	return nil
}

// Admit consents to what a device asks for.
func (p *Provider) Admit(tb testing.TB, userCode, user string) {
	tb.Helper()
	if err := p.state.decide(userCode, user); err != nil {
		tb.Errorf("openid: %v", err)
	}
}

// Refuse refuses what a device asks for.
func (p *Provider) Refuse(tb testing.TB, userCode string) {
	tb.Helper()
	p.Admit(tb, userCode, "")
}

// ExpireDevices lets the codes of all devices that wait for consent expire.
func (p *Provider) ExpireDevices() {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	for _, d := range p.state.devices {
		d.expires = time.Now()
	}
}

// SlowDown answers the next polls of devices with slow_down.
func (p *Provider) SlowDown(times int) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	p.state.slow = times
}

// Polls tells when a device has polled.
func (p *Provider) Polls(userCode string) []time.Time {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	if d := p.state.find(userCode); d != nil {
		return slices.Clone(d.polls)
	}
	return nil
}

// UserCodes returns the codes of the devices that wait for consent.
func (p *Provider) UserCodes() (codes []string) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	for _, d := range p.state.devices {
		if d.subject == "" && !d.denied && time.Now().Before(d.expires) {
			codes = append(codes, d.userCode)
		}
	}
	return codes
}
