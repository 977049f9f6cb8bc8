package store

// RunBeginner is implemented by stores that remember what they find out, such as a
// refused login or a missing ability of a server. That is valid for one run. A new
// store is in its first run.
type RunBeginner interface {
	// BeginRun begins another run: the store forgets what it has found out, as if it
	// were new, but may keep its connections. number identifies the run and is not 0:
	// stores of one account share some data, which are dropped once for each number. No
	// other call may be under way, and no mailbox may be open.
	BeginRun(number uint64)
}

// Anticipator is implemented by stores that record the queries of a run, so that the next run
// can send them earlier.
type Anticipator interface {
	// Anticipate is called in each run before the store is used. Runs with the same purpose
	// usually send the same queries.
	Anticipate(purpose string)
	// Outdate drops the answers to queries that were sent early. It is called if another
	// channel of the run may have changed the mailboxes, and before a decision that needs an
	// answer from after the lock was taken.
	Outdate()
}

// Retrier is implemented by stores that do not try something again in a run once it has
// failed, such as logging in.
type Retrier interface {
	// Retry lets the store try again. It is called after a temporary failure, also while
	// other calls are in progress. fewer: the server limits the rate of requests, so the
	// store uses fewer connections from now on.
	Retry(fewer bool)
}

// Rester is implemented by stores that keep connections for later calls.
type Rester interface {
	// Rest closes the connections that are not in use. Later calls connect again.
	Rest()
}
