package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"isync/internal/vfs"
)

// PathPrefix warns of a Path of a MaildirStore, or of a SyncState, that lacks a
// slash at its end, so that its last part is the beginning of names: if there is a
// directory of that name, or if nothing suggests that it was meant. The text is ""
// if there is nothing to warn of.
func PathPrefix(fsys vfs.FS, path string) (text, hint string) {
	dir, prefix := filepath.Split(path)
	if prefix == "" || strings.Trim(prefix, ".") == "" {
		return "", ""
	}
	hint = fmt.Sprintf("write: Path %s/", path)
	if fi, err := fsys.Stat(path); err == nil && fi.IsDir() {
		return fmt.Sprintf("Path %s does not end in a slash: mailboxes are not in this directory, but beside it, as %sArchive, %sDrafts", path, path, path), hint
	}
	if last, _ := utf8.DecodeLastRuneInString(prefix); !unicode.IsLetter(last) && !unicode.IsDigit(last) {
		return "", "" // it looks like a prefix
	}
	names, err := fsys.ReadNames(dir)
	if err == nil && slices.ContainsFunc(names, func(n string) bool {
		if !strings.HasPrefix(n, prefix) || n == prefix {
			return false
		}
		_, err := fsys.Stat(filepath.Join(dir, n, "cur"))
		return err == nil
	}) {
		return "", "" // it is in use
	}
	return fmt.Sprintf("Path %s does not end in a slash: mailboxes are made as %sArchive, %sDrafts", path, path, path), hint
}
