// Package program is what the mains of jeroboam-api and jeroboam-conductor have in common: flags, configuration, log,
// signals and the exit code.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/systemd"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/version"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

// Exit codes.
const (
	ok       = 0
	failed   = 1
	badUsage = 2
)

// Runner is a service that works until its context ends.
type Runner interface {
	Run(ctx context.Context) error
}

// Program is one of the services.
type Program struct {
	Name  string
	About string // for --help
	// Start makes the service; what is wrong is told before it is called ready.
	Start func(s *service.Service) (Runner, error)
}

// Main runs the program until SIGTERM or SIGINT, and returns its exit code. A second signal ends it at once.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	return p.Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
}

// Run is Main with everything from outside handed in.
func (p Program) Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	sources := oslo.Sources{Default: oslo.DefaultFile, Environ: environ}
	dir := RegisterSources(flags, &sources)
	showVersion := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() { p.usage(flags) }
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return ok
	case err != nil:
		return badUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "%s: unexpected argument %q; see %s --help\n", p.Name, flags.Arg(0), p.Name)
		return badUsage
	case *showVersion:
		fmt.Fprintln(stdout, p.Name, version.String())
		return ok
	}
	cfg, warnings, err := service.Load(sources, *dir)
	if err != nil {
		PrintErrors(stderr, p.Name, err)
		return failed
	}
	l, closeLog, err := log.New(cfg.Log, p.Name)
	if err != nil {
		PrintErrors(stderr, p.Name, err)
		return failed
	}
	defer func() { _ = closeLog() }()
	for _, w := range warnings {
		l.Warn("configuration", zap.String("warning", w))
	}
	if err := p.serve(ctx, cfg, l); err != nil {
		l.Error("the service ends", zap.Error(err))
		if cfg.Log.LogFile != "" || cfg.Log.LogDir != "" { // whoever starts it by hand looks here first
			PrintErrors(stderr, p.Name, err)
		}
		return failed
	}
	l.Info("stopped")
	return ok
}

func (p Program) serve(ctx context.Context, cfg *service.Config, l *zap.Logger) error {
	s, err := service.New(ctx, cfg, l, service.Parts{})
	if err != nil {
		return err
	}
	r, err := p.Start(s)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	l.Info("started", zap.String("version", version.String()))
	systemd.Notify(ctx, l)
	return errors.Join(r.Run(ctx), s.Close())
}

func (p Program) usage(flags *flag.FlagSet) {
	fmt.Fprintf(flags.Output(), "Usage: %s [--config-file FILE]... [--config-dir DIR]...\n\n%s\n\n", p.Name, p.About)
	flags.PrintDefaults()
	fmt.Fprint(flags.Output(), "\nAn option [group] name of the file can be given as OS_GROUP__NAME in the environment as well, which wins.\n"+
		"jeroboam-manage sample-config prints a file with every option.\n")
}

// RegisterSources defines the flags that name configuration files. What it returns is, after parsing, the folder of the
// last file named, which relative names in the file refer to; "" is that of the default file.
func RegisterSources(flags *flag.FlagSet, sources *oslo.Sources) *string {
	sources.RegisterFlags(flags)
	dir := new(string)
	f := flags.Lookup("config-file")
	f.Value = folder{f.Value, dir}
	return dir
}

// folder remembers where a file is.
type folder struct {
	flag.Value
	dir *string
}

// String implements flag.Value. The flag package asks the zero value too.
func (f folder) String() string {
	if f.Value == nil {
		return ""
	}
	return f.Value.String()
}

// Set implements flag.Value.
func (f folder) Set(name string) error {
	*f.dir = filepath.Dir(name)
	return f.Value.Set(name)
}

// PrintErrors prints joined errors one a line.
func PrintErrors(w io.Writer, program string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(w, "%s: %s\n", program, line)
	}
}
