package discover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"isync/internal/provider"
)

// The errors of a document that names no server.
var (
	errNoIMAP  = errors.New("it names no IMAP server")
	errNoTLS   = errors.New("it names only servers without TLS")
	errNoLogin = errors.New("it names only servers with ways to log in that are not supported")
)

// clientConfig is what is read of a document in the format of the ISPDB.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Provider struct {
		ID      string           `xml:"id,attr"`
		Servers []incomingServer `xml:"incomingServer"`
	} `xml:"emailProvider"`
}

type incomingServer struct {
	Type           string   `xml:"type,attr"`
	Hostname       string   `xml:"hostname"`
	Port           string   `xml:"port"`
	SocketType     string   `xml:"socketType"`
	Username       string   `xml:"username"`
	Authentication []string `xml:"authentication"`
}

// maxServers is how many servers of a document are looked at.
const maxServers = 50

// parseClientConfig returns the first server of a document that can be used: IMAP, with TLS, and
// with a way to log in that is supported.
func parseClientConfig(data []byte, a Address) (Server, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = charset
	var c clientConfig
	if err := d.Decode(&c); err != nil {
		return Server{}, fmt.Errorf("it is not in the format of the ISPDB: %w", shorten(err))
	}
	err := errNoIMAP
	for _, s := range c.Provider.Servers[:min(len(c.Provider.Servers), maxServers)] {
		if !strings.EqualFold(strings.TrimSpace(s.Type), "imap") {
			continue
		}
		found, serr := s.server(a)
		if serr == nil {
			return found, nil
		}
		err = serr
	}
	return Server{}, err
}

// server returns what the document says about a server.
func (s *incomingServer) server(a Address) (Server, error) {
	var out Server
	switch socket := strings.ToUpper(strings.TrimSpace(s.SocketType)); socket {
	case "SSL", "TLS":
		out.TLS, out.Port = provider.IMAPS, 993
	case "STARTTLS":
		out.TLS, out.Port = provider.STARTTLS, 143
	default:
		return Server{}, errNoTLS
	}
	if port := strings.TrimSpace(s.Port); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Server{}, errors.New("the port is not a number from 1 to 65535")
		}
		out.Port = int(n)
	}
	host, _ := expand(strings.TrimSpace(s.Hostname), a)
	if out.Host = hostName(host); out.Host == "" {
		return Server{}, errors.New("the name of the server is not a host name")
	}
	for _, way := range s.Authentication {
		switch strings.ToLower(strings.TrimSpace(way)) {
		case "password-cleartext", "plain", "password-encrypted", "secure":
			out.Password = true
		case "oauth2":
			out.OAuth = true
		}
	}
	if len(s.Authentication) == 0 {
		out.Password = true
	}
	if !out.Password && !out.OAuth {
		return Server{}, errNoLogin
	}
	// A name that cannot be understood is left to the user.
	if user, ok := expand(strings.TrimSpace(s.Username), a); ok && validUser(user) {
		out.User = user
	}
	return out, nil
}

// expand replaces the placeholders of the format. ok: there are no unknown ones.
func expand(text string, a Address) (out string, ok bool) {
	out = strings.NewReplacer("%EMAILADDRESS%", a.Local+"@"+a.Shown, "%EMAILLOCALPART%", a.Local, "%EMAILDOMAIN%", a.Domain).Replace(text)
	rest := strings.NewReplacer("%EMAILADDRESS%", "", "%EMAILLOCALPART%", "", "%EMAILDOMAIN%", "").Replace(text)
	return out, !strings.Contains(rest, "%")
}

// maxUser is the longest name of a user, in bytes.
const maxUser = 320

// validUser reports whether a text can be the name of a user.
func validUser(name string) bool {
	return name != "" && len(name) <= maxUser && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// charset decodes what is not in UTF-8.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		data, err := io.ReadAll(in) // of what is limited already
		if err != nil {
			return nil, err
		}
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		return strings.NewReader(string(runes)), nil
	}
	return nil, errors.New("unknown character set")
}

// shorten limits the text of an error that may quote the document.
func shorten(err error) error {
	const most = 100
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, err.Error())
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return errors.New(text)
}
