// Package auth knows how to prove who one is to a server: where user name and
// password come from, and which mechanism to use them with.
//
// It speaks no protocol itself. A mechanism that was selected is driven by the
// client of the protocol, through the interface of the SASL library.
//
// Passwords leave this package only as results of Credentials.Password and
// within SASL clients. They are in no error, and printing a Credentials does not
// show them. Of commands that print a password only the command is ever quoted.
package auth
