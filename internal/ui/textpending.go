package ui

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"isync/internal/event"
)

// pendingWordings are about messages that could not be copied.
var pendingWordings = []wording{
	advises(func(f event.MessagesPending) (string, string) {
		if f.Count == 1 {
			return "each run tries to copy this message again", "to skip it: " + f.Command
		}
		return fmt.Sprintf("each run tries to copy these %d messages again", f.Count), "to skip one: " + f.Command
	}),
	advises(func(f event.MessagesSkipped) (string, string) {
		if f.Count == 1 {
			return "1 message is skipped: runs do not try to copy it", "to try to copy it again: " + f.Command
		}
		return fmt.Sprintf("%d messages are skipped: runs do not try to copy them", f.Count), "to try to copy one again: " + f.Command
	}),
	advises(func(f event.MessageSkipped) (string, string) {
		return "skipped: runs do not try to copy it any more", "to try to copy it again: " + f.Command
	}),
	says(func(event.MessageTriedAgain) string { return "the next run tries to copy it again" }),
	advises(func(f event.MessageNotPending) (string, string) {
		return fmt.Sprintf("message %d is not in the list of messages that could not be copied", f.UID), "to show the list: " + f.Command
	}),
	advises(func(f event.MessageSideUnknown) (string, string) {
		return fmt.Sprintf("messages on both sides have the UID %d", f.UID), fmt.Sprintf("write '%s' or '%s'", f.Words[0], f.Words[1])
	}),
	advises(func(f event.MessageMalformed) (string, string) {
		form := "CHANNEL:MAILBOX:UID"
		if f.NoPatterns {
			form = "CHANNEL:UID, since the channel has no Patterns"
		}
		return fmt.Sprintf("'%s' does not name a message", f.Word), "write " + form
	}),
}

// takePendingList prints a table of messages that could not be copied.
func (p *Printer) takePendingList(l event.PendingList) {
	if len(l.Messages) == 0 {
		p.write(p.o.Out, "No message has failed: all were copied.")
		return
	}
	rows := [][]string{{"MAILBOX", "SIDE", "UID", "SIZE", "SINCE", "TRIED", "ERROR"}}
	for i := range l.Messages {
		m := &l.Messages[i]
		size, tried := "-", fmt.Sprint(m.Tries)
		if m.Size > 0 {
			size = sizeText(m.Size)
		}
		if m.Skipped {
			tried = "skipped"
		}
		rows = append(rows, []string{label(m.Pair), m.Side.String(), fmt.Sprint(m.UID), size, m.Since.Format(time.DateOnly), tried, m.Why})
	}
	for i, line := range table(rows) {
		p.write(p.o.Out, line)
		if i > 0 && p.o.Level >= Verbose {
			if about := aboutText(&l.Messages[i-1]); about != "" {
				p.write(p.o.Out, "  "+about)
			}
		}
	}
}

// aboutText tells what else is known of a message.
func aboutText(m *event.PendingMessage) string {
	var parts []string
	if !m.Date.IsZero() {
		parts = append(parts, "received "+m.Date.Format(time.DateTime))
	}
	if m.MessageID != "" {
		parts = append(parts, "Message-ID "+m.MessageID)
	}
	if m.Skipped {
		parts = append(parts, fmt.Sprintf("tried %d times", m.Tries))
	}
	return strings.Join(parts, ", ")
}

// table makes lines of rows, with columns two blanks apart. The texts are made harmless
// first, so that their widths are those on the terminal.
func table(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			row[i] = clean(cell)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		var b strings.Builder
		for j, cell := range row {
			b.WriteString(cell)
			if j < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[j]+2-utf8.RuneCountInString(cell)))
			}
		}
		lines[i] = b.String()
	}
	return lines
}
