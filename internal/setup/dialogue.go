package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"isync/internal/config"
	"isync/internal/discover"
	"isync/internal/provider"
)

// Mailbox is a mailbox of the server.
type Mailbox struct {
	Name string
	// Virtual: it shows messages of other mailboxes (RFC 6154: All, Flagged; Important).
	Virtual bool
}

// World is the environment of the dialogue.
type World interface {
	// Ask asks the user. echo: the input is shown. It returns ErrNoTerminal if there is no
	// terminal.
	Ask(ctx context.Context, question string, echo bool) (string, error)
	Print(line string)
	// Report shows an error of Try, Keep or Run, with advice.
	Report(err error)

	// Find finds the servers of an address. Online: it may use the network.
	Find(ctx context.Context, a discover.Address) (discover.Result, error)
	Online() bool
	// Try logs in and lists the mailboxes. Distrusted: it failed because of the certificate.
	Try(ctx context.Context, p *Plan, password string) ([]Mailbox, error)
	Distrusted(err error) bool

	// OAuthHelp explains how to register a client ID.
	OAuthHelp(provider string) []string
	// Authorize asks the user for consent in a browser, and saves the token. SecretFile returns
	// the command that prints the client secret, which Keep puts into a file.
	Authorize(ctx context.Context, p *Plan, secret string) error
	SecretFile(p *Plan) (command string, err error)

	// Keepers returns the available places for passwords, the best one first.
	Keepers() []Keeper
	// CheckKeeper checks whether the chosen place can store a password, and sets PassCmd. has: it
	// already has a password of the user.
	CheckKeeper(ctx context.Context, p *Plan) (has bool, err error)
	// Keep stores the password or the client secret. undo removes it.
	Keep(ctx context.Context, p *Plan, secret string) (undo func(), err error)

	// File returns the name of the configuration file, and whether it exists.
	File() (name string, exists bool)
	// Name returns an unused name similar to wanted. CheckName returns an error if a name cannot
	// be used.
	Name(wanted string) string
	CheckName(name string) error
	// Directory returns an unused directory for the mail. CheckDirectory returns an error if a
	// directory cannot be used. used: it is not empty.
	Directory(name string) string
	CheckDirectory(dir string) (used bool, err error)
	CheckCertificate(file string) error

	// Complete sets the values that depend on the rest of the file, and checks that the new file
	// has the intended meaning.
	Complete(p *Plan) error
	// Write writes the configuration, and returns the name of the backup, if there is one.
	Write(p *Plan) (backup string, err error)
	// Run synchronizes the channel.
	Run(ctx context.Context, channel string) error
	// Reload returns the command that makes a running watcher reload the file; "": none is
	// running.
	Reload() string
	// Services returns the units that can be enabled. Enable enables one of them.
	Services() []string
	Enable(ctx context.Context, unit string) error
	// Command returns a command line of mbsync with this configuration file.
	Command(args string) string
}

// dialogue is one run of the dialogue.
type dialogue struct {
	world   World
	answers Answers
	used    map[string]bool // answers that were used
	plan    Plan
	// password is the typed password or OAuth client secret.
	password string
	// consented: a token was obtained.
	consented bool
	boxes     []Mailbox
	// found is the known data of the server.
	found discover.Result
}

// Run asks the questions and writes the configuration. address may be "". The error is nil if the
// configuration was written and, if the user wanted it, the mail was synchronized.
func Run(ctx context.Context, w World, address string, answers Answers) error {
	d := &dialogue{world: w, answers: answers, used: make(map[string]bool)}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return d.address(ctx, address) },
		d.find, d.server, d.user, d.name, d.login, d.logIn, d.directory, d.mailboxes, d.messages, d.deletions, d.write,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.offers(ctx)
}

func (d *dialogue) print(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		d.world.Print(line)
	}
}

// addressArgument is the name of the argument that answers the first question.
const addressArgument = "ADDRESS"

func (d *dialogue) address(ctx context.Context, given string) error {
	name, exists := d.world.File()
	what := "is written to the new file " + name
	if exists {
		what = "is added to " + name
	}
	d.print(textIntro, what)
	check := func(text string) (string, error) {
		a, err := discover.ParseAddress(text)
		if err == nil {
			d.plan.Address = a
		}
		return text, err
	}
	if given != "" {
		if _, err := check(given); err != nil {
			return &AnswerError{Question{Name: addressArgument}, err}
		}
		d.print("Mail address: %s", given)
		return nil
	}
	_, err := d.ask(ctx, query{text: "Mail address", check: check})
	if e, ok := errors.AsType[*NoAnswerError](err); ok {
		e.Question.Name = addressArgument
	}
	return err
}

// find looks for the server.
func (d *dialogue) find(ctx context.Context) error {
	a := d.plan.Address
	if d.answers[askServer] != "" {
		// The server is known, but the table also knows the provider.
		if p, ok := provider.ByDomain(a.Domain); ok {
			d.plan.Provider = &p
		}
		return nil
	}
	if d.world.Online() {
		d.print("Looking for the server of %s ...", a.Shown)
	}
	var err error
	d.found, err = d.world.Find(ctx, a)
	return err
}

// server asks for the server.
func (d *dialogue) server(ctx context.Context) error {
	q := query{
		name: askServer, text: "Server", what: "for the name of the server",
		check: func(text string) (string, error) {
			s, err := parseServer(text)
			if err != nil {
				return "", err
			}
			d.choose(s)
			return serverText(s), nil
		},
	}
	var best *discover.Finding
	switch {
	case d.answers[askServer] != "" && !d.used[askServer]:
	case len(d.found.Found) == 0:
		d.notFound()
		q.def, q.hasDef, q.explicit = "imap."+d.plan.Address.Domain+":993", true, true
	default:
		best = &d.found.Found[0]
		d.tellFinding(best)
		// A name from an unauthenticated answer must be confirmed by typing it.
		if !best.Foreign {
			q.def, q.hasDef = serverText(best.Server), true
		}
	}
	text, err := d.ask(ctx, q)
	if err != nil {
		return err
	}
	s, err := parseServer(text)
	if err != nil {
		return err
	}
	d.choose(s)
	return nil
}

// choose sets the server, and the known data about it.
func (d *dialogue) choose(s discover.Server) {
	known := d.plan.Provider
	d.plan.Provider = nil
	for _, f := range d.found.Found {
		if f.Host == s.Host && f.Port == s.Port && f.TLS == s.TLS {
			d.plan.Server, d.plan.Provider = f.Server, f.Provider
			return
		}
	}
	d.plan.Server = s
	if known != nil && known.HostFor(d.plan.Address.String()) == s.Host {
		d.plan.Provider = known
	}
}

// notFound shows what was searched without success.
func (d *dialogue) notFound() {
	if !d.world.Online() {
		d.print("%s is not in the table of providers, and with --offline no server is asked. The\nserver in brackets is a guess.", d.plan.Address.Shown)
		return
	}
	d.print("No server was found:")
	for _, f := range d.found.Failed {
		d.print("  %s, %s: %v", f.Source, f.From, f.Err)
	}
	d.print("Look up the server on the help pages of the mail provider. The server in brackets is a\nguess.")
}

// tellFinding shows where a server was found.
func (d *dialogue) tellFinding(f *discover.Finding) {
	s := f.Server
	how := "TLS"
	if s.TLS == provider.STARTTLS {
		how = "STARTTLS"
	}
	d.print("  %s, port %d, %s", s.Host, s.Port, how)
	switch {
	case f.Source == discover.Preset:
		d.print("  Provider: %s (from the table of mbsync, as of %s)", f.Provider.Title, f.Provider.Date)
	case f.Provider != nil:
		d.print("  Provider: %s (by the mail exchanger %s)", f.Provider.Title, f.From)
	default:
		d.print("  Found by: %s, %s", f.Source, f.From)
	}
	if f.Foreign {
		d.print(textForeign, d.plan.Address.Shown, s.Host)
	}
}

// parseServer reads [imap://|imaps://]HOST[:PORT].
func parseServer(text string) (discover.Server, error) {
	bad := errors.New("this is not a server: write [imap://|imaps://]HOST[:PORT]")
	var s discover.Server
	scheme, rest, given := strings.Cut(text, "://")
	if !given {
		rest = text
	}
	rest = strings.TrimSuffix(rest, "/")
	host, port, hasPort := cutPort(rest)
	if hasPort {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return s, bad
		}
		s.Port = int(n)
	}
	switch {
	case !given && s.Port == 143, strings.EqualFold(scheme, "imap") && given:
		s.TLS = provider.STARTTLS
	case given && !strings.EqualFold(scheme, "imaps"):
		return s, bad
	}
	if s.Port == 0 {
		s.Port = portOf(s.TLS)
	}
	if s.Host = discover.Host(host); s.Host == "" {
		return s, bad
	}
	return s, nil
}

// cutPort splits a host and a port. An IPv6 address before a port is in brackets.
func cutPort(text string) (host, port string, hasPort bool) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		host, rest, _ = strings.Cut(rest, "]")
		port, hasPort = strings.CutPrefix(rest, ":")
		return host, port, hasPort || rest != ""
	}
	if strings.Count(text, ":") > 1 {
		return text, "", false
	}
	return strings.Cut(text, ":")
}

// serverText writes a server as it is asked for.
func serverText(s discover.Server) string {
	text := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	switch {
	case s.TLS == provider.STARTTLS && s.Port != 143:
		return "imap://" + text
	case s.TLS == provider.IMAPS && s.Port == 143:
		return "imaps://" + text
	}
	return text
}

func (d *dialogue) user(ctx context.Context) (err error) {
	def := d.plan.Server.User
	if def == "" {
		def = d.plan.Address.Local + "@" + d.plan.Address.Shown
	}
	d.plan.User, err = d.ask(ctx, query{name: askUser, text: "User name", def: def, hasDef: true, check: anything})
	return err
}

// anything accepts every valid word of the configuration.
func anything(text string) (string, error) {
	if text == "" || strings.ContainsAny(text, "\x00\r\n") {
		return "", errors.New("this cannot be used")
	}
	return text, nil
}

// keepIn asks where the password is kept, of some places.
func (d *dialogue) keepIn(ctx context.Context, places []Keeper) error {
	for {
		d.print("\nWhere should the password be stored?")
		var words []string
		for _, k := range places {
			d.print("  %-8s  %s", k, keeperTexts[k])
			words = append(words, string(k))
		}
		answer, err := d.ask(ctx, query{
			name: askKeep, text: "Store it in", what: "where to store the password",
			def: words[0], hasDef: true, check: oneOf(words...),
		})
		if err != nil {
			return err
		}
		d.plan.Keeper, d.plan.PassCmd = Keeper(answer), ""
		if d.plan.Keeper == ByCommand {
			if d.plan.PassCmd, err = d.ask(ctx, query{name: askCommand, text: "Command", what: "for the command that prints the password", check: anything}); err != nil {
				return err
			}
			return nil
		}
		has, err := d.world.CheckKeeper(ctx, &d.plan)
		if err != nil {
			if ctx.Err() != nil || d.given(askKeep) {
				return err
			}
			d.world.Report(err)
			continue
		}
		if has {
			d.print("The keyring contains a password of this user. mbsync uses it.")
			d.password = ""
			return nil
		}
		return d.askPassword(ctx)
	}
}

// given reports whether the answer to a question is on the command line.
func (d *dialogue) given(name string) bool { _, ok := d.answers[name]; return ok }

func (d *dialogue) askPassword(ctx context.Context) error {
	if d.password != "" {
		return nil // of the first time
	}
	for {
		p, err := d.world.Ask(ctx, "Password of "+d.plan.User+" (not shown): ", false)
		switch {
		case errors.Is(err, ErrNoTerminal):
			return &NoAnswerError{What: "for the password"}
		case err != nil:
			return err
		case p != "" && !strings.ContainsAny(p, "\x00\r\n"):
			d.password = p
			return nil
		}
	}
}

// logIn tries the login until it succeeds.
func (d *dialogue) logIn(ctx context.Context) error {
	if !d.world.Online() {
		return nil
	}
	for {
		if d.given(askCertificate) && !d.used[askCertificate] {
			if err := d.certificate(ctx); err != nil {
				return err
			}
		}
		boxes, err := d.try(ctx)
		if err == nil {
			d.boxes = boxes
			d.print("  The login succeeded.")
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d.world.Report(err)
		if d.world.Distrusted(err) {
			if err := d.certificate(ctx); err != nil {
				return err
			}
			continue
		}
		if err := d.again(ctx); err != nil {
			return err
		}
	}
}

// certificate asks for a file with the certificate of the server.
func (d *dialogue) certificate(ctx context.Context) (err error) {
	d.plan.Certificate, err = d.ask(ctx, query{
		name: askCertificate, text: "File with the certificate", what: "for a certificate to trust",
		check: func(text string) (string, error) { return text, d.world.CheckCertificate(text) },
	})
	return err
}

// again asks what to do after the login has failed.
func (d *dialogue) again(ctx context.Context) error {
	what := "password"
	if d.plan.OAuth != "" {
		what = "client"
	}
	answer, err := d.ask(ctx, query{
		text: "Try again with another " + what + ", user or server, or stop", what: "what to do after the login has failed",
		check: oneOf(what, "user", "server", "stop"),
	})
	if _, ok := errors.AsType[*NoAnswerError](err); ok {
		return ErrDeclined
	}
	if err != nil {
		return err
	}
	switch answer {
	case "stop":
		return ErrDeclined
	case "server":
		if err := d.server(ctx); err != nil {
			return err
		}
	case "user":
		if err := d.user(ctx); err != nil {
			return err
		}
		d.consented = false // the token was that of the other user
	case what:
		d.password, d.consented = "", false
		if d.plan.OAuth != "" {
			return d.client(ctx)
		}
		if d.plan.Keeper == ByCommand {
			return d.keepIn(ctx, d.world.Keepers())
		}
		return d.askPassword(ctx)
	}
	return nil
}

func (d *dialogue) name(ctx context.Context) (err error) {
	wanted := strings.SplitN(d.plan.Address.Domain, ".", 2)[0]
	if d.plan.Provider != nil && d.found.Found != nil && d.found.Found[0].Source == discover.Preset {
		wanted = d.plan.Provider.Name
	}
	d.plan.Name, err = d.ask(ctx, query{
		name: askName, text: "Name of the channel", def: d.world.Name(wanted), hasDef: true,
		check: func(text string) (string, error) { return text, d.world.CheckName(text) },
	})
	return err
}

func (d *dialogue) directory(ctx context.Context) error {
	for {
		used := false
		dir, err := d.ask(ctx, query{
			name: askDirectory, text: "Directory for the mail", def: d.world.Directory(d.plan.Name), hasDef: true,
			check: func(text string) (string, error) {
				text = strings.TrimRight(text, "/")
				if text == "" {
					return "", errors.New("this directory cannot be used")
				}
				var err error
				used, err = d.world.CheckDirectory(text)
				return text, err
			},
		})
		if err != nil {
			return err
		}
		d.plan.Directory = dir
		if !used || d.given(askDirectory) {
			return nil
		}
		d.print(textUsed)
		if ok, err := d.yes(ctx, query{text: "Use it anyway", def: "no", hasDef: true}); err != nil || ok {
			return err
		}
	}
}

// maxShown is how many mailboxes are shown.
const maxShown = 40

func (d *dialogue) mailboxes(ctx context.Context) error {
	d.plan.Patterns = []string{"*"}
	if len(d.boxes) > 0 {
		d.print("\nThe server has these mailboxes:")
	}
	for i, b := range d.boxes {
		if i == maxShown {
			d.print("  ... and %d others", len(d.boxes)-i)
			break
		}
		note := ""
		if b.Virtual {
			note = "  (shows messages of other mailboxes)"
		}
		d.print("  %s%s", b.Name, note)
	}
	for _, b := range d.boxes {
		if b.Virtual {
			d.plan.Patterns = append(d.plan.Patterns, "!"+strings.ReplaceAll(b.Name, "*", "%"))
		}
	}
	d.print(textPatterns)
	text, err := d.ask(ctx, query{
		name: askMailboxes, text: "Mailboxes", def: config.JoinArgs(d.plan.Patterns), hasDef: true,
		check: func(text string) (string, error) {
			words, err := config.SplitArgs(text)
			if err != nil {
				return "", err
			}
			if len(d.boxes) > 0 && d.selected(words) == 0 && !strings.Contains(text, "Special:") {
				return "", errors.New("no mailbox of the server matches")
			}
			return config.JoinArgs(words), nil
		},
	})
	if err != nil {
		return err
	}
	if d.plan.Patterns, err = config.SplitArgs(text); err != nil {
		return err
	}
	if len(d.boxes) > 0 {
		d.print("  Selected: %d of %d mailboxes.", d.selected(d.plan.Patterns), len(d.boxes))
	}
	return nil
}

// selected returns the number of mailboxes that match.
func (d *dialogue) selected(words []string) (n int) {
	patterns := config.NewPatterns(words...)
	for _, b := range d.boxes {
		if patterns.Match(b.Name) {
			n++
		}
	}
	return n
}

func (d *dialogue) messages(ctx context.Context) error {
	d.print(textMessages)
	_, err := d.ask(ctx, query{
		name: askMessages, text: "Messages of each mailbox", def: "all", hasDef: true,
		check: func(text string) (string, error) {
			if strings.EqualFold(text, "all") {
				d.plan.Most = 0
				return "all", nil
			}
			n, err := strconv.ParseUint(text, 10, 31)
			if err != nil || n == 0 {
				return "", errors.New("please answer all, or a number of messages")
			}
			d.plan.Most = int(n)
			return text, nil
		},
	})
	return err
}

func (d *dialogue) deletions(ctx context.Context) error {
	d.print(textDeletions)
	answer, err := d.ask(ctx, query{
		name: askDeletions, text: "Propagate deletions", def: string(KeepAll), hasDef: true,
		check: oneOf(string(KeepAll), string(DeleteMessages), string(DeleteMailboxes)),
	})
	d.plan.Deletions = Deletions(answer)
	return err
}
