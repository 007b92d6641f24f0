package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func operationListFlags(f *flag.FlagSet) clusterAction {
	active := f.Bool("active", false, "only what is under way or waits")
	limit := f.Uint("limit", 0, "show at most `NUMBER`; 0: all")
	return func(ctx context.Context, c *clusterCall, args []string) error {
		all, err := c.api.Operations(ctx, args[0], *active, int(*limit))
		if err != nil {
			return err
		}
		l := listing{columns: []string{"uuid", "kind", "status", "progress", "nodegroup_id", "created_at", "finished_at", "error"}}
		for _, o := range all {
			l.rows = append(l.rows, []any{o.UUID, o.Kind, o.Status, o.Progress, o.NodeGroupID, o.CreatedAt, o.FinishedAt, o.Error})
		}
		return c.out.write(c.stdout, l)
	}
}

func showOperation(ctx context.Context, c *clusterCall, args []string) error {
	o, err := c.api.operation(ctx, args, false)
	if err != nil {
		return err
	}
	var steps, leftovers any = o.Steps, o.Leftovers
	if c.out.format == "table" || c.out.format == "value" {
		steps, leftovers = stepLines(o.Steps), leftoverLines(o)
	}
	return c.out.write(c.stdout, listing{one: true,
		columns: []string{"uuid", "kind", "cluster_id", "nodegroup_id", "status", "progress", "cancel_requested", "error_class", "error", "leftovers", "steps",
			"request_id", "user_id", "project_id", "created_at", "started_at", "finished_at"},
		rows: [][]any{{o.UUID, o.Kind, o.ClusterID, o.NodeGroupID, o.Status, o.Progress, o.CancelRequested, o.ErrorClass, o.Error, leftovers, steps,
			o.RequestID, o.UserID, o.ProjectID, o.CreatedAt, o.StartedAt, o.FinishedAt}}})
}

// leftoverLines is a line for each object that a delete left in the cloud.
func leftoverLines(o wire.Operation) string {
	if ops.Kind(o.Kind) == ops.ClusterDelete && o.Status == db.OpComplete && len(o.Leftovers) == 0 {
		return "nothing left"
	}
	lines := make([]string, 0, len(o.Leftovers))
	for _, x := range o.Leftovers {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", x.Kind, x.Name, x.ID, x.Reason))
	}
	return strings.Join(lines, "\n")
}

// stepLines is a line for each step: its mark, its name, and what it waits for or why it failed.
func stepLines(steps []wire.Step) string {
	marks := map[string]string{"done": "✓", "failed": "✗", "running": "·", "pending": " "}
	lines := make([]string, 0, len(steps))
	for _, s := range steps {
		line := marks[s.Status] + " " + s.Name
		switch {
		case s.Error != nil:
			line += ": " + *s.Error
		case s.WaitingFor != nil:
			line += ": waits for " + *s.WaitingFor
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func deleteFlags(f *flag.FlagSet) clusterAction {
	force := f.Bool("force", false, "be done within minutes whatever the cloud says, and leave behind what does not go; for administrators")
	return func(ctx context.Context, c *clusterCall, args []string) error {
		id, err := c.api.remove(ctx, args[0], *force)
		if err == nil {
			fmt.Fprintf(c.stdout, "Request to delete cluster %s has been accepted; it is operation %s.\n", args[0], id)
		}
		return err
	}
}

func cancelOperation(ctx context.Context, c *clusterCall, args []string) error {
	o, err := c.api.operation(ctx, args, true)
	if err != nil {
		return err
	}
	id, err := c.api.act(ctx, args[0], o.UUID, "cancel")
	if err == nil {
		fmt.Fprintf(c.stdout, "Request to cancel operation %s (%s) has been accepted.\n", id, o.Kind)
	}
	return err
}

func retryOperation(ctx context.Context, c *clusterCall, args []string) error {
	return actAgain(ctx, c, args, "retry", "retry")
}

func rollbackOperation(ctx context.Context, c *clusterCall, args []string) error {
	return actAgain(ctx, c, args, "rollback", "roll back")
}

// actAgain asks for an action whose answer is a new operation.
func actAgain(ctx context.Context, c *clusterCall, args []string, action, words string) error {
	o, err := c.api.operation(ctx, args, false)
	if err != nil {
		return err
	}
	id, err := c.api.act(ctx, args[0], o.UUID, action)
	if err == nil {
		fmt.Fprintf(c.stdout, "Request to %s operation %s (%s) has been accepted; it is operation %s now.\n", words, o.UUID, o.Kind, id)
	}
	return err
}

func eventListFlags(f *flag.FlagSet) clusterAction {
	operation := f.String("operation", "", "only those of the operation with this `UUID`")
	level := f.String("level", "", "only those of this `LEVEL` or a worse one: info, warning, error")
	return func(ctx context.Context, c *clusterCall, args []string) error {
		query := url.Values{}
		for k, v := range map[string]string{"operation": *operation, "level": *level} {
			if v != "" {
				query.Set(k, v)
			}
		}
		all, err := c.api.events(ctx, args[0], query)
		if err != nil {
			return err
		}
		l := listing{columns: []string{"id", "time", "level", "step", "message", "operation_id"}}
		for _, e := range all {
			l.rows = append(l.rows, []any{e.ID, e.Time, e.Level, e.Step, e.Message, e.OperationID})
		}
		return c.out.write(c.stdout, l)
	}
}

func nodeList(ctx context.Context, c *clusterCall, args []string) error {
	all, err := c.api.Nodes(ctx, args[0])
	if err != nil {
		return err
	}
	l := listing{columns: []string{"name", "nodegroup", "role", "driver", "server_id", "addresses", "state", "ready", "version", "conditions"}}
	for _, n := range all {
		var conditions any = n.Conditions
		if c.out.format == "table" || c.out.format == "value" {
			conditions = pressure(n.Conditions)
		}
		l.rows = append(l.rows, []any{n.Name, n.NodeGroup, n.Role, n.Driver, n.ServerID, n.Addresses, n.State, n.Ready, n.Version, conditions})
	}
	return c.out.write(c.stdout, l)
}

func resourceList(ctx context.Context, c *clusterCall, args []string) error {
	all, err := c.api.resources(ctx, args[0])
	if err != nil {
		return err
	}
	l := listing{columns: []string{"kind", "name", "id", "node", "created_at"}}
	for _, r := range all {
		l.rows = append(l.rows, []any{r.Kind, r.Name, r.ID, r.Node, r.CreatedAt})
	}
	return c.out.write(c.stdout, l)
}

// errProblems: they were printed; the exit code says it to scripts.
var errProblems = errors.New("a create would be refused")

// preflightFlags are the options of `openstack coe cluster create`.
func preflightFlags(f *flag.FlagSet) clusterAction {
	body := map[string]any{}
	text := func(option, field, help string) {
		f.Func(option, help, func(v string) error { body[field] = v; return nil })
	}
	number := func(option, field, help string) {
		f.Func(option, help, func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				return errors.New("it is a whole number")
			}
			body[field] = n
			return nil
		})
	}
	flagOf := func(option, field string, value bool, help string) {
		f.BoolFunc(option, help, func(string) error { body[field] = value; return nil })
	}
	text("cluster-template", "cluster_template_id", "`NAME` or UUID of the cluster template")
	text("keypair", "keypair", "`NAME` of the key pair")
	text("flavor", "flavor_id", "`NAME` of the workers' flavor")
	text("master-flavor", "master_flavor_id", "`NAME` of the control planes' flavor")
	text("fixed-network", "fixed_network", "`NAME` or UUID of the private network")
	text("fixed-subnet", "fixed_subnet", "`NAME` or UUID of the private subnet")
	number("node-count", "node_count", "`NUMBER` of workers")
	number("master-count", "master_count", "`NUMBER` of control planes")
	number("docker-volume-size", "docker_volume_size", "`GB` of each node's volume for containers")
	number("timeout", "create_timeout", "`MINUTES` that the create may take")
	flagOf("master-lb-enabled", "master_lb_enabled", true, "a load balancer before the control planes")
	flagOf("master-lb-disabled", "master_lb_enabled", false, "no load balancer")
	flagOf("floating-ip-enabled", "floating_ip_enabled", true, "a floating IP")
	flagOf("floating-ip-disabled", "floating_ip_enabled", false, "no floating IP")
	flagOf("merge-labels", "merge_labels", true, "add --labels to the template's")
	text("discovery-url", "discovery_url", "`URL` of a discovery service, which nothing here asks")
	var pairs []string
	f.Func("labels", "`KEY=VALUE`; may be given several times, or once as KEY=VALUE,KEY=VALUE", func(v string) error {
		if !strings.Contains(v, "=") {
			return fmt.Errorf("%q is not KEY=VALUE", v)
		}
		pairs = append(pairs, v)
		return nil
	})
	return func(ctx context.Context, c *clusterCall, args []string) error {
		if len(args) > 0 {
			body["name"] = args[0]
		}
		if len(pairs) > 0 {
			labels, err := labelsOf(pairs)
			if err != nil {
				return err
			}
			body["labels"] = labels
		}
		found, notes, err := c.api.preflight(ctx, body)
		if err != nil {
			return err
		}
		if c.out.format == "table" {
			for _, n := range notes {
				fmt.Fprintln(c.stdout, n.Message)
			}
		}
		if len(found) == 0 && c.out.format == "table" {
			fmt.Fprintln(c.stdout, "Nothing stands against this create.")
			return nil
		}
		l, refused := listing{columns: []string{"field", "severity", "problem"}}, false
		for _, p := range found {
			l.rows = append(l.rows, []any{p.Field, p.Severity, p.Message})
			refused = refused || p.Severity == wire.SeverityError
		}
		if err := c.out.write(c.stdout, l); err != nil || !refused {
			return err
		}
		return errProblems
	}
}

// labelsOf reads options --labels as `openstack coe` does: one by itself may have several labels, between commas or
// semicolons; otherwise commas belong to the value. Values of a key that comes again are joined.
func labelsOf(pairs []string) (map[string]string, error) {
	if len(pairs) == 1 && strings.Count(pairs[0], "=") > 1 {
		pairs = strings.Split(strings.ReplaceAll(pairs[0], ";", ","), ",")
	}
	labels := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("--labels %q is not KEY=VALUE", pair)
		}
		if had, again := labels[key]; again {
			value = had + "," + value
		}
		labels[key] = value
	}
	return labels, nil
}
