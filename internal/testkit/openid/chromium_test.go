//go:build unix

package openid

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"

	"isync/internal/testkit"
)

// A real browser shows the pages, and pressing a button leads to the program.
func TestChromium(t *testing.T) {
	t.Parallel()
	chromium := testkit.FindProgram(t, "chromium", "chromium")
	p := Start(t, Config{Users: []string{"ann", "bob"}})
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		// It is not to look for anything elsewhere.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("proxy-server", "direct://"))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	ctx, end := chromedp.NewExecAllocator(ctx, opts...)
	defer end()
	ctx, closeTab := chromedp.NewContext(ctx)
	defer closeTab()

	conf, client := program(p, "mail", "offline_access")
	for button, want := range map[string]string{"#allow": "code=", "#deny": "error=access_denied"} {
		got := make(chan string, 1)
		conf.RedirectURL = listenOnce(t, got)
		verifier := oauth2.GenerateVerifier()
		err := chromedp.Do(ctx,
			chromedp.Navigate(conf.AuthCodeURL("some state", oauth2.S256ChallengeOption(verifier))),
			chromedp.SetValue(chromedp.CSS("input[name=user]"), "bob"),
			chromedp.Click(chromedp.CSS(button)),
			chromedp.WaitNotPresent(chromedp.CSS("form")))
		if err != nil {
			t.Fatalf("%s: %v", button, err)
		}
		query := <-got
		shown, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
		if err != nil {
			t.Fatal(err)
		}
		at, err := chromedp.Run(ctx, chromedp.Location())
		if err != nil {
			t.Fatal(err)
		}
		if shown != "Done." || !strings.HasPrefix(at, conf.RedirectURL) {
			t.Errorf("%s: at %s the browser shows %q", button, at, shown)
		}
		if !strings.Contains(query, want) || !strings.Contains(query, "state=some+state") {
			t.Errorf("%s: the program got %s", button, query)
		}
		if button == "#allow" {
			tok, err := conf.Exchange(client, parseQuery(t, query).Get("code"), oauth2.VerifierOption(verifier))
			if err != nil || tok.RefreshToken == "" || !active(t, p, tok.AccessToken) {
				t.Errorf("%+v, %v", tok, err)
			}
		}
	}
	if good, _ := p.Families("bob"); good != 1 {
		t.Errorf("bob has consented %d times", good)
	}
}
