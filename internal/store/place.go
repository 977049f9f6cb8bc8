package store

import "strings"

// Place describes where the mailboxes of a store are, as far as the configuration
// determines it. The store need not be connected.
type Place interface {
	// Identity identifies a mailbox: stores that have the same mailbox, perhaps under
	// different names, return the same identity. certain is false if the name may
	// depend on data that only the server has. Then a store whose answer is certain may
	// return the same identity for a different mailbox.
	Identity(box string) (id string, certain bool)

	// Region is where a mailbox is. renamed says that Flatten changes the names of
	// mailboxes below it, so that the region must contain all of the possible names.
	Region(box string, renamed bool) Region
	// Regions contain all mailboxes of the store.
	Regions() []Region

	// Terms contains everything besides the Path that determines which mailbox a name
	// refers to, and which messages and flags it has.
	Terms() string

	// Sessions limits how many mailboxes can be open at a time.
	Sessions() Sessions
}

// Region is a set of mailboxes, or of files.
type Region struct {
	// Place is what the names are relative to: the file system, or an account.
	Place string
	// Space identifies how names of a place are made. Names of different spaces cannot
	// be compared.
	Space string
	// Name is the name of the only member or, with Many, the beginning of all names.
	Name string
	Many bool
}

// Meets reports whether a mailbox may be in both regions.
func (r Region) Meets(o Region) bool {
	switch {
	case r.Place != o.Place:
		return false
	case r.Space != o.Space:
		return true
	case r.Many && strings.HasPrefix(o.Name, r.Name), o.Many && strings.HasPrefix(r.Name, o.Name):
		return true
	}
	return r.Name == o.Name
}

// Sessions are connections to an account. An open mailbox needs one of them.
type Sessions struct {
	// Of identifies the account, by comparison; nil: the store needs no sessions.
	Of any
	// Limit is the maximum number of sessions.
	Limit int
}

// PlaceFiles is the Place of regions in the local file system.
const PlaceFiles = "files"
