// Package auth logs in to a server: where the user name and password come from, which
// mechanism uses them, and what a refusal means.
//
// It implements no protocol. Authenticator has the policy: it tries the strongest
// mechanism first. It tries another one only if the server cannot use the first. It
// never sends a refused secret twice. It uses a connection through the interface Conn.
// The answer of a server is an AnswerError; only refusal.go judges it, by its response
// code and known phrases.
//
// What an Authenticator, a Ledger and a Credentials remember, including failures, is
// valid for one run; each run makes new ones. A TokenSource and a Prompt may live
// longer: they keep a secret until it expires or is refused.
//
// Passwords leave this package only as results of Credentials.Password and within SASL
// clients. They are in no error, and printing a Credentials does not show them. Errors
// of a command that prints a password quote only the command.
package auth
