package namespaces

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const groupRoot = "/sys/fs/cgroup"

// groups are the folders of this process in the hierarchies of control groups of version 1, by hierarchy. With version 2
// there is one hierarchy, named "".
type groups map[string]string

// ownGroups finds where this process may make groups.
func ownGroups() (groups, error) {
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("find the control groups: %w", err)
	}
	defer f.Close()
	out := groups{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		name := strings.TrimPrefix(parts[1], "name=")
		folder := filepath.Join(groupRoot, name, parts[2])
		if name == "" && !there(filepath.Join(groupRoot, "cgroup.controllers")) {
			continue // the unified hierarchy beside those of version 1 has no controllers
		}
		if there(folder) {
			out[name] = folder
		}
	}
	if len(out) == 0 {
		return nil, errors.New("find the control groups: this process is in none that is mounted below " + groupRoot)
	}
	return out, nil
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// make makes the groups of a host and tells them.
func (g groups) make(bed, host string) ([]string, error) {
	var out []string
	for name, folder := range g {
		path := filepath.Join(folder, bed, host)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("make a control group: %w", err)
		}
		if name == "cpuset" {
			if err := openSet(folder, filepath.Join(folder, bed), path); err != nil {
				return nil, err
			}
		}
		out = append(out, path)
	}
	slices.Sort(out)
	return out, nil
}

// openSet gives a group all processors and memory of the one above, without which no process may enter it.
func openSet(from string, to ...string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
		for _, folder := range to {
			if err := os.WriteFile(filepath.Join(folder, file), content, 0o644); err != nil {
				return fmt.Errorf("make a control group: %w", err)
			}
		}
	}
	for _, folder := range to {
		if err := os.WriteFile(filepath.Join(folder, "cgroup.clone_children"), []byte("1\n"), 0o644); err != nil {
			return fmt.Errorf("make a control group: %w", err)
		}
	}
	return nil
}

// groupPatience is how long the kernel may take to let go of processes that were killed.
const groupPatience = 10 * time.Second

// remove takes a bed's groups away, or those of one of its hosts. Nothing runs in them any more, or is about to end.
func (g groups) remove(path ...string) error {
	g.thaw(path...)
	var errs []error
	for _, folder := range g {
		errs = append(errs, removeGroup(filepath.Join(append([]string{folder}, path...)...)))
	}
	return errors.Join(errs...)
}

// thaw lets processes end that were frozen when their host was killed, as a runtime does for a moment: one in any hierarchy
// keeps its groups in all of them.
func (g groups) thaw(path ...string) {
	for _, folder := range g {
		_ = filepath.WalkDir(filepath.Join(append([]string{folder}, path...)...), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				thaw(path)
			}
			return nil
		})
	}
}

func thaw(folder string) {
	for file, word := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
		if path := filepath.Join(folder, file); there(path) {
			_ = os.WriteFile(path, []byte(word), 0o644) // it may have gone meanwhile; whether they end is seen by the group's end
		}
	}
}

func removeGroup(folder string) error {
	var err error
	for end := time.Now().Add(groupPatience); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		var inner []string
		err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				inner = append(inner, path)
			}
			return nil // what has just gone is no matter
		})
		if err != nil {
			return err
		}
		for _, path := range slices.Backward(inner) {
			err = os.Remove(path)
		}
		if len(inner) == 0 || err == nil {
			return nil
		}
	}
	return fmt.Errorf("remove a control group: %w", err)
}
