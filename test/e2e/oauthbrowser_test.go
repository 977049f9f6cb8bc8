//go:build linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"isync/internal/testkit"
	"isync/internal/testkit/openid"
)

// TestSweepOAuthChromium logs in with a real browser, from mbsync --auth to a synchronized
// mailbox.
func TestSweepOAuthChromium(t *testing.T) {
	sweep(t)
	chromium := testkit.FindProgram(t, "chromium", "chromium")
	w := newTokenWorld(t, openid.Config{})
	// xdg-open passes the address on to this test.
	w.desktop = &openid.Desktop{Path: t.TempDir()}
	page := w.path("page")
	script := "#!/bin/sh\nprintf %s \"$1\" >'" + page + ".new' && mv '" + page + ".new' '" + page + "'\n"
	if err := os.WriteFile(filepath.Join(w.desktop.Path, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		// It is not to look for anything elsewhere.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("proxy-server", "direct://"))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	ctx, end := chromedp.NewExecAllocator(ctx, opts...)
	defer end()
	ctx, closeTab := chromedp.NewContext(ctx)
	defer closeTab()

	said, ended := w.begin("--auth", "work")
	var address []byte
	for len(address) == 0 {
		if ctx.Err() != nil {
			t.Fatalf("no page was opened:\n%s", said())
		}
		time.Sleep(10 * time.Millisecond)
		address, _ = os.ReadFile(page)
	}
	err := chromedp.Do(ctx,
		chromedp.Navigate(string(address)),
		chromedp.SetValue(chromedp.CSS("input[name=user]"), "user"),
		chromedp.Click(chromedp.CSS("#allow")),
		chromedp.WaitNotPresent(chromedp.CSS("form")))
	if err != nil {
		t.Fatalf("%v\n%s", err, said())
	}
	shown, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil {
		t.Fatal(err)
	}
	if code := ended(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said())
	}
	t.Logf("the browser shows %q; the program has printed:\n%s", strings.TrimSpace(shown), said())
	w.run(0, []string{"-a"}, "pulled 2 new message(s)")
}
