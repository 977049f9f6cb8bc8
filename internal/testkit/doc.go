// Package testkit has the environment of tests: private servers (Dovecot, Cyrus, Courier),
// Debian's mbsync to compare with (1.4.4 and 1.5.1), a certification authority, a scripted IMAP
// server, and connections that fail on demand. Only tests import it.
//
// Servers listen on loopback addresses and free ports, keep all their files in a private
// directory, and end with the test. No test leaves the machine.
//
// If a program is not installed, the test that needs it is skipped and says so. In continuous
// integration (environment CI=true), it fails instead. With ISYNC_TEST_APT=1 and as root on
// Debian, it is installed first. Cyrus, Courier, Dovecot 2.4 and mbsync 1.5.1 are never
// installed: tools/roots.sh unpacks each of them into a directory, and each server gets a copy
// of it as its root directory.
package testkit
