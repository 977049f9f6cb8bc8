package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Options tell Load where to look.
type Options struct {
	// File is the file named by the user; empty: look in the usual places.
	File string
	Env  Env
}

// NotFoundError is returned when there is no configuration file in any of the
// usual places.
type NotFoundError struct{ Places []string }

// Error names the places.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no configuration file found: neither %s nor %s exists", e.Places[0], e.Places[1])
}

// Load finds the configuration file, reads and parses it. Without a name it is
// $XDG_CONFIG_HOME/isyncrc, or else ~/.mbsyncrc. Errors in the file come as an
// ErrorList.
func Load(o Options) (*Config, []Notice, error) {
	if o.File != "" {
		data, err := o.Env.readFile(o.File)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read configuration file: %w", err)
		}
		return Parse(o.File, data, o.Env)
	}
	places, err := places(o.Env)
	if err != nil {
		return nil, nil, err
	}
	for i, place := range places {
		data, err := o.Env.readFile(place)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("cannot read configuration file: %w", err)
		}
		cfg, notices, err := Parse(place, data, o.Env)
		if i == 0 && o.Env.exists(places[1]) {
			both := Notice{Severity: Warning, Text: fmt.Sprintf("both %s and %s exist; using the former", place, places[1])}
			notices = append([]Notice{both}, notices...)
		}
		return cfg, notices, err
	}
	return nil, nil, &NotFoundError{Places: places}
}

// places returns where a configuration file may be, the preferred place first.
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
