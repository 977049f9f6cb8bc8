package config

import (
	"slices"
	"strings"
	"sync"
)

// Section describes a kind of section for help texts and completeness tests.
type Section struct {
	// Name is the keyword that begins the section; "": the global part before all sections.
	Name     string
	Keywords []Keyword
}

// Keyword describes a keyword of a section.
type Keyword struct {
	Name string
	// Alias is an equivalent spelling; "": none.
	Alias string
	// Args describes the arguments.
	Args string
	// List: the keyword takes any number of arguments, and may be repeated to add more.
	List bool
	// Deprecated: the keyword is accepted only for old files. Use is its replacement; "": it has
	// no effect any more.
	Deprecated bool
	Use        string
}

// keyword is a row of a keyword table.
type keyword struct {
	Keyword
	// rename: only the name has changed. The row of the keyword Use applies.
	rename bool
	apply  func(*stmt, *draft)
}

// sectionKind is a row of the table of sections.
type sectionKind struct {
	name     string
	args     string // arguments after the name of the object; "": none
	keywords []keyword
}

// sectionKinds returns the table of sections. The first row is the global part.
var sectionKinds = sync.OnceValue(func() []sectionKind {
	return []sectionKind{
		{"", "", slices.Concat(globalKeywords, defaultKeywords)},
		{"IMAPAccount", "", accountKeywords},
		{"IMAPStore", "", slices.Concat(imapStoreKeywords, storeKeywords, accountKeywords)},
		{"MaildirStore", "", slices.Concat(maildirStoreKeywords, storeKeywords)},
		{"Channel", "", slices.Concat(channelKeywords, defaultKeywords)},
		{"Group", "[channel[:mailbox,...] ...]", groupKeywords},
	}
})

// Sections returns all sections with all their keywords, including deprecated ones. The first one
// is the global part.
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

// sectionNamed returns the kind of section that a keyword begins; nil: none.
func sectionNamed(word string) *sectionKind {
	kinds := sectionKinds()
	for i := range kinds[1:] {
		if strings.EqualFold(kinds[i+1].name, word) {
			return &kinds[i+1]
		}
	}
	return nil
}

// keyword returns the row of a keyword; nil: the section does not have it.
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

// sectionsWith returns the names of the sections that have a keyword.
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

// canonicalKeyword returns the spelling of a keyword that is the key of positions.
func canonicalKeyword(word string) string {
	word = strings.ToLower(word)
	if name, ok := aliases()[word]; ok {
		return name
	}
	return word
}
