// Package openid runs an OpenID provider for tests on a loopback address. Only tests
// import it.
//
// The protocol is that of github.com/zitadel/oidc, a provider that is used in earnest:
// authorization code with PKCE, device authorization (RFC 8628), refresh, revocation (RFC 7009),
// introspection (RFC 7662), user information and discovery. This package adds what the library
// leaves to its user: the state, in memory, and the pages on which a person consents. It is as
// strict as the strictest of the large providers:
//
//   - PKCE is required, and only S256.
//   - The redirect goes to http://localhost, with any port, and not to http://127.0.0.1.
//   - Each refresh gives a new refresh token. A refresh token that is used again, or an
//     authorization code, revokes all tokens that came of the same consent.
//   - A refresh token is only given when asked for: with the scope offline_access, or with
//     access_type=offline, as with Google.
//   - An ID token is only given with the scope openid.
//   - Whoever polls for a device's consent faster than told is told to slow down.
//
// Where the library does less than this, the front (front.go) does the rest, and says so.
//
// A test looks at the provider and changes it with the methods of Provider: tokens expire,
// consent is withdrawn, devices are admitted or refused, and endpoints fail in the ways of
// Fault. Browser consents as a person does; the pages also work in a real browser.
package openid
