package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/overhead"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
)

// runBench runs `jeroboam bench …` and gives the exit code.
func (s shell) runBench(ctx context.Context, args []string) int {
	switch {
	case len(args) > 0 && args[0] == "overhead":
		return s.callCluster(ctx, name+" bench overhead", overheadCommand(), args[1:])
	case len(args) > 0 && args[0] == "work":
		return s.runWork(ctx, args[1:])
	}
	fmt.Fprintf(s.stderr, "Usage: %s bench COMMAND\n\nCommands:\n  overhead CLUSTER  %s\n  work KIND         do the work of such a measurement on this machine: %s\n",
		name, overheadCommand().help, strings.Join(overhead.Works(), ", "))
	switch {
	case len(args) == 0:
		return 2
	case asksForHelp(args[0]):
		return 0
	}
	fmt.Fprintf(s.stderr, "\n%s bench: there is no command %q\n", name, args[0])
	return 2
}

// runWork does a piece of work here. Jobs of `bench overhead` run it on nodes.
func (s shell) runWork(ctx context.Context, args []string) int {
	full := name + " bench work"
	flags := flag.NewFlagSet(full, flag.ContinueOnError)
	flags.SetOutput(s.stderr)
	var t overhead.Task
	asJSON := flags.Bool("json", false, "print JSON")
	report := flags.String("report", "", "`FILE` to leave the JSON in, too")
	flags.IntVar(&t.Samples, "samples", 5, "`NUMBER` of samples; their median counts")
	flags.DurationVar(&t.Time, "time", time.Second, "`TIME` that each sample takes")
	flags.StringVar(&t.Folder, "folder", "", "`FOLDER` on the disk that is measured")
	flags.StringVar(&t.Listen, "listen", "", "`ADDRESS` to be the other side of the network at, until it is interrupted")
	flags.StringVar(&t.Connect, "connect", "", "`ADDRESS` of the other side of the network; without one the machine talks to itself")
	flags.Usage = func() {
		fmt.Fprintf(s.stderr, "Usage: %s %s [options]\n\nDoes work on this machine and tells how fast it went.\n\n", full, strings.Join(overhead.Works(), "|"))
		flags.PrintDefaults()
	}
	positional, err := interspersed(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case len(positional) != 1:
		fmt.Fprintf(s.stderr, "usage: %s %s [options]\n", full, strings.Join(overhead.Works(), "|"))
		return 2
	}
	if err := s.work(ctx, positional[0], t, *asJSON, *report); err != nil {
		program.PrintErrors(s.stderr, full, err)
		return 1
	}
	return 0
}

func (s shell) work(ctx context.Context, kind string, t overhead.Task, asJSON bool, report string) error {
	runtime.GC() // not in the middle of a sample
	figures, err := overhead.Do(ctx, kind, t)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(figures)
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	if report != "" {
		if err := os.WriteFile(report, raw, 0o600); err != nil {
			return fmt.Errorf("leaving a report: %w", err)
		}
	}
	if asJSON {
		fmt.Fprintln(s.stdout, string(raw))
		return nil
	}
	l := listing{columns: []string{"work", "median", "unit", "spread"}}
	for _, f := range figures {
		l.rows = append(l.rows, []any{f.Work, speed(f.Median()), f.Unit, percent(f.Spread())})
	}
	return output{format: "table"}.write(s.stdout, l)
}

// speed has as many digits as mean something.
func speed(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
