package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// issuer is a TokenSource whose tokens are numbered and expire.
type issuer struct {
	issued  int
	life    time.Duration
	refused []string
	err     error
}

func (i *issuer) Token(context.Context) (Token, error) {
	i.issued++
	t := Token{Secret: fmt.Sprint("token ", i.issued)}
	if i.life > 0 {
		t.Expires = time.Now().Add(i.life)
	}
	return t, i.err
}

func (i *issuer) Invalidate(secret string) bool {
	i.refused = append(i.refused, secret)
	return true
}

// A token is used until it expires, and no longer.
func TestTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		c := NewCredentials(Source{Tokens: i})
		want := func(secret string) {
			t.Helper()
			if got, err := c.Password(t.Context()); got != secret || err != nil {
				t.Errorf("got %s, %v; want %s", got, err, secret)
			}
		}
		want("token 1")
		time.Sleep(time.Hour - time.Nanosecond)
		want("token 1")
		time.Sleep(time.Nanosecond)
		want("token 2")
		// A token that the server refuses is replaced at once, and only once.
		for range 2 {
			if !c.Refused("token 2") {
				t.Error("no other one is to be had")
			}
		}
		want("token 3")
		if !c.Refused("token 2") {
			t.Error("no other one is to be had")
		}
		want("token 3")
		if got := strings.Join(i.refused, " "); got != "token 2 token 2 token 2" {
			t.Errorf("invalidated: %s", got)
		}
	})
}

// A failure lasts as long as the credentials, those of one run.
func TestFailureEndsWithCredentials(t *testing.T) {
	i := &issuer{err: errors.New("no network")}
	c := NewCredentials(Source{Tokens: i})
	for range 3 {
		if _, err := c.Password(t.Context()); err == nil {
			t.Error("no error")
		}
	}
	if i.issued != 1 {
		t.Errorf("asked %d times", i.issued)
	}
	i.err = nil
	if got, err := NewCredentials(Source{Tokens: i}).Password(t.Context()); got != "token 2" || err != nil {
		t.Error(got, err)
	}
}

// A password that is configured is not replaced by another one.
func TestPasswordIsNotRenewed(t *testing.T) {
	for name, src := range map[string]Source{
		"fixed":    {Pass: func() string { return "x" }},
		"command":  {PassCmd: "echo x"},
		"keychain": {User: "me", Keychain: func(context.Context, string) (string, error) { return "x", nil }},
		"asked":    {Terminal: &Terminal{Prompt: func(context.Context, string, bool) (string, error) { return "x", nil }}},
	} {
		c := NewCredentials(src)
		if got, err := c.Password(t.Context()); got != "x" || err != nil {
			t.Error(name, got, err)
		}
		if c.Refused("x") {
			t.Errorf("%s: another one is said to be had", name)
		}
	}
}

// Answers of the user outlive a run, until the server refuses them.
func TestPromptKeepsAnswer(t *testing.T) {
	var asked []string
	term := &Terminal{Prompt: func(_ context.Context, question string, _ bool) (string, error) {
		asked = append(asked, question)
		return fmt.Sprint("answer ", len(asked)), nil
	}}
	src := Source{Terminal: term, AskUser: UserPrompt(term, "acc"), AskPass: PasswordPrompt(term, "acc")}
	run := func(user, password string) *Credentials {
		t.Helper()
		c := NewCredentials(src)
		if got, err := c.User(t.Context()); got != user || err != nil {
			t.Errorf("got %s, %v; want %s", got, err, user)
		}
		if got, err := c.Password(t.Context()); got != password || err != nil {
			t.Errorf("got %s, %v; want %s", got, err, password)
		}
		return c
	}
	run("answer 1", "answer 2")
	c := run("answer 1", "answer 2")
	c.Refused("answer 2")
	// In this run the user is not asked again.
	if got, err := c.Password(t.Context()); got != "answer 2" || err != nil {
		t.Error(got, err)
	}
	run("answer 3", "answer 4")
	run("answer 3", "answer 4")
	if got := strings.Join(asked, " "); got != "User name (acc):  Password (acc):  User name (acc):  Password (acc): " {
		t.Errorf("asked %s", got)
	}
	tok, err := src.AskPass.Token(t.Context())
	if s := fmt.Sprintf("%v %+v %#v %s", tok, tok, src.AskPass, src.AskPass); err != nil || strings.Contains(s, "answer") {
		t.Errorf("shows %s, %v", s, err)
	}
}
