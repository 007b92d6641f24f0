package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
)

// clusterCommand is one of `jeroboam cluster …`: what the OpenStack client has no words for.
type clusterCommand struct {
	words     string // «operation list»
	arguments string // «CLUSTER [OPERATION]»
	help      string
	least     int // arguments
	most      int
	about     string
	flags     func(*flag.FlagSet) clusterAction
}

// clusterAction runs a command with its arguments.
type clusterAction func(ctx context.Context, c *clusterCall, args []string) error

// clusterCall is one call of such a command.
type clusterCall struct {
	shell
	api *apiClient
	out output
	who credentials.Credentials
}

func clusterCommands() []clusterCommand {
	none := func(do clusterAction) func(*flag.FlagSet) clusterAction {
		return func(*flag.FlagSet) clusterAction { return do }
	}
	return []clusterCommand{
		{"watch", "CLUSTER", "show live what is being done", 1, 1,
			"Shows each step with its time and what it waits for, until nothing is under way. The exit code is 1 when that failed.", none(watchCluster)},
		{"preflight", "[NAME]", "tell what a create would refuse, and create nothing", 0, 1,
			"Takes the options of `openstack coe cluster create` and checks them against the cloud and its quotas. The exit code is 1\nwhen there is an error; with warnings a create is accepted.", preflightFlags},
		{"delete", "CLUSTER", "delete a cluster, by force when it does not go otherwise", 1, 1,
			"`operation show` tells what was left in the cloud; a cluster that is gone is named by its UUID then.", deleteFlags},
		{"operation list", "CLUSTER", "list what was done to a cluster, newest first", 1, 1,
			"A cluster that is gone is named by its UUID.", operationListFlags},
		{"operation show", "CLUSTER [OPERATION]", "show an operation with its steps; without a UUID the newest", 1, 2, "", none(showOperation)},
		{"operation cancel", "CLUSTER [OPERATION]", "stop an operation; without a UUID the one under way", 1, 2,
			"It stops after the step that it is at. What it had reached stays, and it can be retried.", none(cancelOperation)},
		{"operation retry", "CLUSTER [OPERATION]", "ask for a failed operation again; without a UUID the newest", 1, 2,
			"What was reached is kept where it is sound; the rest is made anew.", none(retryOperation)},
		{"operation rollback", "CLUSTER [OPERATION]", "lead an upgrade that failed back; without a UUID the newest", 1, 2,
			"Possible until a control plane runs the new minor version.", none(rollbackOperation)},
		{"event list", "CLUSTER", "list what happened to a cluster, oldest first", 1, 1,
			"A cluster that is gone is named by its UUID.", eventListFlags},
		{"node list", "CLUSTER", "list a cluster's nodes with their servers and conditions", 1, 1, "", none(nodeList)},
		{"hibernate", "CLUSTER", "take away all workers, and remember how many there were", 1, 1,
			"The control plane stays. Until it is resumed the cluster is not resized; it can be deleted.", none(restCluster("hibernate"))},
		{"resume", "CLUSTER", "bring back the workers of a hibernated cluster", 1, 1, "", none(restCluster("resume"))},
		{"maintenance show", "CLUSTER", "show when a cluster may be changed by itself, and when its workers rest", 1, 1, "", none(showMaintenance)},
		{"maintenance set", "CLUSTER", "set windows and schedule of a cluster", 1, 1,
			"Replaces all of it: what is not given is unset. DAYS are like mon-fri or sat,sun; without them it is every day.", maintenanceFlags},
		{"maintenance unset", "CLUSTER", "take away windows and schedule of a cluster", 1, 1, "", none(unsetMaintenance)},
		{"kubeconfig", "CLUSTER", "print a kubeconfig that logs in with Keystone", 1, 1,
			"For clusters with label keystone_auth_enabled: it has no key in it, and kubectl calls `jeroboam credential` for a token. Roles in the\ncluster's project are groups in the cluster, such as keystone:member.", none(printKubeconfig)},
		{"resource list", "CLUSTER", "list every object in the cloud that belongs to a cluster", 1, 1, "", none(resourceList)},
	}
}

// runCluster runs `jeroboam cluster …` and gives the exit code.
func (s shell) runCluster(ctx context.Context, args []string) int {
	for _, c := range clusterCommands() {
		words := strings.Fields(c.words)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return s.callCluster(ctx, name+" cluster "+c.words, c, args[len(words):])
		}
	}
	clusterUsage(s)
	switch {
	case len(args) == 0:
		return 2
	case slices.ContainsFunc(args, asksForHelp):
		return 0
	}
	fmt.Fprintf(s.stderr, "\n%s cluster: there is no command %q\n", name, strings.Join(args, " "))
	return 2
}

// asksForHelp tells it of a word where a command was expected.
func asksForHelp(word string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, word)
}

func clusterUsage(s shell) {
	fmt.Fprintf(s.stderr, "Usage: %s cluster COMMAND CLUSTER [options]\n\nClusters beyond what `openstack coe cluster` tells of them.\n\nCommands:\n", name)
	for _, c := range clusterCommands() {
		fmt.Fprintf(s.stderr, "  %-18s  %s\n", c.words, c.help)
	}
	fmt.Fprintf(s.stderr, "\nWho asks is read from clouds.yaml (--os-cloud, OS_CLOUD) or the OS_* variables.\n%s cluster COMMAND --help tells the options of a command.\n", name)
}

// callCluster runs a command whose full name is given, and gives the exit code.
func (s shell) callCluster(ctx context.Context, full string, c clusterCommand, args []string) int {
	flags := flag.NewFlagSet(full, flag.ContinueOnError)
	flags.SetOutput(s.stderr)
	who, out := credentials.Credentials{}, output{format: "table"}
	who.Register(flags)
	if c.words != "watch" {
		flags.StringVar(&out.format, "f", out.format, "`FORMAT` of the output: "+strings.Join(formats(), ", "))
		flags.Func("c", "`COLUMN` to show; may be given several times", func(v string) error { out.columns = append(out.columns, v); return nil })
	}
	do := c.flags(flags)
	flags.Usage = func() {
		fmt.Fprintf(s.stderr, "Usage: %s %s [options]\n\n%s.\n", full, c.arguments, strings.ToUpper(c.help[:1])+c.help[1:])
		if c.about != "" {
			fmt.Fprintf(s.stderr, "%s\n", c.about)
		}
		fmt.Fprintln(s.stderr)
		flags.PrintDefaults()
	}
	positional, err := interspersed(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case len(positional) < c.least || len(positional) > c.most:
		fmt.Fprintf(s.stderr, "usage: %s %s [options]\n", full, c.arguments)
		return 2
	case slices.Contains(positional, ""): // a script's variable that is not set: its path would be one of something else
		fmt.Fprintf(s.stderr, "%s: an argument is empty; usage: %s %s [options]\n", full, full, c.arguments)
		return 2
	}
	if err := out.check(); err != nil {
		program.PrintErrors(s.stderr, full, err)
		return 2
	}
	if err := s.doCluster(ctx, who, out, do, positional); err != nil {
		program.PrintErrors(s.stderr, full, err)
		return 1
	}
	return 0
}

func (s shell) doCluster(ctx context.Context, who credentials.Credentials, out output, do clusterAction, args []string) error {
	provider, endpoint, err := who.Provider(ctx)
	if err != nil {
		return err
	}
	client, err := containerinfra.New(who, provider, endpoint)
	if err != nil {
		return err
	}
	return do(ctx, &clusterCall{shell: s, api: &apiClient{client}, out: out, who: who}, args)
}

// interspersed parses options before, between and after arguments, as clients of OpenStack take them.
func interspersed(flags *flag.FlagSet, args []string) (positional []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if len(rest) == 0 {
			return positional, nil
		}
		if len(args) > len(rest) && args[len(args)-len(rest)-1] == "--" { // what follows are arguments
			return append(positional, rest...), nil
		}
		positional, args = append(positional, rest[0]), rest[1:]
	}
}
