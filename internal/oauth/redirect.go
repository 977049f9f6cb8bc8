package oauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// redirect is where the browser returns to: a port of this computer, for IPv4 and IPv6,
// since "localhost" may mean either.
type redirect struct {
	port      int
	listeners []net.Listener
	once      sync.Once
}

// portTries is how many ports are tried before it is given up.
const portTries = 20

// listenRedirect listens on a random port.
func listenRedirect() (*redirect, error) {
	var failed error
	for range portTries {
		four, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return listenIPv6(err)
		}
		port := four.Addr().(*net.TCPAddr).Port
		six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
		switch {
		case err == nil:
			return &redirect{port: port, listeners: []net.Listener{four, six}}, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			// There is no IPv6.
			return &redirect{port: port, listeners: []net.Listener{four}}, nil
		}
		// Another program has the port. The browser might ask that one.
		four.Close()
		failed = err
	}
	return nil, fmt.Errorf("cannot find a port that the browser can return to: %w", failed)
}

// listenIPv6 listens where there is no IPv4; err is why there is none.
func listenIPv6(err error) (*redirect, error) {
	six, err6 := net.Listen("tcp6", "[::1]:0")
	if err6 != nil {
		return nil, fmt.Errorf("cannot listen for the answer of the browser: %w", err)
	}
	return &redirect{port: six.Addr().(*net.TCPAddr).Port, listeners: []net.Listener{six}}, nil
}

// address is where the browser returns to. Microsoft accepts it in this form only.
func (r *redirect) address() string { return "http://localhost:" + strconv.Itoa(r.port) }

func (r *redirect) close() {
	r.once.Do(func() {
		for _, l := range r.listeners {
			l.Close()
		}
	})
}

// The limits of a request of the browser.
const (
	headerTimeout = 10 * time.Second
	maxHeader     = 64 << 10
	lastWrites    = 2 * time.Second
)

const (
	pageDone = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>mbsync</title><p>mbsync has received the answer. You can close this window.</p></html>`
	pageBad  = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>mbsync</title><p>mbsync did not get access. The terminal shows the reason.</p></html>`
)

// serve answers the browser. It calls done once, with the first request that is an answer
// of the provider. stop must be called; it waits until the browser has its page.
func (r *redirect) serve(q question, done func(code string, err error)) (stop func()) {
	var once sync.Once
	server := &http.Server{
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: headerTimeout, MaxHeaderBytes: maxHeader,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			h := w.Header()
			h.Set("Cache-Control", "no-store")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Content-Security-Policy", "default-src 'none'")
			h.Set("Connection", "close")
			v := req.URL.Query()
			// A browser also asks for an icon.
			if req.URL.Path != "/" || req.Method != http.MethodGet || !r.names(req.Host) || !(v.Has("state") || v.Has("code") || v.Has("error")) {
				http.NotFound(w, req)
				return
			}
			first := false
			once.Do(func() { first = true })
			if !first {
				http.Error(w, "mbsync has already received an answer.", http.StatusGone)
				return
			}
			code, err := q.code(v)
			h.Set("Content-Type", "text/html; charset=utf-8")
			page := pageDone
			if err != nil {
				page = pageBad
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = w.Write([]byte(page))
			_ = http.NewResponseController(w).Flush()
			done(code, err)
		}),
		ErrorLog: discardLog(),
	}
	var serving sync.WaitGroup
	for _, l := range r.listeners {
		serving.Go(func() { _ = server.Serve(l) })
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastWrites)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		serving.Wait()
	}
}

// names reports whether a request was meant for this program. Other names can be those of
// web sites that want to reach it.
func (r *redirect) names(host string) bool {
	port := strconv.Itoa(r.port)
	return host == "localhost:"+port || host == "127.0.0.1:"+port || host == "[::1]:"+port
}
