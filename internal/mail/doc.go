// Package mail holds the vocabulary that every other package speaks: UIDs and
// sets of them, message flags, mod-sequences, the compact description of a
// message, canonical mailbox names, and the surgery on message headers that a
// copy undergoes.
//
// It is pure: no files, no network, no clock, no logging. Everything here is
// deterministic and safe for concurrent use unless a type says otherwise.
package mail
