// Package imapwire is the IMAP wire format (RFC 9051, RFC 3501 and the
// extensions that a mail synchronizer meets) without any network: a Decoder
// turns a stream of bytes into typed responses, and a Command is the bytes of a
// request with its literals.
//
// The package is pure: it uses readers and byte slices, but no connections,
// files, clock or logging.
//
// # Tolerance
//
// The decoder skips a response that it does not understand, including its
// literals, and reports it as KindUnknown. Read fails only if the next response
// cannot be found: at the end of the stream, at a literal whose size cannot be
// read, and at a line without end. ENVELOPE and BODYSTRUCTURE are never parsed.
//
// # Bounds
//
// A Decoder holds one buffer of 64 KiB. Nothing that a server sends makes it
// hold more than a small multiple of the bounds MaxLine and MaxString: strings
// that are kept are limited, sets of numbers are kept as ranges, literals are
// streamed, nesting is counted and not recursed into.
package imapwire
