package kube

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// drive is the disk of a host that is a node. Folders are there when something is in them.
type drive struct {
	mu    sync.Mutex
	files fileSystem
}

func newDrive(files fileSystem) *drive { return &drive{files: maps.Clone(files)} }

func (d *drive) read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.read(name)
}

// snapshot is a copy for those who read many files.
func (d *drive) snapshot() fileSystem {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.files)
}

func (d *drive) has(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.has(name)
}

func (d *drive) write(name string, content []byte, mode uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = fileSystem{}
	}
	d.files[name] = file{content: slices.Clone(content), mode: mode}
}

func (d *drive) remove(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	there := d.files.has(name)
	delete(d.files, name)
	return there
}

func (d *drive) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, there := d.files[from]
	if !there {
		return fmt.Errorf("cannot stat '%s': No such file or directory", from)
	}
	delete(d.files, from)
	d.files[to] = f
	return nil
}

// isFolder tells that something is below a path.
func (d *drive) isFolder(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for f := range d.files {
		if strings.HasPrefix(f, strings.TrimSuffix(name, "/")+"/") {
			return true
		}
	}
	return false
}

// list names what is in a folder, sorted.
func (d *drive) list(folder string) []fs.DirEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]entry{}
	for name, f := range d.files {
		below, inside := strings.CutPrefix(name, strings.TrimSuffix(folder, "/")+"/")
		if !inside {
			continue
		}
		first, _, deeper := strings.Cut(below, "/")
		seen[first] = entry{name: first, size: int64(len(f.content)), mode: f.mode, folder: deeper}
	}
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, fs.FileInfoToDirEntry(seen[name]))
	}
	return out
}

func (d *drive) stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	f, there := d.files[name]
	d.mu.Unlock()
	switch {
	case there:
		return entry{name: path.Base(name), size: int64(len(f.content)), mode: f.mode}, nil
	case name == "/" || d.isFolder(name):
		return entry{name: path.Base(name), folder: true}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

// entry is what is known of a file.
type entry struct {
	name   string
	size   int64
	mode   uint32
	folder bool
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return e.size }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.folder }
func (e entry) Sys() any           { return nil }

func (e entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o755
	}
	return fs.FileMode(e.mode)
}

// openFile is a file of a drive while a script has it open.
type openFile struct {
	drive   *drive
	name    string
	mode    uint32
	content []byte
	at      int
	writes  bool
}

var errWriteOnly = errors.New("bad file descriptor")

func (f *openFile) Read(p []byte) (int, error) {
	if f.writes {
		return 0, errWriteOnly
	}
	if f.at >= len(f.content) {
		return 0, io.EOF
	}
	n := copy(p, f.content[f.at:])
	f.at += n
	return n, nil
}

func (f *openFile) Write(p []byte) (int, error) {
	if !f.writes {
		return 0, errWriteOnly
	}
	f.content = append(f.content, p...)
	return len(p), nil
}

func (f *openFile) Close() error {
	if f.writes {
		f.drive.write(f.name, f.content, f.mode)
	}
	return nil
}
