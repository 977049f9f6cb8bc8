package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // one substring for each error, in order
	}{
		{"empty", "", nil},
		{"unknown global keyword", "FSyn yes\n", []string{`1: unknown keyword "FSyn" (did you mean FSync?)`}},
		{"unknown section", "Groop g c\n", []string{`1: unknown keyword "Groop" (did you mean Group?)`}},
		{"misspelled section", strings.Replace(withChannel("Create Near"), "Channel", "Chanel", 1), []string{`9: unknown keyword "Chanel" (did you mean Channel?)`}},
		{"misspelled first section", "IMAPStor s\nHost h\n\nMaildirStore n\nInbox i\n\nChannel c\nFar :s:\nNear :n:\n", []string{`1: unknown keyword "IMAPStor" (did you mean IMAPStore?)`}},
		{"nothing like it", "Frobnicate c\n", []string{`1: unknown keyword "Frobnicate"`}},
		{"section keyword first", "Host h\n", []string{`1: keyword "Host" before any section (move it into a section: IMAPAccount, IMAPStore)`}},
		{"no argument", "FSync\n", []string{`1: missing argument after "FSync"`}},
		{"only a comment as argument", "FSync # yes\n", []string{`1: missing argument after "FSync"`}},
		{"excess", "FSync yes no\n", []string{`1: excess token "no" after the argument of FSync`}},
		{"comment after it", "FSync yes # no\n", nil},
		{"boolean", "FSync ja\n", []string{`1: invalid boolean "ja" for FSync (write yes or no)`}},
		{"open quote", "FSync \"yes\n", []string{`1: unterminated quote in "yes"`}},
		{"open escape", "FSync yes\\\r\n", []string{`1: backslash at the end of the line in "yes"`}},
		{"open quote at the keyword", "\"FSync yes\n", []string{`1: unterminated quote after "FSync yes"`}},
		{"NUL", "FSync y\x00es\n", []string{`1: NUL byte in the line`}},
		{"size", "BufferLimit 5g\n", []string{`1: invalid size "5g" for BufferLimit`}},
		{"no buffer", "BufferLimit 0k\n", []string{`1: BufferLimit "0k" is too small`}},
		{"delimiter", "FieldDelimiter ab\nFieldDelimiter x\nFieldDelimiter /\nFieldDelimiter \"\"\n", []string{`1: invalid delimiter "ab"`, `2: invalid delimiter "x"`, `3: invalid`, `4: invalid delimiter ""`}},
		{"all at once, in order", "FSync x\nChannel c\nFar f\nBad y\n\nGlob z\n", []string{
			`1: invalid boolean "x"`,
			`2: Channel "c" has no Near (add a line: Near :store:)`,
			`3: malformed mailbox "f" for Far (write Far :f:)`,
			`4: unknown keyword "Bad" in Channel "c"`,
			`6: unknown keyword "Glob"`,
		}},
		{"global after section", withChannel("", "FSync yes"), []string{`13: global option "FSync" after a section has begun (move it`}},
		{"continued after empty line", withChannel("", "Create Both"), []string{`13: global option "Create" after a section has begun (an empty line has ended Channel "c" that began in line 9)`}},
		{"stray keyword", withChannel("", "Patterns *"), []string{`13: keyword "Patterns" outside of any section (an empty line has ended Channel "c"`}},
		{"stray elsewhere", withChannel("", "Host x"), []string{`13: keyword "Host" outside of any section`}},
		{"no empty line between", "MaildirStore n\nPath /n/\nChannel c\nFar :n:a\nNear :n:b\n", []string{`3: Channel begins in the middle of MaildirStore "n" (put an empty line before it)`}},
		{"keyword of another section", withChannel("AltMap yes"), []string{`12: unknown keyword "AltMap" in Channel "c" (move it into a section: MaildirStore)`}},
		{"global keyword in section", withChannel("FSync yes"), []string{`12: unknown keyword "FSync" in Channel "c" (move it to the beginning of the file: it is a global option`}},
		{"misspelled and therefore missing", "IMAPAccount a\nHsot h\n", []string{`2: unknown keyword "Hsot" in IMAPAccount "a" (did you mean Host?)`}},
		{"no name", "Channel\nFar :a:\n", []string{`1: missing name after "Channel"`, `1: Channel "" has no Near`}},
		{"empty name", "MaildirStore \"\"\n", []string{`1: empty name after "MaildirStore"`}},
		{"two names", "MaildirStore a b\n", []string{`1: excess token "b" after the argument of MaildirStore`}},

		{"host missing", "IMAPAccount a\nUser u\n", []string{`1: IMAPAccount "a" has neither Host nor Tunnel`}},
		{"tunnel is enough", "IMAPAccount a\nTunnel cmd\n", nil},
		{"host in vain", "IMAPAccount a\nHost imaps:\n", []string{`2: Host "imaps:" names no host`}},
		{"port", withAccount("Port 0", "Port 65536", "Port x", "Port -1", "Port 70 0"), []string{
			`3: invalid number "0" for Port (write an integer from 1 to 65535)`, `4: invalid number "65536"`, `5: `, `6: `, `7: excess token "0"`,
		}},
		{"timeout", withAccount("Timeout 5x"), []string{`3: invalid number "5x" for Timeout (write an integer that is not negative)`}},
		{"port in host", "IMAPAccount a\nHost mail.example.org:993\n", []string{`2: Host "mail.example.org:993" holds a port (write Host mail.example.org and Port 993)`}},
		{"compress", withAccount("Compress maybe"), []string{`3: invalid value "maybe" for Compress (write auto, yes or no)`}},
		{"pipeline", withAccount("PipelineDepth 0"), []string{`3: invalid number "0" for PipelineDepth (write an integer, at least 1)`}},
		{"users", withAccount("UserCmd \"echo a\"", "User a"), []string{`4: IMAPAccount "a" has both UserCmd and User`}},
		{"passwords", withAccount("Pass a", "PassCmd b", "UseKeychain yes"), []string{`4: IMAPAccount "a" has both Pass and PassCmd`, `5: IMAPAccount "a" has both Pass and UseKeychain`}},
		{"keychain not used", withAccount("Pass a", "UseKeychain no"), nil},
		{"command", withAccount(`PassCmd "+ "`, `UserCmd ""`), []string{`3: PassCmd: the command is empty`, `4: UserCmd: the command is empty`}},
		{"mechanism", withAccount("AuthMechs PLAIN \"a b\" LOGIN"), []string{`3: invalid authentication mechanism "a b"`}},
		{"TLS type", withAccount("TLSType IMAP"), []string{`3: invalid argument "IMAP" for TLSType (did you mean IMAPS?)`}},
		{"TLS type, wild", withAccount("TLSType yes"), []string{`3: invalid argument "yes" for TLSType (possible values: None, STARTTLS, IMAPS)`}},
		{"TLS versions", withAccount("TLSVersions 1.1 +1.4 TLSv1"), []string{`3: TLS version "1.1" without a sign (write +1.1 to allow it`, `3: invalid TLS version "+1.4"`, `3: invalid TLS version "TLSv1"`}},
		{"no TLS version", withAccount("TLSVersions -1.2", "TLSVersions -1.3"), []string{`4: IMAPAccount "a": no TLS version is left`}},
		{"certificate", withAccount("CertificateFile ~/no.pem\nSystemCertificates no"), []string{`3: cannot read CertificateFile '/home/me/no.pem': file does not exist`}},
		{"extension", withAccount("DisableExtension \"(\""), []string{`3: invalid IMAP extension "("`}},
		{"home of nobody", withAccount("ClientKey ~nobody/k"), []string{`3: ClientKey "~nobody/k": cannot find the home directory of "nobody": no such user`}},

		{"store without account", "IMAPStore s\n", []string{`1: IMAPStore "s" has neither Account, Host nor Tunnel`}},
		{"store with both", "IMAPAccount a\nHost h\n\nIMAPStore s\nPath x\nAccount a\nPort 1\nUser u\n", []string{`7: IMAPStore "s" has an Account, but also Port`}},
		{"store with both, old spelling", "IMAPAccount a\nHost h\n\nIMAPStore s\nAccount a\nUseIMAPS yes\n", []string{`6: IMAPStore "s" has an Account, but also UseIMAPS`}},
		{"unknown account", "IMAPAccount work\nHost h\n\nIMAPStore s\nAccount wrk\n", []string{`5: unknown IMAPAccount "wrk" (did you mean work?)`}},
		{"inline is no account", "IMAPStore s\nHost h\n\nIMAPStore t\nAccount s\n", []string{`5: unknown IMAPAccount "s"`}},
		{"delimiter of paths", "IMAPStore s\nHost h\nPathDelimiter ab\nPathDelimiter ä\n", []string{`3: PathDelimiter "ab" is not exactly one character`, `4: PathDelimiter`}},
		{"flatten", "MaildirStore s\nFlatten a/b\n", []string{`2: Flatten "a/b" contains the hierarchy delimiter`}},
		{"maildir++", "MaildirStore s\nSubFolders maildir++\nPath ~/x/\n", []string{`3: MaildirStore "s": a Path is incompatible with SubFolders Maildir++`}},
		{"path in inbox", "MaildirStore s\nInbox ~/Mail/\nPath ~/Mail/sub/\n", []string{`3: MaildirStore "s": Path "/home/me/Mail/sub/" is inside Inbox "/home/me/Mail"`}},
		{"path in default inbox", "MaildirStore s\nPath ~/Maildir/sub/\n", []string{`2: MaildirStore "s": Path`}},
		{"path beside inbox", "MaildirStore s\nInbox ~/Mail\nPath ~/Mail2/\n", nil},
		{"inbox in path", "MaildirStore s\nInbox ~/Mail/in\nPath ~/Mail/\n", nil},
		{"path is inbox", "MaildirStore s\nInbox ~/Mail\nPath ~/Mail/\n", nil},
		{"sub-folders", "MaildirStore s\nSubFolders Verbatm\n", []string{`2: invalid argument "Verbatm" for SubFolders (did you mean Verbatim?)`}},

		{"unknown stores", twoStores + "Channel c\nFar :ff:\nNear ::x\n", []string{`10: Channel "c": unknown store "ff"`, `11: malformed mailbox "::x"`}},
		{"one unknown store", twoStores + "Channel c\nFar :g:a:b\nNear :n:\n", []string{`10: Channel "c": unknown store "g"`}},
		{"stores may follow", "Channel c\nFar :f:\nNear :n:\nSyncState *\n\n" + twoStores, nil},
		{"no far", twoStores + "Channel c\nNear :n:\n", []string{`9: Channel "c" has no Far`}},
		{"sync word", withChannel("Sync Pul Nw PullNw"), []string{`12: invalid argument "Pul" for Sync (did you mean Pull?)`, `12: invalid argument "Nw" for Sync (did you mean New?)`, `12: invalid argument "PullNw" for Sync (did you mean PullNew?)`}},
		{"side word", withChannel("Create yes"), []string{`12: invalid argument "yes" for Create (possible values: None, Far, Near, Both)`}},
		{"expire side", withChannel("ExpireSide Both"), []string{`12: invalid argument "Both" for ExpireSide (possible values: Far, Near)`}},
		{"expunge twice", withChannel("ExpungeSolo Both", "Expunge Near"), []string{`13: Channel "c": both Expunge and ExpungeSolo are set for the near side`}},
		{"expunge on different sides", withChannel("ExpungeSolo Far", "Expunge Near"), nil},
		{"expunge against global", "Expunge Near\n" + withChannel("ExpungeSolo Near"), []string{`13: Channel "c": both Expunge and ExpungeSolo`}},
		{"expunge in global", "Expunge Near\nExpungeSolo Near\n" + withChannel(""), []string{`2: both Expunge and ExpungeSolo are set for the near side`}},
		{"create", withChannel("Create Near", "Create None"), []string{`13: Conflicting Create options: "None" with "Near" in line 12`}},
		{"messages", withChannel("MaxMessages -3"), []string{`12: invalid number "-3" for MaxMessages`}},
		{"group", withChannel("", "Group g c: c:a,,b :x c:a"), []string{`13: malformed channel ":x"`}},

		{"mixed TLS types", withAccount("RequireSSL yes", "SSLType IMAPS", "UseIMAPS no"), []string{`3: IMAPAccount "a" has both RequireSSL and TLSType (delete the RequireSSL line)`, `5: IMAPAccount "a" has both UseIMAPS`}},
		{"mixed TLS versions", withAccount("UseTLSv1 yes", "TLSVersions +1.1"), []string{`3: IMAPAccount "a" has both UseTLSv1 and TLSVersions`}},
		{"mixed mechanisms", withAccount("AuthMech LOGIN", "RequireCRAM yes"), []string{`4: IMAPAccount "a" has both RequireCRAM and AuthMechs`}},
		{"host against type", "IMAPAccount a\nHost imaps:h\nTLSType STARTTLS\n", []string{`2: IMAPAccount "a": "imaps:" before the host name contradicts TLSType STARTTLS`}},
		{"old version", withAccount("SSLVersions TLSv1.5"), []string{`3: invalid argument "TLSv1.5" for SSLVersions (did you mean TLSv1.`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := errorTexts(t, tt.text)
			for i, want := range tt.want {
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Fatalf("want these beginnings:\n%s\ngot:\n%s", strings.Join(tt.want, "\n"), strings.Join(got, "\n"))
				}
			}
			if len(got) > len(tt.want) {
				t.Errorf("unexpected:\n%s", strings.Join(got[len(tt.want):], "\n"))
			}
		})
	}
}

// TestSecretsDoNotShow has the password in every place where a slip could bring
// it into a message.
func TestSecretsDoNotShow(t *testing.T) {
	for _, line := range []string{
		"Pass hunter2 hunter3", `Pass "hunter2`, `Pass hunter2\`, `Pass"hunter2"`, `"Pass hunter2`, "Pass \u201chunter2\u201d", "Pass \u201chunter2 hunter3\u201d",
		"Passs hunter2", "Password hunter2", "Password \u201chunter2\u201d", "\u201cPass\u201d hunter2", `Passwd "hunter2`, "Pass=hunter2", "Pass:hunter2",
		"Psas \u201chunter2\u201d", "PASS hunter2 x", `"PaSS hunter2 " x`, "Pass\u00a0hunter2", "\u201cPass hunter2\u201d", "Pass \u201chunter2", "Pass\u201chunter2\u201d",
	} {
		for _, text := range []string{withAccount(line), withAccount("", line), line + "\n", withChannel(line)} {
			_, notices, err := parse(t, text)
			all := strings.Join(noticeTexts(notices), "\n")
			if err != nil {
				all += err.Error()
				for _, e := range err.(ErrorList) {
					all += e.Word
				}
			}
			if all == "" {
				t.Errorf("%s: no complaint", line)
			}
			if strings.Contains(all, "hunter") {
				t.Errorf("%s: a password shows:\n%s", line, all)
			}
		}
	}
}

func TestSections(t *testing.T) {
	// An empty line ends a section, a comment does not.
	cfg, _ := mustParse(t, "\ufeff\r\nFSync no\r\n\r\n# Comment\r\nBufferLimit 1M\r\nMaildirStore f\r\n  # indented comment\r\nPath /f/\r\n#\r\nInbox /f/I\r\n \t \r\n"+
		"MaildirStore n\r\nPath /n/\r\n\r\nChannel c\r\nFAR :f:\r\nnear :n:\r\nSyncState *")
	if cfg.Global.FSync || cfg.Global.BufferLimit != 1<<20 || len(cfg.Stores) != 2 || len(cfg.Channels) != 1 {
		t.Errorf("got %+v", cfg)
	}
	if got := cfg.Store("f").Maildir.Inbox; got != "/f/I" {
		t.Errorf("Inbox is %q", got)
	}
	if got := cfg.Global.Pos("bufferlimit"); got.Line != 5 {
		t.Errorf("BufferLimit is at %v", got)
	}
	if got := cfg.Channel("c").Pos("FAR").String(); got != "/etc/rc:16" {
		t.Errorf("Far is at %v", got)
	}
	if cfg.Channel("c").At.Line != 15 {
		t.Errorf("the channel is at %v", cfg.Channel("c").At)
	}
	if got := cfg.Channel("C"); got != nil {
		t.Error("names must be case-sensitive")
	}
}

func TestAccount(t *testing.T) {
	env := testEnv(map[string]string{"/etc/ca.pem": "CA", "/home/you/b": "B", "/abs": "A"})
	cfg, _, err := Parse("/etc/rc", []byte(`IMAPAccount full
Host imap.example.org
Port 1143
Timeout 0
User me
Pass "a b"
Tunnel "ssh \"x y\" imapd"
AuthMechs scram-sha-1 PLAIN
AuthMech login PLAIN
TLSType starttls
TLSVersions +1.1
TLSVersions -1.3
SystemCertificates no
CertificateFile ca.pem
CertificateFile ~you/b
CertificateFile /abs
ClientCertificate sub/../c.pem
ClientKey ./k.pem
CipherString HIGH
PipelineDepth 3
Connections 7
DisableExtensions move AUTH=PLAIN
DisableExtension X-FOO

IMAPAccount minimal
Host h

IMAPAccount imaps
Host h
TLSType IMAPS

IMAPAccount tunnel
Tunnel t
PassCmd "+pinentry"
UserCmd "echo me"

IMAPStore own
Host own.example.org
TLSType IMAPS
Path ""
PathDelimiter .
UseNamespace no
SubscribedOnly yes
MapInbox in
Flatten .
Trash trash
TrashNewOnly yes
TrashRemoteNew yes
MaxSize 5k

IMAPStore other
Account full
`), env)
	if err != nil {
		t.Fatal(err)
	}
	full := cfg.Account("full")
	at := func(line int) Pos { return Pos{"/etc/rc", line} }
	want := &Account{
		Name: "full", At: at(1), Host: "imap.example.org", Port: 1143, User: "me", Pass: NewSecret("a b"), Tunnel: `ssh "x y" imapd`,
		AuthMechs: []string{"SCRAM-SHA-1", "PLAIN", "LOGIN"}, TLS: TLSStartTLS, TLSVersions: TLS11 | TLS12,
		Certificates:    []CertificateFile{{"/etc/ca.pem", []byte("CA"), at(14)}, {"/home/you/b", []byte("B"), at(15)}, {"/abs", []byte("A"), at(16)}},
		TLSSessionCache: true, ClientCertificate: "/etc/c.pem", ClientKey: "/etc/k.pem", CipherString: "HIGH", PipelineDepth: 3, Connections: 7, Retries: 4, RetryMax: time.Minute, PollInterval: 5 * time.Minute, SafetyInterval: 15 * time.Minute, IdleRefresh: 9 * time.Minute,
		DisableExtensions: []string{"MOVE", "AUTH=PLAIN", "X-FOO"},
	}
	noGiven := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type().Name() == "Given" }, cmp.Ignore())
	if diff := cmp.Diff(want, full, noGiven); diff != "" {
		t.Errorf("full (-want +got):\n%s", diff)
	}
	if full.Pos("AuthMech") != at(9) || full.Pos("authmechs") != at(9) || full.Pos("UserCmd").IsSet() {
		t.Error("wrong positions")
	}
	want = &Account{
		Name: "minimal", At: at(25), Host: "h", Port: 143, Timeout: 20 * time.Second, AuthMechs: []string{"*"}, TLS: TLSStartTLS,
		TLSVersions: DefaultTLSVersions, SystemCertificates: true, TLSSessionCache: true, Connections: 3, Retries: 4, RetryMax: time.Minute, PollInterval: 5 * time.Minute, SafetyInterval: 15 * time.Minute, IdleRefresh: 9 * time.Minute,
	}
	if diff := cmp.Diff(want, cfg.Account("minimal"), noGiven); diff != "" {
		t.Errorf("minimal (-want +got):\n%s", diff)
	}
	if a := cfg.Account("imaps"); a.Port != 993 || a.TLS != TLSIMAPS {
		t.Errorf("imaps: %v", a)
	}
	if a := cfg.Account("tunnel"); a.TLS != TLSNone || a.PassCmd != "+pinentry" || a.UserCmd != "echo me" || a.Pass.IsSet() || a.Connections != 1 {
		t.Errorf("tunnel: %v", a)
	}

	own := cfg.Store("own")
	wantStore := &Store{
		Name: "own", At: at(37), HasPath: true, MaxSize: 5120, MapInbox: "in", Flatten: ".", Trash: "trash", TrashNewOnly: true, TrashRemoteNew: true,
		IMAP: &IMAPStore{
			Account: &Account{
				Name: "own", At: at(37), Inline: true, Host: "own.example.org", Port: 993, Timeout: 20 * time.Second, AuthMechs: []string{"*"},
				TLS: TLSIMAPS, TLSVersions: DefaultTLSVersions, SystemCertificates: true, TLSSessionCache: true, Connections: 3, Retries: 4, RetryMax: time.Minute, PollInterval: 5 * time.Minute, SafetyInterval: 15 * time.Minute, IdleRefresh: 9 * time.Minute,
			},
			PathDelimiter: '.', SubscribedOnly: true,
		},
	}
	if diff := cmp.Diff(wantStore, own, noGiven); diff != "" {
		t.Errorf("own (-want +got):\n%s", diff)
	}
	if cfg.Account("own") != nil || len(cfg.Accounts) != 5 || cfg.Accounts[4] != own.IMAP.Account {
		t.Error("the inline account is not where it should be")
	}
	if other := cfg.Store("other"); other.IMAP.Account != full || !other.IMAP.UseNamespace || other.HasPath {
		t.Errorf("other: %+v", other)
	}
	if got := own.Pos("TLSType").Line; got != 39 {
		t.Errorf("TLSType is at line %d", got)
	}
}

func TestMaildirPaths(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"/a/b/", "/a/b/"},
		{"/a//b/../c/", "/a/c/"},
		{"/a/work-", "/a/work-"},
		{"a", "/etc/a"},
		{"a/", "/etc/a/"},
		{"./a/", "/etc/a/"},
		{"../a/", "/a/"},
		{"~/a/", "/home/me/a/"},
		{"~", "/home/me"},
		{"~/", "/home/me/"},
		{"~you/x-", "/home/you/x-"},
		{"~you", "/home/you"},
		{"/", "/"},
		{"/x", "/x"},
		{"", "/etc/"},
	} {
		cfg, _ := mustParse(t, "MaildirStore s\nPath "+quoteArg(tt.path)+"\nInbox /in\n")
		if got := cfg.Store("s").Path; got != tt.want || !cfg.Store("s").HasPath {
			t.Errorf("Path %s = %q, want %q", tt.path, got, tt.want)
		}
	}
	for name, want := range map[string]string{"/etc/rc": "/etc/a", "rc": "/work/a", "sub/rc": "/work/sub/a", "../rc": "/a"} {
		cfg, _, err := Parse(name, []byte("MaildirStore s\nInbox a/\n"), testEnv(nil))
		if err != nil || cfg.Store("s").Maildir.Inbox != want {
			t.Errorf("file %s: %v, %v; want %s", name, cfg, err, want)
		}
	}
	cfg, _ := mustParse(t, "FieldDelimiter ;\nMaildirStore a\n\nMaildirStore b\nInfoDelimiter !\nAltMap yes\nSubFolders LEGACY\n")
	a, b := cfg.Store("a").Maildir, cfg.Store("b").Maildir
	if diff := cmp.Diff([]*MaildirStore{
		{Inbox: "/home/me/Maildir", InfoDelimiter: ';', LocalPoll: 30 * time.Second},
		{Inbox: "/home/me/Maildir", InfoDelimiter: '!', AltMap: true, SubFolders: SubFoldersLegacy, LocalPoll: 30 * time.Second},
	}, []*MaildirStore{a, b}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	env := testEnv(nil)
	env.Windows = true
	cfg, _, err := Parse("/rc", []byte("MaildirStore a\n"), env)
	if err != nil || cfg.Global.FieldDelimiter != ';' || cfg.Stores[0].Maildir.InfoDelimiter != ';' {
		t.Errorf("on Windows: %+v, %v", cfg, err)
	}
	env.Home = nil
	if _, _, err := Parse("/rc", []byte("MaildirStore a\n"), env); err == nil || !strings.HasPrefix(err.Error(), "/rc:1: ") {
		t.Errorf("without home: %v", err)
	}
	if _, _, err := Parse("/rc", []byte("MaildirStore a\nInbox x\n"), env); err != nil {
		t.Errorf("without home, not needed: %v", err)
	}
}

func TestChannelPrecedence(t *testing.T) {
	cfg, notices := mustParse(t, `Sync Pull
Create Near
Expunge Both
MaxMessages 7
ExpireUnread no
ExpireSide Far
CopyArrivalDate yes
SyncState ~/state/

`+twoStores+`Channel inherits
Far :f:x/
Near :n:
Pattern a !b
Patterns "c d"

Channel overrides
Far :f:"a b:c"
Near :n:
Sync PullNew PushFlags
Create None
Expunge None
ExpungeSolo Far
Remove Both
MaxMessages 0
ExpireUnread yes
ExpireSide Near
CopyArrivalDate no
SyncState state/x-

Channel inbox
Far :f:
Near :n:
SyncState *
`)
	if len(notices) > 0 {
		t.Errorf("notices: %v", notices)
	}
	c := cfg.Channel("inherits")
	if got, want := onText(c.Ops), "Expunge / New Upgrade Gone Flags Create Expunge"; got != want {
		t.Errorf("inherits: %s", got)
	}
	if c.MaxMessages != 7 || c.ExpireUnread != No || c.ExpireSide != Far || !c.CopyArrivalDate || c.SyncState != (SyncState{StateGlobal, "/home/me/state/"}) {
		t.Errorf("inherits: %+v", c)
	}
	if c.Pos("MaxMessages").Line != 4 || c.Pos("Remove").IsSet() {
		t.Errorf("MaxMessages at %v, Remove at %v", c.Pos("MaxMessages"), c.Pos("Remove"))
	}
	at := func(line int) Pos { return Pos{"/etc/rc", line} }
	if diff := cmp.Diff(Patterns{{Text: "a", Pos: at(21)}, {Text: "b", Exclude: true, Pos: at(21)}, {Text: "c d", Pos: at(22)}}, c.Patterns); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
	if c.Far.Box != "x/" || c.Far.String() != ":f:x/" || c.Far.Store != cfg.Store("f") || c.End(Near).Store != cfg.Store("n") || c.Far.Pos != at(19) {
		t.Errorf("ends: %v, %v", c.Far, c.Near)
	}
	c = cfg.Channel("overrides")
	if got, want := onText(c.Ops), "Flags Remove ExpungeSolo / New Remove"; got != want {
		t.Errorf("overrides: %s", got)
	}
	if c.MaxMessages != 0 || c.ExpireUnread != Yes || c.ExpireSide != Near || c.CopyArrivalDate || c.SyncState != (SyncState{StatePrefix, "/etc/state/x-"}) || c.Far.Box != "a b:c" {
		t.Errorf("overrides: %+v", c)
	}
	if c = cfg.Channel("inbox"); c.SyncState != (SyncState{Kind: StateInBox}) || c.Patterns != nil {
		t.Errorf("inbox: %+v", c)
	}
	cfg, _ = mustParse(t, withChannel())
	if c = cfg.Channels[0]; c.Ops != DefaultOps() || c.ExpireSide != Near || c.ExpireUnread != Unset || c.MaxMessages != 0 || c.CopyArrivalDate || c.Pos("Sync").IsSet() {
		t.Errorf("defaults: %+v", c)
	}
	if g := cfg.Global; !g.FSync || g.FieldDelimiter != ':' || g.BufferLimit != 10<<20 {
		t.Errorf("global defaults: %+v", g)
	}
}

func TestMaxSizeOfChannel(t *testing.T) {
	cfg, notices := mustParse(t, "MaildirStore f\nPath /f/\nInbox /f/I\nMaxSize 1k\n\nMaildirStore n\nPath /n/\nInbox /n/I\n\n"+
		"Channel c\nFar :f:\nNear :n:\nMaxSize 2k\n\nChannel d\nFar :f:a\nNear :n:a\nMaxSize 2k\n")
	for _, s := range cfg.Stores {
		if s.MaxSize != 2048 || s.Pos("MaxSize").Line != 18 {
			t.Errorf("%s: %d from %v", s.Name, s.MaxSize, s.Pos("MaxSize"))
		}
	}
	want := []string{`13: warning: MaxSize replaces the limit of MaildirStore "f" that line 4 has set`}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroups(t *testing.T) {
	cfg, notices := mustParse(t, withChannel("", "Group g c c:a,b/c", "Channel d", "Channels \"c:x y\" dd", "", "Group empty", "", "Channel d", "Far :f:d", "Near :n:d"))
	var got []string
	for _, m := range cfg.Group("g").Members {
		found := "found"
		if m.Channel == nil {
			found = "unknown"
		} else if m.Channel != cfg.Channel(m.Name) {
			found = "wrong"
		}
		got = append(got, m.Name+"|"+strings.Join(m.Boxes, "|")+" "+found+" "+m.Pos.String())
	}
	want := []string{"c| found /etc/rc:13", "c|a|b/c found /etc/rc:13", "d| found /etc/rc:14", "c|x y found /etc/rc:15", "dd| unknown /etc/rc:15"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`15: warning: Group "g": unknown channel "dd", did you mean d?`}, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if g := cfg.Group("empty"); g == nil || len(g.Members) != 0 {
		t.Errorf("empty: %v", g)
	}
}

func TestDuplicateNames(t *testing.T) {
	cfg, notices := mustParse(t, "IMAPAccount a\nHost h\n\nIMAPAccount a\nHost i\n\n"+
		"MaildirStore f\nPath /1/\n\nIMAPStore f\nAccount a\n\nChannel c\nFar :f:a\nNear :f:b\nSyncState *\n\nChannel c\nFar :f:c\nNear :f:d\nSyncState *\n\nGroup g c\n\nGroup g c\n")
	want := []string{
		`4: warning: IMAPAccount "a" is already defined in line 1, and that one is used`,
		`10: warning: IMAPStore "f" is already defined in line 7, and that one is used`,
		`18: warning: Channel "c" is already defined in line 13, and that one is used`,
		`25: warning: Group "g" is already defined in line 23, and that one is used`,
	}
	if diff := cmp.Diff(want, noticeTexts(notices)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if cfg.Channel("c").Far.Box != "a" || cfg.Channel("c").Far.Store.Maildir == nil || cfg.Account("a").Host != "h" {
		t.Error("the first one must win")
	}
}

func TestParseChannelRef(t *testing.T) {
	for _, tt := range []struct {
		s        string
		argument bool
		want     string
	}{
		{"c", false, "c"},
		{"c:a", false, "c|a"},
		{"c:a,b", false, "c|a|b"},
		{"c:a:b", false, "c|a:b"},
		{"c:a\nb,c", true, "c|a|b|c"},
		{"c:a\nb,c", false, "c|a\nb|c"},
		{"", false, "bad"},
		{":a", false, "bad"},
		{"c:", false, "c|INBOX"},
		{"c:", true, "c|INBOX"},
		{"c:,a", false, "c|INBOX|a"},
		{"c:a,,b", true, "c|a|INBOX|b"},
		{"c:a\n", true, "c|a|INBOX"},
		{":", true, "bad"},
	} {
		ref, ok := ParseChannelRef(tt.s, tt.argument)
		got := strings.Join(append([]string{ref.Name}, ref.Boxes...), "|")
		if !ok {
			got = "bad"
		}
		if got != tt.want {
			t.Errorf("ParseChannelRef(%q, %v) = %q, want %q", tt.s, tt.argument, got, tt.want)
		}
	}
}

func TestCompress(t *testing.T) {
	for arg, want := range map[string]Tristate{"": Unset, "Auto": Unset, "yes": Yes, "On": Yes, "no": No, "0": No} {
		text := "IMAPAccount a\nHost h\n"
		if arg != "" {
			text += "Compress " + arg + "\n"
		}
		cfg, _ := mustParse(t, text)
		if got := cfg.Accounts[0].Compress; got != want {
			t.Errorf("Compress %s is %v", arg, got)
		}
	}
}

// TestIntervals: a bare number of an interval is seconds, and there is a shortest and a
// longest one.
func TestIntervals(t *testing.T) {
	for arg, want := range map[string]time.Duration{
		"1": time.Second, "90": 90 * time.Second, "90s": 90 * time.Second, "5m": 5 * time.Minute, "2H": 2 * time.Hour,
		"8760h": 365 * 24 * time.Hour,
		"0":     0, "0m": 0, "-1": 0, "1.5h": 0, "m": 0, "5 m": 0, "8761h": 0, "99999999999999999999": 0, "1d": 0, "5ms": 0,
	} {
		cfg, _, err := Parse("rc", []byte("IMAPAccount a\nHost h\nPollInterval "+quoteArg(arg)+"\n"), testEnv(nil))
		switch {
		case want == 0 && (err == nil || !strings.Contains(err.Error(), "invalid time")):
			t.Errorf("%s: %v", arg, err)
		case want != 0 && (err != nil || cfg.Accounts[0].PollInterval != want):
			t.Errorf("%s: %v, %v", arg, cfg, err)
		}
	}
}
