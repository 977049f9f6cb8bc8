// Package bench measures this program side by side with its peers: the C
// mbsync 1.5.1, which "make servers" unpacks, and interimap and offlineimap, if
// they are installed. "make bench" runs it;
// it is made of tests only, because it starts private servers with the kit of
// the tests, and it asserts nothing about time: machines are noisy, so a run
// interleaves the programs and what counts are the ratios within it.
//
// Between client and server is a relay that delays each direction by half the
// round trip asked for and counts bytes and bursts:
// how often the client fell silent for a round trip and then went on, that is,
// how often it had to wait for the server before it could go on. Only scenarios
// of slow lines limit throughput.
//
// The channels have Patterns *, Create Near, Expunge Both and SyncState with a directory, and
// the accounts AuthMechs LOGIN without TLS. In scenarios whose name ends with b
// the channel has one mailbox instead of Patterns; with t, TLS. Scenarios
// that begin with L have a line of so many Mbit/s; with C, Cyrus instead of Dovecot.
//
// What is measured is chosen by the environment:
//
//	BENCH=S2,S3       these scenarios (default: all but those of scale; scale:
//	                  these, which take an hour, and 8 GB in memory and as much
//	                  on disk)
//	RTT=0,50          these round trip times, in milliseconds (default: 0,50)
//	PEERS=mbsync,...  these peers (default: mbsync,interimap,offlineimap, the
//	                  last of which pulls once, and nothing else; mbsync-1.4 is the
//	                  mbsync that is installed); none: only ours
//	ROUNDS=3          how often each is run; the median counts
//	MBSYNC=PATH       our binary (default: it is built)
//	BEFORE=PATH       our binary as it was before a change, as one more peer
//	JSON=FILE         where the results are written as JSON as well; "make
//	                  performance JSON=FILE" then puts them into results.json,
//	                  and shows that in docs/performance.md
//	DISK=DIR          a directory on a real disk, for S1d
//
// The scenarios of scale tell what becomes of time, memory, and what crosses the
// network where there is very much of something. Their first letters: G, one
// mailbox of 10⁴ (G4), 10⁵ (G5) or 10⁶ (G6) messages; T, two Maildirs of 10⁶; M,
// 10,000 mailboxes; D, 10,000 Maildirs on both sides; B, one message of 100 MB.
// What follows tells what has happened before the run: p, it is the first one; l,
// something that makes the near side be listed; c, what was remembered is lost;
// r, f and t, changes; n and s, the server has fewer extensions. For M and D the
// calls of the system are counted too, if there is strace.
//
// A program must also do what it is timed for: after each run the mailbox is
// looked at, and a run that did not bring what it should have fails the bench.
package bench
