package main

import (
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// sample is an invented message on the server.
type sample struct {
	from, subject string
	flags         []imap.Flag
	// body follows a plain UTF-8 header unless raw is set.
	body string
	// raw returns the whole message for the common header lines.
	raw func(common string) string
}

// sampleBox is one mailbox with its messages.
type sampleBox struct {
	name     string
	messages []sample
}

const (
	seen      = imap.FlagSeen
	answered  = imap.FlagAnswered
	flagged   = imap.FlagFlagged
	draft     = imap.FlagDraft
	forwarded = imap.FlagForwarded
)

// Subjects that later steps of the demo refer to.
const (
	subjectBook    = "Your library book is three years overdue"
	subjectRaffle  = "You have won a lighthouse"
	subjectPenguin = "Re: the penguin question"
	subjectOwl     = "Owl post: delivery attempted, nobody awake"
)

// sampleTree is the initial content of the server. It contains cases that mail programs often
// handle incorrectly: names in several scripts and with an ampersand (which modified UTF-7
// escapes), a folder without a parent mailbox, an empty mailbox, every flag, encoded subjects, a
// body in Latin-1, an empty body, a message of several megabytes.
var sampleTree = []sampleBox{
	{"INBOX", []sample{
		{
			from: "The Captain <captain@nighttrain.example>", subject: "Welcome aboard the night train to Nowhere",
			flags: []imap.Flag{seen},
			body: `Dear passenger,

we depart when it is dark and arrive when it is not. The dining car serves
pancakes until they run out; last year they did not.

Please mind the gap, it minds you too.
`,
		},
		{
			from: "Pingu Institute <questions@penguins.example>", subject: subjectPenguin,
			flags: []imap.Flag{seen, answered},
			body: `> Do they have knees?

They do. They would rather you did not stare.
`,
		},
		{
			from: "City Library <circulation@library.example>", subject: subjectBook,
			flags: []imap.Flag{seen, flagged},
			body: `"How to Remember Things", volume 2, was due in March three years ago.

The fine now exceeds the value of the library. Please advise.
`,
		},
		{
			from: "Grand Raffle <winners@raffle.example>", subject: subjectRaffle,
			body: `Congratulations! Collection in person, bring a very large bag.
`,
		},
		{
			from: "Hedwig & Sons <parcels@owlpost.example>", subject: subjectOwl,
			body: `We knocked at 03:00, 03:05 and 03:10. Your parcel is on the roof.
`,
		},
		{
			from: "Amélie <amelie@patisserie.example>", subject: "Crème brûlée, la recette",
			flags: []imap.Flag{seen, forwarded},
			raw: func(common string) string {
				// The message is in Latin-1, like those of 1997.
				return common + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n" +
					"Cr\xe8me, sucre, six \x9cufs... non, six \xab oeufs \xbb.\nBr\xfbler. Go\xfbter. Recommencer.\n"
			},
		},
	}},
	{"Archive/2024", []sample{
		{
			from: "Weather Desk <desk@weather.example>", subject: "Summer, a summary",
			flags: []imap.Flag{seen},
			body:  "It was a Tuesday.\n",
		},
		{
			from: "Neighbors <us@nextdoor.example>", subject: "The tuba",
			flags: []imap.Flag{seen, answered, flagged},
			body:  "We like it. Could you learn a second note?\n",
		},
	}},
	{"Archive/2025", []sample{
		{
			from: "Sheep Observatory <log@sheep.example>", subject: "Complete count of all sheep, with names",
			flags: []imap.Flag{seen},
			raw:   countSheep,
		},
	}},
	{"Café ☕", []sample{
		{
			from: "Barista <beans@cafe.example>", subject: "Kaffeeklatsch um halb fünf – bringst du Kuchen?",
			flags: []imap.Flag{seen},
			body:  "Es gibt Zwetschgendatschi, solange der Vorrat reicht. ☕\n",
		},
		{
			from: "Kuchen-Komitee <komitee@cafe.example>", subject: "Protokoll: kein Kuchen übrig",
			body: "Einstimmig beschlossen: nächstes Mal zwei Bleche.\n",
		},
	}},
	{"Drafts", []sample{
		{
			from: "Me <me@home.example>", subject: "My great novel, chapter one",
			flags: []imap.Flag{seen, draft},
			raw: func(common string) string {
				return common // a header and nothing else; so far
			},
		},
	}},
	{"Empty nest", nil},
	{"Q & A", []sample{
		{
			from: "Curious <why@questions.example>", subject: "Why do mailboxes with an ampersand always break?",
			flags: []imap.Flag{seen},
			body:  "Asking for a friend & colleague.\n",
		},
		{
			from: "Answers <because@answers.example>", subject: "Photo of the cat, as requested",
			raw: catPicture,
		},
	}},
	{"日本語", []sample{
		{
			from: "茶の会 <tea@kissaten.example>", subject: "お茶会のお知らせ",
			flags: []imap.Flag{seen},
			body:  "日曜日の午後、縁側でお待ちしています。\n",
		},
	}},
	{"日本語/旅行", []sample{
		{
			from: "駅長 <stationmaster@eki.example>", subject: "切符は猫が確認します",
			flags: []imap.Flag{flagged},
			body:  "改札で猫に切符をお見せください。\n",
		},
	}},
}

// firstDay is the date of the first sample. Each further sample is 11 hours later.
var firstDay = time.Date(2025, time.March, 3, 7, 30, 0, 0, time.FixedZone("", 3600))

// header returns the lines that every message of the demo starts with, with LF
// line ends and without the empty line.
func header(from, subject, id string, date time.Time) string {
	name, addr, _ := strings.Cut(from, " <")
	return fmt.Sprintf("From: %s <%s\nTo: Me <me@home.example>\nSubject: %s\nDate: %s\nMessage-ID: <%s@demo.example>\nMIME-Version: 1.0\n",
		mime.QEncoding.Encode("utf-8", name), addr, mime.QEncoding.Encode("utf-8", subject),
		date.Format(time.RFC1123Z), id)
}

// text returns the message of a sample, with LF line ends.
func (s *sample) text(id string, date time.Time) string {
	common := header(s.from, s.subject, id, date)
	if s.raw != nil {
		return s.raw(common)
	}
	return common + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + s.body
}

// countSheep makes the large message: close to 4 MB.
func countSheep(common string) string {
	first := []string{"Woolly", "Fluffy", "Cloudy", "Curly", "Dozy", "Misty", "Nimble", "Sir", "Lady", "Little"}
	last := []string{"Baa", "Bleat", "Clover", "Daisy", "Fleece", "Meadow", "Ramsey", "Shear", "Thistle", "Wander", "Yarn"}
	var b strings.Builder
	b.WriteString(common + "Content-Type: text/plain; charset=us-ascii\n\n")
	for n := 1; b.Len() < 4_000_000; n++ {
		fmt.Fprintf(&b, "%6d  %s %s the %dth jumped over the fence and did not look back.\n", n, first[n%len(first)], last[n%len(last)], n/len(last)+4)
	}
	b.WriteString("(the observer fell asleep here)\n")
	return b.String()
}

// catPicture makes a multipart message with an attachment.
func catPicture(common string) string {
	return common + `Content-Type: multipart/mixed; boundary="=-cat"

--=-cat
Content-Type: text/plain; charset=utf-8

She moved. This is the best of 412 attempts.

--=-cat
Content-Type: image/svg+xml; name="cat.svg"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename="cat.svg"

PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxMCAx
MCI+PHBhdGggZD0iTTIgOFY0bDEgMWg0bDEtMXY0eiIvPjwvc3ZnPg==
--=-cat--
`
}
