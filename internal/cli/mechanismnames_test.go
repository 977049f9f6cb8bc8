package cli

import (
	"slices"
	"strings"
	"testing"

	"isync/internal/auth"
	"isync/internal/config"
	"isync/internal/testkit"
)

// The configuration knows the same mechanisms as the login.
func TestMechanismNames(t *testing.T) {
	if got, want := config.KnownMechanisms(), auth.Names(); !slices.Equal(got, want) {
		t.Errorf("config knows %q, auth %q", got, want)
	}
}

// A misspelled mechanism gets a warning when the file is read. If no other mechanism
// can be used, the hint of the login error says the same.
func TestMisspelledMechanism(t *testing.T) {
	const hello = "S: * OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=XOAUTH2 AUTH=PLAIN] hello\n"
	const meant = `unknown authentication mechanism "XOAUTH", did you mean XOAUTH2?`
	srv := testkit.NewScriptServer(t, nil, hello+"C: $b LOGOUT\nS: * BYE\nS: $b OK\n")
	w := newWorld(t, far(srv.Port, "TLSType None\nAuthMechs XOAUTH"))
	w.run(1, "-a")
	w.says(&w.err, "rc:7: warning: "+meant+"\nhint: possible values: EXTERNAL, ",
		"AuthMechs allows XOAUTH;", "XOAUTH: neither supported nor offered\n",
		"hint: correct AuthMechs (rc:7): "+meant+"\n")

	// Beside a correct name it does no harm.
	srv = testkit.NewScriptServer(t, nil, hello+"C: $a AUTHENTICATE PLAIN\nS: + \nC: $x\nS: $a NO [AUTHENTICATIONFAILED] no\nC: $b LOGOUT\nS: * BYE\nS: $b OK\n")
	w = newWorld(t, far(srv.Port, "TLSType None\nAuthMechs XOAUTH PLAIN"))
	w.run(1, "-a")
	w.says(&w.err, "rc:7: warning: "+meant+"\n", "AUTHENTICATIONFAILED")
	if strings.Contains(w.err.String(), "correct AuthMechs") {
		t.Error(&w.err)
	}
}
