// Package e2e tests the program as its users run it: the real binary, a real
// server, real files.
//
// TestServers… run against Cyrus, Courier and another Dovecot as well.
//
// The program is built once per run of the tests and started as a process of
// its own, with a private home directory, against a Dovecot on a loopback
// address. Debian's mbsync, the C program whose files ours shares, is run on
// the same Maildirs and states: what either has finished, the other must find
// complete.
//
// Each test has a deadline and runs beside the others.
package e2e
