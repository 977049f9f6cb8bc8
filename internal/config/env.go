package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Env is the environment that a configuration depends on. A nil function finds nothing: no
// variable is set, no home directory is known, no file exists.
type Env struct {
	// Getenv returns an environment variable; "": it is not set.
	Getenv func(name string) string
	// Home returns the home directory of a user; user "" is the current one.
	Home func(user string) (string, error)
	// Getwd returns the current directory. If it is nil or fails, a relative name of the
	// configuration file results in relative paths.
	Getwd func() (string, error)
	// ReadFile returns the contents of a file.
	ReadFile func(path string) ([]byte, error)
	// Exists reports whether path exists.
	Exists func(path string) bool
	// IsDir reports whether path is a directory.
	IsDir func(path string) bool
	// Glob returns the files that match a pattern (filepath.Match).
	Glob func(pattern string) ([]string, error)
	// RealPath returns a path without symbolic links.
	RealPath func(path string) (string, error)
	// Windows: file names must not contain colons.
	Windows bool
}

func (e Env) getenv(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

func (e Env) home(user string) (string, error) {
	if e.Home == nil {
		return "", errors.New("home directories are unknown")
	}
	dir, err := e.Home(user)
	if err == nil && dir == "" {
		err = errors.New("it is empty")
	}
	switch {
	case err == nil:
		return dir, nil
	case user == "":
		return "", fmt.Errorf("cannot find the home directory: %w", err)
	}
	return "", fmt.Errorf("cannot find the home directory of %s: %w", quote(user), err)
}

func (e Env) readFile(path string) ([]byte, error) {
	if e.ReadFile == nil {
		return nil, errors.New("files cannot be read")
	}
	return e.ReadFile(path)
}

func (e Env) exists(path string) bool { return e.Exists != nil && e.Exists(path) }

func (e Env) isDir(path string) bool { return e.IsDir != nil && e.IsDir(path) }

func (e Env) glob(pattern string) ([]string, error) {
	if e.Glob == nil {
		return nil, nil
	}
	return e.Glob(pattern)
}

// realPath returns a path without symbolic links, as far as they can be resolved.
func (e Env) realPath(path string) string {
	path = filepath.Clean(path)
	if e.RealPath == nil {
		return path
	}
	if real, err := e.RealPath(path); err == nil {
		return real
	}
	return path
}

// absolute makes a path absolute if possible.
func (e Env) absolute(path string) string {
	if filepath.IsAbs(path) || e.Getwd == nil {
		return path
	}
	wd, err := e.Getwd()
	if err != nil {
		return path
	}
	return filepath.Join(wd, path)
}

// Resolve resolves a local path in a configuration file. dir is the directory of that file.
func (e Env) Resolve(dir, path string) (string, error) { return e.resolve(dir, path) }

// resolve expands a leading "~" or "~user", and makes relative paths relative to dir. The last
// component is unchanged, because it may be only a part of a name. A trailing slash is kept.
func (e Env) resolve(dir, path string) (string, error) {
	if strings.HasPrefix(path, "~") {
		user, rest := path[1:], ""
		if i := strings.IndexFunc(user, isSeparator); i >= 0 {
			user, rest = user[:i], user[i:]
		}
		home, err := e.home(user)
		if err != nil {
			return "", err
		}
		if rest == "" {
			return filepath.Clean(home), nil
		}
		path = home + rest
	}
	if !filepath.IsAbs(path) {
		path = dir + string(filepath.Separator) + path
	}
	i := strings.LastIndexFunc(path, isSeparator)
	parent := filepath.Clean(path[:i+1])
	if !isSeparator(rune(parent[len(parent)-1])) {
		parent += string(filepath.Separator)
	}
	return parent + path[i+1:], nil
}

func isSeparator(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }

// xdgDir returns a directory of the XDG base directory specification: the value of the variable
// if it is an absolute path, and otherwise the default below the home directory.
func (e Env) xdgDir(variable, fallback string) (string, error) {
	if dir := e.getenv(variable); filepath.IsAbs(dir) {
		return filepath.Clean(dir), nil
	}
	home, err := e.home("")
	if err != nil {
		return "", err
	}
	return filepath.Join(home, fallback), nil
}

// CacheDir returns the directory for data that can be deleted at any time.
func (e Env) CacheDir() (string, error) {
	dir, err := e.xdgDir("XDG_CACHE_HOME", ".cache")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "isync"), nil
}

// StateDir returns the directory of state files if SyncState is not set.
func (e Env) StateDir() (string, error) {
	dir, legacy, err := e.stateDirs()
	if legacy != "" && !e.exists(dir) {
		dir = legacy
	}
	return dir, err
}

// stateDirs returns the directory for state files, and the directory of former versions; legacy
// "": it does not exist.
func (e Env) stateDirs() (dir, legacy string, err error) {
	if dir, err = e.xdgDir("XDG_STATE_HOME", filepath.Join(".local", "state")); err != nil {
		return "", "", err
	}
	// Former versions always had the directory in the home directory.
	if home, err := e.home(""); err == nil && e.exists(filepath.Join(home, legacyStateDir)) {
		legacy = filepath.Join(home, legacyStateDir)
	}
	return filepath.Join(dir, stateDir), legacy, nil
}
