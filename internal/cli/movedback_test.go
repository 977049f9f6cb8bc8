package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMovedBack: a message that is moved to another mailbox and back, under the same
// name of file, stays on the server, whichever runs there are meanwhile.
func TestMovedBack(t *testing.T) {
	for runs := range 4 { // 1: while it is away, 2: again
		t.Run(fmt.Sprint(runs), func(t *testing.T) {
			r := newRestoring(t, "", "AltMap yes")
			r.seed(3)
			r.run(0, "d")
			cur := func(box string) string { return filepath.Join(r.dir, "near2", box, "new") }
			files, err := os.ReadDir(cur("INBOX"))
			if err != nil || len(files) != 3 {
				t.Fatal(files, err)
			}
			name := files[1].Name()
			move := func(from, to string) {
				t.Helper()
				if err := os.Rename(filepath.Join(cur(from), name), filepath.Join(cur(to), name)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond) // so that the directories show it
			}
			for range 2 { // there and back, twice
				move("INBOX", "Work")
				for range runs {
					r.run(0, "-y", "d")
					r.run(0, "d")
				}
				move("Work", "INBOX")
				r.run(0, "-y", "d")
				r.run(0, "d")
				r.run(0, "d")
				r.whole(3)
			}
		})
	}
}
