package openid

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// decode decodes a part of a JWT.
func decode(t *testing.T, part string) string {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// listenOnce listens as a program does that waits for consent, and returns where.
func listenOnce(t *testing.T, got chan<- string) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" { // browsers also look for an icon
			http.NotFound(w, r)
			return
		}
		got <- r.URL.RawQuery
		_, _ = w.Write([]byte("Done."))
	}))
	server.Start()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port + "/"
}

// openWith opens a URL as programs do.
func openWith(t *testing.T, d *Desktop, address string) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(d.Path, "xdg-open"), address).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// parseQuery parses what the program got with a redirect.
func parseQuery(t *testing.T, query string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return values
}
