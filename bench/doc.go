// Package bench measures this program side by side with its peers: the C mbsync 1.5.1, which
// "make servers" unpacks, and interimap and offlineimap, if they are installed. "make bench"
// runs it. It consists of tests only, because it starts private servers with the test kit. It
// asserts nothing about time, since machines are noisy: a run interleaves the programs, and
// only the ratios within a run count.
//
// Between client and server is a relay. It delays each direction by half the round-trip time,
// and counts bytes and bursts. A burst ends when the client has to wait for an answer of the
// server before it can continue. Only scenarios of slow lines limit throughput.
//
// The channels have Patterns *, Create Near, Expunge Both and SyncState with a directory, and
// the accounts have AuthMechs LOGIN without TLS. In scenarios whose name ends with b, the
// channel has one mailbox instead of Patterns; with t, the account has TLS. Scenarios that
// begin with L have a line of so many Mbit/s; those that begin with C have Cyrus instead of
// Dovecot.
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
// The scenarios of scale measure time, memory and network traffic with very many messages or
// mailboxes. The first letter of their name is what there is: G, one mailbox of 10⁴ (G4), 10⁵
// (G5) or 10⁶ (G6) messages; T, two Maildirs of 10⁶; M, 10,000 mailboxes; D, 10,000 Maildirs on
// both sides; B, one message of 100 MB. The other letters are the reason for the run: p, it is
// the first one; l, the near side must be listed; c, the cache is lost; r, f and t, messages
// have changed; n and s, the server has fewer extensions. For M and D, system calls are counted
// too, if strace is installed.
//
// Each run is checked: if a program did not synchronize what it should have, the bench fails.
package bench
