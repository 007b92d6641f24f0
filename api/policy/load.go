package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	lookEvery   = time.Second
	maxFileSize = 1 << 20
)

// lookAtFiles loads the files again when one has changed. At most one goroutine looks, at most once per second; the others go on
// with the rules in force.
func (e *Enforcer) lookAtFiles() {
	now := e.now()
	if now.UnixNano() < e.nextLook.Load() || !e.looking.TryLock() {
		return
	}
	defer e.looking.Unlock()
	e.nextLook.Store(now.Add(lookEvery).UnixNano())
	before := e.seen
	err := e.load()
	switch {
	case err != nil:
		// Not remembered as seen: what made it unreadable need not show in the fingerprint.
		if text := err.Error(); text != e.lastErr {
			e.lastErr = text
			e.log("the policy files are broken; the rules read before them stay in force", "error", err)
		}
	case e.seen != before:
		e.log("the policy files have changed; their rules are in force now")
		e.lastErr = ""
	default:
		e.lastErr = ""
	}
}

// load puts the files' rules into force, unless they are those that are.
func (e *Enforcer) load() error {
	paths, err := e.files()
	if err != nil {
		return err
	}
	// The fingerprint is taken first: a file that changes while it is read is read again.
	mark, err := fingerprint(paths)
	if err != nil {
		return err
	}
	if e.rules.Load() != nil && mark == e.seen {
		return nil
	}
	overrides, err := read(paths)
	if err != nil {
		return err
	}
	s, warnings, err := build(e.cfg, overrides)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		e.log(w)
	}
	e.rules.Store(s)
	e.seen = mark
	return nil
}

// files lists the files that exist, in the order in which they are read. Of the folders that is every file, whatever its name,
// as oslo.policy has it: a rule that was left out for its file's name would lift a restriction.
func (e *Enforcer) files() (paths []string, err error) {
	main := []string{e.cfg.PolicyFile}
	if e.cfg.PolicyFile == "policy.yaml" {
		main = append(main, "policy.json") // the name of old; whoever carries it over means it
	}
	for _, name := range main {
		if name == "" {
			continue
		}
		if path := e.path(name); exists(path) {
			paths = append(paths, path)
			break
		}
	}
	for _, name := range e.cfg.PolicyDirs {
		dir := e.path(name)
		entries, err := os.ReadDir(dir) // sorted
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading a folder of policy files: %w", err)
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if info, err := os.Stat(path); strings.HasPrefix(entry.Name(), ".") || err == nil && info.IsDir() { // a link to a folder, too
				continue
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func (e *Enforcer) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(e.cfg.Dir, name)
}

// exists is true also for what cannot be looked at: leaving it out would lift its restrictions.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// fingerprint changes when a file does.
func fingerprint(paths []string) (string, error) {
	var b strings.Builder
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return "", fmt.Errorf("looking at a policy file: %w", err)
		case !info.Mode().IsRegular():
			return "", fmt.Errorf("policy file %s is not a file", path)
		case info.Size() > maxFileSize:
			return "", fmt.Errorf("policy file %s is larger than %d bytes", path, maxFileSize)
		}
		fmt.Fprintln(&b, path, info.ModTime().UnixNano(), info.Size())
	}
	return b.String(), nil
}

// read gives the rules of all files by name.
func read(paths []string) (map[string]check, error) {
	all := map[string]check{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading a policy file: %w", err)
		}
		rules, err := parseFile(raw)
		if err != nil {
			return nil, fmt.Errorf("policy file %s: %w", path, err)
		}
		maps.Copy(all, rules)
	}
	return all, nil
}

// parseFile reads JSON or YAML. The third version of YAML's reader it must be: `rule: !` without quotes is null there and refused,
// where others take it for "", which allows everybody.
func parseFile(raw []byte) (map[string]check, error) {
	var doc map[string]any
	if json.Unmarshal(raw, &doc) != nil {
		doc = nil
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			return nil, err
		}
	}
	var errs []error
	rules := map[string]check{}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		c, err := parseRule(doc[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", name, err))
			continue
		}
		rules[name] = c
	}
	return rules, errors.Join(errs...)
}
