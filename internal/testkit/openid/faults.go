package openid

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"
)

// Fault is what is wrong with an endpoint.
type Fault struct {
	// Delay is how long it takes before anything else happens.
	Delay time.Duration
	// Status and Body are sent instead of the answer, with the Type. The request is not carried
	// out.
	Status     int
	Type, Body string
	// Drop ends the connection instead of answering. The request is not carried out.
	Drop bool
	// Lose ends the connection after the request was carried out: the client does not get the
	// answer.
	Lose bool
	// Edit changes a good answer.
	Edit func(answer map[string]any)
	// Cut sends only the first half of the answer, as if that were all.
	Cut bool
}

// Slow answers, but late.
func Slow(d time.Duration) Fault { return Fault{Delay: d} }

// HTML answers with a page, as proxies and login pages of hotels do.
func HTML(status int) Fault {
	return Fault{Status: status, Type: "text/html; charset=utf-8", Body: "<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Something else</h1></body></html>\n"}
}

// Failure answers with a status and no explanation.
func Failure(status int) Fault {
	return Fault{Status: status, Type: "text/plain", Body: http.StatusText(status) + "\n"}
}

// Refusal answers with an error of OAuth.
func Refusal(code string) Fault {
	return Fault{Status: http.StatusBadRequest, Type: "application/json", Body: fmt.Sprintf("{%q:%q}", "error", code)}
}

// Malformed answers with half of the JSON.
func Malformed() Fault { return Fault{Cut: true} }

// Without leaves a field out of the answers, such as "expires_in" or "token_type".
func Without(field string) Fault {
	return Fault{Edit: func(answer map[string]any) { delete(answer, field) }}
}

// Quoted makes a number of the answers a string: some providers send "expires_in": "3600".
func Quoted(field string) Fault {
	return Fault{Edit: func(answer map[string]any) {
		if v, ok := answer[field]; ok {
			answer[field] = fmt.Sprint(v)
		}
	}}
}

// fault is a Fault at work.
type fault struct {
	Fault
	endpoint Endpoint
	left     int // uses; negative for any number
}

// Fail makes an endpoint fail the next times it is asked, or with 0 times always, until mend is
// called. Several faults of an endpoint are used one after the other.
func (p *Provider) Fail(e Endpoint, times int, f Fault) (mend func()) {
	flt := &fault{Fault: f, endpoint: e, left: times}
	if times == 0 {
		flt.left = -1
	}
	p.front.mu.Lock()
	defer p.front.mu.Unlock()
	p.front.faults = append(p.front.faults, flt)
	return func() {
		p.front.mu.Lock()
		defer p.front.mu.Unlock()
		flt.left = 0
	}
}

// next returns the fault of a request, nil for none.
func (f *front) next(e Endpoint) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flt := range f.faults {
		if flt.endpoint == e && flt.left != 0 {
			if flt.left > 0 {
				flt.left--
			}
			return flt
		}
	}
	return nil
}

// serve answers a request with the fault.
func (f *fault) serve(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	if f.Delay > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(f.Delay):
		}
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		w.Header().Set("Content-Type", f.Type)
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
		return
	}
	rec := httptest.NewRecorder()
	inner.ServeHTTP(rec, r)
	switch {
	case f.Lose:
		panic(http.ErrAbortHandler)
	case f.Edit != nil:
		edit(rec, f.Edit)
	case f.Cut:
		rec.Body.Truncate(rec.Body.Len() / 2)
		rec.Header().Del("Content-Length")
	}
	reply(w, rec)
}
