package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"isync/internal/event"
)

// Options are the arguments of Load.
type Options struct {
	// File is the file that the user has named; "": search the usual places.
	File string
	Env  Env
}

// NotFoundError reports that none of the usual places has a configuration file.
type NotFoundError struct{ Places []string }

// Error names the places.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration file found: neither %s nor %s exists", e.Places[0], e.Places[1])
}

// ReadError reports that the configuration file cannot be read.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "cannot read configuration file: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ReadError) Unwrap() error { return e.Err }

// Load finds, reads and parses the configuration file. If Options.File is empty, the file is
// $XDG_CONFIG_HOME/isyncrc, or otherwise ~/.mbsyncrc. The error is a *NotFoundError, a
// *ReadError, or an ErrorList for errors in the file.
func Load(o Options) (*Config, []Notice, error) {
	name, data, notices, err := read(o)
	if err != nil {
		return nil, nil, err
	}
	cfg, more, err := Parse(name, data, o.Env)
	return cfg, append(notices, more...), err
}

// LoadFixed is Load for Fix.
func LoadFixed(o Options) (*Fixed, []Notice, error) {
	name, data, notices, err := read(o)
	if err != nil {
		return nil, nil, err
	}
	f, more, err := Fix(name, data, o.Env)
	return f, append(notices, more...), err
}

// Find finds and reads the configuration file without parsing it. If there is none, the
// error is a *NotFoundError for the usual places, or that of reading the named file.
func Find(o Options) (name string, data []byte, err error) {
	name, data, _, err = read(o)
	return name, data, err
}

// read finds and reads the configuration file.
func read(o Options) (name string, data []byte, notices []Notice, err error) {
	names := []string{o.File}
	if o.File == "" {
		if names, err = places(o.Env); err != nil {
			return "", nil, nil, err
		}
	}
	for i, name := range names {
		data, err := o.Env.readFile(name)
		switch {
		case o.File == "" && errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", nil, nil, &ReadError{Err: err}
		}
		if o.File == "" && i == 0 && o.Env.exists(names[1]) {
			notices = []Notice{{Severity: event.Warning, Fact: event.TwoConfigFiles{Used: name, Other: names[1]}}}
		}
		return name, data, notices, nil
	}
	return "", nil, nil, &NotFoundError{Places: names}
}

// places returns the possible configuration files, the preferred one first.
func places(env Env) ([]string, error) {
	xdg, err := env.xdgDir("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return nil, err
	}
	home, err := env.home("")
	if err != nil {
		return nil, err
	}
	return []string{filepath.Join(xdg, "isyncrc"), filepath.Join(home, ".mbsyncrc")}, nil
}
