package setup

const textIntro = `This sets up an account. mbsync will copy its mail to a directory, and keep both the
same. The configuration %s.
Nothing is written before you agree. Ctrl-C stops at any time.
`

const textForeign = `  This name comes from DNS, and is not in the domain %s. If you know that your
  mail is on this server, type its name: %s`

const textAppPassword = `For %s, create an app password. It is for one program only:
%s`

const textTokenOnly = `%s: passwords are not accepted. Log in with OAuth, which needs a client ID
that you have to register, or with an access token that your own command prints (password).`

const textOAuth = `
With a password, mbsync needs nothing else. With OAuth, you log in in a browser, and
mbsync stores no password. OAuth needs a client ID, which you have to register.`

var keeperTexts = map[Keeper]string{
	InKeyring: "the keyring of the system",
	InPass:    "the password manager pass",
	InFile:    "a file that only you can read (not encrypted)",
	ByCommand: "your own command prints it",
	Nowhere:   "nowhere: each run asks for it",
}

const textUsed = `  This directory is not empty. mbsync will copy mail in it to the server.`

const textPatterns = `* selects all mailboxes. ! excludes some, for example: * !Archive !Lists/*`

const textMessages = `
A number limits the directory to the latest messages of each mailbox. The server
keeps all messages.`

const textDeletions = `
A message that you delete on one side is marked as deleted on the other.
  no         mbsync removes no messages
  messages   mbsync removes messages that are marked as deleted, on both sides
  mailboxes  the same; if you remove a mailbox on one side, mbsync removes the other`

const textShown = `This is the configuration:`
