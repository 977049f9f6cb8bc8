package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// filesEnv is testEnv with files, in which patterns find them.
func filesEnv(files map[string]string) Env {
	env := testEnv(files)
	env.Glob = func(pattern string) (found []string, err error) {
		for f := range files {
			ok, err := filepath.Match(pattern, f)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, f)
			}
		}
		return found, nil
	}
	return env
}

// names lists the accounts of a configuration with the files that they are in.
func names(cfg *Config) (out []string) {
	for _, a := range cfg.Accounts {
		out = append(out, a.Name+" "+a.At.String())
	}
	return out
}

const account = "IMAPAccount %s\nHost h\n"

func TestInclude(t *testing.T) {
	a := func(name string) string { return fmt.Sprintf(account, name) }
	files := map[string]string{
		"/etc/b.conf": a("b"), "/etc/a.conf": "# nothing\n\n" + a("a"), "/etc/sub/x.conf": "Include y.conf\n\n" + a("x"), "/etc/sub/y.conf": a("y"),
		"/home/me/mail/h.conf": a("h"), "/home/you/u.conf": a("u"), "/etc/.hidden.conf": a("hidden"), "/etc/a.conf~": a("backup"),
		"/etc/a.conf.bak": a("backup"), "/etc/a.conf.bak.12": a("backup"), "/etc/.git/z.conf": a("z"),
		"/etc/w[1].conf": a("w"), "/etc/global": "Expunge Both\n", "/etc/empty": "",
	}
	for _, c := range []struct {
		rc   string
		want []string
	}{
		{"Include a.conf\n", []string{"a /etc/a.conf:3"}},
		{"Include b.conf a.conf\n", []string{"b /etc/b.conf:1", "a /etc/a.conf:3"}},
		{a("m") + "\nINCLUDE a.conf # rest\n\n" + a("n"), []string{"m /etc/rc:1", "a /etc/a.conf:3", "n /etc/rc:6"}},
		// A section needs no empty line before it if a file is in between.
		{"Include a.conf\nInclude b.conf\n" + a("m"), []string{"a /etc/a.conf:3", "b /etc/b.conf:1", "m /etc/rc:3"}},
		{"Include \"*.conf\"\n", []string{"a /etc/a.conf:3", "b /etc/b.conf:1", "w /etc/w[1].conf:1"}},
		{"Include *.conf*\n", []string{"a /etc/a.conf:3", "b /etc/b.conf:1", "w /etc/w[1].conf:1"}},
		{"Include b.conf *.conf\n", []string{"b /etc/b.conf:1", "a /etc/a.conf:3", "w /etc/w[1].conf:1"}},
		{"Include .h*.conf a.conf.bak\n", []string{"hidden /etc/.hidden.conf:1", "backup /etc/a.conf.bak:1"}},
		{"Include */*.conf\n", []string{"y /etc/sub/y.conf:1", "x /etc/sub/x.conf:3"}},
		{"Include sub/x.conf\n", []string{"y /etc/sub/y.conf:1", "x /etc/sub/x.conf:3"}},
		{"Include ~/mail/*.conf ~you/u.conf /etc/b.conf\n", []string{"h /home/me/mail/h.conf:1", "u /home/you/u.conf:1", "b /etc/b.conf:1"}},
		{"Include w[1].conf\n", []string{"w /etc/w[1].conf:1"}},
		{"Include none/*.conf empty\n", nil},
	} {
		cfg, notices, err := Parse("/etc/rc", []byte(c.rc), filesEnv(files))
		if err != nil || len(notices) > 0 {
			t.Errorf("%q: %v %v", c.rc, err, notices)
			continue
		}
		if got := names(cfg); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.rc, got, c.want)
		}
		for _, a := range cfg.Accounts {
			if f := cfg.FileOf(a.At); f.Name != a.At.File || f.Path != a.At.File {
				t.Errorf("%s is said to be in %+v", a.At, f)
			}
		}
	}
	// Global options of an included file hold for the others, while no section has begun.
	cfg, _, err := Parse("/etc/rc", []byte("Include global\nCreate Near\n\n"+withChannel()), filesEnv(files))
	if err != nil {
		t.Fatal(err)
	}
	if on := cfg.Channels[0].Ops.On; !on[0].Has(OpExpunge) || !on[1].Has(OpCreate) {
		t.Errorf("operations %v", on)
	}
	if pos := cfg.Channels[0].Pos("Expunge").String(); pos != "/etc/global:1" {
		t.Error(pos)
	}
}

// Paths in included files are relative to the configuration file, as those beside the line
// Include.
func TestIncludePaths(t *testing.T) {
	env := filesEnv(map[string]string{"/work/conf/d/s": "MaildirStore s\nPath p/\nInbox ~/i\n"})
	cfg, _, err := Parse("conf/rc", []byte("Include d/*\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Stores[0]
	if s.Path != "/work/conf/p/" || s.Maildir.Inbox != "/home/me/i" {
		t.Errorf("%s and %s", s.Path, s.Maildir.Inbox)
	}
	// The name is as relative as that of the configuration file.
	if f := cfg.FileOf(s.At); s.At.String() != "conf/d/s:1" || f.Path != "/work/conf/d/s" || f.At.String() != "conf/rc:1" {
		t.Errorf("%s in %+v", s.At, f)
	}
}

func TestIncludeErrors(t *testing.T) {
	files := map[string]string{
		"/etc/a": "Include b\n", "/etc/b": "\nInclude a rc\n", "/etc/self": "Include self\n", "/etc/bad": "Hist x\n\nIMAPAccount q\nHots\nHost h\n",
		"/etc/late": "Expunge Both\n", "/etc/open": "IMAPAccount o\nHost h", "/etc/ops": "Sync None\n", "/etc/g1": "Expunge Near\n", "/etc/g2": "ExpungeSolo Near\n",
		"/etc/dup": "IMAPAccount a\nHost h\n",
	}
	for rc, want := range map[string][]string{
		"Include none\n":    {`/etc/rc:1: Include "none": open /etc/none: file does not exist`},
		"Include ~no/x\n":   {`/etc/rc:1: Include "~no/x": cannot find the home directory of "no": no such user`},
		"Include \"\"\n":    {`/etc/rc:1: Include "" names no file`},
		"Include ~\n":       {`/etc/rc:1: Include "~" names no file`},
		"Include x[\n":      {`/etc/rc:1: Include "x[": syntax error in pattern`},
		"Include\n":         {`/etc/rc:1: missing argument after "Include"`},
		"Include \"x\n":     {`/etc/rc:1: unterminated quote in "x"`},
		"Inclde late\n":     {`/etc/rc:1: unknown keyword "Inclde" (did you mean Include?)`},
		"\nInclude rc\n":    {`/etc/rc:2: Include "rc": the files include each other: /etc/rc:2 includes /etc/rc`},
		"Include self\n":    {`/etc/self:1: Include "self": the files include each other: /etc/self:1 includes /etc/self`},
		"# x\nInclude a\n":  {`/etc/b:2: Include "a": the files include each other: /etc/a:1 includes /etc/b:2 includes /etc/a`, `/etc/b:2: Include "rc": the files include each other: /etc/rc:2 includes /etc/a:1 includes /etc/b:2 includes /etc/rc`},
		"Include sel*\n":    {`/etc/self:1: Include "self": the files include each other: /etc/self:1 includes /etc/self`},
		"Include dup dup\n": {`/etc/rc:1: Include "dup": the file is included already by line 1 (delete one of the two)`},
		// In the order of reading, each with its own place.
		"Include bad\nHots x\n": {
			`/etc/bad:1: unknown keyword "Hist" (did you mean Host?)`,
			`/etc/bad:4: unknown keyword "Hots" in IMAPAccount "q" (did you mean Host?)`,
			`/etc/rc:2: unknown keyword "Hots" (did you mean Host?)`,
		},
		"IMAPAccount a\nHost h\nInclude late\n": {
			`/etc/rc:3: Include within IMAPAccount "a" (put an empty line before it, to end the section)`,
		},
		"IMAPAccount a\nHost h\n\nInclude late\n": {
			`/etc/late:1: global option "Expunge" after a section has begun (move it to the beginning of the file, or write it into the section)`,
		},
		// A section ends with its file.
		"Include open\nUser u\n": {`/etc/rc:2: keyword "User" outside of any section`},
		"Sync New\nInclude ops\n": {
			`/etc/ops:1: Conflicting Sync options: "None" with "New" in /etc/rc:1`,
		},
		"Include g2\nInclude g1\n": {`/etc/g1:1: both Expunge and ExpungeSolo are set for the near side`},
	} {
		_, _, err := Parse("/etc/rc", []byte(rc), filesEnv(files))
		var got []string
		if list, ok := errors.AsType[ErrorList](err); ok {
			for _, e := range list {
				got = append(got, e.Error())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q:\n got %q\nwant %q", rc, got, want)
		}
	}
	cfg, notices, err := Parse("/etc/rc", []byte("IMAPAccount a\nHost h\n\nInclude dup\n"), filesEnv(files))
	if err != nil || len(cfg.Accounts) != 2 || len(notices) != 1 {
		t.Fatal(err, notices)
	}
	if got := noticeText(notices[0]); got != `/etc/dup:1: warning: IMAPAccount "a" is already defined in /etc/rc:1, and that one is used` {
		t.Error(got)
	}
}

// Files that include each other by way of links are an error, and so are directories.
func TestIncludeLinks(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("rc", "Include conf.d/*\n")
	for _, d := range []string{"conf.d", "conf.d/sub"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put("conf.d/one", fmt.Sprintf(account, "one"))
	load := func() (*Config, error) {
		cfg, _, err := Load(Options{File: filepath.Join(dir, "rc"), Env: SystemEnv()})
		return cfg, err
	}
	cfg, err := load()
	if err != nil || len(cfg.Accounts) != 1 || len(cfg.Files) != 2 {
		t.Fatal(cfg, err)
	}
	if err := os.Symlink("../rc", filepath.Join(dir, "conf.d/two")); err != nil {
		t.Skip(err)
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "the files include each other: "+filepath.Join(dir, "rc")+":1 includes ") {
		t.Error(err)
	}
	put("rc", "Include conf.d/sub\n")
	if _, err := load(); err == nil || !strings.Contains(err.Error(), ":1: Include \"conf.d/sub\": ") {
		t.Error(err)
	}
}

// Fix changes each file separately.
func TestFixInclude(t *testing.T) {
	files := map[string]string{"/etc/a": "\ufeffIMAPAccount a\r\nUseIMAPS yes\r\nHost h\r\n", "/etc/b": fmt.Sprintf(account, "b")}
	const main = "Include a b\nExpunge Master\n"
	_, _, err := Fix("/etc/rc", []byte(main), filesEnv(files))
	if err == nil {
		t.Fatal("a global option after a section")
	}
	f, notices, err := Fix("/etc/rc", []byte("Expunge Master\nInclude a b\n"), filesEnv(files))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range f.Files {
		got = append(got, fmt.Sprintf("%s %d %q", file.Path, file.Words, file.New))
	}
	want := []string{
		`/etc/rc 1 "Expunge Far\nInclude a b\n"`,
		`/etc/a 1 "\ufeffIMAPAccount a\r\nTLSType IMAPS\r\nHost h\r\n"`,
		`/etc/b 0 "IMAPAccount b\nHost h\n"`,
	}
	if !slices.Equal(got, want) || len(notices) != 2 {
		t.Errorf("got %q, want %q; %v", got, want, notices)
	}
}

// FuzzInclude: files that include each other in any way are read to an end, each at most
// once; every place exists; and Fix does not change what they mean.
func FuzzInclude(f *testing.F) {
	f.Add("Include a b\n", "Include b\nUseIMAPS yes\n", "Include rc a\n")
	f.Add("Sync None\nInclude *\n", "IMAPAccount a\nHost imaps:h", "Sync New\nInclude \"\" ~ ~x/ [\n")
	f.Add("Include ../etc/?\n", "\ufeffInclude b b\nChannel c\nMaster :x:\n\nInclude b", "\xff\nGroup g\nInclude x")
	f.Fuzz(func(t *testing.T, main, a, b string) {
		files := map[string]string{"/etc/rc": main, "/etc/a": a, "/etc/b": b}
		env := filesEnv(files)
		reads := map[string]int{}
		read := env.ReadFile
		env.ReadFile = func(path string) ([]byte, error) {
			reads[path]++
			return read(path)
		}
		cfg, notices, err := Parse("/etc/rc", []byte(main), env)
		for path := range files {
			if reads[path] > 1 {
				t.Fatalf("%s was read %d times", path, reads[path])
			}
		}
		check := func(pos Pos) {
			text, ok := files[pos.File]
			if !ok || pos.Line < 1 || pos.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("no such place: %v", pos)
			}
		}
		for _, n := range notices {
			check(n.Pos)
		}
		if err != nil {
			list, ok := errors.AsType[ErrorList](err)
			if !ok || len(list) == 0 {
				t.Fatalf("%#v", err)
			}
			for _, e := range list {
				check(e.Pos)
			}
			return
		}
		for _, a := range cfg.Accounts {
			check(a.At)
		}
		fixed, _, err := Fix("/etc/rc", []byte(main), env)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fixed.Config.Files, cfg.Files) {
			t.Fatalf("files %v and %v", fixed.Config.Files, cfg.Files)
		}
	})
}
