package config

import (
	"slices"
	"strings"
	"sync"
)

// Section describes a kind of section for help texts and completeness tests.
type Section struct {
	// Name is the keyword that begins the section, empty for the global part
	// in front of all sections.
	Name     string
	Keywords []Keyword
}

// Keyword describes a keyword of a section.
type Keyword struct {
	Name string
	// Alias is another spelling that is just as good; may be empty.
	Alias string
	// Args sketches what follows the keyword.
	Args string
	// List: any number of arguments may follow, and the keyword may be repeated
	// to add more.
	List bool
	// Deprecated: kept working for old files. Use holds what to write instead,
	// empty if it has no effect any more.
	Deprecated bool
	Use        string
}

// keyword is a row of a keyword table.
type keyword struct {
	Keyword
	// rename: nothing but the name has changed; Use is the new one, and its row
	// applies.
	rename bool
	apply  func(*stmt, *draft)
}

// sectionKind is a row of the table of sections.
type sectionKind struct {
	name     string
	args     string // what follows the name of the object, if anything may
	keywords []keyword
}

// sectionKinds returns the table of sections; the first row is the global part.
var sectionKinds = sync.OnceValue(func() []sectionKind {
	return []sectionKind{
		{"", "", slices.Concat(globalKeywords, defaultKeywords)},
		{"IMAPAccount", "", accountKeywords},
		{"IMAPStore", "", slices.Concat(imapStoreKeywords, storeKeywords, accountKeywords)},
		{"MaildirStore", "", slices.Concat(maildirStoreKeywords, storeKeywords)},
		{"Channel", "", slices.Concat(channelKeywords, defaultKeywords)},
		{"Group", "[channel[:box,...] ...]", groupKeywords},
	}
})

// Sections lists all sections with all their keywords, the deprecated ones
// included. The first is the global part.
func Sections() []Section {
	var out []Section
	for _, k := range sectionKinds() {
		s := Section{Name: k.name}
		for _, kw := range k.keywords {
			s.Keywords = append(s.Keywords, kw.Keyword)
		}
		out = append(out, s)
	}
	return out
}

// section returns the kind of section that a keyword begins.
func sectionNamed(word string) *sectionKind {
	kinds := sectionKinds()
	for i := range kinds[1:] {
		if strings.EqualFold(kinds[i+1].name, word) {
			return &kinds[i+1]
		}
	}
	return nil
}

// keyword returns the row for a word.
func (k *sectionKind) keyword(word string) *keyword {
	for i := range k.keywords {
		kw := &k.keywords[i]
		if strings.EqualFold(kw.Name, word) || kw.Alias != "" && strings.EqualFold(kw.Alias, word) {
			return kw
		}
	}
	return nil
}

// names returns the spellings of all keywords, the current ones first.
func (k *sectionKind) names() []string {
	var current, old []string
	for _, kw := range k.keywords {
		list := &current
		if kw.Deprecated {
			list = &old
		}
		*list = append(*list, kw.Name)
		if kw.Alias != "" {
			*list = append(*list, kw.Alias)
		}
	}
	return append(current, old...)
}

// sectionsWith names the sections that know a keyword.
func sectionsWith(word string) []string {
	var names []string
	for _, k := range sectionKinds()[1:] {
		if k.keyword(word) != nil {
			names = append(names, k.name)
		}
	}
	return names
}

// aliases maps lower-case aliases to lower-case names.
var aliases = sync.OnceValue(func() map[string]string {
	m := make(map[string]string)
	for _, k := range sectionKinds() {
		for _, kw := range k.keywords {
			if kw.Alias != "" {
				m[strings.ToLower(kw.Alias)] = strings.ToLower(kw.Name)
			}
		}
	}
	return m
})

// canonicalKeyword returns the one spelling that positions are kept under.
func canonicalKeyword(word string) string {
	word = strings.ToLower(word)
	if name, ok := aliases()[word]; ok {
		return name
	}
	return word
}
