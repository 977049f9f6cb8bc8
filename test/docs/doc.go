// Package docs checks the documents of this repository: their links, their
// spelling, their examples, and phrases that were hard to read and must not
// come back. It runs the commands of each console block with the real program
// against a private Dovecot, and compares what they print.
//
// A new word goes into words.txt, in its alphabetical place. A phrase that is
// not to be used again goes into phrases.txt, with a better one.
//
// UPDATE_DOCS=1 writes the output of the commands into the pages. Read the
// difference before you commit it.
package docs
