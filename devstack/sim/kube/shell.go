package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// shell runs scripts on a simulated host as a POSIX shell does. Files are those of the host's drive; the programs that are
// there are in programs, and any other is not found.
type shell struct {
	node    *Node
	machine *machine

	mu     sync.Mutex
	mask   uint32
	output bytes.Buffer
}

// run runs a script and returns its exit status and what it wrote, to the console as well.
func (n *Node) runScript(ctx context.Context, m *machine, script string, env []string) (status int, output string) {
	s := &shell{node: n, machine: m, mask: 0o022}
	err := s.run(ctx, script, env)
	var ended interp.ExitStatus
	switch {
	case err == nil:
	case errors.As(err, &ended):
		status = int(ended)
	default:
		status = 2
		_, _ = fmt.Fprintf(s, "/bin/sh: %v\n", err)
	}
	return status, s.output.String()
}

func (s *shell) run(ctx context.Context, script string, env []string) error {
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(script), "")
	if err != nil {
		return fmt.Errorf("syntax error: %w", err)
	}
	runner, err := interp.New(
		interp.Env(expand.ListEnviron(env...)), interp.Dir("/"), interp.StdIO(nil, s, s),
		interp.CallHandler(s.call), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open), interp.StatHandler(s.stat), interp.ReadDirHandler2(s.readDir), interp.AccessHandler(s.access),
	)
	if err != nil {
		return err
	}
	return runner.Run(ctx, parsed)
}

// Write takes what the script writes.
func (s *shell) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.Write(p)
}

// call has the one builtin that the interpreter lacks.
func (s *shell) call(_ context.Context, args []string) ([]string, error) {
	if args[0] != "umask" {
		return args, nil
	}
	if len(args) != 2 {
		return []string{"false"}, nil
	}
	mask, err := strconv.ParseUint(args[1], 8, 12)
	if err != nil {
		return []string{"false"}, nil //nolint:nilerr // the shell's own answer
	}
	s.mu.Lock()
	s.mask = uint32(mask)
	s.mu.Unlock()
	return []string{"true"}, nil
}

func (s *shell) created(mode uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mode &^ s.mask
}

func (s *shell) exec(ctx context.Context, args []string) error {
	c := interp.HandlerCtx(ctx)
	p := &process{shell: s, ctx: c, args: args[1:]}
	run, there := programs()[args[0]]
	if !there {
		_, _ = fmt.Fprintf(c.Stderr, "/bin/sh: %s: not found\n", args[0])
		return interp.ExitStatus(127)
	}
	if err := run(ctx, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, _ = fmt.Fprintf(c.Stderr, "%s: %v\n", args[0], err)
		return interp.ExitStatus(1)
	}
	s.node.noticeManifests(ctx, s.machine)
	return nil
}

func (s *shell) open(_ context.Context, name string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
	if name == "/dev/null" {
		return &openFile{drive: &drive{}, writes: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
	}
	f := &openFile{drive: s.machine.drive, name: path.Clean(name), mode: s.created(uint32(perm)), writes: flag&(os.O_WRONLY|os.O_RDWR) != 0}
	content, err := s.machine.drive.read(f.name)
	switch {
	case err != nil && !f.writes:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case err == nil && (!f.writes || flag&os.O_APPEND != 0):
		f.content = content
	}
	return f, nil
}

func (s *shell) stat(_ context.Context, name string, _ bool) (fs.FileInfo, error) {
	return s.machine.drive.stat(path.Clean(name))
}

func (s *shell) readDir(_ context.Context, folder string) ([]fs.DirEntry, error) {
	return s.machine.drive.list(path.Clean(folder)), nil
}

func (s *shell) access(_ context.Context, name string, mode interp.AccessMode) error {
	info, err := s.machine.drive.stat(path.Clean(name))
	if err == nil && mode&interp.AccessExec != 0 && info.Mode()&0o111 == 0 {
		return fs.ErrPermission
	}
	return err
}
