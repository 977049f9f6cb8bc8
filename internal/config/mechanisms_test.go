package config

import (
	"slices"
	"strings"
	"testing"
)

// A name that no mechanism has is told with its line, what was probably meant, and
// the names there are. It is used all the same.
func TestMechanismNames(t *testing.T) {
	for _, tt := range []struct {
		args, meant string // meant: "" if there is no warning
		mechs       []string
	}{
		{"XOAUTH", `"XOAUTH", did you mean XOAUTH2?`, []string{"XOAUTH"}},
		{"xoauth", `"xoauth", did you mean XOAUTH2?`, []string{"XOAUTH"}},
		{"OAUTHBEARER2", `"OAUTHBEARER2", did you mean OAUTHBEARER?`, []string{"OAUTHBEARER2"}},
		{"CRAMMD5", `"CRAMMD5", did you mean CRAM-MD5?`, []string{"CRAMMD5"}},
		{"cram_md5", `"cram_md5", did you mean CRAM-MD5?`, []string{"CRAM_MD5"}},
		{"PLAIN,LOGIN", `"PLAIN,LOGIN", did you mean PLAIN LOGIN? (spaces separate the names)`, []string{"PLAIN,LOGIN"}},
		{"plian,login", `"plian,login", did you mean PLAIN LOGIN? (spaces separate the names)`, []string{"PLIAN,LOGIN"}},
		{"PLAIN, LOGIN", `"PLAIN,", did you mean PLAIN?`, []string{"PLAIN,", "LOGIN"}},
		{"AUTH=PLAIN", `"AUTH=PLAIN", did you mean PLAIN?`, []string{"AUTH=PLAIN"}},
		{"LOGIN PLAN", `"PLAN", did you mean PLAIN?`, []string{"LOGIN", "PLAN"}},
		{"OAUTH", `"OAUTH", did you mean OAUTHBEARER?`, []string{"OAUTH"}},
		{"OAuth2", `"OAuth2", did you mean XOAUTH2?`, []string{"OAUTH2"}},
		{"SCRAM", `"SCRAM", did you mean SCRAM-SHA-256?`, []string{"SCRAM"}},
		{"SCRAM-SHA256", `"SCRAM-SHA256", did you mean SCRAM-SHA-256?`, []string{"SCRAM-SHA256"}},
		{"frobnicate", `"frobnicate"`, []string{"FROBNICATE"}},
		{"foo,bar", `"foo,bar"`, []string{"FOO,BAR"}},
		{"*", "", []string{"*"}},
		{"* Plain", "", []string{"*", "PLAIN"}},
		{strings.Join(knownMechanisms, " "), "", knownMechanisms},
		{"GSSAPI digest-md5 SCRAM-SHA-512", "", []string{"GSSAPI", "DIGEST-MD5", "SCRAM-SHA-512"}},
	} {
		cfg, notices := mustParse(t, withAccount("AuthMechs "+tt.args))
		if got := cfg.Accounts[0].AuthMechs; !slices.Equal(got, tt.mechs) {
			t.Errorf("%s: %q", tt.args, got)
		}
		var want []string
		if tt.meant != "" {
			want = []string{"3: warning: unknown authentication mechanism " + tt.meant +
				" (possible values: EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, OAUTHBEARER, XOAUTH2, CRAM-MD5, PLAIN, LOGIN, and * for all that are secure enough)"}
		}
		if got := noticeTexts(notices); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.args, got, want)
		}
	}
	got := errorTexts(t, withAccount(`AuthMechs "PLAIN LOGIN"`))
	if len(got) != 1 || !strings.HasPrefix(got[0], `3: invalid authentication mechanism "PLAIN LOGIN", did you mean PLAIN LOGIN? (spaces separate the names) (possible values: `) {
		t.Errorf("%q", got)
	}
}
