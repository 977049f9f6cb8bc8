// Package imapclient is the client side of one IMAP connection: the greeting, STARTTLS,
// login, and commands that may be pipelined. Package transport opens the connection.
//
// # Goroutines
//
// A Client owns two goroutines. The reader owns the decoder: it always drains
// the socket, hands data to the command that waits for it, and completes
// commands. The writer sends what commands have put into a bounded buffer. Both
// end when the connection does; Close waits for them.
//
// Sinks and hooks run on the reader goroutine. While one runs nothing is read,
// so a slow sink becomes back-pressure on the server. They must not call
// methods of the Client.
//
// # Commands
//
// Methods block until the command is completed and may be called from several
// goroutines. Start… methods return as soon as the command has been handed to
// the writer, so that further ones can follow without waiting; at most
// Options.PipelineDepth commands are under way at a time, further ones wait for
// their turn. Every Pending must be waited for.
//
// # Handshake
//
// From the greeting until the capabilities after the login are known, the handshake
// decides which answers the client waits for (handshake.go). Without Options.Memo it
// waits for all of them. With it, and if the greeting agrees, it sends commands behind
// the login at once, and compares each answer that they depend on with the memo. A
// difference ends the connection with a *SurpriseError. Setup turns on extensions after
// the login.
//
// # Errors
//
// A command that the server refuses fails with *ResponseError, and the
// connection goes on. Everything that ends the connection is a
// *ConnectionError, also for all commands still under way; it wraps *ByeError,
// *transport.TimeoutError, the context's error, or the error of the network.
//
// Cancelling the context of a command that has begun closes the connection:
// there is no other way to stop a server from answering.
package imapclient
