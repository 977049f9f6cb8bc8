package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// kind says what a file is for, which decides where it goes.
type kind int

const (
	program     kind = iota // an executable
	manual                  // a manual page
	completion              // for a shell
	unit                    // for a user's systemd
	example                 // of a configuration
	document                // below docs, which the README links to
	readme                  // what is read first
	license                 // that of the project
	attribution             // the licenses of the libraries in the binaries
	changes                 // what is new
)

// file is one of those that are handed out. Its contents are either in memory or on disk.
type file struct {
	kind   kind
	name   string // with slashes; for documents and examples relative to their directory, else just a name
	source string // path; "" if data is given
	data   []byte
}

func (f file) read() ([]byte, error) {
	if f.source == "" {
		return f.data, nil
	}
	return os.ReadFile(f.source)
}

// source is files of the repository that match a pattern.
type source struct {
	kind    kind
	pattern string
	// below is the directory that names are relative to; "" if they are just names.
	below string
}

// sources are all of them. Each pattern must match something: what vanishes must not
// vanish from the packages silently.
var sources = []source{
	{manual, "docs/man/*.1", ""},
	{completion, "completions/*", ""},
	{unit, "packaging/systemd/mbsync*", ""},
	{example, "docs/examples/*", ""},
	{example, "packaging/fleet/mbsyncrc", "packaging"},
	{example, "packaging/fleet/systemd/*", "packaging"},
	// But not the module that tests them.
	{example, "packaging/fleet/kubernetes/*.sh", "packaging"},
	{example, "packaging/fleet/kubernetes/*.yaml", "packaging"},
	{document, "docs/*.md", ""},
	{readme, "README.md", ""},
	{license, "LICENSE", ""},
}

// find finds the files.
func (s source) find() (files []file, err error) {
	found, err := filepath.Glob(s.pattern)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no file '%s'; is this the root of the repository?", s.pattern)
	}
	for _, path := range found {
		name := filepath.Base(path)
		if s.below != "" {
			if name, err = filepath.Rel(s.below, path); err != nil {
				return nil, err
			}
		}
		files = append(files, file{kind: s.kind, name: filepath.ToSlash(name), source: path})
	}
	return files, nil
}

// collect builds the programs into the directory work, and finds the other files.
func collect(ctx context.Context, rel release, t target, work string) ([]file, error) {
	files, err := build(ctx, rel, t, work)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		found, err := s.find()
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	news, err := changelog(ctx)
	if err != nil {
		return nil, err
	}
	notices, err := thirdParty(ctx, t)
	if err != nil {
		return nil, err
	}
	return append(files, news, file{kind: attribution, name: "THIRD-PARTY-LICENSES", data: notices}), nil
}

// changelog returns CHANGELOG.md with what was not released yet.
func changelog(ctx context.Context) (file, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./changelog", "-whole")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return file{}, fmt.Errorf("go run ./changelog: %w", err)
	}
	return file{kind: changes, name: "CHANGELOG.md", data: text}, nil
}

// build builds all programs of the target.
func build(ctx context.Context, rel release, t target, work string) ([]file, error) {
	dirs, err := filepath.Glob("cmd/*")
	if err != nil {
		return nil, err
	}
	var files []file
	for _, dir := range dirs {
		name := path.Base(filepath.ToSlash(dir)) + t.exe()
		out := filepath.Join(work, name)
		cmd := goCommand(ctx, t, "build", "-trimpath", "-buildvcs=false",
			"-ldflags", "-s -w -buildid= -X isync/internal/cli.commit="+rel.version,
			"-o", out, "./"+filepath.ToSlash(dir))
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build ./%s: %w\n%s", dir, err, text)
		}
		files = append(files, file{kind: program, name: name, source: out})
	}
	return files, nil
}

// goCommand is a command of go for the target, in which nothing is left to the machine or
// to the user's taste.
func goCommand(ctx context.Context, t target, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off")
	return cmd
}

// module is where a library comes from.
type module struct{ path, version, dir string }

// thirdParty returns the licenses of everything that is linked into the programs,
// Go itself included, as these licenses demand.
func thirdParty(ctx context.Context, t target) ([]byte, error) {
	cmd := goCommand(ctx, t, "list", "-deps", "-f",
		"{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/...")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var mods []module
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), "\t"); len(f) == 3 {
			mods = append(mods, module{f[0], f[1], f[2]})
		}
	}
	slices.SortFunc(mods, func(a, b module) int { return strings.Compare(a.path, b.path) })
	mods = slices.Compact(mods)
	root, err := goCommand(ctx, t, "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	mods = append([]module{{"Go and its standard library", "", strings.TrimSpace(string(root))}}, mods...)
	var text strings.Builder
	text.WriteString("The programs contain the following works of others.\n")
	for _, m := range mods {
		if err := m.notices(&text); err != nil {
			return nil, err
		}
	}
	return []byte(text.String()), nil
}

// notices adds the license files of a module, of which there must be one.
func (m module) notices(text *strings.Builder) error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		isNotice := strings.HasPrefix(name, "NOTICE")
		if !isNotice && !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") || e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return err
		}
		found = found || !isNotice
		fmt.Fprintf(text, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 72),
			strings.TrimSpace(m.path+" "+m.version), strings.TrimSpace(string(data)))
	}
	if !found {
		return fmt.Errorf("%s has no license that we know of: may it be handed out?", m.path)
	}
	return nil
}
