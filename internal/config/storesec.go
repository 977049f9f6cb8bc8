package config

import (
	"path/filepath"
	"strings"
)

// storeKeywords are the keywords of all stores.
var storeKeywords = []keyword{
	{Keyword: Keyword{Name: "Path", Args: "path"}, apply: (*stmt).applyPath},
	{Keyword: Keyword{Name: "MaxSize", Args: "size[k|m][b]"}, apply: func(st *stmt, d *draft) { st.setSize(&d.store.MaxSize) }},
	{Keyword: Keyword{Name: "MapInbox", Args: "mailbox"}, apply: func(st *stmt, d *draft) { d.store.MapInbox = st.arg() }},
	{Keyword: Keyword{Name: "Flatten", Args: "delimiter"}, apply: (*stmt).applyFlatten},
	{Keyword: Keyword{Name: "Trash", Args: "mailbox"}, apply: func(st *stmt, d *draft) { d.store.Trash = st.arg() }},
	{Keyword: Keyword{Name: "TrashNewOnly", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.store.TrashNewOnly) }},
	{Keyword: Keyword{Name: "TrashRemoteNew", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.store.TrashRemoteNew) }},
}

var imapStoreKeywords = []keyword{
	{Keyword: Keyword{Name: "Account", Args: "account"}, apply: func(st *stmt, d *draft) { d.accountRef = st.args[0] }},
	{Keyword: Keyword{Name: "UseNamespace", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.store.IMAP.UseNamespace) }},
	{Keyword: Keyword{Name: "PathDelimiter", Args: "character"}, apply: (*stmt).applyPathDelimiter},
	{Keyword: Keyword{Name: "SubscribedOnly", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.store.IMAP.SubscribedOnly) }},
}

var maildirStoreKeywords = []keyword{
	{Keyword: Keyword{Name: "Inbox", Args: "path"}, apply: (*stmt).applyInbox},
	{Keyword: Keyword{Name: "InfoDelimiter", Args: "character"}, apply: func(st *stmt, d *draft) { st.setDelimiter(&d.store.Maildir.InfoDelimiter) }},
	{Keyword: Keyword{Name: "AltMap", Args: "yes|no"}, apply: func(st *stmt, d *draft) { st.setBool(&d.store.Maildir.AltMap) }},
	{Keyword: Keyword{Name: "SubFolders", Args: "Verbatim|Maildir++|Legacy"}, apply: func(st *stmt, d *draft) {
		st.setChoice(subFoldersNames, func(i int) { d.store.Maildir.SubFolders = SubFolders(i + 1) })
	}},
	{Keyword: Keyword{Name: "LocalPoll", Args: "time[s|m|h]"}, apply: func(st *stmt, d *draft) { st.setInterval(&d.store.Maildir.LocalPoll) }},
}

func (st *stmt) applyPath(d *draft) {
	path := st.arg()
	if d.store.Maildir != nil {
		var ok bool
		if path, ok = st.path(st.args[0]); !ok {
			return
		}
	}
	d.store.Path, d.store.HasPath = path, true
}

func (st *stmt) applyInbox(d *draft) {
	if path, ok := st.path(st.args[0]); ok {
		d.store.Maildir.Inbox = filepath.Clean(path)
	}
}

func (st *stmt) applyFlatten(d *draft) {
	if strings.Contains(st.arg(), "/") {
		st.errorf(st.arg(), "Flatten %s contains the hierarchy delimiter", quote(st.arg())).Hint = "use a delimiter without /, for example a dot"
		return
	}
	d.store.Flatten = st.arg()
}

func (st *stmt) applyPathDelimiter(d *draft) {
	if len(st.arg()) != 1 || st.arg()[0] >= 0x80 {
		st.errorf(st.arg(), "PathDelimiter %s is not exactly one character", quote(st.arg()))
		return
	}
	d.store.IMAP.PathDelimiter = st.arg()[0]
}

// finishStore checks a complete store and adds it to the model. The account of an IMAPStore is
// looked up later.
func (p *parser) finishStore(d *draft) {
	s := &d.store
	if s.IMAP != nil {
		p.finishIMAPStore(d)
	} else {
		p.finishMaildirStore(d)
	}
	s.Name, s.At, s.Given = d.name, d.pos, d.given
	if d.name == "" {
		return
	}
	if first := p.cfg.Store(d.name); first != nil {
		p.duplicate(d, first.At)
	}
	p.cfg.Stores = append(p.cfg.Stores, s)
}

func (p *parser) finishIMAPStore(d *draft) {
	var inline string // the first account keyword
	for _, kw := range accountKeywords {
		pos := d.given.Pos(kw.Name)
		if pos.IsSet() && (inline == "" || p.compare(pos, d.given.Pos(inline)) < 0) {
			inline = kw.Name
		}
	}
	switch {
	case !d.given.Pos("Account").IsSet():
		if d.bad["account"] {
			return
		}
		d.account.Inline = true
		p.finishAccount(d)
		d.store.IMAP.Account = &d.account
		p.cfg.Accounts = append(p.cfg.Accounts, &d.account)
	case inline != "":
		p.errorf(d.given.Pos(inline), inline, "%s has an Account, but also %s, which belongs to the account", d.label(), inline)
	default:
		p.accountRefs = append(p.accountRefs, accountRef{d.given.Pos("Account"), d.accountRef.text, d.store.IMAP})
	}
}

// defaultInbox is the default of Inbox.
const defaultInbox = "~/Maildir"

func (p *parser) finishMaildirStore(d *draft) {
	m := d.store.Maildir
	if !d.has("Inbox") {
		inbox, err := p.env.resolve(p.cfg.Dir, defaultInbox)
		if err != nil {
			p.errorf(d.pos, d.name, "%s has no Inbox, and there is no default: %w", d.label(), err)
		}
		m.Inbox = inbox
	}
	if m.InfoDelimiter == 0 {
		m.InfoDelimiter = p.cfg.Global.FieldDelimiter
	}
	at := d.given.Pos("Path")
	if !at.IsSet() {
		return
	}
	if m.SubFolders == SubFoldersMaildirPP {
		p.errorf(at, "Path", "%s: a Path is incompatible with SubFolders Maildir++", d.label())
	}
	// Path may be Inbox itself, or Inbox followed by "/.", whose folders are hidden directories
	// in Inbox.
	inside, ok := strings.CutPrefix(d.store.Path, m.Inbox+string(filepath.Separator))
	if ok && m.Inbox != "" && inside != "" && inside != "." {
		p.errorf(at, d.store.Path, "%s: Path %s is inside Inbox %s", d.label(), quote(d.store.Path), quote(m.Inbox)).
			Hint = "put Inbox below Path, or both in separate directories"
	}
}
