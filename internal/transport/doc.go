// Package transport opens the byte stream to a server and moves bytes over it: dialling,
// TLS, the command of a tunnel, the progress timeout and the buffer of what is to be
// sent. It does not depend on IMAP.
//
// A Link wraps a connection. Its reads and writes fail with *TimeoutError if there is no
// progress for the timeout while something is waited for. An Outbox holds what is to be
// sent, within a bound, while a write is under way.
//
// The caller owns all goroutines but two kinds: DialTCP starts one for each attempt to
// connect and returns when all have ended; the connection of a Tunnel owns one that waits
// for the command, and its method Wait returns when that has ended (HangUp calls it).
//
// A connection that cannot be made is a *DialError, or an error about the name of the
// host that wraps *net.DNSError. The command of a tunnel that has ended is a
// *TunnelError. The end of the stream is ErrPeerClosed where NameEnd was applied.
package transport
