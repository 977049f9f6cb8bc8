package testkit

import "testing"

// FindProgram returns the path of a program, installing its Debian package if
// it is missing and that is allowed. Without it the test is skipped, or fails
// where all tests have to run.
func FindProgram(tb testing.TB, name, pkg string) string {
	tb.Helper()
	return findProgram(tb, name, pkg)
}
