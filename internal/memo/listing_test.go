package memo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"isync/internal/mail"
)

var testKey = Key{Account: `"me" "host:993"`, Box: "Entwürfe/\"x\""}

// sample is a listing of n messages as they may be in a mailbox that is used.
func sample(n int) *Listing {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	l := &Listing{UIDValidity: 1700000000, ModSeq: 1 << 40, Complete: time.Unix(1700000000, 0), Messages: make([]mail.Meta, n)}
	u := mail.UID(0)
	for i := range l.Messages {
		u++
		if rng.IntN(50) == 0 {
			u += mail.UID(rng.IntN(20))
		}
		l.Messages[i] = mail.Meta{UID: u, Flags: mail.FlagSeen}
		if rng.IntN(20) == 0 {
			l.Messages[i].Flags = mail.Flags(rng.IntN(64))
		}
	}
	l.UIDNext = u + 1
	return l
}

func drawListing(t *rapid.T) *Listing {
	l := &Listing{
		UIDValidity: rapid.Uint32Min(1).Draw(t, "validity"),
		ModSeq:      mail.ModSeq(rapid.Uint64Min(1).Draw(t, "modseq")),
		Complete:    time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "complete"), 0),
		MailboxID:   rapid.SampledFrom([]string{"", "", "F2212ea87-6097-4256-9d51-71338625", strings.Repeat("x", 255)}).Draw(t, "id"),
		Messages:    []mail.Meta{},
	}
	last := uint64(0)
	for range rapid.IntRange(0, 20).Draw(t, "n") {
		u := last + uint64(rapid.SampledFrom([]uint32{1, 1, 1, 2, 300, 1 << 30}).Draw(t, "step"))
		if u > uint64(mail.MaxUID) {
			break
		}
		last = u
		l.Messages = append(l.Messages, mail.Meta{
			UID: mail.UID(u), Flags: mail.Flags(rapid.IntRange(0, int(mail.AllFlags)).Draw(t, "flags")),
			Size: rapid.SampledFrom([]int64{0, 0, 1, 1000, 1<<62 - 1}).Draw(t, "size"),
		})
	}
	if rapid.Bool().Draw(t, "to the end") && last > 0 && last < uint64(mail.MaxUID) {
		last = uint64(mail.MaxUID)
		l.Messages = append(l.Messages, mail.Meta{UID: mail.MaxUID})
	}
	l.UIDNext = mail.UID(min(last+rapid.Uint64Range(1, 1<<32).Draw(t, "next"), uint64(mail.MaxUID)))
	return l
}

// TestRoundTrip: what is written is read.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawListing(t)
		got, err := Decode(testKey, want.Encode(testKey))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// part is the beginning of sample(n).
func part(n int) *Part {
	l := sample(n)
	return &Part{UIDValidity: l.UIDValidity, ModSeq: l.ModSeq, Begun: l.Complete, Messages: l.Messages}
}

// TestRoundTripOfPart: a part is read as a part, and nothing else is; it is no listing.
func TestRoundTripOfPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawListing(t)
		if p, err := DecodePart(testKey, l.Encode(testKey)); p != nil || !errors.Is(err, ErrInvalid) {
			t.Fatalf("a listing is a part: %v", err)
		}
		if len(l.Messages) == 0 {
			return
		}
		want := &Part{UIDValidity: l.UIDValidity, ModSeq: l.ModSeq, Begun: l.Complete, Messages: l.Messages}
		data := want.Encode(testKey)
		if l, err := Decode(testKey, data); l != nil || !errors.Is(err, ErrPart) || errors.Is(err, ErrInvalid) {
			t.Fatalf("a part is a listing: %v", err)
		}
		// What earlier versions look at.
		if strings.HasPrefix(string(data), magic) {
			t.Fatal("earlier versions read it")
		}
		got, err := DecodePart(testKey, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestKindsAreNotMixedUp: a file does not change its kind by its first line alone.
func TestKindsAreNotMixedUp(t *testing.T) {
	l, p := sample(200).Encode(testKey), part(200).Encode(testKey)
	swap := func(data []byte, old, kind string) []byte {
		return sum(append([]byte(kind), data[len(old):len(data)-sha256.Size]...))
	}
	if p, err := DecodePart(testKey, swap(l, magic, partMagic)); p != nil || !errors.Is(err, ErrInvalid) {
		t.Errorf("a part: %v", err)
	}
	if l, err := Decode(testKey, swap(p, partMagic, magic)); l != nil || !errors.Is(err, ErrInvalid) {
		t.Errorf("a listing: %v", err)
	}
	empty := (&Listing{UIDValidity: 1, UIDNext: 1, ModSeq: 1, Complete: time.Unix(0, 0)}).Encode(testKey)
	if p, err := DecodePart(testKey, swap(empty, magic, partMagic)); p != nil || !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty part: %v", err)
	}
}

// TestDamage: nothing that was altered in any way is taken for a listing.
func TestDamage(t *testing.T) {
	for kind, good := range map[string][]byte{"listing": sample(200).Encode(testKey), "part": part(200).Encode(testKey)} {
		t.Run(kind, func(t *testing.T) { testDamage(t, good) })
	}
}

func testDamage(t *testing.T, good []byte) {
	bad := func(what string, k Key, data []byte) {
		t.Helper()
		if l, err := Decode(k, data); l != nil || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
		if p, err := DecodePart(k, data); p != nil || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range good {
		bad(fmt.Sprintf("cut off after %d bytes", i), testKey, good[:i])
		for _, mask := range []byte{1, 0x80, 0xff} {
			data := append([]byte(nil), good...)
			data[i] ^= mask
			bad(fmt.Sprintf("byte %d altered", i), testKey, data)
		}
	}
	bad("too long", testKey, append(append([]byte(nil), good...), 0))
	bad("empty", testKey, nil)
	bad("zeros", testKey, make([]byte, len(good)))
	bad("another mailbox", Key{testKey.Account, "INBOX"}, good)
	bad("another account", Key{"x", testKey.Box}, good)
}

// TestKeys: what differs has a different identity.
func TestKeys(t *testing.T) {
	seen := map[string]Key{}
	d := NewDir(nil, "/")
	for _, k := range []Key{{"a", "b"}, {"a b", ""}, {"", "a b"}, {`a" "b`, ""}, {"a", `b"`}, {"a\x00", "b"}, {"a", "\x00b"}, {"A", "b"}} {
		for _, id := range []string{string(k.identity()), d.file(k)} {
			if old, dup := seen[id]; dup {
				t.Errorf("%q and %q are both %s", old, k, id)
			}
			seen[id] = k
		}
	}
}

// sum completes what a fuzzer has made.
func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return append(append([]byte(nil), data...), s[:]...)
}

// FuzzDecode: whatever a file holds, reading it fails, or yields a listing that
// is sound; and never needs more memory than in proportion to the file.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 3, 200} {
		data := sample(n).Encode(testKey)
		f.Add(data[:len(data)-sha256.Size])
	}
	sized := sample(5)
	sized.Messages[3].Size = 12345
	data := sized.Encode(testKey)
	f.Add(data[:len(data)-sha256.Size])
	data = part(30).Encode(testKey)
	f.Add(data[:len(data)-sha256.Size])
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzPart(t, data)
		l, err := Decode(testKey, sum(data))
		if err != nil {
			if l != nil || !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrPart) {
				t.Fatalf("%v, %v", l, err)
			}
			return
		}
		last := mail.UID(0)
		for _, m := range l.Messages {
			if m.UID <= last || m.Size < 0 || m.Flags&^mail.AllFlags != 0 || m.UID >= l.UIDNext && l.UIDNext != mail.MaxUID {
				t.Fatalf("%+v after %d, UIDNEXT %d", m, last, l.UIDNext)
			}
			last = m.UID
		}
		if l.UIDValidity == 0 || l.ModSeq == 0 || l.UIDNext == 0 || len(l.Messages) > len(data) {
			t.Fatalf("%+v", l)
		}
		again, err := Decode(testKey, l.Encode(testKey))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// fuzzPart does the same with a part.
func fuzzPart(t *testing.T, data []byte) {
	p, err := DecodePart(testKey, sum(data))
	if _, lerr := Decode(testKey, sum(data)); (err == nil) != errors.Is(lerr, ErrPart) {
		t.Fatalf("%v, %v", err, lerr)
	}
	if err != nil {
		if p != nil || !errors.Is(err, ErrInvalid) {
			t.Fatalf("%v, %v", p, err)
		}
		return
	}
	last := mail.UID(0)
	for _, m := range p.Messages {
		if m.UID <= last || m.Size < 0 || m.Flags&^mail.AllFlags != 0 {
			t.Fatalf("%+v after %d", m, last)
		}
		last = m.UID
	}
	if p.UIDValidity == 0 || p.ModSeq == 0 || len(p.Messages) == 0 || len(p.Messages) > len(data) || p.Last() != last {
		t.Fatalf("%+v", p)
	}
	again, err := DecodePart(testKey, p.Encode(testKey))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Fatal(diff)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := sample(n)
			b.ReportAllocs()
			for b.Loop() {
				b.ReportMetric(float64(len(l.Encode(testKey))), "B/file")
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := sample(n).Encode(testKey)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(testKey, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
