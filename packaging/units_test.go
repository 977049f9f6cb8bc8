package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units copies the units to a new directory, where the program is one that exists, and
// returns that directory.
func units(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for pattern, count := range map[string]int{"systemd/mbsync*": 3, "fleet/systemd/mbsync@.*": 2} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) != count {
			t.Fatal(found, err)
		}
		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, ".service") && !strings.Contains(string(text), "\nExecStart=/usr/bin/mbsync ") {
				t.Errorf("%s starts something else", name)
			}
			made := strings.Replace(string(text), "/usr/bin/mbsync", "/bin/true", 1)
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(made), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// analyze runs systemd-analyze, if it is there.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("this test needs systemd-analyze")
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}

// systemd understands every line of the units.
func TestUnits(t *testing.T) {
	verify := func(path string) (string, error) { return analyze(t, "verify", "--man=no", path) }
	for _, name := range []string{"mbsync.service", "mbsync.timer", "mbsync-watch.service", "mbsync@.service", "mbsync@.timer"} {
		path := filepath.Join(units(t), name)
		if out, err := verify(path); err != nil || out != "" {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		broken := strings.NewReplacer("\nType=", "\nTpye=", "OnCalendar=", "OnCalender=").Replace(string(text))
		if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := verify(path); err == nil && out == "" {
			t.Errorf("%s: a misspelled line is accepted", name)
		}
	}
}

// The service for one of many accounts can do little more than it needs: systemd rates
// what it could do from 0 to 10.
func TestConfined(t *testing.T) {
	out, err := analyze(t, "security", "--offline=yes", "--threshold=20", filepath.Join(units(t), "mbsync@.service"))
	if strings.Contains(out, "unrecognized option") {
		t.Skip("systemd-analyze is too old")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The service provides what the configuration of packaging/fleet uses.
func TestFleetConfiguration(t *testing.T) {
	service, err := os.ReadFile("fleet/systemd/mbsync@.service")
	if err != nil {
		t.Fatal(err)
	}
	configuration, err := os.ReadFile("fleet/mbsyncrc")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`\$CREDENTIALS_DIRECTORY/(\w+)`).FindAllSubmatch(configuration, -1)
	if len(used) != 2 {
		t.Errorf("%d credentials", len(used))
	}
	for _, u := range used {
		if line := "\nLoadCredential=" + string(u[1]) + ":"; !strings.Contains(string(service), line) {
			t.Errorf("the service has no line%s", line)
		}
	}
	for _, line := range []string{"StateDirectory=mbsync/%i mbsync/%i/Mail", "Environment=HOME=/var/lib/mbsync/%i"} {
		if !strings.Contains(string(service), "\n"+line+"\n") {
			t.Errorf("the service has no line %s", line)
		}
	}
	if !strings.Contains(string(configuration), "\nPath ~/Mail/\n") {
		t.Error("the mail is not in Mail")
	}
}
