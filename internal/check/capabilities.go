package check

// compression is the capability for Compress.
const compression = "COMPRESS=DEFLATE"

// capability is a capability of a server, with its use.
type capability struct {
	name string
	// gain is the use of the capability; loss is what is slower or impossible without it; "": not
	// reported.
	gain, loss string
	// instead is another sufficient capability.
	instead string
	// serious: the loss is not only time.
	serious bool
}

// capabilities are the reported capabilities. A capability that the program begins to use needs a
// row.
var capabilities = []capability{
	{name: "QRESYNC", gain: "the server reports only changes and deletions since the last run", loss: "all UIDs of a mailbox are listed to find deletions"},
	{name: "CONDSTORE", gain: "only flags that have changed since the last run are listed", loss: "the flags of all messages are listed in each run that needs them"},
	{name: "LIST-STATUS", gain: "the list of mailboxes shows which of them have changed", loss: "each mailbox is checked for changes with its own command"},
	{name: "UIDPLUS", gain: "the server reports the UID of each stored message; single messages can be expunged", loss: "stored messages are searched for; all messages that are marked as deleted are expunged; ExpungeSolo is impossible", serious: true},
	{name: "NAMESPACE", gain: "the server reports the prefix and the delimiter of names of mailboxes", loss: "set Path and PathDelimiter if names have a prefix"},
	{name: compression, gain: "slow connections are compressed (see Compress)"},
	{name: "UTF8=ACCEPT", instead: "UTF8=ONLY", gain: "headers and names of mailboxes are in UTF-8"},
	{name: "MOVE", gain: "messages are moved to the trash in one step", loss: "messages are copied to the trash and then expunged"},
	{name: "LITERAL+", instead: "LITERAL-", gain: "messages are sent without waiting for the server", loss: "storing a message takes another round trip"},
	{name: "MULTIAPPEND", gain: "several messages are stored with one command", loss: "each message is stored with its own command"},
	{name: "ESEARCH", gain: "long lists of UIDs are sent in a short form", loss: ""},
	{name: "UNSELECT", gain: "a mailbox is closed without expunging messages", loss: "a mailbox is closed by selecting one that does not exist"},
	{name: "LIST-EXTENDED", gain: "mailboxes and subscriptions are listed with one command", loss: ""},
	{name: "SASL-IR", gain: "the login takes one round trip less", loss: ""},
	{name: "OBJECTID", gain: "a renamed mailbox is recognized by its MAILBOXID", loss: ""},
	{name: "SPECIAL-USE", gain: "mailboxes for trash and junk mail are recognized by their attributes, so that MaxDelete does not apply to them", loss: ""},
	{name: "ID", gain: "the name of the program is sent", loss: ""},
}
