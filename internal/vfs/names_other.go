//go:build !linux

package vfs

import (
	"io"
	"os"
)

// eachNames calls fn with the names in a directory.
func eachNames(dir string, fn func(names []string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	const atOnce = 4096
	for {
		names, err := d.Readdirnames(atOnce)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(names); err != nil {
			return err
		}
	}
}
