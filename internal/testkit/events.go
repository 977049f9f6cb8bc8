package testkit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxEventLine is the maximum length in bytes of a line of --json, with its line end.
const maxEventLine = 64 << 10

// eventSchemas are the definitions of docs/events.schema.json by name, and the whole schema under
// "". They are strict: unknown fields are errors.
var eventSchemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			return nil, os.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "docs", "events.schema.json"))
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defs, _ := doc.(map[string]any)["$defs"].(map[string]any)
	for _, def := range defs {
		def.(map[string]any)["additionalProperties"] = false
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("events.json", doc); err != nil {
		return nil, err
	}
	schemas := map[string]*jsonschema.Schema{}
	if schemas[""], err = c.Compile("events.json"); err != nil {
		return nil, err
	}
	for name := range defs {
		if schemas[name], err = c.Compile("events.json#/$defs/" + name); err != nil {
			return nil, err
		}
	}
	return schemas, nil
})

// EventObject is a line of --json.
type EventObject map[string]any

// Text returns a string field; "": it is missing.
func (o EventObject) Text(field string) string {
	s, _ := o[field].(string)
	return s
}

// Number returns a number field; 0: it is missing.
func (o EventObject) Number(field string) float64 {
	n, _ := o[field].(float64)
	return n
}

// Events parses the output of a run with --json. Each line must be valid according to
// docs/events.schema.json. The output must be complete: the last object is a summary, and each
// begun object has an end.
func Events(tb testing.TB, output []byte) []EventObject {
	tb.Helper()
	schemas, err := eventSchemas()
	if err != nil {
		tb.Fatalf("docs/events.schema.json: %v", err)
	}
	var objects []EventObject
	open := map[string]bool{}
	for line := range bytes.Lines(output) {
		if len(line) > maxEventLine {
			tb.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
		if line[len(line)-1] != '\n' {
			tb.Errorf("the last line is not complete: %s", line)
		}
		var o EventObject
		if err := json.Unmarshal(line, &o); err != nil {
			tb.Errorf("%v: %.1000s", err, line)
			continue
		}
		schema := schemas[o.Text("type")]
		if schema == nil {
			schema = schemas[""]
		}
		if value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line)); err != nil || schema.Validate(value) != nil {
			tb.Errorf("%v, %v: %.1000s", err, schema.Validate(value), line)
		}
		if kind := o.Text("type"); kind == "box" || kind == "channel" {
			key := kind + " " + o.Text("channel") + " " + o.Text("box")
			begins := o.Text("phase") == "begin"
			if open[key] == begins && (begins || kind == "channel" || o.Text("status") != "skipped") {
				tb.Errorf("%s of %s out of order: %s", o.Text("phase"), key, line)
			}
			open[key] = begins
		}
		objects = append(objects, o)
	}
	for key, begun := range open {
		if begun {
			tb.Errorf("%s was begun and has not ended", key)
		}
	}
	if n := len(objects); n == 0 || objects[n-1].Text("type") != "summary" {
		tb.Errorf("the output does not end with a summary:\n%s", output)
	}
	return objects
}

// OfType returns the objects of a type.
func OfType(objects []EventObject, kind string) (out []EventObject) {
	for _, o := range objects {
		if o.Text("type") == kind {
			out = append(out, o)
		}
	}
	return out
}
