package session

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
)

// A run that finds nothing to do asks the server for lists of mailboxes and for the status of mailboxes.
// Which ones depends on earlier answers, and on the order in which channels get a session. Runs with the
// same purpose usually ask the same questions. So the questions of a run are stored, and the first
// connection of the next run sends them right after the login. A later call with the same question uses
// the answer. Other questions, and questions that were refused, are asked as usual. So wrong stored
// questions do not affect the result.
//
// An answer is valid only in the run that received it, for a short time, and while this run has changed
// nothing in the account.

// A Question is a command that asks for mailboxes, or for the status of one of them.
type Question struct {
	List *imapclient.ListRequest `json:",omitempty"`
	// Status is the name of a mailbox on the server, and Items are the requested items.
	Status string            `json:",omitempty"`
	Items  imapwire.BoxItems `json:",omitempty"`
	// Namespace: not a question of its own, but the namespaces are needed to ask others.
	Namespace bool `json:",omitempty"`
}

const (
	// maxQuestions is the maximum number of stored questions for a purpose.
	maxQuestions = 500
	// maxPurposes is the maximum number of purposes with stored questions.
	maxPurposes = 8
	// answerLife is the time for which an answer is valid.
	answerLife = 10 * time.Second
	// sparedSlots is the number of commands that can still be sent after the questions without
	// waiting for an answer.
	sparedSlots = 8
)

// purposeNote is the stored data of a purpose.
type purposeNote struct {
	Purpose   string
	Questions []Question
}

// answers are the answers to the questions that were sent over a connection.
type answers struct {
	sent     time.Time
	lists    map[string]*imapclient.Pending[[]imapclient.ListEntry] // by the text of the command
	statuses map[string]*imapclient.Pending[imapwire.BoxStatus]
}

// questioning is the part of a run that is about questions. The mutex of the pool guards it.
type questioning struct {
	// purpose is the argument of Anticipate; "": it was not called.
	purpose string
	// loaded: remembered was read.
	loaded     bool
	remembered []Question
	// began: the run has begun without sessions.
	began bool
	// sent: the questions were sent, or must not be sent any more in this run.
	sent bool
	// lost: a connection over which they were sent was lost before it was confirmed.
	lost bool
	// answers are those of a confirmed connection.
	answers *answers
	// changed: the run has changed something in the account.
	changed bool
	// asked are the questions of this run, before it changed anything.
	asked []Question
}

// Anticipate tells what the run is for. Runs with the same purpose usually ask the same
// questions. It is called before the first use of the pool in a run; without it, no
// question is sent ahead.
func (p *Pool) Anticipate(purpose string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.run.questions
	if q.purpose == "" {
		q.purpose, q.began = purpose, p.live() == 0
	}
}

// expectedQuestions returns the remembered questions; p.mu must be held.
func (p *Pool) expectedQuestions() []Question {
	q := &p.run.questions
	if !q.loaded && q.purpose != "" {
		q.loaded, q.remembered = true, p.record.questions(q.purpose)
	}
	return q.remembered
}

// expectsNamespace reports whether the namespaces will be needed to ask the questions.
func (p *Pool) expectsNamespace() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.expectedQuestions(), func(q Question) bool { return q.Namespace })
}

// AnswersStatus reports whether the status of mailboxes was requested, or will be by the
// first connection of the run, and may still be used.
func (p *Pool) AnswersStatus() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.run.questions
	if q.changed || q.lost || q.sent && (q.answers == nil && p.dialing == 0 || q.answers != nil && q.answers.old()) || !q.sent && !q.began {
		return false
	}
	return slices.ContainsFunc(p.expectedQuestions(), func(q Question) bool { return q.Status != "" })
}

// askAhead sends the remembered questions, in the first session of a run. Errors do not
// matter: they show when the session is used.
func (p *Pool) askAhead(ctx context.Context, s *Session) {
	if p.opts.Client.PipelineDepth == 1 || s.optimistic == nil && p.record.suspected() {
		return
	}
	p.mu.Lock()
	q := &p.run.questions
	todo := p.expectedQuestions()
	ask := !q.sent && !q.changed && len(todo) > 0
	q.sent = true
	p.mu.Unlock()
	if !ask {
		return
	}
	c := s.Client
	a := &answers{
		sent:     time.Now(),
		lists:    make(map[string]*imapclient.Pending[[]imapclient.ListEntry]),
		statuses: make(map[string]*imapclient.Pending[imapwire.BoxStatus]),
	}
	s.answers = a
	for _, q := range todo {
		if c.Free() <= sparedSlots {
			return
		}
		switch {
		case q.List != nil:
			text := c.ListText(*q.List)
			if text == "" || q.List.Status != 0 && !c.Caps().Has("LIST-STATUS") || len(q.List.Return) > 0 && !c.Caps().Has("LIST-EXTENDED") {
				continue
			}
			p, err := c.StartList(ctx, *q.List)
			if err != nil {
				return
			}
			a.lists[text] = p
		case q.Status != "":
			text := c.StatusText(q.Status, q.Items)
			if text == "" || q.Items&imapwire.BoxHighestModSeq != 0 && !c.Caps().Has("CONDSTORE") {
				continue
			}
			p, err := c.StartStatus(ctx, q.Status, q.Items)
			if err != nil {
				return
			}
			a.statuses[text] = p
		}
	}
}

// old reports whether the answers do not count any more.
func (a *answers) old() bool { return time.Since(a.sent) > answerLife }

// noteAnswers makes the answers of a new session available to all; err is why there is no
// session. p.mu must be held.
func (p *Pool) noteAnswers(s *Session, err error) {
	if s == nil || s.answers == nil {
		return
	}
	if err == nil {
		p.run.questions.answers = s.answers
	} else {
		p.run.questions.lost = true
	}
	s.answers = nil
}

// Outdate notes that the run has changed, or is about to change, something in the account.
// Answers that were requested before do not count any more.
func (p *Pool) Outdate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run.questions.changed = true
}

// Remember makes the next run for the same purpose send a question ahead.
func (p *Pool) Remember(question Question) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.run.questions
	if q.purpose == "" || q.changed || len(q.asked) >= maxQuestions || !question.storable() {
		return
	}
	if !slices.ContainsFunc(q.asked, func(o Question) bool { return o.compare(question) == 0 }) {
		q.asked = append(q.asked, question)
	}
}

// storable reports whether the question can be written to a file without changing it.
func (q Question) storable() bool {
	ok := utf8.ValidString(q.Status)
	if q.List != nil {
		ok = ok && utf8.ValidString(q.List.Ref)
		for _, p := range q.List.Patterns {
			ok = ok && utf8.ValidString(p)
		}
	}
	return ok
}

// compare defines an order of questions: those that matter most come first.
func (q Question) compare(o Question) int {
	rank := func(q Question) int {
		switch {
		case q.Namespace:
			return 0
		case q.List != nil:
			return 1
		}
		return 2
	}
	if c := cmp.Compare(rank(q), rank(o)); c != 0 {
		return c
	}
	if q.List != nil {
		a, b := q.List, o.List
		subscribed := func(l *imapclient.ListRequest) int {
			if l.Subscribed {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.Ref, b.Ref), slices.Compare(a.Patterns, b.Patterns), cmp.Compare(subscribed(a), subscribed(b)),
			slices.Compare(a.Select, b.Select), slices.Compare(a.Return, b.Return), cmp.Compare(a.Status, b.Status))
	}
	return cmp.Or(cmp.Compare(q.Status, o.Status), cmp.Compare(q.Items, o.Items))
}

// learnQuestions remembers the questions of a run that ends; p.mu must be held. The only
// mailbox of a run is selected instead, which takes no longer and tells more.
func (p *Pool) learnQuestions() {
	q := &p.run.questions
	if q.purpose == "" || !q.began || !q.sent {
		return
	}
	asked := q.asked
	alone := len(asked) > 0 && !slices.ContainsFunc(asked, func(q Question) bool { return q.List != nil })
	statuses := 0
	for _, q := range asked {
		if q.Status != "" {
			statuses++
		}
	}
	if alone && statuses < 2 || q.lost {
		asked = nil
	}
	slices.SortFunc(asked, Question.compare)
	p.record.learnQuestions(q.purpose, asked)
}

// usable returns answers that a session may use; nil: there are none.
func (s *Session) usable() *answers {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	a := s.answers
	if a == nil {
		a = p.run.questions.answers
	}
	if a == nil || p.run.questions.changed || a.old() {
		return nil
	}
	return a
}

// An Answer is that to a question.
type Answer[T any] struct {
	ahead  *imapclient.Pending[T] // nil: it was not sent ahead
	direct *imapclient.Pending[T]
	start  func(context.Context) (*imapclient.Pending[T], error)
}

// Wait waits for the answer.
func (a *Answer[T]) Wait(ctx context.Context) (T, error) {
	if a.ahead != nil {
		if v, err := a.ahead.Wait(ctx); err == nil {
			return v, nil
		}
	}
	if a.direct == nil {
		var err error
		if a.direct, err = a.start(ctx); err != nil {
			var none T
			return none, err
		}
	}
	return a.direct.Wait(ctx)
}

// answer returns the answer that was requested ahead, or requests it.
func answer[T any](ctx context.Context, ahead *imapclient.Pending[T], start func(context.Context) (*imapclient.Pending[T], error)) (*Answer[T], error) {
	a := &Answer[T]{ahead: ahead, start: start}
	var err error
	if ahead == nil {
		a.direct, err = start(ctx)
	}
	return a, err
}

// AskList is Client.StartList for a question that may have been sent ahead.
func (s *Session) AskList(ctx context.Context, req imapclient.ListRequest) (*Answer[[]imapclient.ListEntry], error) {
	s.pool.Remember(Question{List: &req})
	var ahead *imapclient.Pending[[]imapclient.ListEntry]
	if a := s.usable(); a != nil {
		ahead = a.lists[s.Client.ListText(req)]
	}
	return answer(ctx, ahead, func(ctx context.Context) (*imapclient.Pending[[]imapclient.ListEntry], error) {
		return s.Client.StartList(ctx, req)
	})
}

// AskStatus is Client.StartStatus for a question that may have been sent ahead.
func (s *Session) AskStatus(ctx context.Context, name string, items imapwire.BoxItems) (*Answer[imapwire.BoxStatus], error) {
	s.pool.Remember(Question{Status: name, Items: items})
	return answer(ctx, s.aheadStatus(name, items), func(ctx context.Context) (*imapclient.Pending[imapwire.BoxStatus], error) {
		return s.Client.StartStatus(ctx, name, items)
	})
}

// aheadStatus returns the answer to a STATUS that was sent ahead; nil: it was not.
func (s *Session) aheadStatus(name string, items imapwire.BoxItems) *imapclient.Pending[imapwire.BoxStatus] {
	if a := s.usable(); a != nil {
		return a.statuses[s.Client.StatusText(name, items)]
	}
	return nil
}

// WasAsked reports whether AskStatus would get an answer that was requested ahead.
func (s *Session) WasAsked(name string, items imapwire.BoxItems) bool {
	return s.aheadStatus(name, items) != nil
}
