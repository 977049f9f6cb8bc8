// Package discover finds the IMAP server of a mail domain. It asks, at the same time and each
// with a limit, the name servers of the domain (MX and SRV, RFC 6186), the domain itself
// (autoconfig over HTTPS), and the ISPDB.
//
// Only the domain is sent, never the part of the address before the "@". Answers are not
// trusted: they are limited in size and time, HTTPS is never left, and a server without TLS is
// never chosen. A name that came over unauthenticated DNS and is outside of the domain is marked
// as Foreign, so that the user can be asked. The package logs in nowhere and writes nothing.
package discover
