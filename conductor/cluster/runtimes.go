package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// overhead of a pod is what runs beside its containers. Kata's are the figures of its own RuntimeClasses. gVisor declares
// none: the memory is the largest difference to runc that its performance guide has for one container, rounded up; its own
// kernel's share of the CPU is the containers'.
func overhead(runtime string) map[string]string {
	if runtime == ops.RuntimeKata {
		return map[string]string{"cpu": "250m", "memory": "160Mi"}
	}
	return map[string]string{"memory": "64Mi"}
}

// runtimeClasses adds the task that gives the cluster a RuntimeClass for each runtime that a pool has, and takes away those
// that none has any more. Operations that change nothing about that have none.
func (b *builder) runtimeClasses(groups []*db.NodeGroup, needs ...string) {
	if !slices.ContainsFunc(groups, func(g *db.NodeGroup) bool { return ops.SandboxOf(g) != "" }) {
		return
	}
	b.add("runtime classes", deadlineCall, b.w.setRuntimeClasses, needs...)
}

// setRuntimeClasses looks at the rows again after it wrote: a pool of the same runtime may come or go at the same time, by
// another operation, whose look at the rows may have been before or after ours. Whoever comes last sees what is so.
func (w *work) setRuntimeClasses(ctx context.Context) drivers.Result {
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.FromError(err)
	}
	wanted, err := w.runtimes(ctx)
	if err != nil {
		return drivers.Transient(err)
	}
	var classes []kube.RuntimeClass
	for _, name := range wanted {
		classes = append(classes, kube.RuntimeClass{Name: name, Handler: userdata.RuntimeHandler(name), Overhead: overhead(name),
			Label: [2]string{ops.RuntimeLabel, name}, Taint: kube.Taint(ops.RuntimeTaint(name))})
	}
	switch err := c.SetRuntimeClasses(ctx, classes); {
	case errors.Is(err, kube.ErrTaken):
		return drivers.Failed(drivers.ClassUser, "%w: delete or rename it", err)
	case err != nil:
		return drivers.Transient(fmt.Errorf("making runtime classes: %w", err))
	}
	switch after, err := w.runtimes(ctx); {
	case err != nil:
		return drivers.Transient(err)
	case !slices.Equal(wanted, after):
		return drivers.Continue(0, "the runtime classes of pools that have changed meanwhile")
	}
	return drivers.Done()
}

// runtimes that pods can have in the cluster, beside the usual one, as the rows are now. Pools on their way out do not count.
func (w *work) runtimes(ctx context.Context) ([]string, error) {
	s, err := w.e.Store.Survey(ctx, w.s.Cluster.UUID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range s.NodeGroups {
		if runtime := ops.SandboxOf(g); runtime != "" && g.Status != ops.DeleteInProgress && !slices.Contains(names, runtime) {
			names = append(names, runtime)
		}
	}
	slices.Sort(names)
	return names, nil
}
