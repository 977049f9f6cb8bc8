// Package arch keeps the drawing and the building the same: its test reads the
// import graph of the module and fails where it departs from the rules in
// rules_test.go, which are those of docs/ARCHITECTURE.md.
//
// There is nothing here to import.
package arch
