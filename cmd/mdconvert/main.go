// Command mdconvert converts Maildir mailboxes between two ways to keep UIDs.
package main

import (
	"os"

	"isync/internal/cli"
)

func main() { os.Exit(cli.MainConvert(cli.OSEnv(), os.Args)) }
