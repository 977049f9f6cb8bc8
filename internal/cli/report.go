package cli

import (
	"fmt"

	"isync/internal/config"
	"isync/internal/event"
)

// reporter reports what happens to a sink of events.
type reporter struct {
	events event.Sink
	// topics is the set of topics for which debug output is wanted.
	topics event.Topics
}

// tell reports a fact about a line of the configuration; pos may be the zero value.
func (r *reporter) tell(severity event.Severity, pos config.Pos, f event.Fact) {
	r.events.Take(event.Message{Severity: severity, Place: placeOf(pos), Fact: f})
}

// tellOfFile reports a fact about the configuration file as a whole.
func (r *reporter) tellOfFile(severity event.Severity, file string, f event.Fact) {
	r.events.Take(event.Message{Severity: severity, Place: event.Place{File: file}, Fact: f})
}

// tellOfSection reports a fact about a section of the configuration.
func (r *reporter) tellOfSection(severity event.Severity, pos config.Pos, section string, f event.Fact) {
	r.events.Take(event.Message{Severity: severity, Place: placeOf(pos), Section: section, Fact: f})
}

// fail reports an error.
func (r *reporter) fail(err error) { r.events.Take(event.Message{Severity: event.Error, Err: err}) }

// debugs reports whether debug output about one of the topics is wanted.
func (r *reporter) debugs(topics event.Topics) bool { return r.topics&topics != 0 }

// debugf reports a line of debug output.
func (r *reporter) debugf(topic event.Topics, format string, args ...any) {
	if r.debugs(topic) {
		r.events.Take(event.Trace{Topic: topic, Text: fmt.Sprintf(format, args...)})
	}
}

// println reports a line of regular output.
func (r *reporter) println(line string) { r.events.Take(event.Output{Line: line}) }

// placeOf turns a position in the configuration into a place in a message.
func placeOf(pos config.Pos) event.Place {
	if !pos.IsSet() {
		return event.Place{}
	}
	return event.Place{File: pos.File, Line: pos.Line}
}
