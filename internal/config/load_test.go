package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadPlaces(t *testing.T) {
	const good = "MaildirStore s\n"
	xdg := map[string]string{"/home/me/.config/isyncrc": good}
	both := map[string]string{"/home/me/.config/isyncrc": good, "/home/me/.mbsyncrc": good}
	tests := []struct {
		name    string
		files   map[string]string
		file    string
		xdg     string
		want    string // the file used, or the beginning of an error
		notices int
	}{
		{"none", nil, "", "", "no configuration file found: neither /home/me/.config/isyncrc nor /home/me/.mbsyncrc exists", 0},
		{"xdg", xdg, "", "", "/home/me/.config/isyncrc", 0},
		{"home", map[string]string{"/home/me/.mbsyncrc": good}, "", "", "/home/me/.mbsyncrc", 0},
		{"both", both, "", "", "/home/me/.config/isyncrc", 1},
		{"xdg elsewhere", map[string]string{"/x/isyncrc": good, "/home/me/.mbsyncrc": good}, "", "/x", "/x/isyncrc", 1},
		{"relative xdg is invalid", both, "", "x", "/home/me/.config/isyncrc", 1},
		{"named", map[string]string{"f": good, "/home/me/.mbsyncrc": good}, "f", "", "f", 0},
		{"named, missing", both, "f", "", "cannot read configuration file: open f: file does not exist", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := testEnv(tt.files)
			env.Getenv = func(name string) string {
				if name == "XDG_CONFIG_HOME" {
					return tt.xdg
				}
				return ""
			}
			cfg, notices, err := Load(Options{File: tt.file, Env: env})
			got := fmt.Sprint(err)
			if err == nil {
				got = cfg.File
			}
			if got != tt.want || len(notices) != tt.notices {
				t.Errorf("got %q, %v; want %q", got, notices, tt.want)
			}
		})
	}
	// A file that is there but cannot be read is not passed over.
	env := testEnv(both)
	env.ReadFile = func(string) ([]byte, error) { return nil, fs.ErrPermission }
	if _, _, err := Load(Options{Env: env}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	var notFound *NotFoundError
	if _, _, err := Load(Options{Env: testEnv(nil)}); !errors.As(err, &notFound) {
		t.Errorf("got %v", err)
	}
	if _, _, err := Load(Options{}); err == nil {
		t.Error("loaded from nowhere")
	}
	// Notices are told even if there are errors.
	env = testEnv(map[string]string{"/home/me/.config/isyncrc": "x", "/home/me/.mbsyncrc": ""})
	var list ErrorList
	if _, notices, err := Load(Options{Env: env}); !errors.As(err, &list) || len(notices) != 1 {
		t.Errorf("got %v, %v", notices, err)
	}
}

func TestDefaultSyncState(t *testing.T) {
	state := func(xdg string, files ...string) string {
		m := make(map[string]string)
		for _, f := range files {
			m[f] = ""
		}
		env := testEnv(m)
		env.Getenv = func(name string) string {
			if name == "XDG_STATE_HOME" {
				return xdg
			}
			return ""
		}
		cfg, _, err := Parse("/rc", []byte(withChannel()), env)
		if err != nil {
			return err.Error()
		}
		if k := cfg.Channels[0].SyncState.Kind; k != StateGlobal {
			t.Errorf("kind is %v", k)
		}
		return cfg.Channels[0].SyncState.Prefix
	}
	const legacy, modern = "/home/me/.mbsync/x", "/home/me/.local/state/isync/x"
	if got := state(""); got != "/home/me/.local/state/isync/" {
		t.Error(got)
	}
	if got := state("", modern); got != "/home/me/.local/state/isync/" {
		t.Error(got)
	}
	if got := state("", legacy); got != "/home/me/.mbsync/" {
		t.Error(got)
	}
	if got := state("/s"); got != "/s/isync/" {
		t.Error(got)
	}
	if got := state("/s", legacy, modern); got != "/home/me/.mbsync/" {
		t.Error(got)
	}
	if got := state("", legacy, modern); !strings.HasPrefix(got, "/rc:9: ") || !strings.Contains(got, "both /home/me/.mbsync and /home/me/.local/state/isync exist; delete one of them or set SyncState") {
		t.Error(got)
	}
	// It does not matter if no channel needs it.
	env := testEnv(map[string]string{legacy: "", modern: ""})
	for _, text := range []string{withChannel("SyncState *"), "SyncState x/\n" + withChannel()} {
		if _, _, err := Parse("/rc", []byte(text), env); err != nil {
			t.Error(err)
		}
	}
}

func TestSystemEnv(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	if err := os.WriteFile(filepath.Join(dir, ".mbsyncrc"), []byte(withChannel()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".mbsync"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := Load(Options{Env: SystemEnv()})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Channels[0].SyncState.Prefix, filepath.Join(dir, ".mbsync")+"/"; got != want || cfg.Dir != dir {
		t.Errorf("got %q in %q", got, cfg.Dir)
	}
	if _, err := SystemEnv().Home("no-such-user-here"); err == nil {
		t.Error("found the home of nobody")
	}
}

func TestSecretNeverShows(t *testing.T) {
	s := NewSecret("hunter2")
	a := &Account{Name: "a", Pass: s}
	unexported := struct{ s Secret }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%10.3s"} {
		for _, x := range []any{s, &s, a, *a, unexported, &unexported, []Secret{s}} {
			if got := fmt.Sprintf(verb, x); strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s of %T: %s", verb, x, got)
			}
		}
	}
	data, err := json.Marshal(a)
	if err != nil || strings.Contains(string(data), "hunter2") || !strings.Contains(string(data), hidden) {
		t.Errorf("JSON: %s, %v", data, err)
	}
	if s.String() != hidden || s.GoString() != hidden || s.Reveal() != "hunter2" {
		t.Error("wrong texts")
	}
	if !s.Equal(NewSecret("hunter2")) || s.Equal(NewSecret("")) || s.Equal(Secret{}) || NewSecret("").Equal(Secret{}) || !(Secret{}).Equal(Secret{}) {
		t.Error("Equal is wrong")
	}
}

func TestTLSVersions(t *testing.T) {
	for _, tt := range []struct {
		v      TLSVersions
		lo, hi uint16
		whole  bool
	}{
		{0, 0, 0, false},
		{TLS12, 0x303, 0x303, true},
		{DefaultTLSVersions, 0x303, 0x304, true},
		{TLS10 | TLS13, 0x301, 0x304, false},
		{TLS10 | TLS11 | TLS12 | TLS13, 0x301, 0x304, true},
	} {
		if lo, hi, whole := tt.v.Range(); lo != tt.lo || hi != tt.hi || whole != tt.whole {
			t.Errorf("%v: %x, %x, %v", tt.v, lo, hi, whole)
		}
	}
}
