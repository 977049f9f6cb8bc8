// Command mbsync synchronizes mailboxes.
package main

import (
	"os"

	"isync/internal/cli"
)

func main() {
	collectLate()
	os.Exit(cli.Main(cli.OSEnv(), os.Args))
}
