// Packaging makes what is handed out: static binaries for several systems in
// archives, and packages for Debian and for RPM-based systems.
//
//	go run ./packaging -out dist                     everything
//	go run ./packaging -targets linux/amd64          one system
//	go run ./packaging -nfpm ''                      archives only
//
// Given the same commit and the same Go it makes the same bytes: nothing in the
// results depends on the machine, its clock or its user. Once the modules are there, it needs
// no network. It must be run in the root of the repository.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

// target is a system to build for.
type target struct{ os, arch string }

// targets are all of them.
var targets = []target{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"freebsd", "amd64"},
	{"windows", "amd64"},
}

func (t target) String() string { return t.os + "/" + t.arch }

// exe is what names of programs end in.
func (t target) exe() string {
	if t.os == "windows" {
		return ".exe"
	}
	return ""
}

// selectTargets parses a comma separated list of names; "" is all targets.
func selectTargets(list string) ([]target, error) {
	if list == "" {
		return targets, nil
	}
	var out []target
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown target '%s'", name)
		}
		out = append(out, targets[i])
	}
	return out, nil
}

func main() {
	out := flag.String("out", "dist", "directory for the results; what is in it is removed")
	list := flag.String("targets", "", "systems to build for, as in linux/amd64,darwin/arm64; all by default")
	nfpm := flag.String("nfpm", "bin/nfpm", "the program that makes packages; none are made if it is empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *list, *nfpm); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1) //nolint:gocritic // there is nothing to stop any more
	}
}

func run(ctx context.Context, out, list, nfpm string) error {
	chosen, err := selectTargets(list)
	if err != nil {
		return err
	}
	rel, err := findRelease(ctx)
	if err != nil {
		return err
	}
	if err := clear(out); err != nil {
		return err
	}
	var made []string
	for _, t := range chosen {
		names, err := makeTarget(ctx, rel, t, out, nfpm)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		made = append(made, names...)
	}
	return writeSums(out, made)
}

// clear makes the directory an empty one. It refuses to remove anything that it
// does not know as a result of its own.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); name != "SHA256SUMS" && !strings.HasPrefix(name, packageName) {
			return fmt.Errorf("'%s' was not made by this program: clear the directory yourself, or name another one", filepath.Join(dir, name))
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755) //nolint:gosec // it is for everybody
}

// makeTarget makes all that there is for a system, and returns the names of the files.
func makeTarget(ctx context.Context, rel release, t target, out, nfpm string) (names []string, err error) {
	work, err := os.MkdirTemp("", "isync-packaging-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	c, err := collect(ctx, rel, t, work)
	if err != nil {
		return nil, err
	}
	name, err := writeArchive(rel, t, c, out)
	if err != nil {
		return nil, err
	}
	names = []string{name}
	fmt.Println(filepath.Join(out, name))
	if t.os != "linux" || nfpm == "" {
		return names, nil
	}
	for _, kind := range []string{"deb", "rpm"} {
		name, err := writePackage(ctx, rel, t, c, packager{program: nfpm, kind: kind, work: work, out: out})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		names = append(names, name)
		fmt.Println(filepath.Join(out, name))
	}
	return names, nil
}

// writeSums writes the file that sha256sum -c reads.
func writeSums(dir string, names []string) error {
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		sum, err := hashFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(text.String()), 0o644) //nolint:gosec // it is for everybody
}

func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}
