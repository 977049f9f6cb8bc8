//go:build !linux

package testkit

import (
	"errors"
	"syscall"
)

// Jails are made of Debian's packages, which run on Linux only.

func canJail() error { return errors.New("it runs on Linux only") }

func jailAttr(string, account) *syscall.SysProcAttr { return nil }

func makeNull(string) error { return errors.ErrUnsupported }

func endInmates(string) error { return nil }

func inmates(string) []int { return nil }
