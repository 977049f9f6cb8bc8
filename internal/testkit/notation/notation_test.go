package notation

import (
	"testing"

	"isync/internal/syncstate"
)

// TestBody: NameOf finds the name of a message, unless the message is truncated.
func TestBody(t *testing.T) {
	for _, name := range []string{"A", "B*", "C?", "long name"} {
		for _, eol := range []string{"\n", "\r\n"} {
			body := Body(name, eol)
			if got := NameOf(body); got != name {
				t.Errorf("%q is read as %q", name, got)
			}
			if name != "C?" && NameOf(body[:len(body)-3]) == name {
				t.Errorf("%q is read from a part of it", name)
			}
			if big := len(body) > SizeLimit; big != (name == "B*") {
				t.Errorf("%q has %d bytes", name, len(body))
			}
		}
	}
}

// TestStateFile: a state becomes a state file with its records.
func TestStateFile(t *testing.T) {
	data := StateFile("pulled=5 pushed=7 expired=2 5-7:S 4-0:~F", Validity, syncstate.Near)
	st, err := syncstate.Parse("state", data, syncstate.Near)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range st.Live() {
		n++
	}
	if n != 2 || st.MaxExpired != 2 || st.UIDValidity != Validity {
		t.Errorf("%+v", st)
	}
}
