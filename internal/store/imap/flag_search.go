package imap

import (
	"cmp"
	"context"

	"isync/internal/imapclient"
	"isync/internal/imapwire"
	"isync/internal/mail"
	"isync/internal/store/imap/listing"
	"isync/internal/store/imap/session"
)

// A server without CONDSTORE must report the flags of all messages in each run. With
// ESEARCH (RFC 4731), searches return the UIDs of all messages with a flag as ranges,
// which takes a few bytes where FETCH takes a line for each message. All searches are sent
// at once.
//
// A listing decides which messages are deleted and which flags are removed, so the answers
// are verified:
//
//   - Each answer has its own tag and a count: see imapclient.StartCountedSearch.
//   - There are as many UIDs as the mailbox has messages, and no flag belongs to another UID.
//   - The server reports no change from before the first search to the last answer. So all
//     answers are about the same messages.
//   - A sample of the messages is also requested by FETCH. Their UIDs, sequence numbers and
//     flags are the same. The sample has the newest messages and some from the whole range of
//     UIDs: the newest ones alone often have no flags, so that they do not show that a search
//     for a flag finds too few. An empty sample proves nothing.
//   - Messages whose flags differ from the recorded ones are requested by FETCH, too. So no
//     search alone can add or remove a flag.
//
// Otherwise the messages are listed by FETCH. A flag that another client changes in between
// without a report counts as changed before or after the scan, as it does with FETCH.

const (
	// manyMessages is the least number of messages that are listed by searches. With fewer,
	// FETCH is as fast: a search is a command that the server has to parse and run.
	manyMessages = 5000
	// The UIDs compared with the answer to a FETCH are the highest newestUIDs, and
	// sampleGroups times sampleUIDs, at equal distances.
	newestUIDs   = 20
	sampleGroups = 10
	sampleUIDs   = 10
)

// flagKeys are the search keys of the flags (RFC 9051 §6.4.4).
var flagKeys = []struct {
	key  string
	flag mail.Flags
}{
	{"SEEN", mail.FlagSeen},
	{"ANSWERED", mail.FlagAnswered},
	{"FLAGGED", mail.FlagFlagged},
	{"DELETED", mail.FlagDeleted},
	{"DRAFT", mail.FlagDraft},
	{"KEYWORD $Forwarded", mail.FlagForwarded},
}

// flagSearch are searches that list a part of a scan.
type flagSearch struct {
	m    *mailbox
	sess *session.Session
	sc   *scanner
	part listing.Part
	sink func(*imapclient.Message) error
	// before and exists describe the mailbox before the first search.
	before session.Snapshot
	exists uint32

	searches []*imapclient.Pending[mail.UIDSet] // of all messages, and of those of flagKeys
	fetching *fetching
	// fetched are the messages with the UIDs compared that FETCH has reported. other: it
	// has reported others.
	compared mail.UIDSet
	fetched  map[mail.UID]numberedFlags
	other    bool
}

type numberedFlags struct {
	seq   uint32
	flags mail.Flags
}

// searchesFlags reports whether large mailboxes are listed by searches.
func (s *Store) searchesFlags(c *imapclient.Client) bool {
	depth := s.opts.Client.PipelineDepth
	return c.Caps().Has("ESEARCH") && (depth == 0 || depth > len(flagKeys)+1) && !s.run().noFlagSearch.Load()
}

// searchable reports whether a part of a scan is listed by searches.
func (m *mailbox) searchable(c *imapclient.Client, sc *scanner, part listing.Part) bool {
	return sc.search && sc.Need.Recorded != nil && m.store.searchesFlags(c) && c.Counted() &&
		part.Want.Items == imapwire.ItemFlags && len(part.Want.Fields) == 0 &&
		min(uint64(c.Exists()), part.Set.Len()) >= m.store.many
}

// list lists the messages of the set. It sends all commands at once.
func (m *mailbox) list(ctx context.Context, sess *session.Session, sc *scanner, set mail.UIDSet) error {
	f := fetching{client: sess.Client, sets: sc.sets}
	var search *flagSearch
	for _, part := range sc.Parts(set) {
		sink := sc.Sink(part.Want)
		if search == nil && m.searchable(sess.Client, sc, part) {
			search = &flagSearch{m: m, sess: sess, sc: sc, part: part, sink: sink, before: sess.Snapshot(), exists: sess.Client.Exists()}
			f.err = search.start(ctx)
			continue
		}
		f.start(ctx, part.Want, part.Set, sink)
	}
	err := f.wait(ctx)
	if search == nil {
		return err
	}
	why, serr := search.finish(ctx)
	if err == nil {
		err = serr
	}
	if err != nil || why == "" {
		return err
	}
	m.store.debugf("the searches for flags in '%s' are not used: %s", m.box, why)
	if why != changedMeanwhile && why != nothingCompared {
		m.store.run().noFlagSearch.Store(true)
	}
	f = fetching{client: sess.Client, sets: sc.sets}
	f.start(ctx, search.part.Want, search.part.Set, search.sink)
	return f.wait(ctx)
}

// start sends the commands. Its error ends the connection.
func (s *flagSearch) start(ctx context.Context) error {
	c := s.sess.Client
	criteria := []string{"ALL"}
	for _, k := range flagKeys {
		criteria = append(criteria, k.key)
	}
	for _, key := range criteria {
		p, err := c.StartCountedSearch(ctx, key)
		if err != nil {
			return err
		}
		s.searches = append(s.searches, p)
	}
	s.compare(ctx, sampleOf(listing.Cut(s.part.Set, 1, s.m.Info().UIDNext-1)))
	return s.fetching.err
}

// compare sends a FETCH of the messages that are compared.
func (s *flagSearch) compare(ctx context.Context, uids mail.UIDSet) {
	s.compared, s.fetched = uids, make(map[mail.UID]numberedFlags)
	s.fetching = &fetching{client: s.sess.Client, sets: s.sc.sets}
	s.fetching.start(ctx, s.part.Want, uids, func(msg *imapclient.Message) error {
		if msg.Has&imapwire.ItemFlags == 0 || !uids.Contains(msg.UID) {
			s.other = true
			return nil
		}
		s.fetched[msg.UID] = numberedFlags{msg.Seq, msg.Flags}
		return nil
	})
}

// sampleOf returns the UIDs of a set that are compared with the answer to a FETCH.
func sampleOf(set mail.UIDSet) mail.UIDSet {
	if set.Empty() {
		return nil
	}
	first, last := set[0].First, set[len(set)-1].Last
	var out mail.UIDSet
	for i := range uint64(sampleGroups) {
		from := first + mail.UID(uint64(last-first)*i/sampleGroups)
		out.AddSet(listing.Cut(set, from, from+min(last-from, sampleUIDs-1)))
	}
	out.AddSet(listing.Cut(set, max(last, newestUIDs)-newestUIDs+1, last))
	return out
}

// Why the answers cannot be used although they may be right.
const (
	changedMeanwhile = "the mailbox has changed"
	nothingCompared  = "none of the messages of the sample exists"
)

// finish waits for the answers and, if they are verified, passes the messages on. Otherwise
// why says what is wrong. err ends the scan.
func (s *flagSearch) finish(ctx context.Context) (why string, err error) {
	sets, why, err := s.found(ctx)
	fetchWhy, fetchErr := s.agree(ctx, sets)
	switch {
	case err != nil || fetchErr != nil:
		return "", cmp.Or(err, fetchErr)
	case why != "" || fetchWhy != "":
		return cmp.Or(why, fetchWhy), nil
	case len(s.fetched) == 0:
		return nothingCompared, nil
	}
	if changed := s.changed(sets); !changed.Empty() {
		s.compare(ctx, changed)
		if why, err := s.agree(ctx, sets); why != "" || err != nil {
			return why, err
		}
	}
	wanted := listing.NewCursor(s.part.Set)
	for seq, msg := range sets.Messages() {
		if !wanted.Has(msg.UID) {
			s.sc.Completeness.Mentioned(msg.UID, seq)
			continue
		}
		err := s.sink(&imapclient.Message{Fetch: imapwire.Fetch{
			Seq: seq, UID: msg.UID, Flags: msg.Flags, Has: imapwire.ItemUID | imapwire.ItemFlags,
		}})
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// found waits for the answers to the searches.
func (s *flagSearch) found(ctx context.Context) (sets *listing.FlagSets, why string, err error) {
	sets = &listing.FlagSets{}
	for i, p := range s.searches {
		found, serr := p.Wait(ctx)
		switch {
		case useless(serr):
			why = serr.Error()
		case serr != nil:
			err = serr
		case i == 0:
			sets.All = found
		default:
			sets.With = append(sets.With, listing.FlagSet{Flag: flagKeys[i-1].flag, UIDs: found})
		}
	}
	return sets, why, err
}

// agree waits for the answer to the FETCH, and says why the sets differ from it.
func (s *flagSearch) agree(ctx context.Context, sets *listing.FlagSets) (why string, err error) {
	if err := s.fetching.wait(ctx); useless(err) {
		return err.Error(), nil
	} else if err != nil {
		return "", err
	}
	if s.sess.Snapshot() != s.before || s.other || s.sess.Client.Exists() != s.exists || !s.sess.Client.Counted() {
		return changedMeanwhile, nil
	}
	if err := sets.Check(s.exists); err != nil {
		return err.Error(), nil
	}
	if !s.agrees(sets) {
		return "some messages or flags differ from those that FETCH reports", nil
	}
	return "", nil
}

// changed returns the messages whose flags differ from the recorded ones, without those of the
// sample. The flags of a message without a record are read when it is copied.
func (s *flagSearch) changed(sets *listing.FlagSets) mail.UIDSet {
	was := make(map[mail.UID]mail.Flags)
	for u, flags := range s.sc.Need.Recorded {
		was[u] = flags
	}
	var out mail.UIDSet
	sample := listing.NewCursor(s.compared)
	for _, msg := range sets.Messages() {
		if sample.Has(msg.UID) {
			continue
		}
		if flags, ok := was[msg.UID]; ok && flags != msg.Flags {
			out.Add(msg.UID)
		}
	}
	return out
}

// agrees reports whether the sets have the messages of the sample as FETCH has reported them.
func (s *flagSearch) agrees(sets *listing.FlagSets) bool {
	compared := listing.NewCursor(s.compared)
	left := len(s.fetched)
	for seq, msg := range sets.Messages() {
		if !compared.Has(msg.UID) {
			continue
		}
		if s.fetched[msg.UID] != (numberedFlags{seq, msg.Flags}) {
			return false
		}
		left--
	}
	return left == 0
}
