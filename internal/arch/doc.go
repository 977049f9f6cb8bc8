// Package arch has only tests. They check the imports of all packages against the rules in
// rules_test.go. docs/ARCHITECTURE.md describes the same rules.
package arch
