package openid

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// Browser consents as a person with a browser does: it opens a page, fills in the form, and
// presses a button.
type Browser struct {
	// User consents. Empty leaves what the form has filled in.
	User string
	// Refuse presses the other button.
	Refuse bool

	provider *Provider
}

// Page is what a browser shows in the end.
type Page struct {
	URL    string
	Status int
	Body   string
}

// Browser returns a browser of somebody who consents.
func (p *Provider) Browser() *Browser { return &Browser{provider: p} }

// Visit opens a URL, decides, and follows all redirects, also that to the program.
func (b *Browser) Visit(address string) (*Page, error) {
	return b.visit(address, nil, nil)
}

// Redirect does the same as Visit, but returns the URL of the program instead of going there: what
// a person copies from the address bar of a browser that runs on another computer.
func (b *Browser) Redirect(address string) (string, error) {
	page, err := b.visit(address, nil, func(u *url.URL) bool { return u.Host != b.provider.addr })
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(page.URL); err != nil || u.Host == b.provider.addr {
		return "", fmt.Errorf("the browser was left at %s, status %d: %s", page.URL, page.Status, page.Body)
	}
	return page.URL, nil
}

// Device opens the page for devices and enters the code there.
func (b *Browser) Device(address, userCode string) (*Page, error) {
	return b.visit(address, map[string]string{"user_code": userCode}, nil)
}

// visit opens a URL, and answers the first form. Redirects to where stop says so are not followed.
func (b *Browser) visit(address string, fields map[string]string, stop func(*url.URL) bool) (*Page, error) {
	c := b.provider.Client()
	stopped := ""
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if stop != nil && stop(r.URL) {
			stopped = r.URL.String()
			return http.ErrUseLastResponse
		}
		if len(via) > 10 {
			return errors.New("too many redirects")
		}
		return nil
	}
	resp, err := c.Get(address)
	if err != nil {
		return nil, err
	}
	page, err := read(resp)
	if err != nil {
		return nil, err
	}
	if stopped == "" {
		action, values := form(page, b.Refuse)
		if action == "" {
			return page, nil
		}
		if b.User != "" {
			values.Set("user", b.User)
		}
		for name, value := range fields {
			values.Set(name, value)
		}
		if resp, err = c.PostForm(action, values); err != nil {
			return nil, err
		}
		if page, err = read(resp); err != nil {
			return nil, err
		}
	}
	if stopped != "" {
		page.URL = stopped
	}
	return page, nil
}

func read(resp *http.Response) (*Page, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &Page{URL: resp.Request.URL.String(), Status: resp.StatusCode, Body: string(body)}, nil
}

// form returns where the form of a page goes to, and what it has filled in, with the last or the
// first of its buttons. The action is empty if there is no form.
func form(page *Page, last bool) (action string, values url.Values) {
	doc, err := html.Parse(strings.NewReader(page.Body))
	if err != nil {
		return "", nil
	}
	values = url.Values{}
	for n := range doc.Descendants() {
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
		}
		switch n.Data {
		case "form":
			action = attr["action"]
		case "input":
			values.Set(attr["name"], attr["value"])
		case "button":
			if last || !values.Has(attr["name"]) {
				values.Set(attr["name"], attr["value"])
			}
		}
	}
	return action, values
}

// Desktop is a place where programs open URLs in a Browser.
type Desktop struct {
	// Path is a directory with xdg-open and open, to be put before others in PATH.
	Path string
	// Pages has what the browser shows for each URL that was opened, or why it shows nothing.
	Pages <-chan Visited
}

// Visited is a URL that was opened.
type Visited struct {
	URL  string
	Page *Page
	Err  error
}

// Desktop makes a desktop with the browser b. It ends with the test.
func (b *Browser) Desktop(tb testing.TB) *Desktop {
	tb.Helper()
	dir := tb.TempDir()
	bin, inbox := filepath.Join(dir, "bin"), filepath.Join(dir, "opened")
	for _, d := range []string{bin, inbox} {
		if err := os.Mkdir(d, 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	script := fmt.Sprintf("#!/bin/sh\nprintf %%s \"$1\" >'%[1]s/.'$$ && mv '%[1]s/.'$$ '%[1]s/'$$\n", inbox)
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	pages := make(chan Visited, 16)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		b.serve(inbox, pages, done)
	}()
	tb.Cleanup(func() {
		close(done)
		<-ended
	})
	return &Desktop{Path: bin, Pages: pages}
}

// serve visits what is put into a directory.
func (b *Browser) serve(inbox string, pages chan<- Visited, done <-chan struct{}) {
	for {
		files, _ := filepath.Glob(filepath.Join(inbox, "[0-9]*"))
		for _, file := range files {
			address, err := os.ReadFile(file)
			if err != nil || os.Remove(file) != nil {
				continue
			}
			v := Visited{URL: string(address)}
			v.Page, v.Err = b.Visit(v.URL)
			select {
			case pages <- v:
			case <-done:
				return
			}
		}
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
