package channel

import (
	"reflect"
	"testing"

	"isync/internal/config"
	"isync/internal/engine"
	"isync/internal/memo"
)

// TestTermsCount: any change of the terms of a pair changes the sum.
func TestTermsCount(t *testing.T) {
	var terms pairTerms
	seen := map[memo.PairSum]string{terms.sum(): "nothing"}
	var change func(v reflect.Value, name string)
	change = func(v reflect.Value, name string) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				change(v.Field(i), name+"."+v.Type().Field(i).Name)
			}
			return
		case reflect.Array:
			for i := range v.Len() {
				change(v.Index(i), name+string(rune('0'+i)))
			}
			return
		case reflect.Bool:
			v.SetBool(true)
		case reflect.String:
			v.SetString("x")
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			v.SetInt(1)
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			v.SetUint(1)
		default:
			t.Fatalf("%s is a %s, which is no plain value", name, v.Kind())
		}
		sum := terms.sum()
		if other, same := seen[sum]; same {
			t.Errorf("a change of %s makes no difference to %s", name, other)
		}
		seen[sum] = name
		v.SetZero()
	}
	change(reflect.ValueOf(&terms).Elem(), "pairTerms")
	if len(seen) < 30 {
		t.Errorf("only %d values were changed", len(seen))
	}
}

// TestTermsAreComplete: each field of a pair and each option of the configuration is
// either among the terms or in the list of exceptions. The test fails for a new one
// until it is in one of them.
func TestTermsAreComplete(t *testing.T) {
	const (
		terms = "among the terms"
		state = "identifies the pair or is part of its fingerprint"
		how   = "changes how a run works, not what there is to do"
		boxes = "selects pairs"
		login = "identifies the account (store.Place.Terms), or changes how it is reached"
		shows = "changes what is shown"
	)
	for _, tt := range []struct {
		of     any
		fields map[string]string
	}{
		{engine.Pair{}, map[string]string{
			"Rules": terms, "ExpireSide": terms, "Adopt": terms, "CopyArrivalDate": terms, "Create": terms, "Remove": terms, "TrashBox": terms,
			"Store": terms, "Channel": state, "Name": state, "Deletions": how, "KeepBoxes": how, "Use": how, "Exists": how, "Box": state, "StatePath": state, "Known": how, "FS": how, "FSync": how, "LogImplied": how,
			"Controls": how, "DryRun": how, "Peek": how, "BufferLimit": how, "LateWait": how, "Attempts": how, "Claim": how, "TUIDs": how,
			"Unchanged": how, "MayBeUnchanged": how, "Preview": shows, "Explain": shows, "Details": shows, "Events": shows,
		}},
		{config.Channel{}, map[string]string{
			"Ops": terms, "MaxMessages": terms, "ExpireUnread": terms, "ExpireSide": terms, "Adopt": terms, "MaxDelete": terms, "CopyArrivalDate": terms,
			"Far": state, "Near": state, "SyncState": state, "Name": state, "Patterns": boxes, "Watch": how, "Hooks": how, "Given": shows, "At": shows,
		}},
		{config.Store{}, map[string]string{
			"Path": terms, "HasPath": terms, "MapInbox": terms, "Flatten": terms, "MaxSize": terms, "Trash": terms, "TrashUse": terms,
			"TrashNewOnly": terms, "TrashRemoteNew": terms, "IMAP": terms, "Maildir": terms, "Name": state, "Given": shows, "At": shows,
		}},
		{config.IMAPStore{}, map[string]string{"Account": terms, "UseNamespace": terms, "PathDelimiter": terms, "SubscribedOnly": boxes}},
		{config.MaildirStore{}, map[string]string{"Inbox": terms, "InfoDelimiter": terms, "AltMap": terms, "SubFolders": terms, "LocalPoll": how}},
		{config.Account{}, map[string]string{
			"Provider": login, "Preset": shows, "Host": login, "Port": login, "Tunnel": login, "User": login, "UserCmd": login, "Pass": login, "PassCmd": login,
			"UseKeychain": login, "OAuth": login, "AuthMechs": login, "TLS": login, "TLSVersions": login, "SystemCertificates": login, "Certificates": login,
			"LostCertificates": login, "ClientCertificate": login, "ClientKey": login, "CipherString": login, "TLSSessionCache": how,
			"Timeout": how, "Connections": how, "Retries": how, "RetryMax": how, "PipelineDepth": how, "Compress": how, "DisableExtensions": how,
			"WatchMailboxes": how, "PollInterval": how, "SafetyInterval": how, "IdleRefresh": how,
			"Name": state, "Inline": shows, "Given": shows, "At": shows,
		}},
	} {
		typ := reflect.TypeOf(tt.of)
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if tt.fields[name] == "" {
				t.Errorf("is %s.%s one of the terms that decide whether a pair has something to do?", typ, name)
			}
			delete(tt.fields, name)
		}
		for name := range tt.fields {
			t.Errorf("%s.%s does not exist", typ, name)
		}
	}
}
