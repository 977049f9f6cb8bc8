package differential

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"isync/internal/testkit"
)

// TestMain builds the program.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "isync-differential-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ours = mbsync{"ours", filepath.Join(dir, "mbsync")}
	build := exec.Command("go", "build", "-o", ours.path, "./cmd/mbsync")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("go build: %v\n%s", err, out))
	}
	m.Run()
}

// lookAtSources looks at the sources of the program: go test notes what tests
// look at, but not what their children do, and would answer from its cache
// after a change.
var lookAtSources = sync.OnceValue(func() error {
	for _, dir := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(_ string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
})

var findTheirs sync.Mutex

// reference is a version of the C program.
type reference struct {
	version string
	find    func(testing.TB) *testkit.Mbsync
}

var (
	v14 = reference{"1.4", testkit.FindMbsync}
	v15 = reference{"1.5", testkit.FindMbsync15}
)

// withEach runs a test with each version of the C program.
func withEach(t *testing.T, test func(*testing.T, reference)) {
	t.Helper()
	for _, ref := range []reference{v14, v15} {
		t.Run(ref.version, func(t *testing.T) { test(t, ref) })
	}
}

// setUp finds the C program.
func setUp(t *testing.T, ref reference) {
	t.Helper()
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	findTheirs.Lock()
	defer findTheirs.Unlock()
	found := ref.find(t)
	if !strings.HasPrefix(found.Version, ref.version+".") {
		t.Skipf("mbsync is %s instead of %s", found.Version, ref.version)
	}
	theirs, theirVersion = mbsync{"theirs", found.Path}, ref.version
}

// maildirs are two worlds with Maildirs on both sides.
func maildirs(dir string) (worlds [2]*programWorld, err error) {
	for i, name := range []string{"theirs", "ours"} {
		if worlds[i], err = newWorld(filepath.Join(dir, name)); err != nil {
			return worlds, err
		}
	}
	return worlds, nil
}

// firstSeed is where random histories begin.
func firstSeed() uint64 {
	n, err := strconv.ParseUint(os.Getenv("ISYNC_SEED"), 10, 64)
	if err != nil {
		return 1
	}
	return n
}

// life lives through a history in a directory of its own.
type life func(dir string, h history, newWorlds pairOfWorlds, t *tally) error

// sample is how many histories the tests that are no sweeps live through at
// most: always the same ones, however fast the machine is.
const sample = 200

// always makes the same worlds for histories of any seed.
func always(w pairOfWorlds) func(uint64) pairOfWorlds {
	return func(uint64) pairOfWorlds { return w }
}

// liveAll lives through at most n random histories, a few at the same time, for
// a while. It returns how many they were.
func liveAll(t *testing.T, ref reference, liveOne life, newWorlds func(seed uint64) pairOfWorlds, n uint64, d time.Duration) int {
	t.Helper()
	setUp(t, ref)
	dir := t.TempDir()
	var sum tally
	var mu sync.Mutex
	seed := firstSeed()
	end := seed + n
	var wg sync.WaitGroup
	begin := time.Now()
	for range 3 {
		wg.Go(func() {
			for time.Since(begin) < d && !t.Failed() {
				mu.Lock()
				s := seed
				seed++
				mu.Unlock()
				if s >= end {
					return
				}
				h := newGenerator(s, ref).history(6)
				place := filepath.Join(dir, strconv.FormatUint(s, 10))
				err := liveOne(place, h, newWorlds(s), &sum)
				if err == nil {
					continue
				}
				mu.Lock()
				if !t.Failed() {
					report(t, s, h, err, place, liveOne, newWorlds(s))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories, %d rounds; explained differences: %v", sum.histories, sum.rounds, sum.explained)
	return sum.histories
}

// report tells of a history that makes a difference, as short as it can be.
func report(t *testing.T, seed uint64, h history, err error, place string, liveOne life, newWorlds pairOfWorlds) {
	t.Helper()
	var d *difference
	if !errors.As(err, &d) {
		t.Errorf("seed %d: %v\n%s", seed, err, h)
		return
	}
	begin, n := time.Now(), 0
	h = shrink(h[:d.round+1], func(smaller history) bool {
		if time.Since(begin) > 5*time.Second {
			return false
		}
		n++
		var sum tally
		serr := liveOne(fmt.Sprintf("%s-%d", place, n), smaller, newWorlds, &sum)
		var sd *difference
		if errors.As(serr, &sd) {
			err = serr
			return true
		}
		return false
	})
	t.Errorf("seed %d: %v\nthe history:\n%s", seed, err, h)
}

func TestMaildirHistories(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) {
		liveAll(t, ref, live, always(maildirs), sample, 8*time.Second)
	})
}

// TestServerHistories: on a server, our program runs in all its variants, each of
// which has to come to the same end as the other program.
func TestServerHistories(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) { liveOnServers(t, ref, sample, 6*time.Second) })
}

func liveOnServers(t *testing.T, ref reference, n uint64, d time.Duration) {
	t.Helper()
	setUp(t, ref)
	s := newServers(t, testkit.Variants())
	if n := liveAll(t, ref, live, s.worlds, n, d); ref.version == v14.version {
		// Histories for 1.5 often end early, as 1.5.1 crashes.
		s.check(t, n)
	}
}

// sweep returns for how long a long sweep may go on.
func sweep(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("ISYNC_SWEEP"))
	if err != nil {
		t.Skip("a long sweep: set ISYNC_SWEEP to how long it may take")
	}
	return d
}

func TestSweepMaildirHistories(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) {
		liveAll(t, ref, live, always(maildirs), math.MaxUint32, sweep(t))
	})
}

func TestSweepServerHistories(t *testing.T) {
	withEach(t, func(t *testing.T, ref reference) { liveOnServers(t, ref, math.MaxUint32, sweep(t)) })
}
