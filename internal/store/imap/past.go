package imap

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"isync/internal/imapclient"
)

// Nothing is sent ahead for a day where that has failed, since it might do so all
// the time, and for a month to a server that certainly cannot cope with it.
const (
	waryOfFailure = 24 * time.Hour
	waryOfServer  = 30 * 24 * time.Hour
)

// past is what a server has told about itself, remembered from one run to the
// next: with it, commands are sent ahead of the answer to the login.
type past struct {
	opts *Options

	mu     sync.Mutex
	loaded bool
	note   serverNote
	// wary: nothing is sent ahead in this run. suspicion is why, if it is the
	// server's fault should the next login succeed.
	wary      bool
	suspicion error
}

// serverNote is what the file holds.
type serverNote struct {
	Past *imapclient.Past `json:",omitempty"`
	// WaryUntil is until when nothing is sent ahead, in seconds since 1970.
	WaryUntil int64 `json:",omitempty"`
	// MaxSet is the maximum length of sets in commands, in bytes; 0: the server has
	// not refused any length.
	MaxSet int `json:",omitempty"`
}

// remembers reports whether anything is remembered.
func (p *past) remembers() bool { return p.opts.Listings != nil && p.opts.Server != "" }

// load reads the file, once; p.mu is held. Whatever is wrong with it, it is as if
// there were none.
func (p *past) load() {
	if p.loaded || !p.remembers() {
		return
	}
	p.loaded = true
	data, err := p.opts.Listings.LoadServer(p.opts.Server)
	if err == nil && data != nil {
		err = json.Unmarshal(data, &p.note)
	}
	if err != nil {
		p.note = serverNote{}
		p.opts.debugf("what the server has told before is not remembered: %v", err)
	}
}

// expected returns what the server may be expected to tell; nil: nothing.
func (p *past) expected() *imapclient.Past {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	left := time.Unix(p.note.WaryUntil, 0).Sub(p.opts.now())
	if p.wary || p.note.Past == nil || left > 0 && left <= waryOfServer {
		return nil
	}
	return p.note.Past
}

// suspect notes that a connection on which commands were sent ahead has failed,
// perhaps because of that. Nothing more is, in this run.
func (p *past) suspect(why error, server bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opts.debugf("connecting again, without sending anything ahead of the answer to the login: %v", why)
	p.wary = true
	if server && p.suspicion == nil {
		p.suspicion = why
	}
}

// suspected reports whether suspect was called.
func (p *past) suspected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wary
}

// connected notes that a login has succeeded that was waited for. If one has failed
// before that was not, it was because of that.
func (p *past) connected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspicion == nil {
		return
	}
	wary := waryOfFailure
	if s, ok := errors.AsType[*imapclient.SurpriseError](p.suspicion); ok && s.Incapable || errors.Is(p.suspicion, imapclient.ErrNotLoggedIn) {
		wary = waryOfServer
	}
	p.suspicion = nil
	p.note = serverNote{WaryUntil: p.opts.now().Add(wary).Unix(), MaxSet: p.note.MaxSet}
	p.save()
}

// learn notes what the server has told.
func (p *past) learn(told *imapclient.Past) {
	if told == nil || !p.remembers() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load()
	if old := p.note.Past; old != nil && told.Namespace == nil {
		told.Namespace = old.Namespace // which was not asked for this time
	}
	if !reflect.DeepEqual(told, p.note.Past) {
		p.note.Past = told
		p.save()
	}
}

// save writes the file; p.mu is held. Failing does no harm.
func (p *past) save() {
	if !p.remembers() || p.opts.ReadOnly {
		return
	}
	data, err := json.Marshal(p.note)
	if err == nil {
		err = p.opts.Listings.SaveServer(p.opts.Server, data)
	}
	if err != nil {
		p.opts.debugf("the server's capabilities cannot be remembered: %v", err)
	}
}

func (o *Options) debugf(format string, args ...any) {
	if o.Debug != nil {
		o.Debug(fmt.Sprintf(format, args...))
	}
}

func (o *Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}
