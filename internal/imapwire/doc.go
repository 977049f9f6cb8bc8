// Package imapwire is the IMAP wire format (RFC 9051, RFC 3501 and the
// extensions that a mail synchronizer meets) without any network: a Decoder
// turns a stream of bytes into typed responses, and a Command is the bytes of a
// request with its literals.
//
// The package is pure: it knows readers and byte slices, no connections, no
// files, no clock, no logging.
//
// # Tolerance
//
// Servers misbehave; the decoder survives that. A response that it does not
// understand is skipped as a whole, literals within included, and reported as
// KindUnknown. Only what makes it impossible to find the next response is an
// error of Read: the end of the stream, a literal whose size cannot be read, a
// line without end. ENVELOPE and BODYSTRUCTURE are never parsed.
//
// # Bounds
//
// A Decoder holds one buffer of 64 KiB. Nothing that a server sends makes it
// hold more than a small multiple of the bounds MaxLine and MaxString: strings
// that are kept are limited, sets of numbers are kept as ranges, literals are
// streamed, nesting is counted and not recursed into.
package imapwire
