package session

import (
	"encoding/json"
	"slices"
	"testing"

	"isync/internal/imapclient"
)

// FuzzServerNote: whatever the file of a server contains, the questions in it can be ordered,
// and are written back as they are.
func FuzzServerNote(f *testing.F) {
	f.Add([]byte(`{"Purposes":[{"Purpose":"p","Questions":[{"Namespace":true},{"List":{"Patterns":["*"],"Status":15}},{"Status":"INBOX","Items":15}]}]}`))
	f.Add([]byte(`{"Purposes":[{"Questions":[{"List":null,"Status":""}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var note serverNote
		if json.Unmarshal(data, &note) != nil {
			return
		}
		for _, p := range note.Purposes {
			slices.SortFunc(p.Questions, Question.compare)
			for i, q := range p.Questions {
				if q.compare(q) != 0 || i > 0 && (p.Questions[i-1].compare(q) > 0 || q.compare(p.Questions[i-1]) < 0) {
					t.Errorf("%+v", p.Questions)
				}
			}
		}
		out, err := json.Marshal(note)
		if err != nil {
			t.Fatal(err)
		}
		var again serverNote
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatal(err)
		}
		for i, p := range note.Purposes {
			if !slices.EqualFunc(p.Questions, again.Purposes[i].Questions, func(a, b Question) bool { return a.compare(b) == 0 }) {
				t.Errorf("%+v became %+v", p, again.Purposes[i])
			}
		}
	})
}

// TestQuestionsRemembered: which questions of a run are remembered.
func TestQuestionsRemembered(t *testing.T) {
	list := Question{List: &imapclient.ListRequest{Patterns: []string{"*"}}}
	one, two := Question{Status: "one", Items: 1}, Question{Status: "two", Items: 1}
	for _, tt := range []struct {
		name  string
		asked []Question
		alter func(*questioning)
		want  int
	}{
		{"nothing", nil, nil, 0},
		{"a single mailbox is selected instead", []Question{one}, nil, 0},
		{"two mailboxes", []Question{one, two}, nil, 2},
		{"each once", []Question{one, two, one, two}, nil, 2},
		{"a list and a mailbox", []Question{one, list}, nil, 2},
		{"names that a file would change", []Question{{Status: "\xff", Items: 1}, one, two}, nil, 2},
		{"the connection was lost", []Question{one, two}, func(q *questioning) { q.lost = true }, 0},
		{"there were sessions already", []Question{one, two}, func(q *questioning) { q.began = false }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPool(Options{})
			p.Anticipate("p")
			for _, q := range tt.asked {
				p.Remember(q)
			}
			q := &p.run.questions
			q.sent = true
			if tt.alter != nil {
				tt.alter(q)
			}
			p.mu.Lock()
			p.learnQuestions()
			p.mu.Unlock()
			if got := p.record.questions("p"); len(got) != tt.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestPurposes: only the questions of the latest purposes are remembered.
func TestPurposes(t *testing.T) {
	r := NewPool(Options{}).Record()
	for i := range maxPurposes + 3 {
		r.learnQuestions(string(rune('a'+i)), []Question{{Status: "box", Items: 1}})
	}
	if n := len(r.note.Purposes); n != maxPurposes || r.questions("a") != nil || r.questions(string(rune('a'+maxPurposes+2))) == nil {
		t.Errorf("%d: %+v", n, r.note.Purposes)
	}
}
