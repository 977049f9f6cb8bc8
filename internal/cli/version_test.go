package cli

import (
	"bytes"
	"regexp"
	"testing"
)

// TestVersion: programs that choose an option by the version take the second word of
// what --version prints, and compare numbers.
func TestVersion(t *testing.T) {
	for name, main := range map[string]func(Env, []string) int{"isync": Main, "mdconvert": MainConvert} {
		var out bytes.Buffer
		env := testEnv(t.TempDir())
		env.Stdout = &out
		if code := main(env, []string{"x", "--version"}); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
		if !regexp.MustCompile(`^` + name + ` [1-9]\d*(\.\d+)+\ncommit \S+, go\S+, [a-z0-9]+/[a-z0-9]+\n$`).Match(out.Bytes()) {
			t.Errorf("%s: %q", name, &out)
		}
	}
}
