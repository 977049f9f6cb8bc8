package cli

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// number is the version of the program: of this release, or of the next one. Programs compare it
// with the version of the C program, so it consists only of digits and dots.
//
//go:embed VERSION
var number string

// commit is the commit that the program was built from, in the format of git describe. Release
// builds set it.
var commit string

// Version returns the version of the program, such as "1.6.0".
func Version() string { return strings.TrimSpace(number) }

// versionText is the output of --version. Programs read the second word of the first line.
func versionText(program string) string {
	return fmt.Sprintf("%s %s\ncommit %s, %s, %s/%s\n", program, Version(), builtFrom(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// builtFrom returns the commit, or the build information of Go.
func builtFrom() string {
	if commit != "" {
		return commit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var revision, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-dirty"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return revision[:min(12, len(revision))] + modified
}
