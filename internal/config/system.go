package config

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
)

// SystemEnv returns the environment of this process.
func SystemEnv() Env {
	return Env{
		Getenv:   os.Getenv,
		Home:     systemHome,
		Getwd:    os.Getwd,
		ReadFile: os.ReadFile,
		Exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		},
		IsDir: func(path string) bool {
			fi, err := os.Stat(path)
			return err == nil && fi.IsDir()
		},
		Glob:     filepath.Glob,
		RealPath: filepath.EvalSymlinks,
		Windows:  runtime.GOOS == "windows",
	}
}

func systemHome(name string) (string, error) {
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.HomeDir, nil
	}
	if dir, err := os.UserHomeDir(); err == nil && dir != "" {
		return dir, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.HomeDir, nil
}
