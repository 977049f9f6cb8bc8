package maildir

import (
	"path/filepath"
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"isync/internal/mail"
	"isync/internal/store"
	"isync/internal/vfs"
)

// NameRules are the rules of a system for the names of files.
type NameRules struct {
	// Windows: the names and characters that Windows reserves cannot be used.
	Windows bool
	// FoldCase: names that differ only in case usually mean the same file. If possible, the
	// file system is tested instead.
	FoldCase bool
	// FoldForm: names that differ only in their Unicode normalization form mean the same file.
	FoldForm bool
}

// NameRulesOf returns the rules of an operating system, by its name in Go.
func NameRulesOf(goos string) *NameRules {
	switch goos {
	case "windows":
		return &NameRules{Windows: true, FoldCase: true}
	case "darwin", "ios":
		return &NameRules{FoldCase: true, FoldForm: true}
	}
	return &NameRules{}
}

func systemRules() *NameRules { return NameRulesOf(runtime.GOOS) }

// maxPart is the maximum length of a file name on most systems, in bytes.
const maxPart = 255

// check returns an error if the path of a mailbox has a part, after the common base, that cannot be
// the name of a file.
func (r *NameRules) check(box, path string) error {
	if r.Windows && strings.Contains(box, `\`) {
		return nameError(store.NameSystem, box, `there is a '\' in its name, which Windows takes for a '/'`)
	}
	for part := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || r.Windows && c == '\\' }) {
		if len(part) > maxPart {
			return nameError(store.NameSystem, box, "a part of its name is longer (%d bytes) than that of a file can be", len(part))
		}
		if !r.Windows {
			continue
		}
		if i := strings.IndexFunc(part, func(c rune) bool { return c < ' ' || strings.ContainsRune(`<>:"|?*`, c) }); i >= 0 {
			c, _ := utf8.DecodeRuneInString(part[i:])
			return nameError(store.NameSystem, box, "there is a %q in its name, which Windows reserves", c)
		}
		if strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") {
			return nameError(store.NameSystem, box, "a part of its name ends in %q, which Windows would drop", part[len(part)-1:])
		}
		if isDevice(part) {
			return nameError(store.NameSystem, box, "%q is the name of a device on Windows", part)
		}
	}
	return nil
}

// isDevice reports whether a name is that of a device in Windows, with any extension.
func isDevice(name string) bool {
	name, _, _ = strings.Cut(name, ".")
	name = strings.ToUpper(strings.TrimRight(name, " "))
	switch name {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, port := range []string{"COM", "LPT"} {
		if n, ok := strings.CutPrefix(name, port); ok {
			switch n {
			case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
				return true
			}
		}
	}
	return false
}

// fold returns the same text for all names that mean the same file in a file system that ignores the
// Unicode form (form) or the case (letters).
func fold(name string, form, letters bool) string {
	if form {
		name = norm.NFC.String(name)
	}
	if letters {
		// Simple folding, as file systems do it: each character for itself.
		name = strings.Map(func(c rune) rune { return unicode.ToLower(unicode.ToUpper(c)) }, name)
	}
	return name
}

// tristate is a fact that may not be known yet.
type tristate uint8

const (
	unknown tristate = iota
	no
	yes
)

// Fold implements store.Folder.
func (s *Store) Fold(box string) string {
	if box == mail.Inbox {
		return box
	}
	// An error is reported when the mailbox is opened.
	letters, err := s.foldsCase()
	return fold(box, s.opts.Names.FoldForm, err == nil && letters)
}

// foldsCase reports whether names that differ only in case mean the same file. It tries to access an
// existing directory by a name with other letters.
func (s *Store) foldsCase() (bool, error) {
	s.mu.Lock()
	known := s.folds
	s.mu.Unlock()
	if known != unknown {
		return known == yes, nil
	}
	for _, dir := range []string{filepath.Join(s.opts.Inbox, "cur"), s.opts.Inbox, filepath.Dir(s.opts.Path + "x")} {
		folds, err := s.probe(dir)
		if err != nil {
			return false, err
		}
		if folds != unknown {
			s.setFolds(folds)
			return folds == yes, nil
		}
	}
	return s.opts.Names.FoldCase, nil
}

// probe reports whether the directory can be accessed by its name in upper or lower case.
func (s *Store) probe(dir string) (tristate, error) {
	base := filepath.Base(dir)
	other := strings.ToUpper(base)
	if other == base {
		other = strings.ToLower(base)
	}
	if other == base {
		return unknown, nil
	}
	fi, err := s.fs.Stat(dir)
	if isMissing(err) {
		return unknown, nil
	}
	if err != nil {
		return unknown, err
	}
	fo, err := s.fs.Stat(filepath.Join(filepath.Dir(dir), other))
	switch {
	case err == nil && vfs.SameFile(fi, fo):
		return yes, nil
	case err == nil || isMissing(err):
		return no, nil
	}
	return unknown, err
}

func (s *Store) setFolds(folds tristate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folds = folds
}

// checkSpelling fails if the path leads to the directory of another mailbox whose name differs only
// in case, because the file system ignores case.
func (s *Store) checkSpelling(box, dir string) error {
	if box == mail.Inbox {
		return nil
	}
	if folds, err := s.foldsCase(); err != nil || !folds {
		return err
	}
	base := s.base(strings.Split(box, "/"))
	for dir != base && len(dir) > len(base) {
		parent, name := filepath.Dir(dir), filepath.Base(dir)
		names, err := s.fs.ReadNames(parent)
		if err != nil && !isMissing(err) {
			return err
		}
		want, other := fold(name, true, false), ""
		for _, n := range names {
			form := fold(n, true, false)
			if form == want {
				other = ""
				break
			}
			if fold(form, false, true) == fold(want, false, true) {
				other = n
			}
		}
		if other != "" {
			return nameError(store.NameTaken, box, "the file system cannot distinguish it from '%s', which exists", filepath.Join(parent, other))
		}
		dir = parent
	}
	return nil
}
