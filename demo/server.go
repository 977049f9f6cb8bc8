package main

import (
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

const (
	user     = "demo"
	password = "pancakes"
)

// mailServer is an IMAP server in this process, on the loopback interface.
type mailServer struct {
	addr   *net.TCPAddr
	imap   *imapserver.Server
	user   *imapmemserver.User
	served chan error // result of Serve
}

// startServer starts a server with the sample tree. Errors outside of commands are written to
// logger.
func startServer(logger *log.Logger) (*mailServer, error) {
	u := imapmemserver.NewUser(user, password)
	if err := fill(u); err != nil {
		return nil, err
	}
	mem := imapmemserver.New()
	mem.AddUser(u)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &mailServer{
		addr: ln.Addr().(*net.TCPAddr),
		user: u,
		imap: imapserver.New(&imapserver.Options{
			NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
				return mem.NewSession(), nil, nil
			},
			Caps: imap.CapSet{
				imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {},
				imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapMove: {},
				imap.CapESearch: {}, imap.CapLiteralPlus: {},
			},
			Logger:       logger,
			InsecureAuth: true, // it listens on loopback only
		}),
		served: make(chan error, 1),
	}
	go func() { s.served <- s.imap.Serve(ln) }()
	return s, nil
}

// close stops the server and waits until it no longer accepts connections.
func (s *mailServer) close() error {
	err := s.imap.Close()
	if serr := <-s.served; err == nil {
		err = serr
	}
	return err
}

// fill creates the sample tree.
func fill(u *imapmemserver.User) error {
	date := firstDay
	for i, box := range sampleTree {
		if err := u.Create(box.name, nil); err != nil {
			return fmt.Errorf("create %s: %w", box.name, err)
		}
		for j := range box.messages {
			m := &box.messages[j]
			text := crlf(m.text(fmt.Sprintf("%d.%d", i, j), date))
			_, err := u.Append(box.name, literal{strings.NewReader(text)}, &imap.AppendOptions{Flags: m.flags, Time: date})
			if err != nil {
				return fmt.Errorf("fill %s: %w", box.name, err)
			}
			date = date.Add(11 * time.Hour)
		}
	}
	return nil
}

// literal is a string as the server's append needs it.
type literal struct{ *strings.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// witness is a second mail program that checks and changes the server. It is an IMAP client that
// shares no code with this project.
type witness struct{ c *imapclient.Client }

func (s *mailServer) witness() (*witness, error) {
	c, err := imapclient.DialInsecure(s.addr.String(), nil)
	if err != nil {
		return nil, err
	}
	if err := c.Login(user, password).Wait(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return &witness{c}, nil
}

func (w *witness) close() error {
	err := w.c.Logout().Wait()
	if cerr := w.c.Close(); err == nil && !strings.Contains(fmt.Sprint(cerr), "closed") {
		err = cerr
	}
	return err
}

// look returns all mailboxes on the server.
func (w *witness) look() (snapshot, error) {
	boxes, err := w.c.List("", "*", nil).Collect()
	if err != nil {
		return nil, err
	}
	snap := make(snapshot)
	for _, b := range boxes {
		snap[b.Mailbox], err = w.lookInto(b.Mailbox)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Mailbox, err)
		}
	}
	return snap, nil
}

func (w *witness) lookInto(box string) ([]message, error) {
	sel, err := w.c.Select(box, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || sel.NumMessages == 0 {
		return nil, err
	}
	var all imap.UIDSet
	all.AddRange(1, 0)
	body := &imap.FetchItemBodySection{Peek: true}
	fetched, err := w.c.Fetch(all, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{body},
	}).Collect()
	if err != nil {
		return nil, err
	}
	msgs := make([]message, 0, len(fetched))
	for _, f := range fetched {
		m := newMessage(f.FindBodySection(body), flagLetters(f.Flags))
		m.uid = f.UID
		msgs = append(msgs, m)
	}
	return msgs, nil
}

// find returns the only message of a mailbox with the given subject.
func (w *witness) find(box, subject string) (message, error) {
	msgs, err := w.lookInto(box)
	if err != nil {
		return message{}, err
	}
	return only(msgs, box, subject)
}

// delete removes a message permanently.
func (w *witness) delete(box, subject string) error {
	m, err := w.find(box, subject)
	if err != nil {
		return err
	}
	if _, err := w.c.Select(box, nil).Wait(); err != nil {
		return err
	}
	set := imap.UIDSetNum(m.uid)
	if err := w.c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		return err
	}
	return w.c.UIDExpunge(set).Close()
}

// setFlag sets a flag of a message.
func (w *witness) setFlag(box, subject string, flag imap.Flag) error {
	m, err := w.find(box, subject)
	if err != nil {
		return err
	}
	if _, err := w.c.Select(box, nil).Wait(); err != nil {
		return err
	}
	return w.c.Store(imap.UIDSetNum(m.uid), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}}, nil).Close()
}

// letters are the flags that Maildir knows, by their letter.
var letters = []struct {
	letter byte
	flag   imap.Flag
}{
	{'D', draft}, {'F', flagged}, {'P', forwarded}, {'R', answered}, {'S', seen}, {'T', imap.FlagDeleted},
}

// flagLetters returns flags as Maildir letters, in alphabetical order.
func flagLetters(flags []imap.Flag) string {
	var b strings.Builder
	for _, l := range letters {
		for _, f := range flags {
			if strings.EqualFold(string(f), string(l.flag)) {
				b.WriteByte(l.letter)
				break
			}
		}
	}
	return b.String()
}
