package setup

const textIntro = `This sets up the mail of an account: mbsync copies it to a directory, and keeps
both the same. It %s.
Nothing is written before you have agreed. Ctrl-C ends it at any time.
`

const textForeign = `  This name comes from DNS, and it is not in %s. Go on only if you know that your
  mail is there. If so, type it: %s`

const textAppPassword = `%s wants an app password: one that is made for this program.
Make it here: %s`

const textTokenOnly = `%s accepts no passwords, only OAuth 2.0.`

const textOAuth = `
With a password, mbsync needs nothing else. With OAuth, you consent in a browser, and
no password is kept; that needs a client id, which is yours.`

var keeperTexts = map[Keeper]string{
	InKeyring: "the key ring of this session",
	InPass:    "the password manager pass",
	InFile:    "a file that only you can read (not encrypted)",
	ByCommand: "a command of your own prints it",
	Nowhere:   "nowhere; it is asked for in each run",
}

const textUsed = `  There are files in this directory already. Mail in them is copied to the server.`

const textPatterns = `* stands for all of them, and a ! excludes some, as in: * !Archive !Lists/*`

const textMessages = `
With a number, the directory has only the latest messages of each mailbox. The
server keeps all.`

const textDeletions = `
A message that you delete on one side is marked as deleted on the other.
  no         nothing more is done: no message is removed by mbsync
  messages   messages that are marked as deleted are removed on both sides
  mailboxes  the same, and mailboxes that are removed on one side are on the other`

const textShown = `This is the configuration:`
