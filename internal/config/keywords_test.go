package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// keywordCases tell, by section and keyword, what a line with the keyword changes
// in the configuration of keywordBase: each changed value with its place. A
// keyword without a case fails TestKeywordCases. Keywords of accounts are tried in
// IMAPStores, too.
var keywordCases = map[string][]struct{ args, want string }{
	" Include":         {{"/inc", "Global.FSync=false"}},
	" FSync":           {{"no", "Global.FSync=false"}},
	" FieldDelimiter":  {{"%", "Global.FieldDelimiter=37 Stores[0].Maildir.InfoDelimiter=37 Stores[1].Maildir.InfoDelimiter=37"}},
	" BufferLimit":     {{"3k", "Global.BufferLimit=3072"}},
	" MetricsFile":     {{"m.prom", "Global.MetricsFile=/etc/m.prom"}},
	" Sync":            {{"PullNew", "Channels[0].Ops.On[0]= Channels[0].Ops.On[1]=New"}},
	" Create":          {{"Near", "Channels[0].Ops.On[1]=New Upgrade Gone Flags Create"}},
	" Remove":          {{"Far", "Channels[0].Ops.On[0]=New Upgrade Gone Flags Remove"}},
	" Expunge":         {{"Near", "Channels[0].Ops.On[1]=New Upgrade Gone Flags Expunge"}},
	" ExpungeSolo":     {{"Far", "Channels[0].Ops.On[0]=New Upgrade Gone Flags ExpungeSolo"}},
	" MaxMessages":     {{"7", "Channels[0].MaxMessages=7"}},
	" ExpireUnread":    {{"yes", "Channels[0].ExpireUnread=2"}, {"no", "Channels[0].ExpireUnread=1"}},
	" ExpireSide":      {{"Far", "Channels[0].ExpireSide=far"}},
	" Adopt":           {{"no", "Channels[0].Adopt=false"}},
	" MaxDelete":       {{"7", "Channels[0].MaxDelete={7 false}"}, {"20%", "Channels[0].MaxDelete={20 true}"}, {"0", "Channels[0].MaxDelete={0 false}"}},
	" CopyArrivalDate": {{"yes", "Channels[0].CopyArrivalDate=true"}},
	" OnChange":        {{"c", "Channels[0].Hooks.OnChange=c"}},
	" OnNew":           {{"c", "Channels[0].Hooks.OnNew=c"}},
	" OnError":         {{"c", "Channels[0].Hooks.OnError=c"}},
	" SyncState":       {{"s/x", "Channels[0].SyncState.Prefix=/etc/s/x"}, {"*", "Channels[0].SyncState.Kind=2 Channels[0].SyncState.Prefix="}},

	"IMAPAccount Provider": {
		{"Posteo", "Port=993 Preset=Port,TLSType Provider=posteo TLS=IMAPS"},
		{"microsoft", "PipelineDepth=50 Port=993 Preset=Port,TLSType,PipelineDepth Provider=microsoft TLS=IMAPS"},
	},
	"IMAPAccount Host":        {{"other", "Host=other"}},
	"IMAPAccount Port":        {{"99", "Port=99"}},
	"IMAPAccount Timeout":     {{"7", "Timeout=7s"}, {"0", "Timeout=0s"}},
	"IMAPAccount User":        {{"me", "User=me"}},
	"IMAPAccount UserCmd":     {{"u", "UserCmd=u"}},
	"IMAPAccount Pass":        {{"p", "Pass=[hidden]"}},
	"IMAPAccount PassCmd":     {{"+p", "PassCmd=+p"}},
	"IMAPAccount UseKeychain": {{"yes", "UseKeychain=true"}},
	"IMAPAccount Tunnel":      {{"t", "Connections=1 TLS=None Tunnel=t"}},
	"IMAPAccount OAuth": {
		{"google", "OAuth.Provider=google"},
		{"Microsoft", "OAuth.Provider=microsoft"},
	},
	"IMAPAccount OAuthClientId":        {{"x", "OAuth.ClientID=x"}},
	"IMAPAccount OAuthClientSecret":    {{"s", "OAuth.ClientSecret=[hidden]"}},
	"IMAPAccount OAuthClientSecretCmd": {{"c", "OAuth.ClientSecretCmd=c"}},
	"IMAPAccount OAuthTenant":          {{"t", "OAuth.Tenant=t"}},
	"IMAPAccount OAuthScope":           {{"a b", "OAuth.Scope=a b"}},
	"IMAPAccount OAuthAuthURL":         {{"https://p/a", "OAuth.AuthURL=https://p/a"}},
	"IMAPAccount OAuthTokenURL":        {{"http://localhost:1/t", "OAuth.TokenURL=http://localhost:1/t"}},
	"IMAPAccount OAuthDeviceURL":       {{"http://[::1]/d", "OAuth.DeviceURL=http://[::1]/d"}},
	"IMAPAccount OAuthIssuer":          {{"https://p", "OAuth.Issuer=https://p"}},
	"IMAPAccount OAuthUser":            {{"u", "OAuth.User=u"}},
	"IMAPAccount TokenStore":           {{"keyring", "OAuth.Store=keyring"}, {"cmd", "OAuth.Store=cmd OAuth.TokenLoadCmd=l OAuth.TokenSaveCmd=s"}},
	"IMAPAccount TokenFile":            {{"t", "OAuth.TokenFile=/etc/t"}},
	"IMAPAccount TokenKeyCmd":          {{"k", "OAuth.TokenKeyCmd=k"}},
	"IMAPAccount TokenLoadCmd":         {{"l", "OAuth.TokenLoadCmd=l"}},
	"IMAPAccount TokenSaveCmd":         {{"s", "OAuth.TokenSaveCmd=s"}},
	"IMAPAccount AuthMechs":            {{"plain login", "AuthMechs=[PLAIN LOGIN]"}},
	"IMAPAccount TLSType":              {{"IMAPS", "Port=993 TLS=IMAPS"}, {"None", "TLS=None"}},
	"IMAPAccount TLSVersions":          {{"-1.2", "TLSVersions=1.3"}},
	"IMAPAccount SystemCertificates":   {{"no", "SystemCertificates=false"}},
	"IMAPAccount TLSSessionCache":      {{"no", "TLSSessionCache=false"}},
	"IMAPAccount CertificateFile":      {{"/ca", "Certificates=[/ca]"}},
	"IMAPAccount ClientCertificate":    {{"cert", "ClientCertificate=/etc/cert"}},
	"IMAPAccount ClientKey":            {{"key", "ClientKey=/etc/key"}},
	"IMAPAccount CipherString":         {{"HIGH", "CipherString=HIGH"}},
	"IMAPAccount PipelineDepth":        {{"1", "PipelineDepth=1"}},
	"IMAPAccount Connections":          {{"5", "Connections=5"}},
	"IMAPAccount Retries":              {{"0", "Retries=0"}, {"9", "Retries=9"}},
	"IMAPAccount RetryMax":             {{"5", "RetryMax=5s"}, {"0", "RetryMax=0s"}},
	"IMAPAccount WatchMailboxes":       {{"INBOX lists/%", "WatchMailboxes=[INBOX lists/%]"}},
	"IMAPAccount PollInterval":         {{"90", "PollInterval=1m30s"}, {"2h", "PollInterval=2h0m0s"}},
	"IMAPAccount SafetyInterval":       {{"30s", "SafetyInterval=30s"}},
	"IMAPAccount IdleRefresh":          {{"4m", "IdleRefresh=4m0s"}},
	"IMAPAccount Compress":             {{"yes", "Compress=2"}, {"no", "Compress=1"}},
	"IMAPAccount DisableExtensions":    {{"move idle", "DisableExtensions=[MOVE IDLE]"}},
	"IMAPAccount SSLType":              {{"IMAPS", "Port=993 TLS=IMAPS"}},
	"IMAPAccount SSLVersions":          {{"TLSv1.2", ""}, {"TLSv1.1", "TLSVersions=1.1 1.2 1.3"}, {"TLSv1.3", "TLSVersions=1.3"}},
	"IMAPAccount RequireCRAM":          {{"yes", "AuthMechs=[CRAM-MD5]"}},
	"IMAPAccount UseIMAPS":             {{"yes", "Port=993 TLS=IMAPS"}},
	"IMAPAccount RequireSSL":           {{"yes", ""}}, // it is the default by now
	"IMAPAccount UseSSLv2":             {{"yes", ""}},
	"IMAPAccount UseSSLv3":             {{"yes", ""}},
	"IMAPAccount UseTLSv1":             {{"yes", "TLSVersions=1.0 1.1 1.2 1.3"}},
	"IMAPAccount UseTLSv1.1":           {{"yes", "TLSVersions=1.1 1.2 1.3"}},
	"IMAPAccount UseTLSv1.2":           {{"no", "TLSVersions=1.3"}},

	"IMAPStore Account":        {{"a", "Account=a"}},
	"IMAPStore UseNamespace":   {{"no", "UseNamespace=false"}},
	"IMAPStore PathDelimiter":  {{".", "PathDelimiter=46"}},
	"IMAPStore SubscribedOnly": {{"yes", "SubscribedOnly=true"}},
	"IMAPStore Path":           {{"x/", "HasPath=true Path=x/"}},
	"MaildirStore Path":        {{"x/", "HasPath=true Path=/etc/x/"}},

	"MaildirStore Inbox":         {{"box/", "Maildir.Inbox=/etc/box"}},
	"MaildirStore InfoDelimiter": {{";", "Maildir.InfoDelimiter=59"}},
	"MaildirStore AltMap":        {{"yes", "Maildir.AltMap=true"}},
	"MaildirStore SubFolders":    {{"Verbatim", "Maildir.SubFolders=Verbatim"}, {"Legacy", "Maildir.SubFolders=Legacy"}, {"Maildir++", "Maildir.SubFolders=Maildir++"}},

	"MaildirStore LocalPoll": {{"5", "Maildir.LocalPoll=5s"}},

	"Store MaxSize":        {{"2m", "MaxSize=2097152"}},
	"Store MapInbox":       {{"In", "MapInbox=In"}},
	"Store Flatten":        {{".", "Flatten=."}},
	"Store Trash":          {{"bin", "Trash=bin"}},
	"Store TrashNewOnly":   {{"yes", "TrashNewOnly=true"}},
	"Store TrashRemoteNew": {{"yes", "TrashRemoteNew=true"}},

	"Channel SyncState": {
		{"s/x", "Channels[0].SyncState.Kind=1 Channels[0].SyncState.Prefix=/etc/s/x"},
		{"*", "Channels[0].SyncState.Kind=2 Channels[0].SyncState.Prefix="},
	},
	"Channel Far":      {{":n:x", "Channels[0].Far=:n:x"}},
	"Channel Near":     {{":f:x", "Channels[0].Near=:f:x"}},
	"Channel Patterns": {{"* !x", "Channels[0].Patterns=[* !x]"}},
	"Channel MaxSize":  {{"5", "Stores[0].MaxSize=5 Stores[1].MaxSize=5"}},
	"Channel Watch":    {{"no", "Channels[0].Watch=false"}},
	"Channel Master":   {{":n:x", "Channels[0].Far=:n:x"}},
	"Channel Slave":    {{":f:x", "Channels[0].Near=:f:x"}},

	"Group Channels": {{"c:a,b", "Groups[0].Members=[c[a b]]"}},
	"Group Watch":    {{"no", "Groups[0].Watch=1"}},
}

// keywordBase is what the lines are put into.
func keywordBase(section, line string) string {
	end := func(keyword, value string) string {
		if section == "Channel" && (strings.HasPrefix(line, keyword+" ") ||
			strings.HasPrefix(line, map[string]string{"Far": "Master", "Near": "Slave"}[keyword]+" ")) {
			return ""
		}
		return keyword + " " + value + "\n"
	}
	put := func(s string) string {
		if s == section {
			return oauthBase(line) + line + "\n"
		}
		return ""
	}
	host := "Host h\n"
	if strings.HasPrefix(line, "Host ") || strings.HasPrefix(line, "Account ") {
		host = ""
	}
	hostOf := func(s string) string {
		if s == section {
			return host
		}
		return "Host h\n"
	}
	return put("") + "\nMaildirStore f\n" + put("MaildirStore") + "\nMaildirStore n\n\n" +
		"IMAPAccount a\n" + hostOf("IMAPAccount") + put("IMAPAccount") + "\nIMAPStore i\n" + hostOf("IMAPStore") + put("IMAPStore") +
		"\nChannel c\n" + end("Far", ":f:") + end("Near", ":n:") + put("Channel") + "\nGroup g\n" + put("Group")
}

// oauthBase is what a line about OAuth needs. It does not begin with "#".
func oauthBase(line string) string {
	line, off := strings.CutPrefix(line, "# ")
	keyword, value, _ := strings.Cut(line, " ")
	client := "OAuthClientId id\n"
	switch {
	case keyword == "OAuth":
		return client + "OAuth fastmail\n"
	case keyword == "OAuthClientId" && off:
		return "OAuth google\nOAuthClientId other\n"
	case keyword == "OAuthClientId":
		return "OAuth google\n"
	case keyword == "OAuthTenant":
		return "OAuth microsoft\n" + client
	case keyword == "OAuthIssuer", keyword == "OAuthAuthURL", keyword == "OAuthTokenURL", keyword == "OAuthDeviceURL":
		return "OAuth custom\n" + client + "OAuthIssuer https://issuer\n"
	case keyword == "TokenStore" && value == "cmd" && !off:
		return "OAuth google\n" + client + "TokenLoadCmd l\nTokenSaveCmd s\n"
	case keyword == "TokenLoadCmd":
		return "OAuth google\n" + client + "TokenStore cmd\nTokenLoadCmd x\nTokenSaveCmd s\n"
	case keyword == "TokenSaveCmd":
		return "OAuth google\n" + client + "TokenStore cmd\nTokenLoadCmd l\nTokenSaveCmd x\n"
	case strings.HasPrefix(keyword, "OAuth"), strings.HasPrefix(keyword, "Token"):
		return "OAuth google\n" + client
	}
	return ""
}

// TestKeywordCases: each keyword does in each section what its case says, and
// nothing else.
func TestKeywordCases(t *testing.T) {
	used := map[string]bool{}
	for _, s := range Sections() {
		for _, kw := range s.Keywords {
			key := s.Name + " " + kw.Name
			for _, other := range []string{"IMAPAccount", "Store", ""} {
				if keywordCases[key] == nil {
					key = other + " " + kw.Name
				}
			}
			cases := keywordCases[key]
			if cases == nil {
				t.Errorf("%s %s has no case", s.Name, kw.Name)
			}
			used[key] = true
			for _, c := range cases {
				for _, name := range []string{kw.Name, kw.Alias} {
					if name == "" {
						continue
					}
					if got, want := keywordEffect(t, s.Name, name+" "+c.args), prefixed(s.Name, c.want); got != want {
						t.Errorf("%s: %s %s:\n got %s\nwant %s", s.Name, name, c.args, got, want)
					}
				}
			}
		}
	}
	for key := range keywordCases {
		if !used[key] {
			t.Errorf("there is no keyword %q", key)
		}
	}
}

// prefixed adds to places within an account or a store which one it is.
func prefixed(section, want string) string {
	at := map[string]string{"IMAPAccount": "Accounts[0].", "IMAPStore": "Stores[2].", "MaildirStore": "Stores[0]."}[section]
	if want == "" || at == "" {
		return want
	}
	words := strings.Split(want, " ")
	for i, w := range words {
		if name, _, ok := strings.Cut(w, "="); ok && name[0] >= 'A' && name[0] <= 'Z' {
			words[i] = at + w
		}
	}
	return strings.Join(words, " ")
}

// keywordEffect returns what a line changes.
func keywordEffect(t *testing.T, section, line string) string {
	t.Helper()
	env := testEnv(map[string]string{"/ca": "x", "/inc": "FSync no\n"})
	load := func(line string) map[string]string {
		cfg, _, err := Parse("/etc/rc", []byte(keywordBase(section, line)), env)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return flatten(cfg)
	}
	// The base must lack what the line brings, but nothing else.
	base := load("")
	if section == "Channel" || section == "Group" || section == "IMAPStore" || section == "IMAPAccount" {
		base = load("# " + line)
	}
	after := load(line)
	var out []string
	for k, v := range after {
		if base[k] != v {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// flatten returns the values of a configuration by their places.
func flatten(cfg *Config) map[string]string {
	m := map[string]string{}
	put := func(v any, format string, args ...any) { m[fmt.Sprintf(format, args...)] = fmt.Sprint(v) }
	put(cfg.Global.FSync, "Global.FSync")
	put(cfg.Global.FieldDelimiter, "Global.FieldDelimiter")
	put(cfg.Global.BufferLimit, "Global.BufferLimit")
	put(cfg.Global.MetricsFile, "Global.MetricsFile")
	for i, a := range cfg.Accounts {
		if a.Inline {
			continue // told with its store
		}
		flattenAccount(a, func(v any, name string) { put(v, "Accounts[%d].%s", i, name) })
	}
	for i, s := range cfg.Stores {
		at := func(v any, name string) { put(v, "Stores[%d].%s", i, name) }
		at(s.Path, "Path")
		at(s.HasPath, "HasPath")
		at(s.MaxSize, "MaxSize")
		at(s.MapInbox, "MapInbox")
		at(s.Flatten, "Flatten")
		at(s.Trash, "Trash")
		at(s.TrashNewOnly, "TrashNewOnly")
		at(s.TrashRemoteNew, "TrashRemoteNew")
		if m := s.Maildir; m != nil {
			at(m.Inbox, "Maildir.Inbox")
			at(m.InfoDelimiter, "Maildir.InfoDelimiter")
			at(m.AltMap, "Maildir.AltMap")
			at(m.SubFolders, "Maildir.SubFolders")
			at(m.LocalPoll, "Maildir.LocalPoll")
		}
		if m := s.IMAP; m != nil {
			at(m.UseNamespace, "UseNamespace")
			at(m.PathDelimiter, "PathDelimiter")
			at(m.SubscribedOnly, "SubscribedOnly")
			if m.Account.Inline {
				flattenAccount(m.Account, at)
			} else {
				at(m.Account.Name, "Account")
			}
		}
	}
	for i, c := range cfg.Channels {
		at := func(v any, name string) { put(v, "Channels[%d].%s", i, name) }
		at(c.Far, "Far")
		at(c.Near, "Near")
		at(c.Patterns, "Patterns")
		at(c.Ops.On[0], "Ops.On[0]")
		at(c.Ops.On[1], "Ops.On[1]")
		at(c.MaxMessages, "MaxMessages")
		at(c.ExpireUnread, "ExpireUnread")
		at(c.ExpireSide, "ExpireSide")
		at(c.Adopt, "Adopt")
		at(c.MaxDelete, "MaxDelete")
		at(c.CopyArrivalDate, "CopyArrivalDate")
		at(c.SyncState.Kind, "SyncState.Kind")
		at(c.SyncState.Prefix, "SyncState.Prefix")
		at(c.Watch, "Watch")
		at(c.Hooks.OnChange, "Hooks.OnChange")
		at(c.Hooks.OnNew, "Hooks.OnNew")
		at(c.Hooks.OnError, "Hooks.OnError")
	}
	for i, g := range cfg.Groups {
		var members []string
		for _, r := range g.Members {
			members = append(members, fmt.Sprint(r.Name, r.Boxes))
		}
		put(members, "Groups[%d].Members", i)
		put(g.Watch, "Groups[%d].Watch", i)
	}
	return m
}

func flattenAccount(a *Account, at func(v any, name string)) {
	var files []string
	for _, f := range a.Certificates {
		files = append(files, f.Path)
	}
	at(a.Provider, "Provider")
	at(strings.Join(a.Preset, ","), "Preset")
	at(a.Host, "Host")
	at(a.Port, "Port")
	at(a.Timeout, "Timeout")
	at(a.Tunnel, "Tunnel")
	at(a.User, "User")
	at(a.UserCmd, "UserCmd")
	if a.Pass.IsSet() {
		at(a.Pass, "Pass")
	}
	at(a.PassCmd, "PassCmd")
	at(a.UseKeychain, "UseKeychain")
	o := a.OAuth
	at(o.Provider, "OAuth.Provider")
	at(o.ClientID, "OAuth.ClientID")
	if o.ClientSecret.IsSet() {
		at(o.ClientSecret, "OAuth.ClientSecret")
	}
	at(o.ClientSecretCmd, "OAuth.ClientSecretCmd")
	at(o.Tenant, "OAuth.Tenant")
	at(o.Scope, "OAuth.Scope")
	at(o.AuthURL, "OAuth.AuthURL")
	at(o.TokenURL, "OAuth.TokenURL")
	at(o.DeviceURL, "OAuth.DeviceURL")
	at(o.Issuer, "OAuth.Issuer")
	at(o.User, "OAuth.User")
	at(o.Store, "OAuth.Store")
	at(o.TokenFile, "OAuth.TokenFile")
	at(o.TokenKeyCmd, "OAuth.TokenKeyCmd")
	at(o.TokenLoadCmd, "OAuth.TokenLoadCmd")
	at(o.TokenSaveCmd, "OAuth.TokenSaveCmd")
	at(a.AuthMechs, "AuthMechs")
	at(a.TLS, "TLS")
	at(a.TLSVersions, "TLSVersions")
	at(a.SystemCertificates, "SystemCertificates")
	at(a.TLSSessionCache, "TLSSessionCache")
	at(files, "Certificates")
	at(a.ClientCertificate, "ClientCertificate")
	at(a.ClientKey, "ClientKey")
	at(a.CipherString, "CipherString")
	at(a.PipelineDepth, "PipelineDepth")
	at(a.Compress, "Compress")
	at(a.Connections, "Connections")
	at(a.Retries, "Retries")
	at(a.RetryMax, "RetryMax")
	at(a.WatchMailboxes, "WatchMailboxes")
	at(a.PollInterval, "PollInterval")
	at(a.SafetyInterval, "SafetyInterval")
	at(a.IdleRefresh, "IdleRefresh")
	at(a.DisableExtensions, "DisableExtensions")
}
