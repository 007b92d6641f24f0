// Command jeroboam is everything in one process: a demonstration against a simulated cloud, the service for one person's
// own OpenStack account, and the simulated cloud by itself. It is also the client for what the OpenStack client has no
// words for: `jeroboam cluster`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/version"
)

const name = "jeroboam"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(shell{stdout: os.Stdout, stderr: os.Stderr}.run(ctx, os.Args[1:]))
}

// shell is one call of the program.
type shell struct{ stdout, stderr io.Writer }

// command is a sub-command. Its options are set up by flags; do runs it.
type command struct {
	name, help, about string
	flags             func(*flag.FlagSet) (do func(context.Context, shell) error)
}

func commands() []command {
	return []command{
		{"demo", "create and delete a cluster in a simulated cloud",
			"Starts the whole service with a simulated OpenStack in this process, creates a cluster of three control planes behind\n" +
				"a load balancer and two workers, shows what is being done, lists the nodes, deletes the cluster and shows what is left.",
			demoFlags},
		{"serve", "serve your own OpenStack account",
			"Serves the container-infra API for one account from clouds.yaml, with that account's own rights: clusters are built\n" +
				"in its project, and nobody else is let in. What has to be kept is kept in your own data folder.\n\n" +
				"--config-file has what else is to be different, in the form of jeroboam.conf: add-ons and quotas, for example. With it\n" +
				"and without an account the whole cloud is served, for everybody in it, as jeroboam-api and jeroboam-conductor do with\n" +
				"the same file, in one process and with a queue in memory. That is one process at a time: there is no other conductor.",
			serveFlags},
		{"simulate", "run the simulated cloud by itself",
			"Serves simulated Keystone, Nova, Neutron, Glance, Cinder, Octavia, Barbican and Placement on one port, for tests and\n" +
				"for play. With --keystone-url a real Keystone is in charge of users and tokens.",
			simulateFlags},
		{"credential", "log kubectl in with Keystone",
			"Prints a token of Keystone in the form that kubectl takes from a credential plug-in. `jeroboam cluster kubeconfig` writes\n" +
				"a configuration that calls it.",
			credentialFlags},
	}
}

// run finds the command, and gives the exit code.
func (s shell) run(ctx context.Context, args []string) int {
	top := flag.NewFlagSet(name, flag.ContinueOnError)
	top.SetOutput(s.stderr)
	showVersion := top.Bool("version", false, "print the version and exit")
	top.Usage = func() { usage(top) }
	switch err := top.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *showVersion:
		fmt.Fprintln(s.stdout, name, version.String())
		return 0
	case top.NArg() == 0:
		usage(top)
		return 2
	}
	switch top.Arg(0) {
	case "help":
		usage(top)
		return 0
	case "cluster":
		return s.runCluster(ctx, top.Args()[1:])
	case "bench":
		return s.runBench(ctx, top.Args()[1:])
	}
	for _, c := range commands() {
		if c.name == top.Arg(0) {
			return s.call(ctx, c, top.Args()[1:])
		}
	}
	fmt.Fprintf(s.stderr, "%s: there is no command %q; the commands are demo, serve, simulate, credential, cluster and bench\n", name, top.Arg(0))
	return 2
}

func usage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintf(w, "Usage: %s COMMAND [options]\n\nManaged Kubernetes for OpenStack, all in one process.\n\nCommands:\n", name)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.help)
	}
	fmt.Fprintf(w, "  %-10s %s\n", "cluster", "watch clusters, list what was done to them, cancel and retry it")
	fmt.Fprintf(w, "  %-10s %s\n", "bench", "measure what virtual machines and sandboxes cost")
	fmt.Fprintf(w, "\n%s COMMAND --help tells the options of a command, %s --version the version.\n", name, name)
}

func (s shell) call(ctx context.Context, c command, args []string) int {
	flags := flag.NewFlagSet(name+" "+c.name, flag.ContinueOnError)
	flags.SetOutput(s.stderr)
	do := c.flags(flags)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "Usage: %s %s [options]\n\n%s\n\n", name, c.name, c.about)
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(s.stderr, "%s %s: unexpected argument %q; see %s %s --help\n", name, c.name, flags.Arg(0), name, c.name)
		return 2
	}
	if err := do(ctx, s); err != nil {
		program.PrintErrors(s.stderr, name+" "+c.name, err)
		return 1
	}
	return 0
}
