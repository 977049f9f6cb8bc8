package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"isync/internal/channel"
	"isync/internal/config"
	"isync/internal/event"
	"isync/internal/mail"
	"isync/internal/provider"
	"isync/internal/store"
)

// begin makes a store the subject of the next findings. A problem of the store is a
// problem of all channels that use it.
func (c *checker) begin(s *config.Store) {
	name := strconv.Quote(s.Name)
	users := c.users(s)
	if c.subject.what = "MaildirStore"; s.IMAP != nil {
		c.subject.what = "IMAPStore"
	}
	c.subject.name, c.lenient = name, len(users) == 0 && (c.All || len(c.Channels) > 0) && !c.isNamed(s)
}

// users returns the names of the channels that use a store.
func (c *checker) users(s *config.Store) (names []string) {
	for _, sel := range c.Channels {
		for _, e := range []config.End{sel.Channel.Far, sel.Channel.Near} {
			if e.Store.At == s.At && !slices.Contains(names, strconv.Quote(sel.Channel.Name)) {
				names = append(names, strconv.Quote(sel.Channel.Name))
			}
		}
	}
	return names
}

// isNamed reports whether the command line names a store.
func (c *checker) isNamed(s *config.Store) bool { return !c.All && slices.Contains(c.Stores, s) }

// store explains a store and tests it.
func (c *checker) store(ctx context.Context, s *config.Store) {
	c.begin(s)
	c.head(s.Label(), s.At.String())
	if s.IMAP != nil {
		c.account(s.IMAP.Account)
		c.imapNames(s)
	} else {
		c.maildirNames(s)
	}
	c.mapping(s)
	c.trash(s)
	if s.MaxSize > 0 {
		c.field("size", "larger messages than "+size(s.MaxSize)+" are kept here as placeholders")
	}
	if s.Maildir != nil {
		c.maildir(ctx, s)
		return
	}
	problems := c.problems
	a := s.IMAP.Account
	if a.User == "" && a.UserCmd == "" && a.Tunnel == "" && a.ClientCertificate == "" {
		c.fail("add User, or UserCmd, to "+a.Label()+" ("+a.At.String()+")", "no user name is set")
	}
	if a.TLS == config.TLSNone && a.Tunnel == "" && !loopback(a.Host) {
		c.note("use TLSType IMAPS (port 993) or STARTTLS", "the connection is not encrypted (%s): others in the network can read the mail and the password", a.Pos("TLSType"))
	}
	c.ownCertificate(a)
	text := c.reached(a)
	// This finds what is wrong with certificates, for example.
	if c.open(s) != nil && c.Probe != nil {
		c.online(ctx, s)
		if !c.failed[s.At] {
			text += "; " + count(c.sizes[s.At], "mailbox")
		}
	}
	c.brief(c.problems > problems, text)
}

// reached tells in short how a server is reached.
func (c *checker) reached(a *config.Account) string {
	text := "reached through Tunnel"
	if a.Tunnel == "" {
		text = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	}
	switch a.TLS {
	case config.TLSNone:
	case config.TLSStartTLS:
		text += ", STARTTLS"
	case config.TLSIMAPS:
		text += ", TLS"
	}
	if len(a.Preset) > 0 {
		text += " (Provider " + a.Provider + ")"
	}
	if a.User != "" {
		text += ", user " + a.User
	}
	return text
}

// account tells how a server is reached.
func (c *checker) account(a *config.Account) {
	if !a.Inline {
		c.field("account", a.Label()+" ("+a.At.String()+")")
	}
	c.preset(a)
	if a.Tunnel != "" {
		c.field("server", "reached through the command of Tunnel ("+a.Pos("Tunnel").String()+")")
	} else {
		c.field("server", net.JoinHostPort(a.Host, strconv.Itoa(a.Port)))
	}
	switch a.TLS {
	case config.TLSNone:
		c.field("security", "none (TLSType None)")
	case config.TLSStartTLS:
		c.field("security", "TLS after STARTTLS, "+c.trust(a))
	case config.TLSIMAPS:
		c.field("security", "TLS from the first byte (IMAPS), "+c.trust(a))
	}
	if a.ClientCertificate != "" {
		c.field("", "shows the certificate "+c.tilde(a.ClientCertificate))
	}
	switch {
	case a.UserCmd != "":
		c.field("user", "printed by UserCmd ("+a.Pos("UserCmd").String()+")"+c.unrun())
	case a.User != "":
		c.field("user", a.User)
	default:
		c.field("user", "not set")
	}
	c.field("password", c.password(a))
	switch {
	case slices.Equal(a.AuthMechs, []string{"*"}) && a.HasOAuth():
		c.field("login", "with OAUTHBEARER or XOAUTH2")
	case slices.Equal(a.AuthMechs, []string{"*"}):
		c.field("login", "with the strongest mechanism that the server offers")
	default:
		c.field("login", "by "+strings.Join(a.AuthMechs, " or ")+" ("+a.Pos("AuthMechs").String()+")")
	}
	if pos := a.Pos("Connections"); pos.IsSet() {
		c.field("at once", "up to "+count(a.Connections, "connection")+" ("+pos.String()+")")
	}
	if pos := a.Pos("Compress"); pos.IsSet() && a.Compress != config.Unset {
		text := "never"
		if a.Compress == config.Yes {
			text = "if the server supports it"
		}
		c.field("compress", text+" ("+pos.String()+")")
	}
	if len(a.DisableExtensions) > 0 {
		c.field("without", strings.Join(a.DisableExtensions, ", ")+" ("+a.Pos("DisableExtensions").String()+")")
	}
}

// preset shows the values that Provider has set.
func (c *checker) preset(a *config.Account) {
	if a.Provider == "" {
		return
	}
	values := []string{"nothing: the section sets all keywords"}
	if len(a.Preset) > 0 {
		values = nil
	}
	for _, keyword := range a.Preset {
		values = append(values, keyword+" "+a.PresetArg(keyword))
	}
	c.field("preset", "Provider "+a.Provider+" ("+a.Pos("Provider").String()+") sets "+strings.Join(values, ", "))
}

// ownCertificate points out that a provider's certificate has to be configured.
func (c *checker) ownCertificate(a *config.Account) {
	p, _ := provider.ByName(a.Provider)
	if !p.OwnCertificate || a.TLS == config.TLSNone || len(a.Certificates)+len(a.LostCertificates) > 0 {
		return
	}
	c.note("export the certificate in the settings of that program, and add the line CertificateFile FILE to "+a.Label()+" ("+a.At.String()+")",
		"%s shows a self-signed certificate, and there is no CertificateFile: the connection will fail", p.Title)
}

// unrun tells that a command was not run.
func (c *checker) unrun() string {
	if c.Probe != nil {
		return ""
	}
	return ", which is not run now"
}

// password tells where the password comes from.
func (c *checker) password(a *config.Account) string {
	switch {
	case a.HasOAuth():
		return c.token(a)
	case a.PassCmd != "":
		return "printed by PassCmd (" + a.Pos("PassCmd").String() + ")" + c.unrun()
	case a.UseKeychain:
		return "from the keyring of the system"
	case a.Pass.IsSet():
		return "in the configuration file (" + a.Pos("Pass").String() + ")"
	}
	return "asked for on the terminal"
}

// token tells where the access token comes from.
func (c *checker) token(a *config.Account) string {
	place := "in the keyring of the system"
	switch a.OAuth.Store {
	case config.TokensInFile:
		place = "in " + c.tilde(a.OAuth.TokenFile)
		if a.OAuth.TokenKeyCmd != "" {
			place += ", encrypted"
		}
	case config.TokensInCommand:
		place = "kept by TokenSaveCmd (" + a.Pos("TokenSaveCmd").String() + ")" + c.unrun()
	case config.TokensInKeyring:
	}
	return "an access token of OAuth (" + a.OAuth.Provider + "), " + place
}

// trust tells whose certificates are good.
func (c *checker) trust(a *config.Account) string {
	var whom []string
	if a.SystemCertificates {
		whom = append(whom, "the system's certificates")
	}
	for _, f := range a.Certificates {
		whom = append(whom, c.tilde(f.Path))
	}
	if len(whom) == 0 {
		whom = []string{"nobody"}
	}
	return "versions " + strings.ReplaceAll(a.TLSVersions.String(), " ", ", ") + "; trusting " + strings.Join(whom, " and ")
}

// imapNames tells where mailboxes of a server are.
func (c *checker) imapNames(s *config.Store) {
	var text string
	switch {
	case s.HasPath && s.Path != "":
		text = "those whose names begin with " + quoted(s.Path) + ", and the inbox"
	case s.HasPath, !s.IMAP.UseNamespace:
		text = "all, with the names on the server"
	default:
		text = "those of the personal namespace (NAMESPACE), without its prefix"
	}
	if s.IMAP.SubscribedOnly {
		text += "; only subscribed mailboxes"
	}
	c.field("mailboxes", text)
}

// maildirNames tells where mailboxes are in the file system.
func (c *checker) maildirNames(s *config.Store) {
	m := s.Maildir
	c.field("inbox", c.tilde(m.Inbox))
	var top, sub, inner string
	switch m.SubFolders {
	case config.SubFoldersMaildirPP:
		top = filepath.Join(m.Inbox, ".NAME")
		sub, inner = filepath.Join(m.Inbox, ".NAME.SUB"), filepath.Join(m.Inbox, "..SUB")
	case config.SubFoldersVerbatim:
		top = s.Path + "NAME"
		sub, inner = s.Path+"NAME/SUB", filepath.Join(m.Inbox, "SUB")
	case config.SubFoldersLegacy:
		top = s.Path + "NAME"
		sub, inner = s.Path+"NAME/.SUB", filepath.Join(m.Inbox, ".SUB")
	case config.SubFoldersUnset:
		top = s.Path + "NAME"
	}
	if !s.HasPath && m.SubFolders != config.SubFoldersMaildirPP {
		c.field("others", "none: there is no Path")
	} else {
		c.field("others", c.tilde(top))
	}
	switch {
	case m.SubFolders == config.SubFoldersUnset:
		c.field("within", "detected from the existing sub-folders: SubFolders is not set")
	case !s.HasPath && m.SubFolders != config.SubFoldersMaildirPP:
		c.field("within", c.tilde(inner)+" for INBOX/SUB (SubFolders "+m.SubFolders.String()+")")
	default:
		c.field("within", c.tilde(sub)+" for NAME/SUB (SubFolders "+m.SubFolders.String()+")")
		c.field("", c.tilde(inner)+" for INBOX/SUB")
	}
	if m.AltMap {
		c.field("UIDs", "in a database in each mailbox (AltMap), not in file names")
	}
	if m.InfoDelimiter != ':' {
		c.field("flags", fmt.Sprintf("behind %q in file names", string(rune(m.InfoDelimiter))))
	}
}

// mapping tells about other names.
func (c *checker) mapping(s *config.Store) {
	if s.MapInbox != "" {
		c.field("MapInbox", "the inbox is also known as "+quoted(s.MapInbox))
	}
	if s.Flatten != "" {
		c.field("Flatten", quoted("a/b")+" is "+quoted("a"+s.Flatten+"b")+" in this store")
	}
}

// trash tells what is put where before it is expunged.
func (c *checker) trash(s *config.Store) {
	if s.Trash == "" {
		return
	}
	text := "what is expunged goes to " + quoted(s.Trash) + " first"
	if s.TrashNewOnly {
		text += ", if it is not on the other side as well (TrashNewOnly)"
	}
	if s.TrashRemoteNew {
		text += "; also what is expunged from the other side and is not here (TrashRemoteNew)"
	}
	c.field("trash", text)
}

// maildir reports which directories of a store exist. Whether a missing one is a
// problem depends on the channels.
func (c *checker) maildir(ctx context.Context, s *config.Store) {
	m := s.Maildir
	problems := c.problems
	if s.HasPath {
		c.path(s)
	}
	p := examine(c.FS, m.Inbox)
	switch {
	case p.err != nil:
		c.field("", "the inbox "+c.tilde(m.Inbox)+" cannot be used")
	case !p.exists:
		c.field("", "the inbox "+c.tilde(m.Inbox)+" does not exist yet")
	default:
		c.inbox(m.Inbox)
	}
	if foldsCase(c.FS, p.at) {
		c.note("", "this file system ignores case: mailboxes whose names differ only in case would be in the same directory")
	}
	text := c.tilde(m.Inbox)
	if s.HasPath && m.SubFolders != config.SubFoldersMaildirPP {
		text = c.tilde(s.Path)
	}
	if st := c.open(s); st != nil {
		if boxes, err := st.List(ctx, c.everything(s)); err == nil {
			text += "; " + count(len(boxes), "mailbox")
			c.ok("%s", count(len(boxes), "mailbox")+" found")
		}
	}
	c.brief(c.problems > problems, text)
}

// path reports about the directory of Path. If it does not exist, channels that list
// its mailboxes fail, and the rehearsal reports that.
func (c *checker) path(s *config.Store) {
	dir := s.Path
	if !strings.HasSuffix(dir, "/") {
		dir = filepath.Dir(dir) // the rest is the beginning of names
	}
	if f, ok := PathPrefix(c.FS, s.Path); ok {
		p := c.Text(f, event.Pair{})
		c.coded(p.Code).note(p.Hint, "%s", c.tildes(p.Text))
	}
	p := examine(c.FS, dir)
	listed := slices.ContainsFunc(c.Channels, func(sel channel.Selection) bool {
		ch := sel.Channel
		return (ch.Far.Store.At == s.At || ch.Near.Store.At == s.At) && len(ch.Patterns) > 0 && sel.Boxes == nil
	})
	switch {
	case p.err == nil && p.exists:
		c.ok("Path %s can be written to", c.tilde(dir))
	case listed:
		c.field("", "Path "+c.tilde(dir)+" cannot be used")
	case p.err != nil:
		c.note("check its type and permissions: ls -ld "+c.shellPath(p.at), "Path %s cannot be used: %v", c.tilde(dir), p.err)
	default:
		c.note("create it, or correct Path: mkdir -p "+c.shellPath(filepath.Clean(dir)), "Path %s does not exist", c.tilde(dir))
	}
}

// pathFailed tells why a path cannot be used.
func (c *checker) pathFailed(what string, err error) {
	for _, p := range c.Explain(err) {
		c.coded(p.Code).fail(c.pathHint(err, p.Hint), "%s: %s", what, c.tildes(p.Text))
	}
}

// pathHint is the advice for an error of the file system, if there is none yet.
func (c *checker) pathHint(err error, hint string) string {
	pe, ok := errors.AsType[*fs.PathError](err)
	if hint != "" || !ok {
		return hint
	}
	path := examine(c.FS, pe.Path).at
	return "check its type and permissions: ls -ld " + c.shellPath(path)
}

// inbox tests whether a directory is a Maildir.
func (c *checker) inbox(dir string) {
	lacks, err := lackingParts(c.FS.Stat, dir)
	switch {
	case err != nil:
		c.field("", "the inbox "+c.tilde(dir)+" cannot be used")
	case slices.Contains(lacks, "cur"):
		c.note("", "the inbox %s is a directory, but no Maildir yet (it has no cur); Create makes it one", c.tilde(dir))
	default:
		c.ok("the inbox %s is a Maildir", c.tilde(dir))
	}
}

// lackingParts returns which directories of a Maildir are not there.
func lackingParts(stat func(string) (fs.FileInfo, error), dir string) (lacks []string, err error) {
	for _, sub := range []string{"cur", "new", "tmp"} {
		fi, err := stat(filepath.Join(dir, sub))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			lacks = append(lacks, sub)
		case err != nil:
			return nil, err
		case !fi.IsDir():
			return nil, &fs.PathError{Op: "use", Path: filepath.Join(dir, sub), Err: errors.New("not a directory")}
		}
	}
	return lacks, nil
}

// mailbox tests one directory.
func (c *checker) mailbox(dir string) error {
	lacks, err := lackingParts(c.FS.Stat, dir)
	if err != nil {
		return err
	}
	paths := []string{dir}
	for _, sub := range []string{"cur", "new", "tmp"} {
		if !slices.Contains(lacks, sub) {
			paths = append(paths, filepath.Join(dir, sub))
		}
	}
	for _, p := range paths {
		fi, err := c.FS.Stat(p)
		if err != nil {
			return err
		}
		if err := writable(c.FS, p, fi); err != nil {
			return err
		}
	}
	return nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// quoted shows a name.
func quoted(name string) string { return "'" + name + "'" }

// boxLabel shows the name of a pair.
func boxLabel(name string) string {
	if name == "" {
		return mail.Inbox
	}
	return name
}

// size shows a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return count(int(n), "byte")
}

// everything asks for all mailboxes of a store.
func (c *checker) everything(s *config.Store) store.ListRequest {
	m := s.Maildir
	return store.ListRequest{Inbox: true, Others: m == nil || s.HasPath || m.SubFolders == config.SubFoldersMaildirPP}
}
