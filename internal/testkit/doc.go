// Package testkit holds what tests need that is bigger than a test: a private
// Dovecot, Cyrus or Courier, Debian's mbsync to compare with, a certification authority, a
// scripted IMAP server, and connections that break on demand. Only tests import
// it.
//
// Servers listen on loopback addresses and free ports, keep everything they
// have in a private directory, and are gone when the test is. No test leaves
// the machine.
//
// What is not installed: a test that needs it is skipped, saying so; in a
// continuous integration run (environment CI=true) it fails instead. With
// ISYNC_TEST_APT=1 and as root on Debian it is installed first. Cyrus and
// Courier are never installed: tools/roots.sh prepares directories for them, of
// which each server gets a copy to be its root.
package testkit
