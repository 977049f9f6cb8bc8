package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// packageName is not "isync", which distributions use for the C program: one must
// be able to replace the other.
const packageName = "isync-go"

// release is what is built.
type release struct {
	number  string    // as in 1.6.0: of this release, or of the next one
	version string    // the commit, as git describes it
	time    time.Time // that of the commit, of all files and in all files
}

// numberFile has the version of the program. A test checks that a tag agrees with it.
const numberFile = "internal/cli/VERSION"

// findRelease asks git, or takes VERSION and SOURCE_DATE_EPOCH from the environment,
// of which each wins over what git knows.
func findRelease(ctx context.Context) (release, error) {
	number, err := os.ReadFile(numberFile)
	if err != nil {
		return release{}, err
	}
	rel := release{number: strings.TrimSpace(string(number)), version: os.Getenv("VERSION")}
	if rel.version == "" {
		out, err := git(ctx, "describe", "--tags", "--always", "--dirty")
		if err != nil {
			return rel, fmt.Errorf("set VERSION, or run this in a git repository: %w", err)
		}
		rel.version = out
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		out, err := git(ctx, "log", "-1", "--format=%ct")
		if err != nil {
			return rel, fmt.Errorf("set SOURCE_DATE_EPOCH, or run this in a git repository: %w", err)
		}
		epoch = out
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds < 0 {
		return rel, fmt.Errorf("SOURCE_DATE_EPOCH: '%s' is no number of seconds", epoch)
	}
	rel.time = time.Unix(seconds, 0).UTC()
	return rel, nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output() //nolint:gosec // the arguments are ours
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("git %s: %s", args[0], strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

var (
	afterTag = regexp.MustCompile(`^(.*)-(\d+)-g([0-9a-f]+)$`)
	numbered = regexp.MustCompile(`^v?(\d[0-9A-Za-z.]*)(?:-([0-9A-Za-z.-]+))?$`)
	foreign  = regexp.MustCompile(`[^0-9A-Za-z.+~]`)
)

// packageVersion returns the version in a form that dpkg and rpm both accept and
// order rightly: a candidate, and what has no tag, is before its release, and what came
// after a release is behind it.
//
//	v1.2.0               1.2.0
//	v1.2.0-rc1           1.2.0~rc1
//	v1.2.0-3-gabc1234    1.2.0+3.gabc1234
//	abc1234              1.6.0~20261124.gabc1234
//
// Changes that are not committed add "+dirty".
func (r release) packageVersion() string {
	v, dirty := strings.CutSuffix(r.version, "-dirty")
	after := ""
	if m := afterTag.FindStringSubmatch(v); m != nil {
		v, after = m[1], "+"+m[2]+".g"+m[3]
	}
	// A short hash may look like a number; a tag has a point in it.
	if m := numbered.FindStringSubmatch(v); m != nil && strings.Contains(m[1], ".") {
		v = m[1]
		if m[2] != "" {
			v += "~" + strings.ReplaceAll(m[2], "-", ".")
		}
	} else {
		v = r.number + "~" + r.time.Format("20060102") + ".g" + v
	}
	v += after
	if dirty {
		v += "+dirty"
	}
	return foreign.ReplaceAllString(v, ".")
}

// fileVersion is the version in names of files. It begins with a number.
func (r release) fileVersion() string {
	v := strings.TrimPrefix(r.version, "v")
	if m := numbered.FindStringSubmatch(v); m == nil || !strings.Contains(m[1], ".") {
		v = r.number + "-" + v
	}
	return regexp.MustCompile(`[^0-9A-Za-z.+-]`).ReplaceAllString(v, ".")
}
