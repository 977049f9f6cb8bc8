// Package setup is the dialogue of --setup: which questions are asked, in which order and with
// which defaults, and the sections of the configuration that are made of the answers.
//
// The package does nothing itself. A World asks the user, logs in to the server, and writes.
// Nothing is written before the user has agreed to what was shown. Each question has a name,
// so that its answer can be given on the command line instead; passwords are the exception.
package setup
