package provider

// table has all providers. When a row is changed, compare all of it with its Source, and
// set its Date.
var table = []Provider{
	{
		Name: "gmail", Title: "Gmail and Google Workspace",
		Host: "imap.gmail.com", Port: 993, TLS: IMAPS,
		OAuth: "google", Secret: AppPassword, SecretPage: "https://myaccount.google.com/apppasswords",
		Connections: 5, // Gmail allows 15 for all programs of an account
		Domains:     []string{"gmail.com", "googlemail.com"},
		MX:          []string{"google.com", "googlemail.com"},
		Source:      "https://support.google.com/mail/answer/7126229", Date: "2026-11-30",
	},
	{
		Name: "microsoft", Title: "Outlook.com and Microsoft 365",
		Host: "outlook.office365.com", Port: 993, TLS: IMAPS,
		OAuth: "microsoft", Secret: TokenOnly,
		PipelineDepth: 50, // the server slows clients down, and each answer has to come within Timeout
		Domains: []string{
			"outlook.com", "outlook.de", "outlook.es", "outlook.fr", "outlook.it", "outlook.jp", "outlook.com.br",
			"hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.es", "hotmail.fr", "hotmail.it",
			"live.com", "live.co.uk", "live.de", "live.fr", "live.it", "live.nl", "msn.com", "windowslive.com",
		},
		MX:     []string{"protection.outlook.com", "mx.microsoft"},
		Source: "https://support.microsoft.com/en-us/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040",
		Date:   "2026-11-30",
	},
	{
		Name: "fastmail", Title: "Fastmail",
		Host: "imap.fastmail.com", Port: 993, TLS: IMAPS,
		OAuth: "fastmail", Secret: AppPassword, SecretPage: "https://www.fastmail.help/hc/en-us/articles/360058752854",
		Folders: []Folder{{"Sent", "Sent"}, {"Drafts", "Drafts"}, {"Trash", "Trash"}, {"Archive", "Archive"}, {"Junk", "Spam"}},
		Domains: []string{"fastmail.com", "fastmail.fm"},
		MX:      []string{"messagingengine.com"},
		Source:  "https://www.fastmail.help/hc/en-us/articles/1500000278342", Date: "2026-11-30",
	},
	{
		Name: "icloud", Title: "iCloud Mail",
		Host: "imap.mail.me.com", Port: 993, TLS: IMAPS,
		Secret: AppPassword, SecretPage: "https://support.apple.com/en-us/102654",
		Folders: []Folder{
			{"Sent", "Sent Messages"}, {"Drafts", "Drafts"}, {"Trash", "Deleted Messages"}, {"Archive", "Archive"}, {"Junk", "Junk"},
		},
		Domains: []string{"icloud.com", "me.com", "mac.com"},
		MX:      []string{"mail.icloud.com"},
		Source:  "https://support.apple.com/en-us/102525", Date: "2026-11-30",
	},
	{
		Name: "yahoo", Title: "Yahoo Mail",
		Host: "imap.mail.yahoo.com", Port: 993, TLS: IMAPS,
		Secret: AppPassword, SecretPage: "https://help.yahoo.com/kb/SLN15241.html",
		// Not yahoo.co.jp: it belongs to another company, and has another server.
		Domains: []string{
			"yahoo.com", "yahoo.ca", "yahoo.co.in", "yahoo.co.uk", "yahoo.com.au", "yahoo.com.br", "yahoo.de", "yahoo.es",
			"yahoo.fr", "yahoo.in", "yahoo.it", "ymail.com", "rocketmail.com", "myyahoo.com",
		},
		MX:     []string{"am0.yahoodns.net"},
		Source: "https://help.yahoo.com/kb/SLN4075.html", Date: "2026-11-30",
	},
	{
		Name: "aol", Title: "AOL Mail",
		Host: "imap.aol.com", Port: 993, TLS: IMAPS,
		Secret: AppPassword, SecretPage: "https://help.aol.com/articles/Create-and-manage-app-password",
		Domains: []string{"aol.com", "aim.com"},
		MX:      []string{"mx-aol.mail.gm0.yahoodns.net"},
		Source:  "https://help.aol.com/articles/how-do-i-use-other-email-applications-to-send-and-receive-my-aol-mail",
		Date:    "2026-11-30",
	},
	{
		Name: "gmx", Title: "GMX",
		Host: "imap.gmx.net", Port: 993, TLS: IMAPS,
		Hosts:   []HostOf{{"gmx.com", "imap.gmx.com"}, {"gmx.us", "imap.gmx.com"}, {"gmx.co.uk", "imap.gmx.com"}},
		Domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "gmx.us", "gmx.co.uk"},
		MX:      []string{"gmx.net"},
		Source:  "https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html", Date: "2026-11-30",
	},
	{
		Name: "webde", Title: "WEB.DE",
		Host: "imap.web.de", Port: 993, TLS: IMAPS,
		Domains: []string{"web.de"},
		MX:      []string{"web.de"},
		Source:  "https://hilfe.web.de/pop-imap/imap/imap-serverdaten.html", Date: "2026-11-30",
	},
	{
		Name: "mailbox.org", Title: "mailbox.org",
		Host: "imap.mailbox.org", Port: 993, TLS: IMAPS,
		Domains: []string{"mailbox.org"},
		MX:      []string{"mailbox.org"},
		Source:  "https://kb.mailbox.org/en/private/", Date: "2026-11-30",
	},
	{
		Name: "posteo", Title: "Posteo",
		Host: "posteo.de", Port: 993, TLS: IMAPS,
		Domains: []string{"posteo.de", "posteo.net", "posteo.at", "posteo.ch", "posteo.eu", "posteo.org"},
		MX:      []string{"posteo.de"},
		Source:  "https://posteo.de/en/help/how-do-i-set-up-posteo-in-an-email-client-pop3-imap-and-smtp", Date: "2026-11-30",
	},
	{
		// A program on the same computer. It makes the password, too.
		Name: "proton-bridge", Title: "Proton Mail through Proton Mail Bridge",
		Host: "127.0.0.1", Port: 1143, TLS: STARTTLS, OwnCertificate: true,
		Secret: AppPassword, SecretPage: "https://proton.me/support/imap-smtp-and-pop3-setup",
		Folders: []Folder{
			{"Sent", "Sent"},
			{"Drafts", "Drafts"},
			{"Trash", "Trash"},
			{"Archive", "Archive"},
			{"Junk", "Spam"},
			{"All", "All Mail"},
			{"Flagged", "Starred"},
		},
		Domains: []string{"proton.me", "protonmail.com", "protonmail.ch", "pm.me"},
		MX:      []string{"protonmail.ch"},
		Source:  "https://proton.me/support/imap-smtp-and-pop3-setup", Date: "2026-11-30",
	},
	{
		Name: "zoho", Title: "Zoho Mail",
		// Domains of organizations have another host than personal addresses.
		Host: "imappro.zoho.com", Port: 993, TLS: IMAPS,
		Hosts: []HostOf{
			{"zoho.com", "imap.zoho.com"},
			{"zohomail.com", "imap.zoho.com"},
			{"zoho.eu", "imap.zoho.eu"},
			{"zohomail.eu", "imap.zoho.eu"},
			{"zoho.in", "imap.zoho.in"},
			{"zohomail.in", "imap.zoho.in"},
		},
		Domains: []string{"zoho.com", "zohomail.com", "zoho.eu", "zohomail.eu", "zoho.in", "zohomail.in"},
		MX:      []string{"zoho.com"},
		Source:  "https://www.zoho.com/mail/help/imap-access.html", Date: "2026-11-30",
	},
	{
		Name: "yandex", Title: "Yandex Mail",
		Host: "imap.yandex.com", Port: 993, TLS: IMAPS,
		OAuth: "yandex", Secret: AppPassword, SecretPage: "https://id.yandex.com/security/app-passwords",
		Domains: []string{"yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru"},
		MX:      []string{"mx.yandex.net", "mx.yandex.ru"},
		Source:  "https://yandex.com/support/mail/mail-clients/others.html", Date: "2026-11-30",
	},
	{
		Name: "mailru", Title: "Mail.ru",
		Host: "imap.mail.ru", Port: 993, TLS: IMAPS,
		OAuth: "mailru", Secret: AppPassword, SecretPage: "https://account.mail.ru/user/2-step-auth/passwords/",
		Domains: []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru"},
		MX:      []string{"mail.ru"},
		Source:  "https://help.mail.ru/mail/mailer/popsmtp", Date: "2026-11-30",
	},
	{
		Name: "migadu", Title: "Migadu", // for domains of customers only
		Host: "imap.migadu.com", Port: 993, TLS: IMAPS,
		MX:     []string{"migadu.com"},
		Source: "https://www.migadu.com/guides/", Date: "2026-11-30",
	},
	{
		Name: "purelymail", Title: "Purelymail",
		Host: "imap.purelymail.com", Port: 993, TLS: IMAPS,
		Domains: []string{"purelymail.com"},
		MX:      []string{"purelymail.com"},
		Source:  "https://purelymail.com/docs", Date: "2026-11-30",
	},
}
