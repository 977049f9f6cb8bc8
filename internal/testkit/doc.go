// Package testkit holds what tests need that is bigger than a test: a private
// Dovecot, Cyrus or Courier, Debian's mbsync to compare with (1.4.4 and 1.5.1), a certification authority, a
// scripted IMAP server, and connections that break on demand. Only tests import
// it.
//
// Servers listen on loopback addresses and free ports, keep everything they
// have in a private directory, and are gone when the test is. No test leaves
// the machine.
//
// What is not installed: a test that needs it is skipped, saying so; in a
// continuous integration run (environment CI=true) it fails instead. With
// ISYNC_TEST_APT=1 and as root on Debian it is installed first. Cyrus, Courier,
// Dovecot 2.4 and mbsync 1.5.1 are never installed: tools/roots.sh unpacks each
// into a directory, and each server gets a copy of it to be its root.
package testkit
