package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"isync/internal/config"
	"isync/internal/provider"
	"isync/internal/testkit"
)

var (
	documentedPath = regexp.MustCompile(`(?m)^Path ~/(.*)$`)
	documentedCert = regexp.MustCompile(`(?m)^CertificateFile ~/(.*)$`)
)

// accountPage returns the configurations of docs/accounts.md, by the heading above them.
func accountPage(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "accounts.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	heading, block, inside := "", "", false
	for line := range strings.Lines(string(page)) {
		switch {
		case strings.HasPrefix(line, "```"):
			if inside && strings.Contains(block, "\nChannel ") {
				found[heading] = append(found[heading], block)
			}
			inside, block = !inside, ""
		case inside:
			block += line
		case strings.HasPrefix(line, "## "):
			heading = strings.TrimSpace(line[3:])
		case strings.HasPrefix(line, "### "):
			above, _, _ := strings.Cut(heading, ": ")
			heading = above + ": " + strings.TrimSpace(line[4:])
		}
	}
	return found
}

// TestAccountPage: --check finds nothing wrong with the configurations that docs/accounts.md has
// for each provider, and shows no note except that it has contacted no server.
func TestAccountPage(t *testing.T) {
	t.Parallel()
	found := accountPage(t)
	for heading, oauth := range map[string]string{
		"Gmail: With an app password":                             "",
		"Gmail: With OAuth":                                       "google",
		"Gmail: Folders of Gmail":                                 "",
		"Microsoft 365 and Outlook.com: Work and school accounts": "microsoft",
		"Microsoft 365 and Outlook.com: Personal accounts":        "microsoft",
		"Microsoft 365 and Outlook.com: Shared mailboxes":         "microsoft",
		"Fastmail":                              "",
		"iCloud":                                "",
		"Yahoo and AOL":                         "",
		"Proton Mail":                           "",
		"A server of your own: With a password": "",
		"A server of your own: Over SSH, without a password": "",
		"A server of your own: With OAuth":                   "custom",
	} {
		if len(found[heading]) != 1 {
			t.Errorf("%s: %d configurations", heading, len(found[heading]))
			continue
		}
		checkDocumented(t, heading, found[heading][0], oauth)
		delete(found, heading)
	}
	for heading := range found {
		t.Errorf("a configuration is below %q", heading)
	}
}

// TestAccountTable: the table at the end of docs/accounts.md has a row for each provider.
func TestAccountTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "accounts.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## What is tested")
	for _, name := range provider.Names() {
		if !regexp.MustCompile("(?m)^\\|[^|]*`" + regexp.QuoteMeta(name) + "`[^|]*\\|").MatchString(table) {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// checkDocumented runs --check on a configuration.
func checkDocumented(t *testing.T, heading, block, oauth string) {
	t.Helper()
	w := &world{tb: t, dir: t.TempDir()}
	w.env = testEnv(w.dir)
	w.env.Stdout, w.env.Stderr = &w.out, &w.err
	w.write("rc", block)
	for _, m := range documentedPath.FindAllStringSubmatch(block, -1) {
		if err := os.MkdirAll(filepath.Join(w.dir, "home", m[1]), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range documentedCert.FindAllStringSubmatch(block, -1) {
		w.write(filepath.Join("home", m[1]), string(testkit.NewCA(t).PEM()))
	}
	w.run(0, "--check", "-a")
	said := w.out.String() + w.err.String()
	// Only a server knows the names of Special:Sent and the like.
	ask := 0
	if strings.Contains(block, "Special:") {
		ask = 1
	}
	if strings.Contains(said, "FAIL") || strings.Contains(said, "warning") || strings.Count(said, "  note  ") != ask || strings.Count(said, "only the server knows which") != ask {
		t.Errorf("%s:\n%s\nsays:\n%s", heading, block, said)
	}
	cfg, _, err := config.Parse("rc", []byte(block), w.env.Config)
	if err != nil {
		t.Fatalf("%s: %v", heading, err)
	}
	for _, a := range cfg.Accounts {
		if a.HasOAuth() != (oauth != "") || a.OAuth.Provider != oauth {
			t.Errorf("%s: OAuth %q, want %q", heading, a.OAuth.Provider, oauth)
		}
	}
}
