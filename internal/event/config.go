package event

import "io/fs"

// DeprecatedWords: the configuration file has deprecated words.
type DeprecatedWords struct {
	Count   int
	Command string // prints the file without them
}

// Code implements Fact.
func (DeprecatedWords) Code() Code { return "deprecated-words" }

// IncludedOutdated: an included file has deprecated words, and is not printed.
type IncludedOutdated struct {
	Count   int
	Command string // to replace them, without --write
}

// Code implements Fact.
func (IncludedOutdated) Code() Code { return "included-outdated" }

// WordsReplaced: the file was printed with deprecated words replaced.
type WordsReplaced struct {
	Count   int
	Command string
}

// Code implements Fact.
func (WordsReplaced) Code() Code { return "words-replaced" }

// NothingToReplace: the configuration file has no deprecated words. It is printed as it
// is, or not changed.
type NothingToReplace struct{ Printed bool }

// Code implements Fact.
func (NothingToReplace) Code() Code { return "nothing-to-replace" }

// FileNotFixed: the configuration file has errors, so its deprecated words were not
// replaced.
type FileNotFixed struct{}

// Code implements Fact.
func (FileNotFixed) Code() Code { return "file-not-fixed" }

// FileNotReplaced: the configuration file could not be replaced.
type FileNotReplaced struct {
	Err     error
	Command string // prints the new file
	// Again: another program has changed the file in the meantime. Kept: nothing was changed.
	Again, Kept bool
}

// Code implements Fact.
func (FileNotReplaced) Code() Code { return "file-not-replaced" }

// NewFileNotPrinted: the new configuration file could not be printed.
type NewFileNotPrinted struct {
	Err error
}

// Code implements Fact.
func (NewFileNotPrinted) Code() Code { return "new-file-not-printed" }

// OutputHasPassword: the new configuration file is printed with the password in it.
type OutputHasPassword struct {
	Command string
}

// Code implements Fact.
func (OutputHasPassword) Code() Code { return "output-has-password" }

// PasswordExposed: others can read the configuration file, which holds a password.
type PasswordExposed struct {
	Mode    fs.FileMode // permission bits
	Command string      // changes the mode
}

// Code implements Fact.
func (PasswordExposed) Code() Code { return "password-exposed" }

// PathWithoutSlash: Path has no slash at its end, so that its last part is a prefix of names.
type PathWithoutSlash struct {
	Path      string
	Directory bool // there is a directory of that name
}

// Code implements Fact.
func (PathWithoutSlash) Code() Code { return "path-without-slash" }

// CipherStringIgnored: the ciphers of the only allowed TLS version are not configurable.
type CipherStringIgnored struct{}

// Code implements Fact.
func (CipherStringIgnored) Code() Code { return "cipher-string-ignored" }

// CipherIgnored: a cipher of TLS 1.3 is not configurable.
type CipherIgnored struct{ Cipher string }

// Code implements Fact.
func (CipherIgnored) Code() Code { return "cipher-ignored" }

// TwoConfigFiles: there are two configuration files, of which Used is used.
type TwoConfigFiles struct {
	Used, Other string
}

// Code implements Fact.
func (TwoConfigFiles) Code() Code { return "two-config-files" }

// OutdatedLine: a line of the configuration has deprecated words, quoted in Words.
type OutdatedLine struct {
	Words []string
	// Replacement holds the lines to write instead. None: the line has no effect.
	Replacement []string
	AlsoAt      []int // further lines with the same words and replacement
}

// Code implements Fact.
func (OutdatedLine) Code() Code { return "outdated-line" }

// UseUnknown: a quoted word that resembles the special use Meant, such as Special:Sent, is
// interpreted as a name.
type UseUnknown struct{ Word, Meant string }

// Code implements Fact.
func (UseUnknown) Code() Code { return "use-unknown" }

// SectionTwice: there is a section of the same name in an earlier line. First is its place,
// such as "line 7".
type SectionTwice struct{ Section, First string }

// Code implements Fact.
func (SectionTwice) Code() Code { return "section-twice" }

// FileNotUTF8: a line of the configuration file is not valid UTF-8.
type FileNotUTF8 struct{}

// Code implements Fact.
func (FileNotUTF8) Code() Code { return "file-not-utf8" }

// CurlyQuotes: curly quotes are read as straight ones.
type CurlyQuotes struct {
	Replacement []string // lines to write instead, if they may be shown
}

// Code implements Fact.
func (CurlyQuotes) Code() Code { return "curly-quotes" }

// StrayQuote: a curly quote has no counterpart, so it is a part of the word.
type StrayQuote struct {
	Word string // quoted; "": it may be secret
}

// Code implements Fact.
func (StrayQuote) Code() Code { return "stray-quote" }

// OldProtocol: a version of SSL is ignored, since it is broken.
type OldProtocol struct {
	Word string // quoted
}

// Code implements Fact.
func (OldProtocol) Code() Code { return "old-protocol" }

// OldProtocolKeyword: a keyword for a version of SSL is ignored, since these are broken.
type OldProtocolKeyword struct {
	Keyword string
}

// Code implements Fact.
func (OldProtocolKeyword) Code() Code { return "old-protocol-keyword" }

// MechanismUnknown: AuthMechs contains a word that is not the name of a mechanism.
type MechanismUnknown struct {
	Word  string   // quoted
	Meant []string // guesses
	Known []string
}

// Code implements Fact.
func (MechanismUnknown) Code() Code { return "mechanism-unknown" }

// ExtensionUnknown: DisableExtensions contains a word that is not the name of an
// extension.
type ExtensionUnknown struct {
	Word  string // quoted
	Meant string // a guess, or ""
}

// Code implements Fact.
func (ExtensionUnknown) Code() Code { return "extension-unknown" }

// CertificateFileLost: a CertificateFile cannot be read and is ignored.
type CertificateFileLost struct {
	Path, Reason string
}

// Code implements Fact.
func (CertificateFileLost) Code() Code { return "certificate-file-lost" }

// MaxSizeReplaced: MaxSize of a channel replaces a different limit of the store from another
// line. First is the place of that line, such as "line 7".
type MaxSizeReplaced struct{ Section, First string }

// Code implements Fact.
func (MaxSizeReplaced) Code() Code { return "max-size-replaced" }

// GroupChannelUnknown: a group in the configuration names a channel that does not exist.
type GroupChannelUnknown struct {
	Group, Channel string // quoted
	Meant          string // a guess, or ""
}

// Code implements Fact.
func (GroupChannelUnknown) Code() Code { return "group-channel-unknown" }
