package maildir

import (
	"io"

	"isync/internal/mail"
)

// fields are the header fields that a scan may ask for, "" if missing.
type fields struct{ tuid, messageID string }

// readFields reads the fields from the beginning of a message.
func readFields(r io.Reader) (fields, error) {
	v, err := mail.HeaderFields(r, "X-TUID", "Message-ID")
	f := fields{v[0], v[1]}
	if len(f.tuid) != mail.TUIDLen {
		f.tuid = ""
	}
	return f, err
}
