package check

// compression is the capability that Compress is about.
const compression = "COMPRESS=DEFLATE"

// capability is what a server may be able to do, and what that is good for.
type capability struct {
	name string
	// gain is what this program does with it, loss what is slower or impossible
	// without; empty: nothing worth telling.
	gain, loss string
	// instead is another capability that does as well.
	instead string
	// serious: the loss is more than time.
	serious bool
}

// capabilities is all that is told about capabilities. It says what the program
// does today: whoever makes it use another one adds a row.
var capabilities = []capability{
	{name: "QRESYNC", gain: "of a mailbox that was seen before the server tells what has changed or is gone, and nothing else", loss: "what is gone since the last run is found by listing all UIDs of a mailbox"},
	{name: "CONDSTORE", gain: "only flags that have changed since the last run are listed", loss: "the flags of all messages are listed in each run that needs them"},
	{name: "LIST-STATUS", gain: "which mailboxes have changed comes with the list of their names", loss: "which mailboxes have changed is asked for each of them, all at once"},
	{name: "UIDPLUS", gain: "the UID of each stored message is known at once; exactly the right messages are expunged", loss: "stored messages are searched for; an expunge takes everything that is marked as deleted; ExpungeSolo is impossible", serious: true},
	{name: "NAMESPACE", gain: "the prefix and the delimiter of mailbox names are asked for", loss: "set Path and PathDelimiter if names have a prefix"},
	{name: compression, gain: "slow connections are compressed (see Compress)"},
	{name: "UTF8=ACCEPT", instead: "UTF8=ONLY", gain: "internationalized headers come as they are, mailbox names in UTF-8"},
	{name: "MOVE", gain: "messages are moved to the trash in one step", loss: "messages are copied to the trash and then expunged"},
	{name: "LITERAL+", instead: "LITERAL-", gain: "messages are sent without waiting for permission for each", loss: "each message that is stored costs one more round trip"},
	{name: "MULTIAPPEND", gain: "many messages are stored with one command", loss: "each message is stored by a command of its own"},
	{name: "ESEARCH", gain: "long lists of UIDs come in short form", loss: ""},
	{name: "UNSELECT", gain: "mailboxes are left without expunging by accident", loss: "mailboxes are left by selecting none"},
	{name: "LIST-EXTENDED", gain: "subscriptions are listed together with what exists", loss: ""},
	{name: "SASL-IR", gain: "logging in saves a round trip", loss: ""},
	{name: "OBJECTID", gain: "a renamed mailbox is recognized by its MAILBOXID", loss: ""},
	{name: "SPECIAL-USE", gain: "mailboxes for trash and junk mail are recognized by their attributes, so that MaxDelete does not apply to them", loss: ""},
	{name: "ID", gain: "the program says who it is, if the server wants that", loss: ""},
}
