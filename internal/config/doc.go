// Package config turns the bytes of a configuration file into a validated
// model in which every value that a later message may speak about knows its
// file and line.
//
// The package is a reader, nothing more: it prints nothing, connects to
// nothing, and touches the system only through an Env. Whatever is wrong with a
// file is collected in one run and returned as an ErrorList; what merely
// deserves a word (deprecated spellings, likely slips) comes back as Notices.
//
// The two sides of a channel are called far (usually the server) and near
// (usually the local copy). Whether the rest of the program can already do what
// a configuration asks for is not judged here; every keyword's position can be
// retrieved with the Pos method of the object it belongs to, so that whoever
// refuses it can say where it stands.
package config
