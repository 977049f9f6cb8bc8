package setup

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"isync/internal/provider"
)

// customOAuth is the value of OAuth for a provider that is not in the table.
const customOAuth = "custom"

// login asks how to log in, and for what that takes.
func (d *dialogue) login(ctx context.Context) error {
	p := d.plan.Provider
	d.plan.OAuth = ""
	if p != nil {
		d.plan.OAuth = p.OAuth
	}
	possible := d.plan.OAuth != "" || d.plan.Server.OAuth || d.given(askLogin)
	words := []string{"password", "oauth"}
	switch {
	case p != nil && p.Secret == provider.TokenOnly:
		d.print(textTokenOnly, p.Title)
		words = []string{"oauth", "password"}
	case p != nil && p.Secret == provider.AppPassword && p.SecretPage != "":
		d.print(textAppPassword, p.Title, p.SecretPage)
	}
	answer := "password"
	if possible {
		if d.plan.OAuth == "" {
			d.plan.OAuth = customOAuth
		}
		if p == nil || p.Secret != provider.TokenOnly {
			d.print(textOAuth)
		}
		var err error
		if answer, err = d.ask(ctx, query{name: askLogin, text: "Log in with", what: "how to log in", def: words[0], hasDef: true, check: oneOf(words...)}); err != nil {
			return err
		}
	}
	if answer == "oauth" {
		return d.client(ctx)
	}
	d.plan.OAuth = ""
	if p != nil && p.Secret == provider.TokenOnly {
		return d.keepIn(ctx, []Keeper{ByCommand})
	}
	return d.keepIn(ctx, d.world.Keepers())
}

// client asks for the OAuth provider and the client.
func (d *dialogue) client(ctx context.Context) (err error) {
	if d.plan.OAuth == customOAuth {
		if d.plan.Issuer, err = d.ask(ctx, query{name: askIssuer, text: "OAuth issuer (its URL)", what: "for the OAuth issuer", check: issuer}); err != nil {
			return err
		}
		scope, err := d.ask(ctx, query{name: askScope, text: "OAuth scopes", def: "openid offline_access", hasDef: true, check: anything})
		if err != nil {
			return err
		}
		d.plan.Scopes = strings.Fields(scope)
	}
	d.print("\nOAuth needs a client ID, which you register as follows:")
	for _, l := range d.world.OAuthHelp(d.plan.OAuth) {
		d.print("  - %s", l)
	}
	if d.plan.ClientID, err = d.ask(ctx, query{name: askClient, text: "OAuth client ID", check: anything}); err != nil {
		return err
	}
	return d.clientSecret(ctx)
}

// clientSecret asks for the client secret. On a terminal that is the secret itself.
func (d *dialogue) clientSecret(ctx context.Context) (err error) {
	d.plan.SecretCmd, d.password = "", ""
	if d.given(askSecret) {
		d.plan.SecretCmd, err = d.ask(ctx, query{name: askSecret, text: "Command for the client secret", check: anything})
		if d.plan.SecretCmd == "none" {
			d.plan.SecretCmd = ""
		}
		return err
	}
	for {
		d.password, err = d.world.Ask(ctx, "OAuth client secret (not shown; Enter if there is none): ", false)
		switch {
		case errors.Is(err, ErrNoTerminal):
			return nil
		case err != nil:
			return err
		case !strings.ContainsAny(d.password, "\x00\r\n"):
			if d.password != "" {
				d.plan.SecretCmd, err = d.world.SecretFile(&d.plan)
			}
			return err
		}
	}
}

// issuer accepts the URL of an OAuth provider.
func issuer(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return "", errors.New("this is not a URL that begins with https://")
	}
	return text, nil
}

// try logs in, with the consent of the user first if that is needed.
func (d *dialogue) try(ctx context.Context) ([]Mailbox, error) {
	if d.plan.OAuth != "" && !d.consented {
		d.print("")
		if err := d.world.Authorize(ctx, &d.plan, d.password); err != nil {
			return nil, err
		}
		d.consented = true
	}
	d.print("Logging in to %s ...", d.plan.Server.Host)
	return d.world.Try(ctx, &d.plan, d.password)
}
