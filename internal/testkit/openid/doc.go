// Package openid runs an OpenID provider for tests on a loopback address. Only tests
// import it.
//
// The protocol is implemented by github.com/zitadel/oidc, which is used in production:
// authorization code with PKCE, device authorization (RFC 8628), refresh, revocation (RFC 7009),
// introspection (RFC 7662), user information and discovery. This package adds what the library
// leaves to its user: the state, in memory, and the pages on which a person consents. It is as
// strict as the strictest of the large providers:
//
//   - PKCE is required, and only S256.
//   - The redirect goes to http://localhost, with any port, and not to http://127.0.0.1.
//   - Each refresh issues a new refresh token. If a refresh token or an authorization code
//     is used twice, all tokens of the same consent are revoked.
//   - A refresh token is issued only with the scope offline_access, or with
//     access_type=offline, as at Google.
//   - An ID token is issued only with the scope openid.
//   - A device that polls too often gets the error slow_down.
//
// If the library does not do this itself, front.go does it, and its comments say so.
//
// A test looks at the provider and changes it with the methods of Provider: tokens expire,
// consent is withdrawn, devices are admitted or refused, and endpoints fail in the ways of
// Fault. Browser consents as a person does; the pages also work in a real browser.
package openid
