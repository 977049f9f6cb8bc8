package syncstate

import (
	"bytes"
	"testing"
)

// FuzzPlainRecord: the short way of reading a record gives what the long one
// gives, or declines.
func FuzzPlainRecord(f *testing.F) {
	for _, s := range []string{
		"1 2 \n", "1 2 FS\n3 4 \n", "999999999 999999999 DFPRST\n", "1 2\n", "1000000000 2 S\n", "4294967295 0 \n",
		"1 2 X\n", "1 2 <S\n", "1 2 ~\n", "1 2 S", " 2 S\n", "1  S\n", "1 2 ,\n", "01 002 SS\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got row
		var want Record
		n := plainRecord(data, &got)
		if n == 0 {
			return
		}
		end := bytes.IndexByte(data, '\n')
		if n != end+1 {
			t.Fatalf("read %d bytes of %q", n, data)
		}
		if !parseRecord(data[:end], &want) || want != (Record{UID: got.uid, Flags: got.flags}) {
			t.Fatalf("%q: got %+v, want %+v", data, got, want)
		}
	})
}
