package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dataFolder is what one account keeps: the database, and the key that its secrets are encrypted with.
type dataFolder struct {
	path string
	key  string
}

// openData makes the folder and the key if they are not there. path "" is jeroboam/<name> in the person's data folder.
func openData(path, name string) (*dataFolder, error) {
	if path == "" {
		if strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
			return nil, fmt.Errorf("%q cannot be the name of a folder: give one with --data-dir", name)
		}
		base := os.Getenv("XDG_DATA_HOME")
		if !filepath.IsAbs(base) { // the specification: a relative one is to be ignored
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("finding your data folder: %w; give one with --data-dir", err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		path = filepath.Join(base, "jeroboam", name)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	d := &dataFolder{path: path}
	d.key, err = keyIn(filepath.Join(path, "key"))
	return d, err
}

func (d *dataFolder) database() string { return filepath.Join(d.path, "jeroboam.sqlite") }

// keyIn reads the key, or makes it once. It is written beside and linked into place, so that neither a crash nor a second
// process leaves half a key or replaces one that secrets are encrypted with.
func keyIn(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the key: %w", err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "key-") // 0600
	if err != nil {
		return "", fmt.Errorf("writing the key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("writing the key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("writing the key: %w", err)
	}
	return keyIn(path)
}
