// Package bench measures this program side by side with its peers: the C
// mbsync, interimap and offlineimap, as Debian has them. "make bench" runs it;
// it is made of tests only, because it starts a private Dovecot with the kit of
// the tests, and it asserts nothing about time: machines are noisy, so a run
// interleaves the programs and what counts are the ratios within it.
//
// Between client and server is a relay that delays each direction by half the
// round trip asked for, does not limit throughput, and counts bytes and bursts:
// how often the client fell silent for a round trip and then went on, that is,
// how often it had to wait for the server before it could go on.
//
// What is measured is chosen by the environment:
//
//	BENCH=S2,S3       these scenarios (default: all but the scale ones)
//	RTT=0,50          these round trip times, in milliseconds (default: 0,50)
//	PEERS=mbsync,...  these peers (default: mbsync,interimap,offlineimap, the
//	                  last of which pulls once, and nothing else); none: only ours
//	ROUNDS=3          how often each is run; the median counts
//	MBSYNC=PATH       our binary (default: it is built)
//	JSON=FILE         where the results are written as JSON as well
//	DISK=DIR          a directory on a real disk, for S1d
//
// A program must also do what it is timed for: after each run the mailbox is
// looked at, and a run that did not bring what it should have fails the bench.
package bench
