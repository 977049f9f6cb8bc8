package ui

import (
	"fmt"
	"strconv"
	"strings"

	"isync/internal/event"
)

// configWordings are about the configuration file.
var configWordings = []wording{
	says(func(f event.TwoConfigFiles) string {
		return fmt.Sprintf("both %s and %s exist; mbsync uses %s", f.Used, f.Other, f.Used)
	}),
	says(func(f event.OutdatedLine) string {
		text := strings.Join(f.Words, " and ") + " is deprecated"
		if len(f.Words) > 1 {
			text = strings.Join(f.Words, " and ") + " are deprecated"
		}
		if len(f.Replacement) == 0 {
			text += " and has no effect here: delete the line"
		}
		return text + writeText(f.Replacement) + alsoText(f.AlsoAt)
	}),
	says(func(f event.SectionTwice) string {
		return fmt.Sprintf("%s is already defined in %s, and that one is used", f.Section, f.First)
	}),
	says(func(f event.UseUnknown) string {
		return f.Word + " is not a special use, so it is the name of a mailbox; did you mean " + f.Meant + "?"
	}),
	says(func(event.FileNotUTF8) string {
		return "the file is not valid UTF-8; non-ASCII mailbox names will not match"
	}),
	says(func(f event.CurlyQuotes) string {
		return "curly quotes are read as straight quotes" + writeText(f.Replacement)
	}),
	says(func(f event.StrayQuote) string {
		text := "a curly quote without a matching one at the other end of the word is part of the word"
		if f.Word != "" {
			text += ": " + f.Word
		}
		return text
	}),
	says(func(f event.OldProtocol) string { return f.Word + " is ignored: it is insecure and not supported" }),
	says(func(f event.OldProtocolKeyword) string {
		return f.Keyword + " is ignored: SSL 2 and 3 are insecure and not supported; delete the line"
	}),
	advises(func(f event.MechanismUnknown) (string, string) {
		return unknownMechanismText(f), "possible values: " + strings.Join(f.Known, ", ") + ", and * for all that are secure enough"
	}),
	says(func(f event.ExtensionUnknown) string { return "unknown IMAP extension " + f.Word + meantText(f.Meant) }),
	says(func(f event.CertificateFileLost) string {
		return fmt.Sprintf("CertificateFile '%s' cannot be read and is ignored: %s", f.Path, f.Reason)
	}),
	says(func(f event.MaxSizeReplaced) string {
		return fmt.Sprintf("MaxSize replaces the limit of %s that %s has set", f.Section, f.First)
	}),
	says(func(f event.GroupChannelUnknown) string {
		return fmt.Sprintf("Group %s: unknown channel %s", f.Group, f.Channel) + meantText(f.Meant)
	}),
	says(func(f event.DeprecatedWords) string {
		return fmt.Sprintf("%s; `%s` prints the new file, `%s --write` replaces this one", WordsText(f.Count), f.Command, f.Command)
	}),
	says(func(f event.WordsReplaced) string {
		return fmt.Sprintf("%s replaced in the output; `%s --write` replaces the file", WordsText(f.Count), f.Command)
	}),
	says(func(f event.IncludedOutdated) string {
		return fmt.Sprintf("%s in this included file, which is not printed; `%s --write` replaces it", WordsText(f.Count), f.Command)
	}),
	says(func(f event.NothingToReplace) string {
		if f.Printed {
			return WordsText(0)
		}
		return WordsText(0) + "; the file was not changed"
	}),
	advises(func(event.FileNotFixed) (string, string) {
		return "the file was not fixed, because it has errors", "correct the errors first, then run the command again"
	}),
	advises(func(f event.FileNotReplaced) (text, hint string) {
		text = f.Err.Error()
		if f.Kept {
			text = "nothing was changed: " + text
		}
		if f.Again {
			return text, "run the command again"
		}
		return text, fmt.Sprintf("`%s > NEWFILE` writes the new configuration to another file", f.Command)
	}),
	says(func(f event.NewFileNotPrinted) string { return fmt.Sprintf("cannot print the new file: %v", f.Err) }),
	advises(func(f event.OutputHasPassword) (string, string) {
		return "the output contains the password of the file", fmt.Sprintf("`%s --write` replaces the file instead, and keeps its mode", f.Command)
	}),
	advises(func(f event.PasswordExposed) (string, string) {
		return fmt.Sprintf("the file contains a password, and other users can read it (mode %04o)", f.Mode), f.Command
	}),
	advises(func(f event.PathWithoutSlash) (string, string) {
		what := "mailboxes are created as"
		if f.Directory {
			what = "mailboxes are not in this directory, but beside it:"
		}
		return fmt.Sprintf("Path %s has no slash at the end: %s %sArchive, %sDrafts", f.Path, what, f.Path, f.Path),
			fmt.Sprintf("if that is not intended, write: Path %s/", f.Path)
	}),
	says(func(event.CipherStringIgnored) string {
		return "CipherString has no effect: TLS 1.3 is the only allowed version, and its ciphers are always allowed"
	}),
	says(func(f event.CipherIgnored) string {
		return fmt.Sprintf("'%s' in CipherString has no effect: the ciphers of TLS 1.3 are always allowed", f.Cipher)
	}),
}

// WordsText returns the number of deprecated words as text.
func WordsText(n int) string {
	switch n {
	case 0:
		return "no deprecated words"
	case 1:
		return "1 deprecated word"
	}
	return fmt.Sprint(n, " deprecated words")
}

// unknownMechanismText names an unknown mechanism, and asks which one was meant.
func unknownMechanismText(f event.MechanismUnknown) string {
	text := "unknown authentication mechanism " + f.Word
	if len(f.Meant) > 0 {
		text += ", did you mean " + strings.Join(f.Meant, " ") + "?"
	}
	if len(f.Meant) > 1 {
		text += " (spaces separate the names)"
	}
	return text
}

// meantText asks whether something else was meant.
func meantText(meant string) string {
	if meant == "" {
		return ""
	}
	return ", did you mean " + meant + "?"
}

// writeText says which lines to write instead.
func writeText(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return ": write `" + strings.Join(lines, "` and `") + "`"
}

// alsoText names further lines.
func alsoText(lines []int) string {
	if len(lines) == 0 {
		return ""
	}
	words := make([]string, len(lines))
	for i, n := range lines {
		words[i] = strconv.Itoa(n)
	}
	if len(lines) == 1 {
		return " (also line " + words[0] + ")"
	}
	return " (also lines " + strings.Join(words, ", ") + ")"
}
