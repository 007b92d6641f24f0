package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/version"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/oslo"
)

const name = "jeroboam-manage"

// manage is one call of the program.
type manage struct {
	stdout, stderr io.Writer
	environ        []string
}

// command is one of the things to do.
type command struct {
	name, help string
	configured bool // reads the configuration
	database   bool // and opens the database
	output     bool // has --output
	registers  bool // has the options of a registration
	do         func(ctx context.Context, j job) error
}

// job is what a command works with, as far as it asked for it.
type job struct {
	w      io.Writer
	config *service.Config
	store  *db.Store
	registration
}

func commands() []command {
	return []command{
		{name: "db upgrade", help: "bring the tables to this version; may be started twice", configured: true, database: true, do: upgrade},
		{name: "db version", help: "print the version of the tables and what is to be run", configured: true, database: true, do: dbVersion},
		{name: "db check", help: "fail unless the tables are those of this version", configured: true, database: true, do: check},
		{name: "sample-config", help: "write a configuration file with every option at its default", output: true,
			do: func(_ context.Context, j job) error { return service.WriteSample(j.w) }},
		{name: "sample-policy", help: "write a policy file with every rule at its default", output: true,
			do: func(_ context.Context, j job) error { return policy.WriteSample(j.w) }},
		{name: "register", help: "make in Keystone what the configuration names: service user, domain, rights, catalogue entry", configured: true, registers: true, do: register},
		{name: "genkey", help: "print a key for [certificates] encryption_keys", do: genkey},
	}
}

// run finds the command, and gives the exit code. Configuration files may be named before it, as Magnum's tools have it,
// or after it.
func (m manage) run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(m.stderr)
	sources := oslo.Sources{Default: oslo.DefaultFile, Environ: m.environ}
	program.RegisterSources(flags, &sources)
	showVersion := flags.Bool("version", false, "print the version and exit")
	flags.Usage = func() { m.usage(flags) }
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *showVersion:
		fmt.Fprintln(m.stdout, name, version.String())
		return 0
	}
	args = flags.Args()
	for _, c := range commands() {
		if rest, is := after(args, strings.Fields(c.name)); is {
			return m.call(ctx, c, sources, rest)
		}
	}
	switch {
	case len(args) == 0:
		fmt.Fprintf(m.stderr, "%s: a command is needed; see %s --help\n", name, name)
	case args[0] == "db":
		fmt.Fprintf(m.stderr, "%s: db wants one of upgrade, version, check; see %s --help\n", name, name)
	default:
		fmt.Fprintf(m.stderr, "%s: there is no command %q; see %s --help\n", name, args[0], name)
	}
	return 2
}

// after gives what follows the words of a command.
func after(args, words []string) ([]string, bool) {
	if len(args) < len(words) {
		return nil, false
	}
	for i, w := range words {
		if args[i] != w {
			return nil, false
		}
	}
	return args[len(words):], true
}

func (m manage) usage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintf(w, "Usage: %s [options] COMMAND [options]\n\nPrepares what jeroboam-api and jeroboam-conductor need.\n\nCommands:\n", name)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-15s %s\n", c.name, c.help)
	}
	fmt.Fprint(w, "\nOptions:\n")
	flags.PrintDefaults()
	fmt.Fprintf(w, "\n%s COMMAND --help tells the options of a command.\n", name)
}

func (m manage) call(ctx context.Context, c command, sources oslo.Sources, args []string) int {
	flags := flag.NewFlagSet(name+" "+c.name, flag.ContinueOnError)
	flags.SetOutput(m.stderr)
	var output string
	var r registration
	if c.registers {
		r.flags(flags)
	}
	if c.configured {
		program.RegisterSources(flags, &sources)
	}
	if c.output {
		flags.StringVar(&output, "output", "", "write to `FILE` instead of standard output")
	}
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage: %s %s\n\n%s\n\n", name, c.name, strings.ToUpper(c.help[:1])+c.help[1:]+".")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(m.stderr, "%s %s: unexpected argument %q\n", name, c.name, flags.Arg(0))
		return 2
	}
	if err := m.do(ctx, c, sources, output, r); err != nil {
		program.PrintErrors(m.stderr, name, err)
		return 1
	}
	return 0
}

func (m manage) do(ctx context.Context, c command, sources oslo.Sources, output string, r registration) error {
	if output != "" {
		return toFile(output, func(w io.Writer) error { return c.do(ctx, job{w: w}) })
	}
	j := job{w: m.stdout, registration: r}
	if !c.configured {
		return c.do(ctx, j)
	}
	var err error
	if j.config, _, err = service.LoadUnchecked(sources); err != nil { // warnings are the services' to give
		return err
	}
	if !c.database {
		return c.do(ctx, j)
	}
	if j.store, err = db.Open(ctx, j.config.Database); err != nil {
		return err
	}
	return errors.Join(c.do(ctx, j), j.store.Close())
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("creating the file: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

func upgrade(ctx context.Context, j job) error {
	applied, err := j.store.Upgrade(ctx)
	for _, x := range applied {
		fmt.Fprintln(j.w, "applied", x)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(j.w, "nothing to do: the database is up to date")
	}
	return err
}

func dbVersion(ctx context.Context, j job) error {
	current, latest, pending, err := j.store.Version(ctx)
	if err != nil {
		return err
	}
	if current == "" {
		current = "none"
	}
	fmt.Fprintf(j.w, "current %s\nlatest  %s\n", current, latest)
	for _, x := range pending {
		fmt.Fprintln(j.w, "pending", x)
	}
	return nil
}

func check(ctx context.Context, j job) error {
	if err := j.store.Check(ctx); err != nil {
		return err
	}
	fmt.Fprintln(j.w, "the database is up to date")
	return nil
}

func genkey(_ context.Context, j job) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	_, err := fmt.Fprintln(j.w, base64.StdEncoding.EncodeToString(key))
	return err
}
