package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// standsFor is the version of the C program whose place we take, for packages that depend on it.
const standsFor = "1.5.0"

const maintainer = "The isync-go developers <isync-go@localhost>"

const description = `keeps mailboxes on IMAP servers and in Maildirs the same
mbsync carries new messages, flags and deletions between an IMAP server and
Maildir files on the disk, both ways, so that mail can be read and written with
any program, offline, in either place.

It takes the place of the C program of the isync project: configuration, command
line, and all files it keeps are the same, and one may go back at any time.`

// docDir is where the documents of a package are.
const docDir = "/usr/share/doc/" + packageName

// packager is how a package is made.
type packager struct {
	program string // nfpm
	kind    string // "deb" or "rpm"
	work    string // directory for what is needed on the way
	out     string // directory for the result
}

// installed is a file that a package installs.
type installed struct {
	Src  string   `json:"src,omitempty"`
	Dst  string   `json:"dst"`
	Type string   `json:"type,omitempty"` // "dir" for a directory that is ours alone
	Info fileInfo `json:"file_info"`
}

type fileInfo struct {
	Mode  uint32 `json:"mode"`
	Owner string `json:"owner"`
	Group string `json:"group"`
	MTime string `json:"mtime"`
}

// packagePath is where a file is installed, and whether it is compressed there.
func (f file) packagePath(kind string) (path string, compressed bool) {
	switch f.kind {
	case program:
		return "/usr/bin/" + f.name, false
	case manual:
		return "/usr/share/man/man1/" + f.name + ".gz", true
	case completion:
		p := completionPath(f.name)
		if kind == "deb" {
			p = strings.Replace(p, "zsh/site-functions", "zsh/vendor-completions", 1)
		}
		return "/usr/share/" + p, false
	case unit:
		return "/usr/lib/systemd/user/" + f.name, false
	case example:
		return docDir + "/examples/" + f.name, false
	case document, readme, license, attribution:
		return docDir + "/" + f.name, false
	case changes:
		return docDir + "/changelog.gz", true
	}
	panic("kind")
}

// newest returns the titles of the changes in the first section of the changelog.
func newest(changelog string) (titles []string) {
	_, section, _ := strings.Cut(changelog, "\n## ")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "- **"); ok {
			titles = append(titles, strings.TrimSuffix(title, ".**"))
		}
	}
	return titles
}

// debianFiles are those that Debian wants in addition.
func debianFiles(rel release, changelog []byte) ([]file, error) {
	terms, err := os.ReadFile("packaging/copyright")
	if err != nil {
		return nil, err
	}
	var list strings.Builder
	for _, title := range newest(string(changelog)) {
		fmt.Fprintf(&list, "  * %s\n", title)
	}
	if list.Len() == 0 {
		return nil, errors.New("the changelog tells of no changes")
	}
	return []file{
		{kind: document, name: "copyright", data: terms},
		{kind: document, name: "changelog.Debian", data: fmt.Appendf(nil,
			"%s (%s-1) unstable; urgency=medium\n\n%s\n -- %s  %s\n",
			packageName, rel.packageVersion(), list.String(), maintainer, rel.time.Format(time.RFC1123Z))},
	}, nil
}

// writePackage writes a package and returns its name.
func writePackage(ctx context.Context, rel release, t target, files []file, p packager) (string, error) {
	if p.kind == "deb" {
		i := slices.IndexFunc(files, func(f file) bool { return f.kind == changes })
		more, err := debianFiles(rel, files[i].data)
		if err != nil {
			return "", err
		}
		files = append(files[:len(files):len(files)], more...)
	}
	contents, err := p.stage(rel, files)
	if err != nil {
		return "", err
	}
	config := map[string]any{
		"name": packageName, "arch": t.arch, "platform": t.os,
		"version": rel.packageVersion(), "version_schema": "none", "release": "1",
		"section": "mail", "priority": "optional", "license": "Apache-2.0",
		"maintainer": maintainer, "description": description,
		"mtime":      rel.time.Format(time.RFC3339),
		"recommends": []string{"ca-certificates"},
		"conflicts":  []string{"isync"},
		"replaces":   []string{"isync"},
		"contents":   contents,
		"deb":        map[string]any{"compression": "xz"},
		"rpm":        map[string]any{"compression": "xz", "buildhost": "localhost", "group": "Applications/Internet"},
	}
	if p.kind == "deb" {
		config["provides"] = []string{"isync (= " + standsFor + ")"}
	} else {
		config["provides"] = []string{"isync = " + standsFor}
	}
	text, err := json.MarshalIndent(config, "", "  ") // which is YAML, too
	if err != nil {
		return "", err
	}
	recipe := filepath.Join(p.work, p.kind+".yaml")
	if err := os.WriteFile(recipe, text, 0o600); err != nil {
		return "", err
	}
	program, err := filepath.Abs(p.program)
	if err != nil {
		return "", err
	}
	name := p.fileName(rel, t)
	cmd := exec.CommandContext(ctx, program, "package", "--config", recipe, "--packager", p.kind, "--target", filepath.Join(p.out, name)) //nolint:gosec // it is our tool
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(rel.time.Unix(), 10))
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", p.program, err, text)
	}
	return name, nil
}

// documentDirs returns the directories of the documents, which are ours alone.
func documentDirs(kind string, files []file) (dirs []string) {
	for _, f := range files {
		name, _ := f.packagePath(kind)
		for dir := path.Dir(name); strings.HasPrefix(dir+"/", docDir+"/"); dir = path.Dir(dir) {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// stage lays out the files that go into the package. Their modes do not depend on
// the umask, nor their times on the clock.
func (p packager) stage(rel release, files []file) ([]installed, error) {
	when := rel.time.Format(time.RFC3339)
	var out []installed
	for _, dir := range documentDirs(p.kind, files) {
		out = append(out, installed{Dst: dir, Type: "dir", Info: fileInfo{Mode: 0o755, Owner: "root", Group: "root", MTime: when}})
	}
	for i, f := range files {
		data, err := f.read()
		if err != nil {
			return nil, err
		}
		dst, compress := f.packagePath(p.kind)
		if f.name == "changelog.Debian" {
			dst, compress = dst+".gz", true
		}
		if compress {
			if data, err = gzipped(data); err != nil {
				return nil, err
			}
		}
		src := filepath.Join(p.work, p.kind+strconv.Itoa(i))
		if err := os.WriteFile(src, data, 0o600); err != nil {
			return nil, err
		}
		info := fileInfo{Mode: 0o644, Owner: "root", Group: "root", MTime: when}
		if f.kind == program {
			info.Mode = 0o755
		}
		out = append(out, installed{Src: src, Dst: dst, Info: info})
	}
	return out, nil
}

// fileName follows the custom of the kind of package.
func (p packager) fileName(rel release, t target) string {
	if p.kind == "deb" {
		return fmt.Sprintf("%s_%s-1_%s.deb", packageName, rel.packageVersion(), t.arch)
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[t.arch]
	return fmt.Sprintf("%s-%s-1.%s.rpm", packageName, rel.packageVersion(), arch)
}
