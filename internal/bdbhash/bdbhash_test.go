package bdbhash_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"isync/internal/bdbhash"
	"isync/internal/testkit"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The fixtures were made with db5.3_load. They hold "UIDVALIDITY", with 300 or 2
// in the second half of its value, and that many names.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name  string
		order binary.ByteOrder
		names int
	}{
		{"split-le.db", binary.LittleEndian, 300},
		{"split-be.db", binary.BigEndian, 300},
		{"small-le.db", binary.LittleEndian, 3},
		{"empty.db", binary.LittleEndian, 0},
		{"overflow-le.db", binary.LittleEndian, 2},
		{"overflow-be.db", binary.BigEndian, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := bdbhash.Read(read(t, c.name))
			if err != nil {
				t.Fatal(err)
			}
			if got.Order != c.order || got.Version != 9 {
				t.Errorf("order %v, version %d", got.Order, got.Version)
			}
			found := make(map[string]string)
			for _, p := range got.Pairs {
				found[string(p.Key)] = string(p.Value)
			}
			want := make(map[string]string)
			want["UIDVALIDITY"] = string([]byte{0x15, 0xcd, 0x5b, 7, byte(c.names), byte(c.names >> 8), 0, 0})
			for i := 1; i <= c.names; i++ {
				want[fmt.Sprintf("17%08d.%d_%d.host", i, i*7, i)] = string([]byte{byte(i), byte(i >> 8), 0, 0})
			}
			if strings.HasPrefix(c.name, "overflow") {
				want[strings.Repeat("k", 1500)] = strings.Repeat("v", 3000)
			}
			if len(found) != len(want) {
				t.Errorf("%d pairs, want %d", len(found), len(want))
			}
			for k, v := range want {
				if found[k] != v {
					t.Errorf("%.40q: %.40q, want %.40q", k, found[k], v)
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	small := read(t, "small-le.db")
	// change returns the small file with bytes replaced.
	change := func(off int, b ...byte) []byte {
		out := bytes.Clone(small)
		copy(out[off:], b)
		return out
	}
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"nothing", nil, bdbhash.ErrNotHash},
		{"text", bytes.Repeat([]byte("1700000000\n12\n"), 100), bdbhash.ErrNotHash},
		{"btree", read(t, "btree.db"), bdbhash.ErrNotHash},
		{"duplicates", read(t, "dup.db"), bdbhash.ErrUnsupported},
		{"checksums", read(t, "checksum.db"), bdbhash.ErrUnsupported},
		{"encrypted", change(24, 1), bdbhash.ErrUnsupported},
		{"old version", change(16, 7), bdbhash.ErrUnsupported},
		{"new version", change(16, 11), bdbhash.ErrUnsupported},
		{"partitions", change(36, 2), bdbhash.ErrUnsupported},
		{"page size", change(20, 1, 2), bdbhash.ErrDamaged},
		{"too many buckets", change(72, 200), bdbhash.ErrDamaged},
		{"cut off", small[:1024], bdbhash.ErrDamaged},
		{"chain in a circle", change(512+16, 1), bdbhash.ErrDamaged},
		{"chain into the void", change(512+16, 77), bdbhash.ErrDamaged},
		{"wrong page", change(512+8, 2), bdbhash.ErrDamaged},
		{"odd items", change(512+20, 3), bdbhash.ErrDamaged},
		{"items without end", change(512+20, 0xfe, 0xff), bdbhash.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := bdbhash.Read(c.file)
			if !errors.Is(err, c.want) || got != nil {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// Versions 8 and 10 differ from 9 in what is not looked at.
func TestVersions(t *testing.T) {
	for _, v := range []byte{8, 10} {
		b := read(t, "split-le.db")
		b[16] = v
		got, err := bdbhash.Read(b)
		if err != nil || got.Version != uint32(v) || len(got.Pairs) != 301 {
			t.Errorf("version %d: %v", v, err)
		}
	}
}

// TestLoaded reads large files just made by Berkeley DB's own program.
func TestLoaded(t *testing.T) {
	load := testkit.FindProgram(t, "db5.3_load", "db5.3-util")
	const n = 20000
	var dump strings.Builder
	dump.WriteString("VERSION=3\nformat=print\ntype=hash\nHEADER=END\n")
	for i := range n {
		fmt.Fprintf(&dump, " 17%08d.%d_%d.%s\n \\%02x\\%02x\\00\\00\n", i, i*3, i, strings.Repeat("h", i%90), i%256, i/256)
	}
	dump.WriteString("DATA=END\n")
	for _, args := range [][]string{
		{"-c", "db_lorder=1234"},
		{"-c", "db_lorder=4321"},
		{"-c", "db_lorder=4321", "-c", "db_pagesize=65536"},
		{"-c", "db_pagesize=1024", "-c", "h_ffactor=3"},
		{"-c", "h_nelem=30000"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			cmd := exec.Command(load, append(args, path)...)
			cmd.Stdin = strings.NewReader(dump.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := bdbhash.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Pairs) != n {
				t.Fatalf("%d pairs", len(got.Pairs))
			}
			for _, p := range got.Pairs {
				var secs, a, i int
				if _, err := fmt.Sscanf(string(p.Key), "17%08d.%d_%d", &secs, &a, &i); err != nil || string(p.Value) != string([]byte{byte(i), byte(i >> 8), 0, 0}) {
					t.Fatalf("%q: %q", p.Key, p.Value)
				}
			}
		})
	}
}

// FuzzRead: whatever the file, there is an answer, and what is returned is in
// the file.
func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.db")
	if err != nil || len(names) < 5 {
		f.Fatal(names, err)
	}
	for _, n := range names {
		f.Add(read(f, filepath.Base(n)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		c, err := bdbhash.Read(file)
		if (c == nil) == (err == nil) {
			t.Fatal(c, err)
		}
		if err != nil {
			for _, kind := range []error{bdbhash.ErrNotHash, bdbhash.ErrUnsupported, bdbhash.ErrDamaged} {
				if errors.Is(err, kind) {
					return
				}
			}
			t.Fatalf("error of no kind: %v", err)
		}
		size := 0
		for _, p := range c.Pairs {
			size += len(p.Key) + len(p.Value)
		}
		if size > len(file) {
			t.Fatalf("%d bytes out of %d", size, len(file))
		}
	})
}
