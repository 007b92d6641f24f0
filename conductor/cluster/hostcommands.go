package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

const (
	// deadlineCommand of a script on a host, with the pod that brings it there.
	deadlineCommand = 20 * time.Minute
	// lanes bound on how many workers at once a script runs.
	lanes = 10
)

// run names the host commands of this operation: part of the names of their pods.
func (w *work) run() string { return w.op.UUID[:8] }

// onHost runs a script on a node's host. One that failed stays failed.
func (w *work) onHost(ctx context.Context, command kube.HostCommand) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	done, waiting, err := c.RunOnHost(ctx, command)
	var failed *kube.HostCommandError
	switch {
	case errors.As(err, &failed):
		return drivers.Failed(drivers.ClassCloud, "%w", failed)
	case errors.Is(err, kube.ErrUnreachable): // a lone control plane is away while it starts again
		return drivers.Continue(drivers.PollInterval, "the Kubernetes API to answer: %s", short(err))
	case err != nil:
		return drivers.Transient(fmt.Errorf("running %s on %s: %w", command.Name, command.Node, err))
	case !done:
		return drivers.Continue(w.soon(), "%s on %s: %s", command.Name, command.Node, waiting)
	}
	return drivers.Done()
}

// restarted is Done when the components of a control plane run again after a command, the API is ready and etcd is whole.
func (w *work) restarted(ctx context.Context, n *db.Node, command string, components []string) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	waiting, err := c.ComponentsRestarted(ctx, n.Name, marksFrom(w.run(), command), components)
	if err == nil && waiting == "" {
		err = c.Ready(ctx)
	}
	switch {
	case err != nil && kube.Transient(err):
		return drivers.Continue(w.soon(), "the Kubernetes API to be ready: %s", short(err))
	case err != nil:
		return drivers.Transient(err)
	case waiting != "":
		return drivers.Continue(w.soon(), "%s", waiting)
	}
	return w.etcdWhole(ctx, w.joined(db.RoleMaster))
}

// restarts are the commands that restart components, in the order in which they come.
var restarts = []string{string(phaseTrust), string(phaseIssue), string(phaseDrop)}

// marksFrom are those by which components tell that they were restarted by a command, or by one that comes after it: a
// conductor that dies may have gone on to that one, and not have lived to write down that this one was done.
func marksFrom(run, command string) []string {
	later := []string{command}
	if i := slices.Index(restarts, command); i >= 0 {
		later = restarts[i:]
	}
	marks := make([]string, 0, len(later))
	for _, name := range later {
		marks = append(marks, kube.Mark(run, name))
	}
	return marks
}

// forgetCommands takes away what scripts have left on the cluster: of this operation, or of earlier ones as well.
func (w *work) forgetCommands(ctx context.Context, run string) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	if err := c.ForgetHostCommands(ctx, run); err != nil {
		return drivers.Transient(fmt.Errorf("tidying up after host commands: %w", err))
	}
	return drivers.Done()
}

// forgetFiles takes secrets away that an operation without a good end would leave in the cluster. What runs on hosts runs
// on. Should this fail, the next operation of the kind does it first.
func (w *work) forgetFiles(ctx context.Context) {
	switch ops.Kind(w.op.Kind) {
	case ops.ClusterRotateCA, ops.ClusterRenewCertificates:
	default:
		return
	}
	c, err := w.kube(ctx)
	if err == nil {
		err = c.ForgetHostFiles(ctx, w.run())
	}
	if err != nil {
		log.From(ctx).Warn("secrets of host commands may be left in the cluster", zap.Error(err))
	}
}

// oneByOne adds tasks for nodes, each after the other.
func oneByOne(nodes []*db.Node, needs []string, add func(n *db.Node, needs []string) string) []string {
	for _, n := range nodes {
		needs = []string{add(n, needs)}
	}
	return needs
}

// abreast adds tasks for nodes, a bounded number of them side by side.
func abreast(nodes []*db.Node, needs []string, add func(n *db.Node, needs []string) string) []string {
	var last []string
	for _, n := range nodes {
		after := needs
		if len(last) >= lanes {
			after = []string{last[len(last)-lanes]}
		}
		last = append(last, add(n, after))
	}
	if len(last) == 0 {
		return needs
	}
	return last
}
