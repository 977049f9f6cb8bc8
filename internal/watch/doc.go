// Package watch decides when mailboxes are synchronized while the program keeps running:
// after a report of a store (store.Watcher), after an interval, after a failure. What is done
// with messages is up to package channel.
//
// A Watcher has groups of channels. The channels of a group share stores or accounts, and
// are synchronized by one channel.Runner, one run at a time. Groups do not wait for each
// other.
//
// One goroutine, that of Watcher.Run, owns the schedule. Stores and runs pass it what has
// happened through a queue, and never wait for it. It never waits for the network: runs have
// goroutines of their own, which Run waits for at the end.
//
// A run may concern whole channels, whose mailboxes are then listed, or single pairs of
// mailboxes, for which nothing is listed. Whole channels are synchronized at the beginning,
// when mailboxes may have appeared or vanished, when reports may have been missed, and at
// intervals.
package watch
