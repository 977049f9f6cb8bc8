// Package vfstest has file systems for tests. Mem is in memory and models what survives a
// power cut: bytes and directory entries that were not synced may be gone. Fault wraps
// another file system and makes the n-th operation fail.
package vfstest
