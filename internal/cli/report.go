package cli

import (
	"fmt"

	"isync/internal/config"
	"isync/internal/event"
)

// reporter reports to a sink of events.
type reporter struct {
	events event.Sink
	// topics are the topics of enabled debug output.
	topics event.Topics
}

// tell reports a fact about a line of the configuration; pos may be zero.
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

// debugs reports whether debug output of one of the topics is enabled.
func (r *reporter) debugs(topics event.Topics) bool { return r.topics&topics != 0 }

// debugf reports a line of debug output.
func (r *reporter) debugf(topic event.Topics, format string, args ...any) {
	if r.debugs(topic) {
		r.events.Take(event.Trace{Topic: topic, Text: fmt.Sprintf(format, args...)})
	}
}

// println reports a line of regular output.
func (r *reporter) println(line string) { r.events.Take(event.Output{Line: line}) }

// placeOf converts a position in the configuration to the place of a message.
func placeOf(pos config.Pos) event.Place {
	if !pos.IsSet() {
		return event.Place{}
	}
	return event.Place{File: pos.File, Line: pos.Line}
}
