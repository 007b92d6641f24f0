package oslo

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultFile is where a service looks when no file is named.
const DefaultFile = "/etc/jeroboam/jeroboam.conf"

// Sources says where values come from. The zero value has none.
type Sources struct {
	// Default is read when no file was added; it need not exist.
	Default string
	// Environ holds NAME=value pairs in the form of os.Environ.
	Environ []string

	paths []path
}

type path struct {
	name string
	dir  bool
}

// AddFile adds a file that must exist. It overrides what was added before.
func (s *Sources) AddFile(name string) { s.paths = append(s.paths, path{name: name}) }

// AddDir adds the *.conf files of a directory that must exist, sorted by name.
// They override what was added before.
func (s *Sources) AddDir(name string) { s.paths = append(s.paths, path{name, true}) }

// RegisterFlags defines --config-file and --config-dir, both repeatable; of
// what they name, the later overrides the earlier.
func (s *Sources) RegisterFlags(flags *flag.FlagSet) {
	usage := "read options from `FILE`; may be repeated, later files override earlier ones"
	if s.Default != "" {
		usage += " (default " + s.Default + ")"
	}
	flags.Func("config-file", usage, func(name string) error {
		s.AddFile(name)
		return nil
	})
	flags.Func("config-dir", "read options from the *.conf files of `DIR`, in order; may be repeated",
		func(name string) error {
			s.AddDir(name)
			return nil
		})
}

// read parses all files, in the order of growing precedence.
func (s *Sources) read() ([]*file, []error) {
	names, errs := s.fileNames()
	files := make([]*file, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read configuration: %w", err))
			continue
		}
		f, bad := parse(name, data)
		files = append(files, f)
		errs = append(errs, bad...)
	}
	return files, errs
}

func (s *Sources) fileNames() (names []string, errs []error) {
	named := false
	for _, p := range s.paths {
		if !p.dir {
			named = true
			names = append(names, p.name)
			continue
		}
		entries, err := os.ReadDir(p.name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read configuration folder: %w", err))
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, filepath.Join(p.name, e.Name()))
			}
		}
	}
	if !named && s.Default != "" {
		if _, err := os.Stat(s.Default); !errors.Is(err, fs.ErrNotExist) {
			names = append([]string{s.Default}, names...)
		}
	}
	return names, errs
}

// environ returns the variables that have the form OS_GROUP__OPTION.
func (s *Sources) environ() map[string]string {
	vars := map[string]string{}
	for _, pair := range s.Environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "OS_") && strings.Contains(name, "__") {
			vars[name] = value
		}
	}
	return vars
}

// envName is the environment variable of an option.
func envName(k key) string { return strings.ToUpper("OS_" + k.group + "__" + k.name) }
