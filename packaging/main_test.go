package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var when = time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)

func TestPackageVersion(t *testing.T) {
	for in, want := range map[string]string{
		"v1.2.0":                    "1.2.0",
		"1.2.0":                     "1.2.0",
		"v1.2.0-rc1":                "1.2.0~rc1",
		"v1.2.0-rc1-14-gabcdef0":    "1.2.0~rc1+14.gabcdef0",
		"v1.2.0-3-gabc1234":         "1.2.0+3.gabc1234",
		"v1.2.0-3-gabc1234-dirty":   "1.2.0+3.gabc1234+dirty",
		"175b2af":                   "1.6.0~20261124.g175b2af",
		"1752345":                   "1.6.0~20261124.g1752345",
		"175b2af-dirty":             "1.6.0~20261124.g175b2af+dirty",
		"release_candidate/of mine": "1.6.0~20261124.grelease.candidate.of.mine",
		"v2.0":                      "2.0",
	} {
		if got := (release{number: "1.6.0", version: in, time: when}).packageVersion(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestFileVersion: names of files begin with a number, too.
func TestFileVersion(t *testing.T) {
	for in, want := range map[string]string{
		"v1.2.0": "1.2.0", "v1.2.0-rc1": "1.2.0-rc1", "v1.2.0-3-gabc1234": "1.2.0-3-gabc1234",
		"175b2af": "1.6.0-175b2af", "1752345-dirty": "1.6.0-1752345-dirty",
	} {
		if got := (release{number: "1.6.0", version: in}).fileVersion(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// The environment wins over git, so that sources without a repository can be built.
func TestFindRelease(t *testing.T) {
	t.Chdir("..")
	t.Setenv("VERSION", "v9.8.7")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	rel, err := findRelease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rel.version != "v9.8.7" || !regexp.MustCompile(`^\d+(\.\d+)+$`).MatchString(rel.number) || rel.time.Unix() != 1700000000 || rel.time.Location() != time.UTC {
		t.Errorf("got %+v", rel)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if _, err := findRelease(t.Context()); err == nil {
		t.Error("a time that is none was accepted")
	}
}

// The same entries make the same bytes, and every byte of their contents counts.
func TestArchives(t *testing.T) {
	entries := []entry{{"top/bin/mbsync", 0o755, []byte("program")}, {"top/README.md", 0o644, []byte("text")}}
	other := []entry{entries[0], {"top/README.md", 0o644, []byte("tExt")}}
	for name, write := range map[string]func(*bytes.Buffer, []entry) error{
		"tar": func(b *bytes.Buffer, e []entry) error { return writeTar(b, e, when) },
		"zip": func(b *bytes.Buffer, e []entry) error { return writeZip(b, e, when) },
	} {
		var a, b, c bytes.Buffer
		for buf, e := range map[*bytes.Buffer][]entry{&a: entries, &b: entries, &c: other} {
			if err := write(buf, e); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: two runs differ", name)
		}
		if bytes.Equal(a.Bytes(), c.Bytes()) {
			t.Errorf("%s: different contents make no difference", name)
		}
	}
}

// Everything has a place of its own, in archives and in both kinds of packages.
func TestPlaces(t *testing.T) {
	t.Chdir("..")
	files := []file{{kind: program, name: "mbsync"}, {kind: attribution, name: "THIRD-PARTY-LICENSES"}}
	for _, s := range sources {
		found, err := s.find()
		if err != nil {
			t.Error(err)
		}
		files = append(files, found...)
	}
	news, err := changelog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	more, err := debianFiles(release{version: "v1.2.3", time: when}, news.data)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, news)
	if text := string(more[1].data); !strings.HasPrefix(text, "isync-go (1.2.3-1) ") || !strings.Contains(text, "\n  * ") {
		t.Errorf("the changelog for Debian is %s", text)
	}
	files = append(files, more...)
	seen := map[string]bool{}
	for _, f := range files {
		deb, _ := f.packagePath("deb")
		rpm, _ := f.packagePath("rpm")
		for _, place := range []string{"archive " + f.archivePath(), "deb " + deb, "rpm " + rpm} {
			if seen[place] {
				t.Errorf("%s is used twice", place)
			}
			seen[place] = true
		}
	}
	for _, want := range []string{
		"deb /usr/bin/mbsync", "deb /usr/share/man/man1/mbsync.1.gz",
		"deb /usr/lib/systemd/user/mbsync.service", "rpm /usr/lib/systemd/user/mbsync.timer", "deb /usr/lib/systemd/user/mbsync-watch.service",
		"deb /usr/share/doc/isync-go/copyright", "archive docs/from-mbsync.md",
		"archive docs/examples/fleet/systemd/mbsync@.service", "deb /usr/share/doc/isync-go/examples/fleet/kubernetes/account.yaml",
		"rpm /usr/share/doc/isync-go/examples/fleet/mbsyncrc",
	} {
		if !seen[want] {
			t.Errorf("nothing is at %s", want)
		}
	}
	for place := range seen {
		if strings.Contains(place, "go.mod") || strings.Contains(place, "_test.go") {
			t.Errorf("%s is of use here only", place)
		}
	}
	if dirs := documentDirs("deb", files); !slices.Contains(dirs, docDir) || !slices.Contains(dirs, docDir+"/examples/fleet/systemd") || len(dirs) != 5 {
		t.Errorf("the directories are %q", dirs)
	}
}

// What is to be removed must be known.
func TestClear(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dist")
	if err := clear(dir); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "isync-go_1.deb")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clear(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the last results are still there")
	}
	mine := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clear(dir); err == nil {
		t.Error("a foreign file would have been removed")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}

// The licenses of what is linked are complete: Go's own, and those of libraries.
func TestThirdParty(t *testing.T) {
	t.Chdir("..")
	text, err := thirdParty(t.Context(), target{"linux", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Go and its standard library", "golang.org/x/sys v", "Redistribution and use"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not there", want)
		}
	}
	if strings.Contains(string(text), "testscript") || bytes.Contains(text, []byte("go-internal")) {
		t.Error("a library for tests is said to be linked")
	}
}

func TestSelectTargets(t *testing.T) {
	got, err := selectTargets("linux/arm64,windows/amd64")
	if err != nil || !slices.Equal(got, []target{{"linux", "arm64"}, {"windows", "amd64"}}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := selectTargets("plan9/mips"); err == nil {
		t.Error("a target that is not there was accepted")
	}
}
