package cli

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// number is the version of the program: of this release, or of the next one. Programs
// compare it with that of the C program, so it has digits and dots only.
//
//go:embed VERSION
var number string

// commit names what the program was built from, as git describes it. It is set when
// the program is built for others.
var commit string

// Version returns the version of the program, such as "1.6.0".
func Version() string { return strings.TrimSpace(number) }

// versionText is what --version prints. The first line is for programs, which take its
// second word.
func versionText(program string) string {
	return fmt.Sprintf("%s %s\ncommit %s, %s, %s/%s\n", program, Version(), builtFrom(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// builtFrom names the commit, with what is known without a repository.
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
