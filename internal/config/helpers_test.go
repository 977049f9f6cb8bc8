package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"isync/internal/ui"
)

// testEnv is a world with a home directory and the given files.
func testEnv(files map[string]string) Env {
	return Env{
		Getenv: func(string) string { return "" },
		Home: func(user string) (string, error) {
			switch user {
			case "":
				return "/home/me", nil
			case "you":
				return "/home/you", nil
			}
			return "", errors.New("no such user")
		},
		Getwd: func() (string, error) { return "/work", nil },
		ReadFile: func(path string) ([]byte, error) {
			if s, ok := files[path]; ok {
				return []byte(s), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		Exists: func(path string) bool {
			for f := range files {
				if f == path || strings.HasPrefix(f, path+"/") {
					return true
				}
			}
			return false
		},
	}
}

func parse(t *testing.T, text string) (*Config, []Notice, error) {
	t.Helper()
	return Parse("/etc/rc", []byte(text), testEnv(nil))
}

// mustParse parses a text without errors.
func mustParse(t *testing.T, text string) (*Config, []Notice) {
	t.Helper()
	cfg, notices, err := parse(t, text)
	if err != nil {
		t.Fatalf("unexpected errors:\n%v", err)
	}
	return cfg, notices
}

// errorTexts returns the errors of a text without the name of the file.
func errorTexts(t *testing.T, text string) []string {
	t.Helper()
	cfg, _, err := parse(t, text)
	if err == nil {
		return nil
	}
	if cfg != nil {
		t.Error("a Config was returned beside an error")
	}
	var list ErrorList
	if !errors.As(err, &list) {
		t.Fatalf("error is a %T, want an ErrorList: %v", err, err)
	}
	var out []string
	for _, e := range list {
		if !e.Pos.IsSet() {
			t.Errorf("error without position: %v", e)
		}
		out = append(out, strings.TrimPrefix(e.Error(), "/etc/rc:"))
	}
	return out
}

// noticeTexts returns notices without the name of the file.
func noticeTexts(notices []Notice) []string {
	var out []string
	for _, n := range notices {
		out = append(out, strings.TrimPrefix(noticeText(n), "/etc/rc:"))
	}
	return out
}

// noticeText returns a notice as it is shown, on one line.
func noticeText(n Notice) string {
	text, hint := ui.Text(n.Fact)
	text = n.Severity.String() + ": " + text
	if n.Pos.IsSet() {
		text = n.Pos.String() + ": " + text
	}
	if hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// twoStores is a beginning for channels, eight lines long.
const twoStores = `MaildirStore f
Path /f/
Inbox /f/INBOX

MaildirStore n
Path /n/
Inbox /n/INBOX

`

// withChannel returns a configuration with a complete channel c that begins in
// line 9; the given lines are added from line 12 on.
func withChannel(lines ...string) string {
	return twoStores + "Channel c\nFar :f:\nNear :n:\n" + strings.Join(lines, "\n") + "\n"
}

// withAccount returns an account a that begins in line 1; the given lines are
// added from line 3 on.
func withAccount(lines ...string) string {
	return fmt.Sprintf("IMAPAccount a\nHost h\n%s\n", strings.Join(lines, "\n"))
}
