//go:build !linux

package maildir

// onRemote reports whether other machines may change a directory without a report to the
// watches of this system. That is not known here.
func onRemote(string) bool { return false }
