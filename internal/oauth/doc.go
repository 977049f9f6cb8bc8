// Package oauth obtains access tokens of OAuth 2.0 (RFC 6749): it asks the user for
// consent in a browser (Authorize), keeps what the provider has granted (Store), and
// refreshes the access token when necessary (Source).
//
// A Grant is what a provider has granted: an access token, and the refresh token that
// replaces it. Many providers rotate refresh tokens: each can be used once, and one that
// is used twice revokes the whole grant. So a Source locks the store, reads the grant
// again, makes sure that there is room to save it, refreshes it, saves it, and only then
// uses it. It never sends a refresh token that the provider has rejected.
//
// If the program or the computer stops between the answer of the provider and the end of
// the save, the new refresh token is lost. Nothing can be done about that; the user has to
// log in again.
//
// Nothing of a token, a code or a client secret is in an error or in the result of a
// Format method. Of an answer of the provider, errors quote only the error code and the
// description, without control characters.
package oauth
