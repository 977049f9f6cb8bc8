package imapclient

import (
	"errors"
	"fmt"
	"testing"

	"isync/internal/auth"
	"isync/internal/imapwire"
)

// TestAnswers: errors of refused commands and of a BYE implement auth.AnswerError.
func TestAnswers(t *testing.T) {
	code := imapwire.Code{Name: "UNAVAILABLE"}
	for _, tt := range []struct {
		err  error
		want auth.Answer
	}{
		{&ResponseError{Command: "LOGIN", Status: imapwire.StatusNo, Code: code, Text: "later"}, auth.Answer{Status: auth.No, Code: "UNAVAILABLE", Text: "later"}},
		{&ResponseError{Command: "LOGIN", Status: imapwire.StatusBad, Text: "what"}, auth.Answer{Status: auth.Bad, Text: "what"}},
		{&ConnectionError{Err: &ByeError{Code: code, Text: "soon"}}, auth.Answer{Status: auth.Bye, Code: "UNAVAILABLE", Text: "soon"}},
	} {
		e, ok := errors.AsType[auth.AnswerError](fmt.Errorf("wrapped: %w", tt.err))
		if !ok || e.Answer() != tt.want {
			t.Errorf("%v: %v, %v", tt.err, ok, e)
		}
	}
	if _, ok := errors.AsType[auth.AnswerError](error(&ConnectionError{Err: errors.New("reset")})); ok {
		t.Error("a lost connection has said something")
	}
}
